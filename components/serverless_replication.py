"""A replication by DMS Serverless: capacity that AWS provides as the load asks for it, and no instance."""

from dataclasses import dataclass
from typing import TypedDict

import pulumi
import pulumi_aws as aws

from components import checks
from components.replication_placement import Placement, subnet_group

CAPACITY_UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384)
MIGRATION_TYPE = "full-load-and-cdc"


class ServerlessArgs(TypedDict):
    """Capacity of DMS Serverless. A unit is 2 GB of memory."""

    minimum_capacity_units: int
    """1, 2, 4, 8, 16, 32, 64, 128, 192, 256 or 384."""
    maximum_capacity_units: int
    """The same, at least the minimum: what a replication can cost at most."""


@dataclass(frozen=True)
class Declaration(Placement):
    """A serverless replication as whoever makes it wants it, every default filled in."""

    capacity: ServerlessArgs
    source: aws.dms.Endpoint
    target: aws.dms.Endpoint
    table_mappings: str
    settings: str


def declare(given: Declaration) -> aws.dms.ReplicationConfig:
    """Make the replication, its subnet group and, where they are wanted, the account's roles. It is not started."""
    least = _capacity("minimum_capacity_units", given.capacity["minimum_capacity_units"])
    most = _capacity("maximum_capacity_units", given.capacity["maximum_capacity_units"])
    if least > most:
        raise checks.ArgumentError(f"minimum_capacity_units is {least}: write at most maximum_capacity_units, {most}")
    name = f"{given.name}-forward"
    subnets, account_roles = subnet_group(given)
    return aws.dms.ReplicationConfig(
        name,
        replication_config_identifier=name,
        replication_type=MIGRATION_TYPE,
        source_endpoint_arn=given.source.endpoint_arn,
        target_endpoint_arn=given.target.endpoint_arn,
        table_mappings=given.table_mappings,
        replication_settings=given.settings,
        compute_config=aws.dms.ReplicationConfigComputeConfigArgs(
            replication_subnet_group_id=subnets.replication_subnet_group_id,
            vpc_security_group_ids=[given.security_group_id],
            kms_key_id=given.kms_key_arn,
            min_capacity_units=least,
            max_capacity_units=most,
            multi_az=given.multi_az,
            preferred_maintenance_window=given.maintenance_window,
        ),
        start_replication=False,
        tags=checks.tags_for(given.tags, name),
        # Start and stop are the automation's: a deployment in the middle must not touch them.
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=account_roles, ignore_changes=["startReplication"]),
    )


def _capacity(name: str, value: float) -> int:
    if value not in CAPACITY_UNITS:
        raise checks.ArgumentError(f"{name} is {value}: write one of {', '.join(map(str, CAPACITY_UNITS))}")
    return int(value)
