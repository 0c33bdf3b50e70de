"""Make everything ready before the replication starts: control schema, roles, target closed, connections tested."""

from collections.abc import Mapping
from typing import Any

from handlers.adapters.postgres import Database
from handlers.clock import wait_for
from handlers.core import access, mapping
from handlers.core import record as records
from handlers.core.names import BLUE, GREEN
from handlers.core.record import Phase, Record, Refused, Step
from handlers.edge import handler as edge
from handlers.migration import Migration

STATEMENT_SECONDS = 30.0
TEST_PAUSE_SECONDS = 0.5
REPLICATION_GROUPS = ("rds_replication", "rds_superuser", "pg_read_all_data", "pg_write_all_data")
"""What DMS's user needs where we make it: the log, session_replication_role (no trigger fires), and every table."""
UNTESTED = "not tested: DMS Serverless tests them itself when the replication starts, and fails where it can't connect"


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Prepare both sides. Can be repeated until a switchover has begun: who is late with it is refused like any other.

    After a fail-back it wants `empty_target` in the event: the target is behind, and its tables have to be
    loaded anew, by a new task: DMS starts one that has run only by emptying tables, which foreign keys forbid.
    """
    config = migration.config
    record = _may_be_prepared(migration, empty_target=bool(event.get("empty_target")))
    replication = migration.secrets.read(config.target.replication_secret_arn)
    application = migration.secrets.read(config.application_secret_arn)
    with migration.database(BLUE, STATEMENT_SECONDS) as source:
        if config.source_application_secret_arn:
            theirs = migration.secrets.read(config.source.replication_secret_arn)
            _make_roles(source.database, theirs, migration.secrets.read(config.source_application_secret_arn))
        source.database.make_control_schema([source.ours[1]])
        if config.replication.failback_slot:
            source.database.allow_schemas(source.ours[1])
        seen = source.database.last_token()
    with migration.database(GREEN, STATEMENT_SECONDS) as target:
        _make_roles(target.database, replication, application)
        target.database.make_control_schema([replication["username"]])
        target.database.allow_schemas(replication["username"])
        target.database.allow_writes(replication["username"])
        record = records.prepared(record, max(seen, target.database.last_token(), migration.router.last_token()))
        record = migration.tracking.write(record, "prepare begins", migration.clock.now())
        target.database.act(record.token, access.close(target.database.access(), target.ours))
        if record.phase is Phase.FAILED_BACK:
            rules = migration.task.mappings()
            with migration.database(BLUE, STATEMENT_SECONDS) as source:
                _, there = mapping.sides(source.database.tables(), target.database.tables(), rules)
            target.database.empty([relation.table for relation in there.values()], record.token)
            record = migration.tracking.write(records.renewed(record), "prepared anew", migration.clock.now())
    connections = _test_connections(migration, seconds)
    migration.show(record)
    roles = [replication["username"], application["username"]]
    return {"outcome": "prepared", "roles": roles, "connections": connections}


def _test_connections(migration: Migration, seconds: float) -> str:
    """Let DMS test its connections, and say what came of it. Raises ConnectionFailed with DMS's reason."""
    endpoints = migration.endpoints
    if endpoints is None:
        return UNTESTED
    endpoints.begin_tests()
    wait_for(
        lambda: not endpoints.untested(),
        clock=migration.clock,
        until=migration.clock.now() + seconds,
        pause=TEST_PAUSE_SECONDS,
        what="DMS's test of its connections",
    )
    return "tested by DMS"


def _may_be_prepared(migration: Migration, *, empty_target: bool) -> Record:
    record = migration.tracking.read()
    if record.phase is Phase.FAILED_BACK and Step.SETTLE in record.done:
        if not empty_target:
            raise Refused(
                f"migration {record.migration_id} was failed back, so the target is behind: call with "
                '{"empty_target": true} to empty its tables, then replace the replication task by a new one'
            )
    elif record.phase not in (Phase.IDLE, Phase.UNDONE):
        raise Refused(f"migration {record.migration_id} is {record.phase}: preparing would shut the application out")
    return record


def _make_roles(database: Database, replication: Mapping[str, str], application: Mapping[str, str]) -> None:
    """Make DMS's and the application's role, as on any database that the stack has made."""
    for credentials in (replication, application):
        database.make_role(credentials["username"], credentials["password"])
    for group in REPLICATION_GROUPS:
        database.grant_role(group, replication["username"])


handler = edge(step)
