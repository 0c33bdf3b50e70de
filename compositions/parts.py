"""Parts that several compositions have in common: settings in, component out."""

from collections.abc import Collection, Sequence
from typing import Any

import pulumi

from components import EncryptionKey, MigrationNetwork, SecretRotation, TargetDatabase
from components.alerting import WatchedDatabase
from components.database_secrets import SecretPlaceArgs, SecretReplicaArgs
from components.dms_settings import ParallelLoad as ParallelLoadArgs
from components.dms_settings import TableRule
from components.dms_settings import TableSettings as TableSettingsArgs
from components.dms_transformations import TransformationRule
from components.secret_rotation import PausedByArgs, RotatedSecretArgs
from components.settings import Site, Target
from components.settings.automation import Functions
from components.settings.replication import ParallelLoad, Table, TableSettings, Transformation
from components.site_to_site_vpn import VpnArgs
from compositions.place import Place


def encryption_key(config: Site, place: Place) -> EncryptionKey:
    """Declare the key of a stack, or of one side of it."""
    return EncryptionKey(
        f"{config.prefix}-encryption",
        {
            "account_id": place.account,
            "region": place.region,
            "alias": config.prefix,
            "deletion_window_days": 7,
            "tags": config.all_tags,
        },
        opts=place.options,
    )


def network(
    config: Site,
    place: Place,
    key: EncryptionKey,
    *,
    database_port: int,
    source_port: int | None = None,
    vpn: VpnArgs | None = None,
) -> MigrationNetwork:
    """Declare the network. `source_port` is where a database on premises listens, the target's by default."""
    return MigrationNetwork(
        f"{config.prefix}-network",
        {
            "cidr_block": config.network.cidr,
            "availability_zones": place.zones,
            "region": place.region,
            "database_port": database_port,
            "source_port": source_port or database_port,
            "on_premises_cidr_blocks": list(config.network.on_premises_cidrs),
            "nat": config.network.nat,
            "interface_endpoints": list(config.network.interface_endpoints),
            "endpoint_zones": config.network.endpoint_zones,
            "flow_logs": config.network.flow_logs,
            "log_retention_days": config.monitoring.log_retention_days,
            "kms_key_arn": key.arn,
            "vpn": vpn,
            "tags": config.all_tags,
        },
        opts=place.options,
    )


def network_outputs(network: MigrationNetwork) -> dict[str, pulumi.Output[Any]]:
    """Return the outputs by which others find their place in a network."""
    return {
        "vpc_id": network.vpc_id,
        "public_subnet_ids": network.public_subnet_ids,
        "application_subnet_ids": network.application_subnet_ids,
        "database_subnet_ids": network.database_subnet_ids,
        "database_security_group_id": network.database_security_group_id,
        "application_security_group_id": network.application_security_group_id,
    }


def target(
    config: Site,
    wanted: Target,
    network: MigrationNetwork,
    key: EncryptionKey,
    *,
    database: pulumi.Input[str],
    with_users: bool = True,
    role: str = "target",
    secret_replicas: Sequence[SecretReplicaArgs] = (),
    application_password: pulumi.Input[str] | None = None,
    replication_secret_place: SecretPlaceArgs | None = None,
    rotating: Collection[str] = (),
    options: pulumi.ResourceOptions | None = None,
) -> TargetDatabase:
    """Declare the database the settings want, in the network's database subnets. `role` ends its name.

    `with_users` makes the secrets of the application's and of DMS's user, which a migration then creates. Of those
    `rotation` then changes the `rotating` ones.
    """
    return TargetDatabase(
        f"{config.prefix}-{role}",
        {
            "engine_version": wanted.engine_version,
            "extended_support": wanted.extended_support,
            "database_name": database,
            "subnet_ids": network.database_subnet_ids,
            "security_group_id": network.database_security_group_id,
            "kms_key_arn": key.arn,
            "application_username": wanted.application_username if with_users else None,
            "replication_username": wanted.replication_username if with_users else None,
            "application_password": application_password,
            "engine": wanted.engine,
            "require_tls": wanted.ssl_mode != "none",
            "port": wanted.port,
            "aurora": wanted.kind("aurora"),
            "instance": wanted.kind("instance"),
            "parameters": dict(wanted.parameters),
            "master_rotation_days": wanted.master_rotation_days,
            "backup_vault": wanted.backup_vault,
            "backup_retention_days": wanted.backup_retention_days,
            "backup_window": wanted.backup_window,
            "maintenance_window": wanted.maintenance_window,
            "deletion_protection": wanted.deletion_protection,
            "final_snapshot": wanted.final_snapshot,
            "log_retention_days": config.monitoring.log_retention_days,
            "secret_recovery_days": wanted.secret_recovery_days,
            "secret_replicas": list(secret_replicas),
            "replication_secret_place": replication_secret_place,
            "rotating": rotating,
            "tags": config.all_tags,
        },
        opts=options,
    )


def rotation(
    config: Site,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    made: TargetDatabase,
    wanted: Target,
    functions: Functions,
    *,
    users: dict[str, RotatedSecretArgs],
    topic_arn: pulumi.Input[str],
    paused_by: PausedByArgs | None = None,
    administrator: bool = True,
) -> SecretRotation:
    """Declare what changes the passwords of these users, and the `administrator`'s where RDS does not.

    `functions` says what functions run on.
    """
    secrets = dict(users)
    if administrator and not made.master_is_managed:
        secrets["master"] = {
            "secret_arn": made.master_secret_arn,
            "username": made.master_username,
            "days": wanted.master_rotation_days,
            "users": "single",
        }
    return SecretRotation(
        f"{config.prefix}-rotation",
        {
            "secrets": secrets,
            "engine": made.engine,
            "host": made.endpoint,
            "port": made.port,
            "database_name": made.database_name,
            "ssl_mode": wanted.ssl_mode,
            "certificate_bundle": wanted.certificate_bundle,
            "paused_by": paused_by,
            "topic_arn": topic_arn,
            "account_id": place.account,
            "kms_key_arn": key.arn,
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.function_security_group_id,
            "runtime": functions.runtime,
            "architecture": functions.architecture,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
        opts=place.options,
    )


def watched(made: TargetDatabase) -> WatchedDatabase:
    """Return a database as what watches it knows it."""
    return {"dimension": made.dimension, "identifier": made.identifier, "readers": made.reader_identifiers}


def table_rules(tables: Sequence[Table]) -> list[TableRule]:
    """Return which tables are replicated, as DmsPipeline takes it."""
    return [
        {"schema": rule.schema_name, "table": rule.table, "action": rule.action, "load_order": rule.load_order}
        for rule in tables
    ]


def transformation_rules(transformations: Sequence[Transformation]) -> list[TransformationRule]:
    """Return which names change on the way, as DmsPipeline takes it."""
    return [transformation.rule for transformation in transformations]


def table_settings(tables: Sequence[TableSettings]) -> list[TableSettingsArgs]:
    """Return what holds for single tables, as DmsPipeline takes it."""
    return [
        {
            "schema": one.schema_name,
            "table": one.table,
            "lob_maximum_kb": one.lob_maximum_kb,
            "parallel_load": _ranges(one.parallel_load),
        }
        for one in tables
    ]


def _ranges(load: ParallelLoad | None) -> ParallelLoadArgs | None:
    return {"column": load.column, "boundaries": list(load.boundaries)} if load else None
