"""A database moved from where it runs to Aurora or RDS: replicated, switched over behind a fence, with a way back."""

from typing import Any

import pulumi

from components import (
    BlueGreenDns,
    DmsPipeline,
    EncryptionKey,
    MigrationNetwork,
    MonitoringSuite,
    Switchover,
    TargetDatabase,
    function_archives,
)
from components.settings import Migration
from compositions import parts
from compositions import place as places
from compositions.place import Place


def declare(config: Migration) -> dict[str, Any]:
    """Declare the migration and return its outputs."""
    place = places.find(config.network.zones)
    key = parts.encryption_key(config, place)
    network = parts.network(config, place, key, database_port=config.target.port, source_port=config.source.port)
    target = parts.target(config, config.target, network, key, database=config.database)
    pipeline = _pipeline(config, place, key, network, target)
    dns = _dns(config, network, target)
    monitoring = _monitoring(config, place, key, target, pipeline)
    switchover = _switchover(config, place, key, network, target, pipeline, dns, monitoring)

    code_size, layer_size = function_archives.sizes(config.switchover.runtime, config.switchover.architecture)
    pulumi.info(f"function archives: code {code_size / 1e3:.0f} kB, layer {layer_size / 1e6:.1f} MB")
    return {
        "kms_key_arn": key.arn,
        "kms_key_alias": key.alias,
        "vpc_id": network.vpc_id,
        "public_subnet_ids": network.public_subnet_ids,
        "application_subnet_ids": network.application_subnet_ids,
        "database_subnet_ids": network.database_subnet_ids,
        "database_security_group_id": network.database_security_group_id,
        "application_security_group_id": network.application_security_group_id,
        "database_identifier": target.identifier,
        "database_endpoint": target.endpoint,
        "database_reader_endpoint": target.reader_endpoint,
        "database_port": target.port,
        "database_name": target.database_name,
        "master_secret_arn": target.master_secret_arn,
        "application_secret_arn": target.application_secret_arn,
        "replication_secret_arn": target.replication_secret_arn,
        "backup_vault_name": target.backup_vault_name,
        "replication_instance_arn": pipeline.replication_instance_arn,
        "source_endpoint_arn": pipeline.source_endpoint_arn,
        "target_endpoint_arn": pipeline.target_endpoint_arn,
        "replication_task_arn": pipeline.replication_task_arn,
        "failback_task_arn": pipeline.failback_task_arn,
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
    }


