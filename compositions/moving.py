"""A migration between two databases, whoever has made them: replicated, watched, switched over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from components.monitoring_suite import ChartArgs
from components.secret_rotation import PausedByArgs, RotatedSecretArgs
from components.serverless_replication import ServerlessArgs
from components.settings import Application, Migration
from components.settings.ends import Target
from components.settings.replication import Replication
from compositions import parts
from compositions.place import Place

Moving = Migration | Application
"""Settings of the compositions that move a database behind the same names."""


@dataclass(frozen=True)
class Database:
    """One end of a migration. `application_secret_arn` is None where somebody else makes the application's role."""

    engine: str
    host: pulumi.Input[str]
    port: pulumi.Input[int]
    name: pulumi.Input[str]
    ssl_mode: str
    certificate_bundle: str | None
    operator_secret_arn: pulumi.Input[str]
    replication_secret_arn: pulumi.Input[str]
    application_secret_arn: pulumi.Input[str] | None = None


def database(made: TargetDatabase, wanted: Target) -> Database:
    """Return a database that the stack has made, as it was `wanted`, as an end of its migration."""
    return Database(
        engine=made.engine,
        host=made.endpoint,
        port=made.port,
        name=made.database_name,
        ssl_mode=wanted.ssl_mode,
        certificate_bundle=wanted.certificate_bundle,
        operator_secret_arn=made.master_secret_arn,
        replication_secret_arn=made.replication_secret_arn,
        application_secret_arn=made.application_secret_arn,
    )


def replicated(found: Database, home: str, away: str) -> Database:
    """Return a database with its application's secret as it is replicated from region `home` to `away`.

    The administrator's stays where it is: RDS manages it, and nobody can replicate it.
    """
    arn = pulumi.Output.from_input(found.application_secret_arn or "")
    return replace(found, application_secret_arn=arn.apply(lambda text: str(text).replace(f":{home}:", f":{away}:", 1)))


def dms_user(
    config: Moving,
    made: TargetDatabase,
    wanted: Target,
    pipeline: DmsPipeline,
    endpoint_arns: Sequence[pulumi.Input[str] | None],
) -> RotatedSecretArgs:
    """Return DMS's user on a database as what rotates its secret takes it. `endpoint_arns` use the secret."""
    back = pipeline.failback_task_arn if config.switchover.fail_back else None  # else nothing ever starts it
    return {
        "secret_arn": made.replication_secret_arn,
        "username": wanted.replication_username,
        "days": config.rotation.replication.days,
        "users": "single",  # the fence spares DMS by its user's name, and what runs has sessions of that name
        "dms": {
            "arns": [arn for arn in (pipeline.forward_arn, back) if arn is not None],
            "endpoint_arns": [arn for arn in endpoint_arns if arn is not None],
            "instance_arn": pipeline.replication_instance_arn,
        },
    }


def paused_by(config: Moving, switchover: Switchover) -> PausedByArgs:
    """Return the migration as rotation waits for it."""
    return {
        "migration_id": config.prefix,
        "table_name": switchover.tracking_table_name,
        "table_arn": switchover.tracking_table_arn,
    }


def certificate_bundles(source: Database, target: Database) -> dict[str, str]:
    """Return what each side is verified with, by side: the operator's command verifies as the functions do."""
    sides = {"source": source.certificate_bundle, "target": target.certificate_bundle}
    return {name: path for name, path in sides.items() if path}


def pipeline(
    config: Moving,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    *,
    source: Database,
    target: Database,
    maintenance_window: str,
) -> DmsPipeline:
    """Declare the replication between two databases, from inside `network`."""
    wanted = config.replication
    return DmsPipeline(
        f"{config.prefix}-dms",
        {
            "account_id": place.account,
            "region": place.region,
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.replication_security_group_id,
            "kms_key_arn": key.arn,
            "source": {
                "engine_name": source.engine,
                "database_name": source.name,
                "secret_arn": source.replication_secret_arn,
                "ssl_mode": source.ssl_mode,
                "certificate_bundle": source.certificate_bundle,
            },
            "target": {
                "engine_name": target.engine,
                "database_name": target.name,
                "secret_arn": target.replication_secret_arn,
                "ssl_mode": target.ssl_mode,
                "certificate_bundle": target.certificate_bundle,
            },
            "tables": parts.table_rules(wanted.tables),
            "transformations": parts.transformation_rules(wanted.transformations),
            "table_settings": parts.table_settings(wanted.table_settings),
            "fail_back": config.switchover.fail_back,
            "serverless": _capacity(wanted),
            "instance_class": wanted.instance_class,
            "storage_gb": wanted.storage_gb,
            "multi_az": wanted.multi_az,
            "engine_version": wanted.engine_version,
            "maintenance_window": maintenance_window,
            "lob_maximum_kb": wanted.lob_maximum_kb,
            "stop_after_load": wanted.secondary_indexes == "afterLoad",
            "failback_slot": failback_slot(config) if config.switchover.fail_back else None,
            "create_account_roles": wanted.create_account_roles,
            "tags": config.all_tags,
        },
        opts=place.options,
    )


