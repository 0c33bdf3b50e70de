"""Many databases, and servers beside them, moved over a VPN: one replication instance, a task each, names each."""

from typing import Any

import pulumi

from components import (
    BlueGreenDns,
    DmsPipeline,
    EncryptionKey,
    FleetControl,
    FleetMonitoring,
    MigrationNetwork,
    PrivateZone,
    ReplicationInstance,
    ServerMigration,
)
from components.settings import Fleet
from components.settings.fleet import Database
from compositions import parts
from compositions import place as places
from compositions.place import Place

ENGINE = "postgres"
WRITER, READER = "{database}-writer", "{database}-reader"
"""First labels of a database's names."""


def declare(config: Fleet) -> dict[str, Any]:
    """Declare the fleet and return its outputs."""
    place = places.find(config.network.zones)
    key = parts.encryption_key(config, place)
    network = _network(config, place, key)
    instance = _instance(config, key, network)
    zone = PrivateZone(
        f"{config.prefix}-names", {"zone_name": config.dns.zone, "vpc_id": network.vpc_id, "tags": config.all_tags}
    )
    pipelines = {one.name: _pipeline(config, place, key, instance, one) for one in config.databases}
    names = {one.name: _names(config, zone, one) for one in config.databases}
    control = _control(config, place, key, network, zone, pipelines)
    servers = _servers(config, place, key, network, control)
    monitoring = _monitoring(config, place, key, network, instance, pipelines, control, servers)
    return {
        "kms_key_arn": key.arn,
        **parts.network_outputs(network),
        "vpn_connection_id": network.vpn_connection_id,
        "replication_instance_arn": instance.replication_instance_arn,
        "hosted_zone_id": zone.zone_id,
        "databases": {name: _outputs(pipelines[name], names[name]) for name in pipelines},
        "tracking_table_name": control.tracking_table_name,
        "topic_arn": control.topic_arn,
        "dashboard_name": monitoring.dashboard_name,
        "config_parameter_name": control.config_parameter_name,
        "advance_function_name": control.function_names["advance"],
        "rollback_function_name": control.function_names["rollback"],
        "validation_document_name": control.document_name,
        "server_replication_role_arn": servers.replication_role_arn,
        "server_security_group_id": servers.security_group_id,
        "server_settings_parameter_name": servers.settings_parameter_name,
        "servers_function_name": servers.function_name,
    }


def _outputs(pipeline: DmsPipeline, names: BlueGreenDns) -> dict[str, pulumi.Output[str] | None]:
    return {
        "writer_name": names.writer_name,
        "reader_name": names.reader_name,
        "replication_task_arn": pipeline.replication_task_arn,
        "failback_task_arn": pipeline.failback_task_arn,
        "source_endpoint_arn": pipeline.source_endpoint_arn,
        "target_endpoint_arn": pipeline.target_endpoint_arn,
    }


def _network(config: Fleet, place: Place, key: EncryptionKey) -> MigrationNetwork:
    """Declare the network with its VPN."""
    first = config.databases[0]
    return parts.network(
        config,
        place,
        key,
        database_port=first.target.port,
        source_port=first.source.port,
        vpn={
            "customer_gateway_address": config.vpn.customer_gateway_address,
            "customer_gateway_asn": config.vpn.customer_gateway_asn,
            "amazon_asn": config.vpn.amazon_asn,
        },
    )


def _instance(config: Fleet, key: EncryptionKey, network: MigrationNetwork) -> ReplicationInstance:
    """Declare the instance that all tasks run on."""
    wanted = config.replication
    return ReplicationInstance(
        f"{config.prefix}-dms",
        {
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.replication_security_group_id,
            "kms_key_arn": key.arn,
            "instance_class": wanted.instance_class,
            "storage_gb": wanted.storage_gb,
            "multi_az": wanted.multi_az,
            "engine_version": wanted.engine_version,
            "maintenance_window": wanted.maintenance_window,
            "create_account_roles": wanted.create_account_roles,
            "tags": config.all_tags,
        },
    )


