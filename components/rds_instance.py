"""An RDS instance, PostgreSQL or MySQL, and its read replicas."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks
from components.database_server import AWS_S_BUSINESS, BACKUP_TAG, DatabaseServer, Declaration

DEFAULT_CLASS = "db.t3.medium"
DEFAULT_STORAGE_GB = 100
DEFAULT_READ_REPLICAS = 0
MOST_STORAGE_GB = 65536
STORAGE_GROWTH, LEAST_GROWTH = 2, 1.1
"""Storage may grow on its own to so many times what it begins with: a target that is full stops the replication.

RDS refuses a limit that is less than a tenth above the beginning.
"""


class InstanceArgs(TypedDict):
    """What only an instance has."""

    instance_class: NotRequired[str]
    """Class, for example db.m6g.large. Default db.t3.medium."""
    storage_gb: NotRequired[int]
    """GB of gp3 storage to begin with, 20 to 65536. Default 100."""
    multi_az: NotRequired[bool]
    """Keep a standby in another zone. Default true."""
    read_replicas: NotRequired[int]
    """Number of read replicas of the instance's own class, 0 to 15. Default 0.

    RDS manages no master password of an instance that has some: then the component makes one, and nothing rotates it.
    """


def check(args: InstanceArgs) -> None:
    """Raise ArgumentError for what RDS would refuse."""
    checks.whole("instance.storage_gb", args.get("storage_gb", DEFAULT_STORAGE_GB), 20, MOST_STORAGE_GB)
    checks.whole("instance.read_replicas", args.get("read_replicas", DEFAULT_READ_REPLICAS), 0, 15)


def storage_limit(storage_gb: int) -> int | None:
    """Return the GB up to which storage may grow, None where RDS leaves no room to."""
    limit = min(storage_gb * STORAGE_GROWTH, MOST_STORAGE_GB)
    return limit if limit >= storage_gb * LEAST_GROWTH else None


def declare(given: Declaration, args: InstanceArgs) -> DatabaseServer:
    """Declare the instance and its replicas."""
    name = given.name
    identifier = f"{name}-instance"
    storage = int(args.get("storage_gb", DEFAULT_STORAGE_GB))
    subnets = given.subnet_group()
    parameters = aws.rds.ParameterGroup(
        given.parameter_group_name,
        name=given.parameter_group_name,
        description="Settings that replication and fail-back need",
        family=given.family,
        parameters=given.parameter_list(),
        tags=given.tagged(given.parameter_group_name),
        opts=given.child,
    )
    logs = given.log_groups(f"instance/{identifier}", name)
    role, attached = given.monitoring_role()
    same = {
        "max_allocated_storage": storage_limit(storage),
        "storage_type": "gp3",
        "parameter_group_name": parameters.name,
        "maintenance_window": given.maintenance_window,
        **given.observation(role, args.get("instance_class", DEFAULT_CLASS)),
    }
    instance = aws.rds.Instance(
        f"{name}-instance",
        identifier=identifier,
        engine=given.engine.name,
        allocated_storage=storage,
        db_name=given.database_name,
        username=given.master_username,
        db_subnet_group_name=subnets.name,
        multi_az=args.get("multi_az", True),
        backup_window=given.backup_window,
        delete_automated_backups=not given.final_snapshot,
        **{**given.protection(), **same},
        tags={**given.tagged(identifier), **BACKUP_TAG},
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=[*logs, attached], ignore_changes=AWS_S_BUSINESS),
    )
    replicas = [
        _replica(given, instance, same, [attached], number + 1)
        for number in range(int(args.get("read_replicas", DEFAULT_READ_REPLICAS)))
    ]
    return DatabaseServer(
        dimension="DBInstanceIdentifier",
        identifier=instance.identifier,
        instance_identifier=instance.identifier,
        arn=instance.arn,
        arns=pulumi.Output.all(instance.arn),
        endpoint=instance.address,
        # RDS has no name for all replicas of an instance: the first one's is it, the writer's where there are none.
        reader_endpoint=(replicas[0] if replicas else instance).address,
        reader_identifiers=[f"{name}-replica-{number + 1}" for number in range(len(replicas))],
        port=instance.port,
        database_name=instance.db_name,
        master_secret_arn=instance.master_user_secrets.apply(lambda found: str(found[0].secret_arn) if found else ""),
    )


def _replica(
    given: Declaration, source: aws.rds.Instance, same: dict[str, Any], before: Sequence[pulumi.Resource], number: int
) -> aws.rds.Instance:
    """Declare a read replica. Engine, network and key are its source's; its backups are too: it has none itself."""
    name = f"{given.name}-replica-{number}"
    logs = given.log_groups(f"instance/{name}", name)
    return aws.rds.Instance(
        name,
        identifier=name,
        replicate_source_db=source.identifier,
        vpc_security_group_ids=[given.security_group_id],
        storage_encrypted=True,
        enabled_cloudwatch_logs_exports=list(given.engine.logs),
        iam_database_authentication_enabled=True,
        deletion_protection=given.deletion_protection,
        skip_final_snapshot=True,
        **same,
        tags=given.tagged(name),
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=[*logs, *before]),
    )