def pipeline_outputs(made: DmsPipeline) -> dict[str, pulumi.Output[str]]:
    """Return the outputs that tell of the replication: those of an instance and its tasks, or of DMS Serverless."""
    found = {
        "replication_config_arn": made.replication_config_arn,
        "replication_instance_arn": made.replication_instance_arn,
        "source_endpoint_arn": made.source_endpoint_arn,
        "target_endpoint_arn": made.target_endpoint_arn,
        "replication_task_arn": made.replication_task_arn,
        "failback_task_arn": made.failback_task_arn,
    }
    return {name: output for name, output in found.items() if output is not None}


def monitoring(
    config: Moving,
    place: Place,
    key: EncryptionKey,
    target: TargetDatabase,
    pipeline: DmsPipeline,
    charts: Sequence[ChartArgs] = (),
) -> MonitoringSuite:
    """Declare what watches. `charts` are those beside the migration's own."""
    return MonitoringSuite(
        f"{config.prefix}-monitoring",
        {
            "account_id": place.account,
            "region": place.region,
            "kms_key_arn": key.arn,
            "replication_instance_id": pipeline.replication_instance_id,
            "replication_task_id": pipeline.forward_id,
            "replication_task_arn": pipeline.forward_arn,
            "database": parts.watched(target),
            "lag_seconds": config.monitoring.lag_seconds,
            "cpu_percent": config.monitoring.cpu_percent,
            "connections": config.monitoring.connections,
            "free_storage_gb": config.monitoring.free_storage_gb,
            "emails": list(config.monitoring.emails),
            "log_retention_days": config.monitoring.log_retention_days,
            "charts": list(charts),
            "tags": config.all_tags,
        },
        opts=place.options,
    )


