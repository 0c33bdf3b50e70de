"""An application moved whole: two environments side by side in two regions, and a migration between their databases."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components import (
    AccessLogBucket,
    ApplicationDns,
    ApplicationService,
    BlueGreenDns,
    EncryptionKey,
    MigrationNetwork,
    NetworkPeering,
    TargetDatabase,
    TransactionLogs,
)
from components.network_peering import PeerArgs
from components.settings import Application, Side
from components.transaction_logs import LogPlaceArgs
from compositions import application_charts, application_rotation, moving, parts, providers, row_validation
from compositions import place as places
from compositions.place import Place


@dataclass(frozen=True)
class Ground:
    """What an environment stands on before its database and application are made."""

    side: Side
    place: Place
    provider: pulumi.ProviderResource
    key: EncryptionKey
    network: MigrationNetwork
    access_logs: AccessLogBucket


def declare(config: Application) -> dict[str, Any]:
    """Declare both environments, the migration between them, and return the outputs."""
    old, new = _ground(config, "source"), _ground(config, "target")
    source, target = _databases(config, old, new)
    peering = _peering(config, old, new)
    logs = _transaction_logs(config, old, new)
    dns = _database_names(config, new, source, target)
    services = (
        _service(config, old, source, dns, logs.source_arn),
        _service(config, new, target, dns, logs.target_arn),
    )
    name = _application_name(config, new, dns, services)
    migration = _migration(config, old, new, (source, target), dns, services)
    moving.tell_sizes(config)
    return {
        **_outputs(old, source, services[0]),
        **_outputs(new, target, services[1]),
        "source_transaction_log_bucket": logs.source_bucket,
        "target_transaction_log_bucket": logs.target_bucket,
        "peering_connection_id": peering.peering_connection_id,
        "hosted_zone_id": dns.zone_id,
        "name_servers": dns.name_servers,
        "application_name": name.name,
        "source_health_check_id": name.blue_health_check_id,
        "target_health_check_id": name.green_health_check_id,
        "writer_name": dns.writer_name,
        "reader_name": dns.reader_name,
        **migration,
    }


def _migration(
    config: Application,
    old: Ground,
    new: Ground,
    databases: tuple[TargetDatabase, TargetDatabase],
    dns: BlueGreenDns,
    services: tuple[ApplicationService, ApplicationService],
) -> dict[str, Any]:
    """Declare what moves the database, and return its outputs.

    DMS and the functions are in the target's region: of the application's secret they use the copy that lies there.
    """
    source, target = databases
    blue = moving.database(source, config.source.database)
    blue = moving.replicated(blue, old.place.region, new.place.region)
    green = moving.database(target, config.target.database)
    ground = (config, new.place, new.key, new.network)
    pipeline = moving.pipeline(
        *ground, source=blue, target=green, maintenance_window=config.target.database.maintenance_window
    )
    charts = [
        chart
        for side, database, service in ((old, source, services[0]), (new, target, services[1]))
        for chart in application_charts.side(side.side.name, side.place.region, database, service)
    ]
    monitoring = moving.monitoring(config, new.place, new.key, target, pipeline, charts)
    switchover = moving.switchover(
        *ground, pipeline, dns, monitoring, source=blue, target=green, secret_key_arns=[old.key.arn]
    )
    made = {old.side.name: source, new.side.name: target}
    rotating = application_rotation.declare(*ground, made, pipeline, monitoring, switchover)
    validation = row_validation.declare(
        *ground, pipeline, monitoring, switchover, source=blue, target=green, secret_key_arns=[old.key.arn]
    )
    return {
        **moving.pipeline_outputs(pipeline),
        "topic_arn": monitoring.topic_arn,
        "dashboard_name": monitoring.dashboard_name,
        "state_machine_arn": switchover.state_machine_arn,
        "tracking_table_name": switchover.tracking_table_name,
        "config_parameter_name": switchover.config_parameter_name,
        "state_parameter_name": switchover.state_parameter_name,
        "prepare_function_name": switchover.function_names["prepare"],
        "rotation_function_names": rotating,
        "certificate_bundles": moving.certificate_bundles(blue, green),
        "preflight_function_name": switchover.function_names["preflight"],
        "start_function_name": switchover.function_names["start"],
        **validation,
    }


def _ground(config: Application, name: str) -> Ground:
    """Declare an environment's provider, key, network and bucket of access logs."""
    side = config.side(name)
    provider = providers.in_region(side.prefix, side.environment.region)
    place = places.find(side.network.zones, provider)
    key = parts.encryption_key(side, place)
    database_port = side.environment.database.port
    network = parts.network(side, place, key, database_port=database_port)
    access_logs = AccessLogBucket(
        f"{side.prefix}-logs",
        {
            "account_id": place.account,
            "retention_days": config.transaction_logs.access_log_days,
            "force_destroy": config.transaction_logs.force_destroy,
            "tags": side.all_tags,
        },
        opts=place.options,
    )
    return Ground(side, place, provider, key, network, access_logs)


