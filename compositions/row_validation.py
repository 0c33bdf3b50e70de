"""The comparison of every row, where a migration wants it."""

from collections.abc import Sequence

import pulumi

from components import DmsPipeline, EncryptionKey, MigrationNetwork, MonitoringSuite, RowValidation, Switchover
from compositions.moving import Database, Moving
from compositions.place import Place


def declare(
    config: Moving,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    pipeline: DmsPipeline,
    monitoring: MonitoringSuite,
    switchover: Switchover,
    *,
    source: Database,
    target: Database,
    secret_key_arns: Sequence[pulumi.Input[str]] = (),
) -> dict[str, pulumi.Output[str]]:
    """Declare what compares every row, where it is wanted, and return its outputs.

    `secret_key_arns` encrypt those secrets that `key` does not.
    """
    wanted = config.validation
    if not wanted.enabled:
        return {}
    made = RowValidation(
        f"{config.prefix}-validation",
        {
            "account_id": place.account,
            "region": place.region,
            "subnet_ids": network.application_subnet_ids,
            "security_group_id": network.function_security_group_id,
            "kms_key_arn": key.arn,
            "topic_arn": monitoring.topic_arn,
            "config_parameter_name": switchover.config_parameter_name,
            "tracking_table_arn": switchover.tracking_table_arn,
            "secret_arns": [source.operator_secret_arn, target.operator_secret_arn],
            "secret_key_arns": list(secret_key_arns),
            "replication_instance_arn": pipeline.replication_instance_arn,
            "certificate_bundles": [one.certificate_bundle for one in (source, target) if one.certificate_bundle],
            "maximum_concurrency": wanted.maximum_concurrency,
            "chunk_seconds": wanted.chunk_seconds,
            "rows_per_second": wanted.rows_per_second,
            "settle_seconds": wanted.settle_seconds,
            "retention_days": wanted.retention_days,
            "force_destroy": wanted.force_destroy,
            "runtime": config.switchover.runtime,
            "architecture": config.switchover.architecture,
            "log_retention_days": config.monitoring.log_retention_days,
            "tags": config.all_tags,
        },
        opts=place.options,
    )
    return {"validation_machine_arn": made.state_machine_arn, "validation_bucket_name": made.bucket_name}
