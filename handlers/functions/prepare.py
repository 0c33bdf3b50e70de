"""Make both databases ready before the replication starts: control schema, roles on the target, target closed."""

from typing import Any

from handlers.compensation import close_target
from handlers.core.record import Phase, Refused
from handlers.edge import handler as edge
from handlers.migration import Migration

STATEMENT_SECONDS = 30.0
TARGET_ADMINISTRATORS = "rds_superuser"
"""The role on RDS that may set session_replication_role, which DMS does so that triggers do not fire."""


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Prepare both sides. Can be repeated until a switchover has begun."""
    config = migration.config
    record = migration.tracking.read()
    if record.phase not in (Phase.IDLE, Phase.UNDONE):
        raise Refused(f"migration {config.migration_id} is {record.phase}: preparing would shut the application out")
    replication = migration.secrets.read(config.target.replication_secret_arn)
    application = migration.secrets.read(config.application_secret_arn)
    with migration.database(config.source, STATEMENT_SECONDS) as source:
        source.database.make_control_schema([source.ours[1]])
    with migration.database(config.target, STATEMENT_SECONDS) as target:
        for credentials in (replication, application):
            target.database.make_role(credentials["username"], credentials["password"])
        target.database.grant_role(TARGET_ADMINISTRATORS, replication["username"])
        target.database.make_control_schema([replication["username"]])
        target.database.allow_writes(replication["username"])
    close_target(migration)
    migration.show(record)
    return {"outcome": "prepared", "roles": [replication["username"], application["username"]]}


handler = edge(step)
