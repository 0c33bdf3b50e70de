"""One run of a translator: a thread that loads tables and applies changes under the target's names."""

import contextlib
import select
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extras import LogicalReplicationConnection

from sandbox.dms.decoding import Begin, Change, Commit, Relation, decode
from sandbox.dms.plan import Plan
from sandbox.dms.progress import TableId
from sandbox.dms.sides import Session, Sessions, SideError
from sandbox.dms.transformations import Mapped
from sandbox.dms.translation import Snapshot, statement
from sandbox.dms.watch import KEEPS_COUNTS_SINCE

WAIT_SECONDS = 0.1
RETRY_SECONDS = 0.3
LOADING, LOADED = "d", "r"
"""States of a table, by PostgreSQL's letters for a subscription's."""
# Values have to come out as they went in, and nothing may end a long load but the task's end.
_SETTINGS = {
    "client_encoding": "UTF8",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "statement_timeout": "0",
    "lock_timeout": "0",
}


class _NotThrough(Exception):
    """The source can't be read at this moment."""


class Progress:
    """What outlives a run: tables' states and what their loads saw, errors so far, whether it is at work."""

    def __init__(self, tables: tuple[Mapped, ...], *, loads: bool, filtered: bool) -> None:
        self.tables = tables
        self.states: dict[TableId, str] = {table.source.id: "i" if loads else LOADED for table in tables}
        self.snapshots: dict[TableId, Snapshot] = {}
        self.filtered = filtered
        self.errors = 0
        self.working = False


