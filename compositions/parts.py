"""Parts that several compositions have in common: settings in, component out."""

import pulumi

from components import EncryptionKey, MigrationNetwork, TargetDatabase
from components.settings import Stack, Target
from components.site_to_site_vpn import VpnArgs
from compositions.place import Place


def encryption_key(config: Stack, place: Place) -> EncryptionKey:
    """Declare the stack's key."""
    return EncryptionKey(
        f"{config.prefix}-encryption",
        {
            "account_id": place.account,
            "region": place.region,
            "alias": config.prefix,
            "deletion_window_days": 7,
            "tags": config.all_tags,
        },
    )


def network(
    config: Stack,
    place: Place,
    key: EncryptionKey,
    *,
    database_port: int,
    source_port: int | None = None,
    vpn: VpnArgs | None = None,
) -> MigrationNetwork:
    """Declare the stack's network. `source_port` is where a database on premises listens, the target's by default."""
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
    )


def target(
    config: Stack,
    wanted: Target,
    network: MigrationNetwork,
    key: EncryptionKey,
    *,
    database: pulumi.Input[str],
    with_users: bool = True,
) -> TargetDatabase:
    """Declare the database the stack's settings want, in the network's database subnets.

    `with_users` makes the secrets of the application's and of DMS's user, which a migration then creates.
    """
    return TargetDatabase(
        f"{config.prefix}-target",
        {
            "engine_version": wanted.engine_version,
            "database_name": database,
            "subnet_ids": network.database_subnet_ids,
            "security_group_id": network.database_security_group_id,
            "kms_key_arn": key.arn,
            "application_username": wanted.application_username if with_users else None,
            "replication_username": wanted.replication_username if with_users else None,
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
            "tags": config.all_tags,
        },
    )