def _databases(config: Application, old: Ground, new: Ground) -> tuple[TargetDatabase, TargetDatabase]:
    source = parts.target(
        old.side,
        config.source.database,
        old.network,
        old.key,
        database=config.database,
        role="db",
        secret_replicas=[{"region": new.place.region, "kms_key_arn": new.key.arn}],
        # DMS alone reads it. Where DMS is, it can be rotated: by a function that reaches both, and tells the topic.
        replication_secret_place={"provider": new.provider, "kms_key_arn": new.key.arn},
        rotating=("replication",),
        options=old.place.options,
    )
    target = parts.target(
        new.side,
        config.target.database,
        new.network,
        new.key,
        database=config.target.database.database or config.database,
        role="db",
        # One password on both sides: containers of either can log in wherever the writer's name leads.
        application_password=source.application_password,
        rotating=("replication",),
        options=new.place.options,
    )
    return source, target


def _peering(config: Application, old: Ground, new: Ground) -> NetworkPeering:
    """Join the networks: DMS and the functions reach the source's database, applications the writer on either side."""

    def peer(ground: Ground, clients: dict[str, pulumi.Output[str]]) -> PeerArgs:
        return {
            "region": ground.place.region,
            "vpc_id": ground.network.vpc_id,
            "cidr_block": ground.side.network.cidr,
            "route_table_ids": dict(ground.network.private_route_table_ids),
            "database_security_group_id": ground.network.database_security_group_id,
            "database_port": ground.side.environment.database.port,
            "client_security_group_ids": {
                "application": ground.network.application_security_group_id,
                **clients,
            },
            "provider": ground.provider,
        }

    carriers = {
        "replication": new.network.replication_security_group_id,
        "function": new.network.function_security_group_id,
    }
    return NetworkPeering(
        f"{config.prefix}-peering",
        {"source": peer(old, {}), "target": peer(new, carriers), "tags": config.all_tags},
    )


def _transaction_logs(config: Application, old: Ground, new: Ground) -> TransactionLogs:
    def place(ground: Ground) -> LogPlaceArgs:
        return {
            "region": ground.place.region,
            "kms_key_arn": ground.key.arn,
            "log_bucket": ground.access_logs.bucket,
            "provider": ground.provider,
        }

    wanted = config.transaction_logs
    return TransactionLogs(
        f"{config.prefix}-transactions",
        {
            "account_id": old.place.account,
            "source": place(old),
            "target": place(new),
            "transition_days": wanted.transition_days,
            "noncurrent_days": wanted.noncurrent_days,
            "force_destroy": wanted.force_destroy,
            "tags": config.all_tags,
        },
    )


