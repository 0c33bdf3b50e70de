"""DMS's own tables, written by the endpoints' users: its control tables on the target, its heartbeat on the source."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from sandbox.dms.sides import Session, SideError
from sandbox.dms.task_settings import TaskSettings

SERVER_NAME = "localhost.localdomain"
# As DMS makes them in PostgreSQL: one of them has its columns in capitals.
_EXCEPTIONS = """"TASK_NAME" varchar(128) NOT NULL, "TABLE_OWNER" varchar(128) NOT NULL,
"TABLE_NAME" varchar(128) NOT NULL, "ERROR_TIME" timestamp NOT NULL, "STATEMENT" text NOT NULL, "ERROR" text NOT NULL"""
_WHOSE = "server_name varchar(128) NOT NULL, task_name varchar(128) NOT NULL"
_STATUS = f"""{_WHOSE}, task_status varchar(32), status_time timestamp, pending_changes bigint, disk_swap_size bigint,
task_memory bigint, source_current_position varchar(128), source_current_timestamp timestamp,
source_tail_position varchar(128), source_tail_timestamp timestamp, source_timestamp_applied timestamp,
UNIQUE (server_name, task_name)"""
_SUSPENDED = f"""{_WHOSE}, table_owner varchar(128) NOT NULL, table_name varchar(128) NOT NULL,
suspend_reason varchar(32), suspend_timestamp timestamp, UNIQUE (server_name, task_name, table_owner, table_name)"""
_HISTORY = f"""{_WHOSE}, timeslot_type varchar(32) NOT NULL, timeslot timestamp NOT NULL, timeslot_duration bigint,
timeslot_latency bigint, timeslot_records bigint, timeslot_volume bigint,
UNIQUE (server_name, task_name, timeslot_type, timeslot)"""
_HEARTBEAT = """hb_key serial PRIMARY KEY, hb_created_at timestamp, hb_created_by varchar(64),
hb_last_heartbeat_at timestamp, hb_last_heartbeat_by varchar(64)"""
_NOW = "now() AT TIME ZONE 'UTC'"


@dataclass(frozen=True)
class Position:
    """Where a task stands: phase, changes that wait, positions in the log, seconds behind."""

    phase: str
    pending: int
    current: str
    tail: str
    latency: float


@dataclass(frozen=True)
class ControlTables:
    """The control tables of one task on the target, those that its settings ask for."""

    settings: TaskSettings
    task: str

    def make(self, session: Session) -> None:
        """Make the schema and the tables that are missing."""
        make_schema(session, self.settings.control_schema)
        wanted = {
            "awsdms_apply_exceptions": (True, _EXCEPTIONS),
            "awsdms_status": (self.settings.status_table, _STATUS),
            "awsdms_suspended_tables": (self.settings.suspended_table, _SUSPENDED),
            "awsdms_history": (self.settings.history_table, _HISTORY),
        }
        for name, (enabled, columns) in wanted.items():
            if enabled:
                _make_table(session, self.settings.control_schema, name, columns)

    def suspended(self, session: Session, tables: Sequence[tuple[str, str, str]]) -> None:
        """Replace the task's suspended tables, each a schema, a name and a reason."""
        if not self.settings.suspended_table:
            return
        table = self._name("awsdms_suspended_tables")
        session.rows(sql.SQL("DELETE FROM {} WHERE task_name = %s").format(table), (self.task,))
        for schema, name, reason in tables:
            session.rows(
                sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s, {})").format(table, sql.SQL(_NOW)),
                (SERVER_NAME, self.task, schema, name, reason[:32]),
            )

    def exception(self, session: Session, schema: str, name: str, error: str) -> None:
        """Add what could not be applied."""
        session.rows(
            sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, {}, %s, %s)").format(
                self._name("awsdms_apply_exceptions"), sql.SQL(_NOW)
            ),
            (self.task, schema, name, "", error),
        )

    def status(self, session: Session, at: Position) -> None:
        """Write where the task stands."""
        if not self.settings.status_table:
            return
        session.rows(
            sql.SQL(
                """INSERT INTO {table}
                VALUES (%s, %s, %s, {now}, %s, 0, 0, %s, {now}, %s, {now}, {now} - %s * interval '1 s')
                ON CONFLICT (server_name, task_name) DO UPDATE SET task_status = excluded.task_status,
                status_time = excluded.status_time, pending_changes = excluded.pending_changes,
                source_current_position = excluded.source_current_position,
                source_current_timestamp = excluded.source_current_timestamp,
                source_tail_position = excluded.source_tail_position,
                source_tail_timestamp = excluded.source_tail_timestamp,
                source_timestamp_applied = excluded.source_timestamp_applied"""
            ).format(table=self._name("awsdms_status"), now=sql.SQL(_NOW)),
            (SERVER_NAME, self.task, at.phase, at.pending, at.current, at.tail, at.latency),
        )

    def history(self, session: Session, at: Position, records: int) -> None:
        """Add a time slot that ends now."""
        if not self.settings.history_table:
            return
        session.rows(
            sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, {}, %s, %s, %s, 0) ON CONFLICT DO NOTHING").format(
                self._name("awsdms_history"), sql.SQL(_NOW)
            ),
            (SERVER_NAME, self.task, at.phase, self.settings.history_minutes, round(at.latency), records),
        )

    def _name(self, table: str) -> sql.Identifier:
        return sql.Identifier(self.settings.control_schema, table)


def heartbeat(session: Session, schema: str, user: str) -> bool:
    """Write DMS's heartbeat row on the source, so that an idle source's log moves on. Returns whether that worked.

    A fenced source refuses it. DMS logs that and goes on: so it is here.
    """
    table = sql.Identifier(schema, "awsdms_heartbeat")
    try:
        if not _exists(session, schema, "awsdms_heartbeat"):
            _make_table(session, schema, "awsdms_heartbeat", _HEARTBEAT)
        session.rows(
            sql.SQL(
                """INSERT INTO {table} VALUES (1, {now}, %(user)s, {now}, %(user)s) ON CONFLICT (hb_key) DO UPDATE
                SET hb_last_heartbeat_at = excluded.hb_last_heartbeat_at, hb_last_heartbeat_by = %(user)s"""
            ).format(table=table, now=sql.SQL(_NOW)),
            {"user": user[:64]},
        )
    except SideError:
        return False
    return True


def make_schema(session: Session, schema: str) -> None:
    """Make a schema that is missing."""
    # Not IF NOT EXISTS: that asks for the right to create even where there is nothing to create.
    if not session.rows("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)):
        session.rows(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def _make_table(session: Session, schema: str, name: str, columns: str) -> None:
    if not _exists(session, schema, name):
        session.rows(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(schema, name), sql.SQL(columns)))


def _exists(session: Session, schema: str, name: str) -> bool:
    return bool(session.rows("SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s", (schema, name)))