def switchover(
    config: Moving,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    pipeline: DmsPipeline,
    dns: BlueGreenDns,
    monitoring: MonitoringSuite,
    *,
    source: Database,
    target: Database,
    application_roles: Sequence[str] = (),
    secret_key_arns: Sequence[pulumi.Input[str]] = (),
) -> Switchover:
    """Declare what carries the migration out. `secret_key_arns` encrypt those secrets that `key` does not."""
    endpoints = _endpoints(pipeline)
    application_secrets: list[pulumi.Input[str]] = [
        side.application_secret_arn for side in (source, target) if side.application_secret_arn is not None
    ]
    canary = config.switchover.canary
    token_name = pulumi.Output.concat("_switchover.", dns.writer_name)
    return Switchover(
        f"{config.prefix}-switchover",
        {
            "migration_id": config.prefix,
            "parameter_path": f"/migration/{config.environment_suffix}",
            "certificate_bundles": [side.certificate_bundle for side in (source, target) if side.certificate_bundle],
            "config": {
                "mode": config.switchover.mode,
                "source": _side(source),
                "target": _side(target),
                "application_secret_arn": target.application_secret_arn,
                "source_application_secret_arn": source.application_secret_arn or "",
                "application_roles": list(application_roles),
                "replication": _replication(config, pipeline, endpoints),
                "dns": _names(config, dns, token_name),
                "limits": _limits(config),
                "canary": {
                    "roles": list(canary.roles) if canary else [],
                    "seconds": canary.seconds if canary else 0,
                },
                "preflight": _preflight(config),
                "alarms": {"safe_to_switch": monitoring.safe_to_switch_alarm, "names": monitoring.alarm_names},
            },
            "account_id": place.account,
            "region": place.region,
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.function_security_group_id,
            "kms_key_arn": key.arn,
            "topic_arn": monitoring.topic_arn,
            "zone_id": dns.zone_id,
            "token_name": token_name,
            "task_arn": pipeline.forward_arn,
            "failback_task_arn": pipeline.failback_task_arn if config.switchover.fail_back else None,
            "replication_instance_arn": pipeline.replication_instance_arn,
            "endpoint_arns": endpoints,
            "source_secret_arns": [source.operator_secret_arn, source.replication_secret_arn],
            "target_secret_arns": [target.operator_secret_arn, target.replication_secret_arn],
            "application_secret_arns": application_secrets,
            "secret_key_arns": list(secret_key_arns),
            "safe_to_switch_alarm": monitoring.safe_to_switch_alarm,
            "canary_percents": list(canary.percents) if canary else [],
            "approval_seconds": config.switchover.approval_seconds if config.switchover.mode == "approved" else None,
            "runtime": config.switchover.runtime,
            "architecture": config.switchover.architecture,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
        opts=place.options,
    )


def failback_slot(config: Moving) -> str:
    """Return the name of the slot on the target from which the way back is read: it allows no hyphen."""
    return f"{config.prefix}_failback".replace("-", "_")[:63]


def tell_sizes(config: Moving) -> None:
    """Say how large what the functions are made of is: Lambda has limits."""
    code_size, layer_size = function_archives.sizes(config.switchover.runtime, config.switchover.architecture)
    pulumi.info(f"function archives, unpacked: code {code_size / 1e3:.0f} kB, layer {layer_size / 1e6:.1f} MB")


def _endpoints(pipeline: DmsPipeline) -> list[pulumi.Input[str]]:
    """Return the ARNs of the endpoints there are, both ways."""
    both_ways = (
        pipeline.source_endpoint_arn,
        pipeline.target_endpoint_arn,
        pipeline.failback_source_endpoint_arn,
        pipeline.failback_target_endpoint_arn,
    )
    return [arn for arn in both_ways if arn is not None]


def _replication(config: Moving, pipeline: DmsPipeline, endpoints: Sequence[pulumi.Input[str]]) -> dict[str, Any]:
    """Return the replication as the functions know it."""
    return {
        "task_arn": pipeline.forward_arn,
        "failback_task_arn": pipeline.failback_task_arn or "",
        "failback_slot": failback_slot(config) if config.switchover.fail_back else "",
        "instance_id": pipeline.replication_instance_id or "",
        "instance_arn": pipeline.replication_instance_arn or "",
        "endpoint_arns": endpoints,
    }


def _names(config: Moving, dns: BlueGreenDns, token_name: pulumi.Output[str]) -> dict[str, Any]:
    """Return the databases' names as the functions know them."""
    return {
        "zone_id": dns.zone_id,
        "writer_name": dns.writer_name,
        "reader_name": dns.reader_name,
        "token_name": token_name,
        "ttl_seconds": config.dns.ttl_seconds,
        "switchover_ttl_seconds": config.dns.switchover_ttl_seconds,
        "propagation_seconds": config.dns.propagation_seconds,
    }


def _limits(config: Moving) -> dict[str, Any]:
    """Return how long things may take, as the functions know it."""
    return {
        "maximum_lag_seconds": config.switchover.maximum_lag_seconds,
        "longest_transaction_seconds": config.switchover.longest_transaction_seconds,
        "drain_seconds": config.switchover.drain_seconds,
        "compare_seconds": config.switchover.compare_seconds,
        "write_gap_seconds": config.switchover.write_gap_seconds,
        "bake_seconds": config.switchover.bake_seconds,
        "approval_seconds": config.switchover.approval_seconds,
        "safe_seconds": config.switchover.safe_seconds,
    }


def _preflight(config: Moving) -> dict[str, Any]:
    """Return what preflight is told, as the functions know it."""
    wanted = config.preflight
    return {
        "maximum_age_hours": wanted.maximum_age_hours,
        "lob_seconds": wanted.lob_seconds,
        "census": wanted.census.model_dump(mode="json"),
        "excuses": [
            {"rule": one.rule, "reason": one.reason, "objects": list(one.objects)} for one in wanted.excused_rules
        ],
    }


def _capacity(wanted: Replication) -> ServerlessArgs | None:
    """Return the capacity of DMS Serverless as the component takes it, None where an instance is wanted."""
    found = wanted.serverless
    if found is None:
        return None
    return {
        "minimum_capacity_units": found.minimum_capacity_units,
        "maximum_capacity_units": found.maximum_capacity_units,
    }


def _side(database: Database) -> dict[str, Any]:
    """Return a database as the functions know it."""
    return {
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "ssl_mode": database.ssl_mode,
        "operator_secret_arn": database.operator_secret_arn,
        "replication_secret_arn": database.replication_secret_arn,
    }
