"""The DMS instance tasks run on, with its subnets and the roles DMS expects once per account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks, policies

DEFAULT_INSTANCE_CLASS = "dms.r5.large"
DEFAULT_STORAGE_GB = 100
DEFAULT_MAINTENANCE_WINDOW = "sun:06:00-sun:07:00"
VPC_ROLE = "dms-vpc-role"
LOGS_ROLE = "dms-cloudwatch-logs-role"
VPC_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonDMSVPCManagementRole"
LOGS_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonDMSCloudWatchLogsRole"


class ReplicationInstanceArgs(TypedDict):
    """What ReplicationInstance needs."""

    subnet_ids: pulumi.Input[list[str]]
    """Subnets of at least two zones from which every database and Secrets Manager can be reached."""
    security_group_id: pulumi.Input[str]
    """Security group of the instance."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts the instance's storage."""
    instance_class: NotRequired[str]
    """Class of the instance. Default dms.r5.large."""
    storage_gb: NotRequired[int]
    """Storage for logs and cached changes, 5 to 6144. Default 100."""
    multi_az: NotRequired[bool]
    """Keep a standby in another zone. Default false."""
    engine_version: NotRequired[str | None]
    """DMS engine version. Default: the newest that AWS offers; upgrades by AWS are not undone."""
    maintenance_window: NotRequired[str]
    """Weekly window, UTC. Default sun:06:00-sun:07:00."""
    create_account_roles: NotRequired[bool]
    """Make the two roles DMS expects once per account. False where the account has them. Default true."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class ReplicationInstance(pulumi.ComponentResource):
    """A replication instance that the tasks of many databases share."""

    replication_instance_arn: pulumi.Output[str]
    """ARN of the replication instance."""
    replication_instance_id: pulumi.Output[str]
    """Identifier of the replication instance: a dimension of its metrics."""

    def __init__(self, name: str, args: ReplicationInstanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:ReplicationInstance", name, None, opts)
        made = declare(
            Declaration(
                name=name,
                parent=self,
                subnet_ids=args["subnet_ids"],
                security_group_id=args["security_group_id"],
                kms_key_arn=args["kms_key_arn"],
                instance_class=args.get("instance_class", DEFAULT_INSTANCE_CLASS),
                storage_gb=args.get("storage_gb", DEFAULT_STORAGE_GB),
                multi_az=args.get("multi_az", False),
                engine_version=args.get("engine_version"),
                maintenance_window=args.get("maintenance_window", DEFAULT_MAINTENANCE_WINDOW),
                create_account_roles=args.get("create_account_roles", True),
                tags=args.get("tags", {}),
            )
        )
        self.replication_instance_arn = made.replication_instance_arn
        self.replication_instance_id = made.replication_instance_id
        self.register_outputs(
            {
                "replication_instance_arn": self.replication_instance_arn,
                "replication_instance_id": self.replication_instance_id,
            }
        )


@dataclass(frozen=True)
class Declaration:
    """An instance as whoever makes it wants it, every default filled in."""

    name: str
    parent: pulumi.Resource
    subnet_ids: pulumi.Input[list[str]]
    security_group_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    instance_class: str
    storage_gb: float
    multi_az: bool
    engine_version: str | None
    maintenance_window: str
    create_account_roles: bool
    tags: Mapping[str, str]


def declare(given: Declaration) -> aws.dms.ReplicationInstance:
    """Make the instance, its subnet group and, where they are wanted, the account's roles."""
    name = given.name
    storage_gb = checks.whole("storage_gb", given.storage_gb, 5, 6144)
    account_roles = _account_roles(given) if given.create_account_roles else []
    subnets = aws.dms.ReplicationSubnetGroup(
        f"{name}-subnets",
        replication_subnet_group_id=f"{name}-subnets",
        replication_subnet_group_description="Subnets of the migration's replication instance",
        subnet_ids=given.subnet_ids,
        tags=checks.tags_for(given.tags, f"{name}-subnets"),
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=account_roles),
    )
    return aws.dms.ReplicationInstance(
        f"{name}-instance",
        replication_instance_id=f"{name}-instance",
        replication_instance_class=given.instance_class,
        allocated_storage=storage_gb,
        multi_az=given.multi_az,
        engine_version=given.engine_version,
        auto_minor_version_upgrade=True,
        preferred_maintenance_window=given.maintenance_window,
        publicly_accessible=False,
        kms_key_arn=given.kms_key_arn,
        replication_subnet_group_id=subnets.replication_subnet_group_id,
        vpc_security_group_ids=[given.security_group_id],
        tags=checks.tags_for(given.tags, f"{name}-instance"),
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=account_roles, ignore_changes=["engineVersion"]),
    )


def _account_roles(given: Declaration) -> list[pulumi.Resource]:
    """Make the roles with DMS's fixed names. What needs them waits for the policies, not just for the roles."""
    child = pulumi.ResourceOptions(parent=given.parent)
    attachments: list[pulumi.Resource] = []
    for purpose, role_name, policy in (("vpc", VPC_ROLE, VPC_POLICY), ("logs", LOGS_ROLE, LOGS_POLICY)):
        role = aws.iam.Role(
            f"{given.name}-{purpose}-role",
            name=role_name,
            assume_role_policy=policies.trust("dms.amazonaws.com"),
            tags=checks.tags_for(given.tags, role_name),
            opts=child,
        )
        attachments.append(
            aws.iam.RolePolicyAttachment(
                f"{given.name}-{purpose}-policy", role=role.name, policy_arn=policy, opts=child
            )
        )
    return attachments