class Applier:
    """Reads a slot as PostgreSQL's own subscriber does and applies what it says, one transaction at a time.

    How far it came stands in a replication origin on the target, written with the rows: nothing is applied twice.
    """

    def __init__(self, plan: Plan, sessions: Sessions, progress: Progress) -> None:
        self._plan = plan
        self._sessions = sessions
        self._progress = progress
        self._halt = threading.Event()
        self._open: list[Session] = []
        self._relations: dict[int, tuple[Relation, Mapped | None]] = {}
        self._by_id = {table.source.id: table for table in progress.tables}
        self._xid: int | None = None
        self._dirty = False
        self._thread = threading.Thread(target=self._run, name=f"{plan.names.base}-applier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End, what is under way is rolled back. Raises SideError where that takes longer than `seconds`."""
        self._halt.set()
        while self._thread.is_alive() and seconds > 0:
            for session in list(self._open):
                session.cancel()
            self._thread.join(WAIT_SECONDS)
            seconds -= WAIT_SECONDS
        if self._thread.is_alive():
            raise SideError("changes are still being applied on the target")

    # The thread

    def _run(self) -> None:
        progress = self._progress
        while not self._halt.is_set():
            with contextlib.ExitStack() as stack:
                try:
                    target = stack.enter_context(self._target())
                    source = stack.enter_context(self._session(self._sessions.user(self._plan.source)))
                    progress.working = True
                    self._load(source, target)
                    self._follow(target)
                except _NotThrough:  # tries again, and makes no error of it
                    pass
                except (SideError, psycopg2.Error, ValueError):
                    if progress.working and not self._halt.is_set():
                        progress.errors += 1
                finally:
                    progress.working = False
            self._halt.wait(RETRY_SECONDS)

    @contextlib.contextmanager
    def _session(self, session: Session) -> Iterator[Session]:
        with session:
            self._open.append(session)
            try:
                for name, value in _SETTINGS.items():
                    session.rows("SELECT set_config(%s, %s, false)", (name, value))
                yield session
            finally:
                self._open.remove(session)

    @contextlib.contextmanager
    def _target(self) -> Iterator[Session]:
        """Open the target as PostgreSQL's own workers have it: no trigger fires but those for replicas."""
        with self._session(self._sessions.superuser(self._plan.target)) as session:
            session.rows("SET session_replication_role = 'replica'")
            session.rows("SELECT pg_replication_origin_session_setup(%s)", (self._plan.names.base,))
            yield session

    # Loading

    def _load(self, source: Session, target: Session) -> None:
        for table in self._progress.tables:
            one = table.source.id
            if self._progress.states[one] != LOADED and not self._halt.is_set():
                self._progress.states[one] = LOADING
                self._progress.snapshots[one] = self._copy(table, source, target)
                self._progress.states[one] = LOADED

    def _copy(self, table: Mapped, source: Session, target: Session) -> Snapshot:
        """Copy a table and return what the copy saw: what comes of it once more in the log is not applied."""
        stored = [column.name for column in table.source.columns if not column.generated]
        here = [sql.Identifier(name) for name in stored if name in table.columns]
        there = [sql.Identifier(table.columns[name]) for name in stored if name in table.columns]
        comma = sql.SQL(", ")
        out = sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(comma.join(here), table.source.sql())
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(table.target.sql(), comma.join(there))
        with tempfile.TemporaryFile() as rows:
            source.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            [(seen,)] = source.rows("SELECT pg_current_snapshot()::text")
            source.copy(out, rows)
            source.rows("COMMIT")
            rows.seek(0)
            target.rows("BEGIN")
            target.copy(into, rows)
            self._commit(target, None)
        return Snapshot.parse(seen)

    # Following

    def _follow(self, target: Session) -> None:
        with contextlib.closing(self._dial()) as connection, connection.cursor() as cursor:
            self._begin(cursor, self._reached(target))
            self._read(connection, cursor, target)

    def _dial(self) -> Any:
        options = " ".join(f"-c {key}={value}" for key, value in _SETTINGS.items())
        try:
            return psycopg2.connect(
                **self._plan.source.login.dsn(),
                connection_factory=LogicalReplicationConnection,
                application_name=self._plan.names.base,
                options=options,
            )
        except psycopg2.Error:
            raise _NotThrough from None

    def _begin(self, cursor: Any, position: int) -> None:
        """Begin to read the slot, which who read it before may not have left yet."""
        names = self._plan.names
        try:
            cursor.start_replication(
                slot_name=names.base,
                start_lsn=position,
                decode=False,
                options={
                    "proto_version": "1",
                    "publication_names": ",".join(f'"{name}"' for name in names.publications),
                    **({"origin": "none"} if self._progress.filtered else {}),
                },
            )
        except psycopg2.Error:
            raise _NotThrough from None

    def _reached(self, target: Session) -> int:
        """Return the position up to which everything is applied, 0 where the slot knows it best."""
        [(reached,)] = target.rows(
            "SELECT coalesce(pg_replication_origin_progress(%s, true) - '0/0', 0)::bigint", (self._plan.names.base,)
        )
        return int(reached)

    def _read(self, connection: Any, cursor: Any, target: Session) -> None:
        reached = told = 0
        self._xid = None
        while not self._halt.is_set():
            message = cursor.read_message()
            if message is not None:
                reached = max(reached, self._take(message.payload, target))
                continue
            if self._xid is None:  # nothing is under way: all that was sent is done with
                reached = max(reached, cursor.wal_end)
            if reached > told:
                cursor.send_feedback(write_lsn=reached, flush_lsn=reached, apply_lsn=reached, force=True)
                told = reached
            select.select([connection], [], [], WAIT_SECONDS)

    def _take(self, data: bytes, target: Session) -> int:
        """Act on a message and return the position up to which everything is applied then, 0 where it did not move."""
        message = decode(data)
        if isinstance(message, Begin):
            self._xid, self._dirty = message.xid, False
        elif isinstance(message, Relation):
            self._relations[message.oid] = (message, self._by_id.get((message.schema, message.name)))
        elif isinstance(message, Change):
            self._apply(message, target)
        elif isinstance(message, Commit):
            if self._dirty:
                self._commit(target, message)
            self._xid = None
            return message.end
        return 0

    def _apply(self, change: Change, target: Session) -> None:
        relation, table = self._relations[change.relation]
        if table is None or self._xid is None:
            return
        seen = self._progress.snapshots.get(table.source.id)
        if seen is not None and seen.saw(self._xid):
            return
        made = statement(change, relation, table)
        if made is None:
            return
        if not self._dirty:
            target.rows("BEGIN")
            self._dirty = True
        target.rows(*made)

    def _commit(self, target: Session, commit: Commit | None) -> None:
        """Commit what was applied, and with it how far that is; have the server count the rows at once."""
        if target.version >= KEEPS_COUNTS_SINCE:
            target.rows("SELECT pg_stat_force_next_flush()")
        if commit is not None:
            target.rows(
                "SELECT pg_replication_origin_xact_setup('0/0'::pg_lsn + %s, "
                "'2000-01-01Z'::timestamptz + %s * interval '1 microsecond')",
                (commit.end, commit.at),
            )
        target.rows("COMMIT")