def _pipeline(
    config: Fleet, place: Place, key: EncryptionKey, instance: ReplicationInstance, database: Database
) -> DmsPipeline:
    """Declare a database's replication and its way back."""
    return DmsPipeline(
        f"{config.prefix}-{database.name}-dms",
        {
            "account_id": place.account,
            "region": place.region,
            "instance": {"arn": instance.replication_instance_arn, "id": instance.replication_instance_id},
            "kms_key_arn": key.arn,
            "source": {
                "engine_name": ENGINE,
                "database_name": database.source.database,
                "secret_arn": database.source.replication_secret_arn,
                "ssl_mode": database.source.ssl_mode,
                "certificate_bundle": database.source.certificate_bundle,
            },
            "target": {
                "engine_name": ENGINE,
                "database_name": database.target.database,
                "secret_arn": database.target.replication_secret_arn,
                "ssl_mode": database.target.ssl_mode,
                "certificate_bundle": database.target.certificate_bundle,
            },
            "tables": parts.table_rules(database.tables),
            "lob_maximum_kb": config.replication.lob_maximum_kb,
            "tags": config.all_tags,
        },
    )


def _names(config: Fleet, zone: PrivateZone, database: Database) -> BlueGreenDns:
    """Declare a database's two names in the fleet's zone."""
    return BlueGreenDns(
        f"{config.prefix}-{database.name}-dns",
        {
            "zone_name": config.dns.zone,
            "zone_id": zone.zone_id,
            "writer_name": WRITER.format(database=database.name),
            "reader_name": READER.format(database=database.name),
            "blue_writer_host": database.source.host,
            "blue_reader_host": database.source.host,
            "green_writer_host": database.target.host,
            "green_reader_host": database.target.host,
            "ttl_seconds": config.dns.ttl_seconds,
            "tags": config.all_tags,
        },
    )


def _control(
    config: Fleet,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    zone: PrivateZone,
    pipelines: dict[str, DmsPipeline],
) -> FleetControl:
    """Declare what keeps track of the databases and takes one back."""
    domain = config.dns.zone.rstrip(".")
    return FleetControl(
        f"{config.prefix}-fleet",
        {
            "account_id": place.account,
            "region": place.region,
            "parameter_path": f"/migration/{config.environment_suffix}",
            "databases": list(pipelines),
            "zone_id": zone.zone_id,
            "writer_name": f"{WRITER}.{domain}",
            "reader_name": f"{READER}.{domain}",
            "task_arns": [pipeline.forward_arn for pipeline in pipelines.values()],
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.function_security_group_id,
            "kms_key_arn": key.arn,
            "emails": list(config.monitoring.emails),
            "runtime": config.functions.runtime,
            "architecture": config.functions.architecture,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
    )


def _servers(
    config: Fleet, place: Place, key: EncryptionKey, network: MigrationNetwork, control: FleetControl
) -> ServerMigration:
    """Declare what servers that move beside the databases need."""
    return ServerMigration(
        f"{config.prefix}-servers",
        {
            "account_id": place.account,
            "region": place.region,
            "parameter_path": f"/migration/{config.environment_suffix}",
            "vpc_id": network.vpc_id,
            "subnet_ids": network.application_subnet_ids,
            "source_cidr_blocks": list(config.network.on_premises_cidrs),
            "function_security_group_id": network.function_security_group_id,
            "kms_key_arn": key.arn,
            "topic_arn": control.topic_arn,
            "instance_type": config.servers.instance_type,
            "bandwidth_mbps": config.servers.bandwidth_mbps,
            "create_account_roles": config.servers.create_account_roles,
            "runtime": config.functions.runtime,
            "architecture": config.functions.architecture,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
    )


def _monitoring(
    config: Fleet,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    instance: ReplicationInstance,
    pipelines: dict[str, DmsPipeline],
    control: FleetControl,
    servers: ServerMigration,
) -> FleetMonitoring:
    """Declare what watches."""
    assert network.vpn_connection_id is not None  # noqa: S101 - a fleet always has one
    return FleetMonitoring(
        f"{config.prefix}-monitoring",
        {
            "region": place.region,
            "kms_key_arn": key.arn,
            "topic_arn": control.topic_arn,
            "replication_instance_id": instance.replication_instance_id,
            "tasks": {
                name: {"id": pipeline.forward_id, "arn": pipeline.forward_arn} for name, pipeline in pipelines.items()
            },
            "vpn_connection_id": network.vpn_connection_id,
            "function_names": pulumi.Output.all(
                control.function_names["advance"], control.function_names["rollback"], servers.function_name
            ),
            "tracking_table_name": control.tracking_table_name,
            "lag_seconds": config.monitoring.lag_seconds,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
    )
