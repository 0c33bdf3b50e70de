"""An Aurora cluster with readers, PostgreSQL or MySQL, Serverless v2 or of a class."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks
from components.database_server import AWS_S_BUSINESS, BACKUP_TAG, DatabaseServer, Declaration

SERVERLESS = "db.serverless"
DEFAULT_CLASS = SERVERLESS
DEFAULT_MINIMUM_CAPACITY = 0.5
DEFAULT_MAXIMUM_CAPACITY = 2.0
DEFAULT_READERS = 2


class AuroraArgs(TypedDict):
    """What only a cluster has."""

    instance_class: NotRequired[str]
    """Class of writer and readers, for example db.r6g.large. Default db.serverless: Serverless v2."""
    minimum_capacity: NotRequired[float]
    """Least Aurora capacity units, 0.5 to 256. Not 0: a paused target can't take changes. Default 0.5.

    Both capacities are for Serverless v2 alone.
    """
    maximum_capacity: NotRequired[float]
    """Most Aurora capacity units, 1 to 256. Default 2."""
    readers: NotRequired[int]
    """Number of readers beside the writer, 0 to 15. Default 2."""


def check(args: AuroraArgs) -> None:
    """Raise ArgumentError for what Aurora would refuse."""
    least = checks.within("aurora.minimum_capacity", args.get("minimum_capacity", DEFAULT_MINIMUM_CAPACITY), 0.5, 256)
    most = checks.within("aurora.maximum_capacity", args.get("maximum_capacity", DEFAULT_MAXIMUM_CAPACITY), 1, 256)
    if least > most:
        raise checks.ArgumentError(
            f"aurora.minimum_capacity is {least}, above aurora.maximum_capacity {most}: lower it"
        )
    checks.whole("aurora.readers", args.get("readers", DEFAULT_READERS), 0, 15)


def declare(given: Declaration, args: AuroraArgs) -> DatabaseServer:
    """Declare the cluster and its instances."""
    cluster = _cluster(given, args)
    writer, *readers = _instances(given, cluster, args)
    return DatabaseServer(
        dimension="DBClusterIdentifier",
        identifier=cluster.cluster_identifier,
        instance_identifier=writer.identifier,
        arn=cluster.arn,
        arns=pulumi.Output.all(cluster.arn, writer.arn, *(reader.arn for reader in readers)),
        endpoint=cluster.endpoint,
        reader_endpoint=cluster.reader_endpoint,
        reader_identifiers=[_reader(given, number) for number in range(len(readers))],
        port=cluster.port,
        database_name=cluster.database_name,
        master_secret_arn=cluster.master_user_secrets.apply(lambda secrets: str(secrets[0].secret_arn)),
    )


def _cluster(given: Declaration, args: AuroraArgs) -> aws.rds.Cluster:
    name = given.name
    subnets = given.subnet_group()
    parameters = aws.rds.ClusterParameterGroup(
        given.parameter_group_name,
        name=given.parameter_group_name,
        description="Settings that replication and fail-back need",
        family=given.family,
        parameters=given.parameter_list(),
        tags=given.tagged(given.parameter_group_name),
        opts=given.child,
    )
    identifier = f"{name}-cluster"
    logs = given.log_groups(f"cluster/{identifier}", name)
    return aws.rds.Cluster(
        f"{name}-cluster",
        cluster_identifier=identifier,
        engine=given.engine.name,
        engine_mode="provisioned",  # of Serverless v2 as well: the other mode was its first version
        database_name=given.database_name,
        master_username=given.master_username,
        db_subnet_group_name=subnets.name,
        db_cluster_parameter_group_name=parameters.name,
        preferred_backup_window=given.backup_window,
        preferred_maintenance_window=given.maintenance_window,
        serverlessv2_scaling_configuration=_scaling(args),
        **given.protection(),
        tags={**given.tagged(identifier), **BACKUP_TAG},
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=logs, ignore_changes=AWS_S_BUSINESS),
    )


def _scaling(args: AuroraArgs) -> Any:
    """Return between which capacities instances scale, None where they have a class."""
    if args.get("instance_class", DEFAULT_CLASS) != SERVERLESS:
        return None
    return {
        "min_capacity": args.get("minimum_capacity", DEFAULT_MINIMUM_CAPACITY),
        "max_capacity": args.get("maximum_capacity", DEFAULT_MAXIMUM_CAPACITY),
    }


def _instances(given: Declaration, cluster: aws.rds.Cluster, args: AuroraArgs) -> list[aws.rds.ClusterInstance]:
    """Make the writer first, which is what makes it the writer, then the readers."""
    role, attached = given.monitoring_role()
    readers = [_reader(given, number) for number in range(int(args.get("readers", DEFAULT_READERS)))]
    made: list[aws.rds.ClusterInstance] = []
    for number, name in enumerate([f"{given.name}-writer", *readers]):
        instance = aws.rds.ClusterInstance(
            name,
            identifier=name,
            cluster_identifier=cluster.id,
            engine=aws.rds.EngineType(given.engine.name),
            promotion_tier=min(number, 1),
            **given.observation(role, args.get("instance_class", DEFAULT_CLASS)),
            tags=given.tagged(name),
            opts=pulumi.ResourceOptions(parent=given.parent, depends_on=[attached, *made[:1]]),
        )
        made.append(instance)
    return made


def _reader(given: Declaration, number: int) -> str:
    return f"{given.name}-reader-{number + 1}"
