"""Composes one migration from the stack's configuration. `pulumi up` declares it and starts nothing."""

import pulumi
import pulumi_aws as aws

from components import (
    BlueGreenDns,
    DmsPipeline,
    EncryptionKey,
    MigrationNetwork,
    MonitoringSuite,
    Switchover,
    TargetDatabase,
    function_archives,
    settings,
    stack_config,
)
from components.stack_outputs import OUTPUTS

config = settings.load(stack_config.read())
name, tags = config.prefix, config.all_tags
account, region = aws.get_caller_identity().account_id, aws.get_region().region
zones = list(aws.get_availability_zones(state="available").names[: config.network.zones])

key = EncryptionKey(
    f"{name}-encryption",
    {"account_id": account, "region": region, "alias": name, "deletion_window_days": 7, "tags": tags},
)
network = MigrationNetwork(
    f"{name}-network",
    {
        "cidr_block": config.network.cidr,
        "availability_zones": zones,
        "region": region,
        "database_port": config.target.port,
        "source_port": config.source.port,
        "on_premises_cidr_blocks": list(config.network.on_premises_cidrs),
        "nat": config.network.nat,
        "interface_endpoints": list(config.network.interface_endpoints),
        "flow_logs": config.network.flow_logs,
        "log_retention_days": config.monitoring.log_retention_days,
        "kms_key_arn": key.arn,
        "tags": tags,
    },
)
target = TargetDatabase(
    f"{name}-target",
    {
        "engine_version": config.target.engine_version,
        "database_name": config.database,
        "subnet_ids": network.database_subnet_ids,
        "security_group_id": network.database_security_group_id,
        "kms_key_arn": key.arn,
        "application_username": config.target.application_username,
        "replication_username": config.target.replication_username,
        "require_tls": config.target.ssl_mode != "none",
        "port": config.target.port,
        "aurora": config.target.kind("aurora"),
        "instance": config.target.kind("instance"),
        "parameters": dict(config.target.parameters),
        "backup_retention_days": config.target.backup_retention_days,
        "backup_window": config.target.backup_window,
        "maintenance_window": config.target.maintenance_window,
        "deletion_protection": config.target.deletion_protection,
        "final_snapshot": config.target.final_snapshot,
        "log_retention_days": config.monitoring.log_retention_days,
        "secret_recovery_days": config.target.secret_recovery_days,
        "tags": tags,
    },
)
pipeline = DmsPipeline(
    f"{name}-dms",
    {
        "account_id": account,
        "region": region,
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
        "tags": tags,
    },
)
dns = BlueGreenDns(
    f"{name}-dns",
    {
        "zone_name": config.dns.zone,
        "zone_id": config.dns.zone_id,
        "vpc_id": network.vpc_id if config.dns.private else None,
        "blue_writer_host": config.source.host,
        "blue_reader_host": config.source.reader_host or config.source.host,
        "green_writer_host": target.endpoint,
        "green_reader_host": target.reader_endpoint,
        "ttl_seconds": config.dns.ttl_seconds,
        "tags": tags,
    },
)
monitoring = MonitoringSuite(
    f"{name}-monitoring",
    {
        "account_id": account,
        "region": region,
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
        "emails": list(config.monitoring.emails),
        "log_retention_days": config.monitoring.log_retention_days,
        "tags": tags,
    },
)
endpoints: list[pulumi.Input[str]] = [
    pipeline.source_endpoint_arn,
    pipeline.target_endpoint_arn,
    pipeline.failback_source_endpoint_arn,
    pipeline.failback_target_endpoint_arn,
]
switchover = Switchover(
    f"{name}-switchover",
    {
        "migration_id": name,
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
        "account_id": account,
        "region": region,
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
        "tags": tags,
    },
)

code_size, layer_size = function_archives.sizes(config.switchover.runtime, config.switchover.architecture)
pulumi.info(f"function archives: code {code_size / 1e3:.0f} kB, layer {layer_size / 1e6:.1f} MB")

exports = {
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
for output in OUTPUTS:
    pulumi.export(output, exports[output])
