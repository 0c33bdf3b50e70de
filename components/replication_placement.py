"""Where DMS runs, on an instance or serverless: its subnet group, and the roles DMS expects once per account."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import checks, policies

DEFAULT_MAINTENANCE_WINDOW = "sun:06:00-sun:07:00"
VPC_ROLE = "dms-vpc-role"
LOGS_ROLE = "dms-cloudwatch-logs-role"
VPC_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonDMSVPCManagementRole"
LOGS_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonDMSCloudWatchLogsRole"


@dataclass(frozen=True)
class Placement:
    """What every replication is told of where it runs, every default filled in."""

    name: str
    parent: pulumi.Resource
    subnet_ids: pulumi.Input[list[str]]
    security_group_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    multi_az: bool
    maintenance_window: str
    create_account_roles: bool
    tags: Mapping[str, str]


def subnet_group(given: Placement) -> tuple[aws.dms.ReplicationSubnetGroup, list[pulumi.Resource]]:
    """Make the subnet group and, where they are wanted, the account's roles; return the group and the roles."""
    account_roles = _account_roles(given) if given.create_account_roles else []
    group = aws.dms.ReplicationSubnetGroup(
        f"{given.name}-subnets",
        replication_subnet_group_id=f"{given.name}-subnets",
        replication_subnet_group_description="Subnets of the migration's replication instance",
        subnet_ids=given.subnet_ids,
        tags=checks.tags_for(given.tags, f"{given.name}-subnets"),
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=account_roles),
    )
    return group, account_roles


def _account_roles(given: Placement) -> list[pulumi.Resource]:
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
