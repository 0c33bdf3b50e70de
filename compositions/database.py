"""One database in a network of its own, watched, and checked after every event that may have changed it."""

from typing import Any

import pulumi

from components import DatabaseMonitoring, DatabaseValidation, EncryptionKey, MigrationNetwork, TargetDatabase
from components.database_engines import ENGINES
from components.settings import Database
from compositions import parts
from compositions import place as places
from compositions.place import Place


def declare(config: Database) -> dict[str, Any]:
    """Declare the database and return its outputs."""
    place = places.find(config.network.zones)
    key = parts.encryption_key(config, place)
    network = parts.network(config, place, key, database_port=config.target.port)
    name = config.target.database or ""
    target = parts.target(config, config.target, network, key, database=name, with_users=False)
    monitoring = _monitoring(config, place, key, target)
    validation = _validation(config, key, network, target, monitoring)
    return {
        "kms_key_arn": key.arn,
        "vpc_id": network.vpc_id,
        "private_subnet_ids": network.database_subnet_ids,
        "application_subnet_ids": network.application_subnet_ids,
        "database_security_group_id": network.database_security_group_id,
        "application_security_group_id": network.application_security_group_id,
        "database_identifier": target.identifier,
        "rds_instance_id": target.instance_identifier,
        "rds_endpoint": target.endpoint,
        "rds_reader_endpoint": target.reader_endpoint,
        "rds_port": target.port,
        "rds_database_name": target.database_name,
        "db_secret_arn": target.master_secret_arn,
        "validation_lambda_arn": validation.function_arn,
        "validation_rule_name": validation.rule_name,
        "topic_arn": monitoring.topic_arn,
        "alarm_names": monitoring.alarm_names,
        "rotation_function_names": _rotation(config, place, key, network, target, monitoring),
    }


def _monitoring(config: Database, place: Place, key: EncryptionKey, target: TargetDatabase) -> DatabaseMonitoring:
    """Declare what watches."""
    return DatabaseMonitoring(
        f"{config.prefix}-monitoring",
        {
            "account_id": place.account,
            "kms_key_arn": key.arn,
            "database": parts.watched(target),
            "cpu_percent": config.monitoring.cpu_percent,
            "connections": config.monitoring.connections,
            "lag_seconds": config.monitoring.lag_seconds,
            "free_storage_gb": config.monitoring.free_storage_gb,
            "emails": list(config.monitoring.emails),
            "tags": config.all_tags,
        },
    )


def _rotation(
    config: Database,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    target: TargetDatabase,
    monitoring: DatabaseMonitoring,
) -> pulumi.Input[dict[str, str]]:
    """Declare what changes the administrator's password where RDS does not, and return the functions' names."""
    if target.master_is_managed:
        return {}
    return parts.rotation(
        config,
        place,
        key,
        network,
        target,
        config.target,
        config.validation,
        users={},
        topic_arn=monitoring.topic_arn,
    ).function_names


def _validation(
    config: Database,
    key: EncryptionKey,
    network: MigrationNetwork,
    target: TargetDatabase,
    monitoring: DatabaseMonitoring,
) -> DatabaseValidation:
    """Declare what checks."""
    engine, wanted = ENGINES[config.target.engine], config.validation
    return DatabaseValidation(
        f"{config.prefix}-validation",
        {
            "engine": engine.name,
            "arns": target.arns,
            "host": target.endpoint,
            "port": target.port,
            "database_name": target.database_name,
            "secret_arn": target.master_secret_arn,
            "topic_arn": monitoring.topic_arn,
            "kms_key_arn": key.arn,
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.function_security_group_id,
            "server": wanted.server or engine.server(config.target.engine_version),
            "character_set": wanted.character_set or engine.character_set,
            "ssl_mode": config.target.ssl_mode,
            "certificate_bundle": config.target.certificate_bundle,
            "lag_seconds": config.monitoring.lag_seconds,
            "runtime": wanted.runtime,
            "architecture": wanted.architecture,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
    )
