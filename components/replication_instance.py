"""The DMS instance tasks run on, with its subnets and the roles DMS expects once per account."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks
from components.replication_placement import DEFAULT_MAINTENANCE_WINDOW, Placement, subnet_group

DEFAULT_INSTANCE_CLASS = "dms.r5.large"
DEFAULT_STORAGE_GB = 100


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
class Declaration(Placement):
    """An instance as whoever makes it wants it, every default filled in."""

    instance_class: str
    storage_gb: float
    engine_version: str | None


def declare(given: Declaration) -> aws.dms.ReplicationInstance:
    """Make the instance, its subnet group and, where they are wanted, the account's roles."""
    name = given.name
    storage_gb = checks.whole("storage_gb", given.storage_gb, 5, 6144)
    subnets, account_roles = subnet_group(given)
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
