"""A database moved from where it runs to Aurora or RDS: replicated, switched over behind a fence, with a way back."""

from typing import Any

from components import (
    BlueGreenDns,
    DmsPipeline,
    EncryptionKey,
    MigrationNetwork,
    MonitoringSuite,
    SecretRotation,
    Switchover,
    TargetDatabase,
)
from components.settings import Migration
from compositions import moving, parts, row_validation
from compositions import place as places
from compositions.place import Place

USERS = ("application", "replication")
"""Users of the target whose passwords change."""


def declare(config: Migration) -> dict[str, Any]:
    """Declare the migration and return its outputs."""
    place = places.find(config.network.zones)
    key = parts.encryption_key(config, place)
    network = parts.network(config, place, key, database_port=config.target.port, source_port=config.source.port)
    target = parts.target(config, config.target, network, key, database=config.database, rotating=USERS)
    blue, green = _source(config), moving.database(target, config.target)
    pipeline = moving.pipeline(
        config,
        place,
        key,
        network,
        source=blue,
        target=green,
        maintenance_window=config.target.maintenance_window,
    )
    dns = _dns(config, network, target)
    monitoring = moving.monitoring(config, place, key, target, pipeline)
    switchover = moving.switchover(
        config,
        place,
        key,
        network,
        pipeline,
        dns,
        monitoring,
        source=blue,
        target=green,
        application_roles=_application_roles(config),
    )
    rotation = _rotation(config, place, key, network, target, pipeline, monitoring, switchover)
    validation = row_validation.declare(
        config, place, key, network, pipeline, monitoring, switchover, source=blue, target=green
    )
    moving.tell_sizes(config)
    return {
        "kms_key_arn": key.arn,
        "kms_key_alias": key.alias,
        **parts.network_outputs(network),
        "database_identifier": target.identifier,
        "database_endpoint": target.endpoint,
        "database_reader_endpoint": target.reader_endpoint,
        "database_port": target.port,
        "database_name": target.database_name,
        "master_secret_arn": target.master_secret_arn,
        "application_secret_arn": target.application_secret_arn,
        "replication_secret_arn": target.replication_secret_arn,
        "backup_vault_name": target.backup_vault_name,
        **moving.pipeline_outputs(pipeline),
        "hosted_zone_id": dns.zone_id,
        "name_servers": dns.name_servers,
        "writer_name": dns.writer_name,
        "reader_name": dns.reader_name,
        "topic_arn": monitoring.topic_arn,
        "dashboard_name": monitoring.dashboard_name,
        "state_machine_arn": switchover.state_machine_arn,
        "tracking_table_name": switchover.tracking_table_name,
        "config_parameter_name": switchover.config_parameter_name,
        "state_parameter_name": switchover.state_parameter_name,
        "prepare_function_name": switchover.function_names["prepare"],
        "rotation_function_names": rotation.function_names,
        "certificate_bundles": moving.certificate_bundles(blue, green),
        "preflight_function_name": switchover.function_names["preflight"],
        "start_function_name": switchover.function_names["start"],
        **validation,
    }


def _source(config: Migration) -> moving.Database:
    """Return the database that is moved, which somebody else looks after."""
    source = config.source
    return moving.Database(
        engine="postgres",
        host=source.host,
        port=source.port,
        name=source.database,
        ssl_mode=source.ssl_mode,
        certificate_bundle=source.certificate_bundle,
        operator_secret_arn=source.operator_secret_arn,
        replication_secret_arn=source.replication_secret_arn,
    )


def _application_roles(config: Migration) -> tuple[str, ...]:
    """Return whom a fence shuts out, nobody where it shuts out all: on the way back that is who writes to the target.

    The users who take turns for a role are known by its name.
    """
    listed = config.source.application_roles
    return tuple(dict.fromkeys((*listed, config.target.application_username))) if listed else ()


def _rotation(
    config: Migration,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    target: TargetDatabase,
    pipeline: DmsPipeline,
    monitoring: MonitoringSuite,
    switchover: Switchover,
) -> SecretRotation:
    """Declare what changes the passwords of the target's users. The source's are somebody else's."""
    return parts.rotation(
        config,
        place,
        key,
        network,
        target,
        config.target,
        config.switchover,
        users={
            "application": {
                "secret_arn": target.application_secret_arn,
                "username": config.target.application_username,
                "days": config.rotation.application.days,
                "users": config.rotation.application.users,
                "administrator_secret_arn": target.master_secret_arn,
            },
            "replication": moving.dms_user(
                config,
                target,
                config.target,
                pipeline,
                (pipeline.target_endpoint_arn, pipeline.failback_source_endpoint_arn),
            ),
        },
        topic_arn=monitoring.topic_arn,
        paused_by=moving.paused_by(config, switchover),
    )


def _dns(config: Migration, network: MigrationNetwork, target: TargetDatabase) -> BlueGreenDns:
    """Declare the names."""
    return BlueGreenDns(
        f"{config.prefix}-dns",
        {
            "zone_name": config.dns.zone,
            "zone_id": config.dns.zone_id,
            "vpc_id": network.vpc_id if config.dns.private else None,
            "blue_writer_host": config.source.host,
            "blue_reader_host": config.source.reader_host or config.source.host,
            "green_writer_host": target.endpoint,
            "green_reader_host": target.reader_endpoint,
            "ttl_seconds": config.dns.ttl_seconds,
            "tags": config.all_tags,
        },
    )