def _database_names(config: Application, new: Ground, source: TargetDatabase, target: TargetDatabase) -> BlueGreenDns:
    return BlueGreenDns(
        f"{config.prefix}-dns",
        {
            "zone_name": config.dns.zone,
            "zone_id": config.dns.zone_id,
            "blue_writer_host": source.endpoint,
            "blue_reader_host": source.reader_endpoint,
            "green_writer_host": target.endpoint,
            "green_reader_host": target.reader_endpoint,
            "ttl_seconds": config.dns.ttl_seconds,
            "tags": config.all_tags,
        },
        opts=new.place.options,
    )


def _service(
    config: Application,
    ground: Ground,
    database: TargetDatabase,
    dns: BlueGreenDns,
    transaction_log_bucket_arn: pulumi.Output[str],
) -> ApplicationService:
    """Declare an environment's application: it connects to the writer's name with its own environment's secret."""
    wanted, side, network = config.application, ground.side, ground.network
    return ApplicationService(
        f"{side.prefix}-app",
        {
            "region": ground.place.region,
            "account_id": ground.place.account,
            "short_name": f"{config.environment_suffix}-{side.name}",
            "vpc_id": network.vpc_id,
            "public_subnet_ids": network.public_subnet_ids,
            "application_subnet_ids": network.application_subnet_ids,
            "certificate_arn": side.environment.certificate_arn,
            "log_bucket": ground.access_logs.bucket,
            "kms_key_arn": ground.key.arn,
            "image": wanted.image,
            "database": {
                "host": dns.writer_name,
                "port": database.port,
                "name": database.database_name,
                "secret_arn": database.application_secret_arn,
                "security_group_id": network.application_security_group_id,
            },
            "transaction_log_bucket_arn": transaction_log_bucket_arn,
            "container_port": wanted.container_port,
            "health_path": wanted.health_path,
            "environment": dict(wanted.environment),
            "cpu": wanted.cpu,
            "memory_mb": wanted.memory_mb,
            "architecture": wanted.architecture,
            "user": wanted.user,
            "minimum_tasks": wanted.minimum_tasks,
            "maximum_tasks": wanted.maximum_tasks,
            "cpu_percent": wanted.cpu_percent,
            "memory_percent": wanted.memory_percent,
            "deletion_protection": wanted.deletion_protection,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": side.all_tags,
        },
        opts=ground.place.options,
    )


def _application_name(
    config: Application, new: Ground, dns: BlueGreenDns, services: tuple[ApplicationService, ApplicationService]
) -> ApplicationDns:
    blue, green = services
    return ApplicationDns(
        f"{config.prefix}-name",
        {
            "zone_id": dns.zone_id,
            "name": f"{config.application.name}.{config.dns.zone.rstrip('.')}",
            "blue": {"dns_name": blue.load_balancer_dns_name, "zone_id": blue.load_balancer_zone_id},
            "green": {"dns_name": green.load_balancer_dns_name, "zone_id": green.load_balancer_zone_id},
            "health_path": config.application.health_path,
            "tags": config.all_tags,
        },
        opts=new.place.options,
    )


def _outputs(ground: Ground, database: TargetDatabase, service: ApplicationService) -> dict[str, Any]:
    """Return an environment's outputs, each name beginning with its side."""
    network = ground.network
    found = {
        "region": ground.place.region,
        "kms_key_arn": ground.key.arn,
        **parts.network_outputs(network),
        "database_identifier": database.identifier,
        "database_endpoint": database.endpoint,
        "database_port": database.port,
        "database_name": database.database_name,
        "master_secret_arn": database.master_secret_arn,
        "application_secret_arn": database.application_secret_arn,
        "replication_secret_arn": database.replication_secret_arn,
        "backup_vault_name": database.backup_vault_name,
        "cluster_name": service.cluster_name,
        "service_name": service.service_name,
        "load_balancer_arn": service.load_balancer_arn,
        "load_balancer_dns_name": service.load_balancer_dns_name,
        "load_balancer_zone_id": service.load_balancer_zone_id,
        "target_group_arn": service.target_group_arn,
        "access_log_bucket": ground.access_logs.bucket,
    }
    return {f"{ground.side.name}_{key}": value for key, value in found.items()}
