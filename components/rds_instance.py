"""An RDS for PostgreSQL instance."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks
from components.database_server import BACKUP_TAG, DatabaseServer, Declaration

ENGINE = "postgres"
DEFAULT_CLASS = "db.t3.medium"
DEFAULT_STORAGE_GB = 100
STORAGE_GROWTH = 2
"""Storage may grow on its own to so many times what it begins with: a target that is full stops the replication."""


class InstanceArgs(TypedDict):
    """What only an instance has."""

    instance_class: NotRequired[str]
    """Class, for example db.m6g.large. Default db.t3.medium."""
    storage_gb: NotRequired[int]
    """GB of gp3 storage to begin with, 20 to 65536. Default 100."""
    multi_az: NotRequired[bool]
    """Keep a standby in another zone. Default true."""


def check(args: InstanceArgs) -> None:
    """Raise ArgumentError for what RDS would refuse."""
    checks.whole("instance.storage_gb", args.get("storage_gb", DEFAULT_STORAGE_GB), 20, 65536)


def declare(given: Declaration, args: InstanceArgs) -> DatabaseServer:
    """Declare the instance."""
    name = given.name
    identifier = f"{name}-instance"
    storage = int(args.get("storage_gb", DEFAULT_STORAGE_GB))
    subnets = given.subnet_group()
    parameters = aws.rds.ParameterGroup(
        f"{name}-parameters",
        name=f"{name}-parameters",
        description="Settings that replication and fail-back need",
        family=given.family(ENGINE),
        parameters=given.parameter_list(),
        tags=given.tagged(f"{name}-parameters"),
        opts=given.child,
    )
    logs = given.log_group(f"instance/{identifier}")
    role, attached = given.monitoring_role()
    instance = aws.rds.Instance(
        f"{name}-instance",
        identifier=identifier,
        engine=ENGINE,
        instance_class=args.get("instance_class", DEFAULT_CLASS),
        allocated_storage=storage,
        max_allocated_storage=min(storage * STORAGE_GROWTH, 65536),
        storage_type="gp3",
        db_name=given.database_name,
        username=given.master_username,
        db_subnet_group_name=subnets.name,
        parameter_group_name=parameters.name,
        multi_az=args.get("multi_az", True),
        backup_window=given.backup_window,
        maintenance_window=given.maintenance_window,
        delete_automated_backups=not given.final_snapshot,
        **{**given.protection(), **given.observation(role)},
        tags={**given.tagged(identifier), **BACKUP_TAG},
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=[logs, attached], ignore_changes=["engineVersion"]),
    )
    return DatabaseServer(
        dimension="DBInstanceIdentifier",
        identifier=instance.identifier,
        arn=instance.arn,
        endpoint=instance.address,
        reader_endpoint=instance.address,  # without replicas there is nobody else to read from
        reader_identifiers=(),
        port=instance.port,
        database_name=instance.db_name,
        master_secret_arn=instance.master_user_secrets.apply(lambda secrets: str(secrets[0].secret_arn)),
    )