def _pipeline(
    config: Migration, place: Place, key: EncryptionKey, network: MigrationNetwork, target: TargetDatabase
) -> DmsPipeline:
    """Declare the replication."""
    return DmsPipeline(
        f"{config.prefix}-dms",
        {
            "account_id": place.account,
            "region": place.region,
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.replication_security_group_id,
            "kms_key_arn": key.arn,
            "source": {
                "engine_name": "postgres",
                "database_name": config.source.database,
                "secret_arn": config.source.replication_secret_arn,
                "ssl_mode": config.source.ssl_mode,
            },
            "target": {
                "engine_name": target.engine,
                "database_name": target.database_name,
                "secret_arn": target.replication_secret_arn,
                "ssl_mode": config.target.ssl_mode,
            },
            "tables": [
                {"schema": rule.schema_name, "table": rule.table, "action": rule.action}
                for rule in config.replication.tables
            ],
            "instance_class": config.replication.instance_class,
            "storage_gb": config.replication.storage_gb,
            "multi_az": config.replication.multi_az,
            "engine_version": config.replication.engine_version,
            "maintenance_window": config.target.maintenance_window,
            "lob_maximum_kb": config.replication.lob_maximum_kb,
            "create_account_roles": config.replication.create_account_roles,
            "tags": config.all_tags,
        },
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


def _monitoring(
    config: Migration, place: Place, key: EncryptionKey, target: TargetDatabase, pipeline: DmsPipeline
) -> MonitoringSuite:
    """Declare what watches."""
    return MonitoringSuite(
        f"{config.prefix}-monitoring",
        {
            "account_id": place.account,
            "region": place.region,
            "kms_key_arn": key.arn,
            "replication_instance_id": pipeline.replication_instance_id,
            "replication_task_id": pipeline.replication_task_id,
            "replication_task_arn": pipeline.replication_task_arn,
            "database": {
                "dimension": target.dimension,
                "identifier": target.identifier,
                "readers": target.reader_identifiers,
            },
            "lag_seconds": config.monitoring.lag_seconds,
            "cpu_percent": config.monitoring.cpu_percent,
            "connections": config.monitoring.connections,
            "free_storage_gb": config.monitoring.free_storage_gb,
            "emails": list(config.monitoring.emails),
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
    )


def _switchover(
    config: Migration,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    target: TargetDatabase,
    pipeline: DmsPipeline,
    dns: BlueGreenDns,
    monitoring: MonitoringSuite,
) -> Switchover:
    """Declare what carries the migration out."""
    endpoints: list[pulumi.Input[str]] = [
        pipeline.source_endpoint_arn,
        pipeline.target_endpoint_arn,
        pipeline.failback_source_endpoint_arn,
        pipeline.failback_target_endpoint_arn,
    ]
    return Switchover(
        f"{config.prefix}-switchover",
        {
            "migration_id": config.prefix,
            "parameter_path": f"/migration/{config.environment_suffix}",
            "config": {
                "mode": config.switchover.mode,
                "source": {
                    "host": config.source.host,
                    "port": config.source.port,
                    "database": config.source.database,
                    "ssl_mode": config.source.ssl_mode,
                    "operator_secret_arn": config.source.operator_secret_arn,
                    "replication_secret_arn": config.source.replication_secret_arn,
                },
                "target": {
                    "host": target.endpoint,
                    "port": target.port,
                    "database": target.database_name,
                    "ssl_mode": config.target.ssl_mode,
                    "operator_secret_arn": target.master_secret_arn,
                    "replication_secret_arn": target.replication_secret_arn,
                },
                "application_secret_arn": target.application_secret_arn,
                "application_roles": list(config.source.application_roles),
                "replication": {
                    "task_arn": pipeline.replication_task_arn,
                    "failback_task_arn": pipeline.failback_task_arn,
                    "instance_id": pipeline.replication_instance_id,
                    "instance_arn": pipeline.replication_instance_arn,
                    "endpoint_arns": endpoints,
                },
                "dns": {
                    "zone_id": dns.zone_id,
                    "writer_name": dns.writer_name,
                    "reader_name": dns.reader_name,
                    "ttl_seconds": config.dns.ttl_seconds,
                    "switchover_ttl_seconds": config.dns.switchover_ttl_seconds,
                },
                "limits": {
                    "maximum_lag_seconds": config.switchover.maximum_lag_seconds,
                    "longest_transaction_seconds": config.switchover.longest_transaction_seconds,
                    "drain_seconds": config.switchover.drain_seconds,
                    "compare_seconds": config.switchover.compare_seconds,
                    "bake_seconds": config.switchover.bake_seconds,
                },
            },
            "account_id": place.account,
            "region": place.region,
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.function_security_group_id,
            "kms_key_arn": key.arn,
            "topic_arn": monitoring.topic_arn,
            "zone_id": dns.zone_id,
            "task_arns": [pipeline.replication_task_arn],
            "replication_instance_arn": pipeline.replication_instance_arn,
            "endpoint_arns": endpoints,
            "secret_arns": [
                config.source.operator_secret_arn,
                config.source.replication_secret_arn,
                target.master_secret_arn,
                target.application_secret_arn,
                target.replication_secret_arn,
            ],
            "bake_seconds": config.switchover.bake_seconds,
            "runtime": config.switchover.runtime,
            "architecture": config.switchover.architecture,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
    )
