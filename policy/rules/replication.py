"""Rules about DMS."""

import json
from collections.abc import Iterator

from policy.rule import Level, Resource, Rule, is_off, is_true, own_key, read, wants

INSTANCE, ENDPOINT = "aws:dms/replicationInstance:ReplicationInstance", "aws:dms/endpoint:Endpoint"
TASK, SERVERLESS = "aws:dms/replicationTask:ReplicationTask", "aws:dms/replicationConfig:ReplicationConfig"


def _logs(resource: Resource) -> Iterator[str]:
    key = "replicationTaskSettings" if resource.type == TASK else "replicationSettings"
    settings = json.loads(read(resource.props, key) or "{}")
    if not settings.get("Logging", {}).get("EnableLogging"):
        yield f"{key} has no Logging.EnableLogging: set it, else nobody learns why a task failed"


RULES = (
    Rule(
        *("DMS.1", "private", "Replication instances have no public address", Level.CRITICAL, (INSTANCE,)),
        wants("publiclyAccessible", lambda value: value is False, "write false: its default is public"),
    ),
    Rule(
        *("DMS.6", "minor-upgrades", "Minor versions follow AWS's", Level.MEDIUM, (INSTANCE,)),
        wants("autoMinorVersionUpgrade", is_true, "set it"),
    ),
    Rule(*("DMS.7", "logged", "Tasks keep a log", Level.MEDIUM, (TASK, SERVERLESS)), _logs),
    Rule(
        *("DMS.9", "tls", "DMS reaches databases over TLS alone", Level.HIGH, (ENDPOINT,)),
        wants("sslMode", lambda mode: mode not in (None, "none"), "write sslMode require for this side"),
    ),
    Rule(
        *("DMS.13", "multi-az", "Replication instances have a standby in another zone", Level.MEDIUM, (INSTANCE,)),
        wants("multiAz", is_true, "write replication.multiAz true"),
    ),
    own_key("DMS.14", "What DMS keeps is", (INSTANCE, ENDPOINT), "kmsKeyArn"),
    Rule(
        *("DMS.15", "no-password", "Endpoints read credentials from Secrets Manager", Level.CRITICAL, (ENDPOINT,)),
        wants("password", is_off, "leave it out, and name secretsManagerArn"),
    ),
)
