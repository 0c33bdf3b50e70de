"""Tries to write to both sides at once, all through a rehearsal, as the application and past DNS: is ever both open?

Each try is an insert that is rolled back: the server has to accept it as it accepts any write, and nothing is left to
replicate or to compare. It goes over a new connection, and over one that is held: a session from before the fence.
"""

import threading
import time
import uuid
from contextlib import suppress
from itertools import count
from typing import Any, Self

import psycopg2

from handlers.core import sql
from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.rehearsal.application import Source
from sandbox.rehearsal.client import connect
from sandbox.rehearsal.writability import BLUE, GREEN, HELD, NEW, Try, Verdict, judge

EVERY_SECONDS = 0.025
"""How often both sides are tried over the connections held."""
NEW_EVERY = 4
"""Each so many times over new ones as well: these cost a hundred times as much, on the machine that is measured."""
STOP_SECONDS = 10.0
SCHEMA = "writability"
TABLE = f"{SCHEMA}.probe"
WRITE = f"BEGIN; INSERT INTO {TABLE} (id) VALUES (%s); ROLLBACK"  # noqa: S608 - a constant


def create_table(connection: Any, owner: str) -> None:
    """Create the probe's table for the role `owner`, over an autocommit superuser `connection`.

    It is made on the source before the migration, and carried like any other. Raises SandboxError if the database has
    a schema of that name.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
        if cursor.fetchone():
            raise SandboxError(f"the database has a schema {SCHEMA}, which the rehearsal needs for itself: rename it")
        cursor.execute(
            f"""CREATE SCHEMA {SCHEMA} AUTHORIZATION {sql.name(owner)};
            CREATE TABLE {TABLE} (id uuid PRIMARY KEY);
            ALTER TABLE {TABLE} OWNER TO {sql.name(owner)}"""
        )


class Probe:
    """Two threads, one a side. Use as a context manager: leaving it ends them."""

    def __init__(self, blue: ServerInfo, green: ServerInfo, source: Source) -> None:
        self._stop = threading.Event()
        self._sides = [_Side(BLUE, blue, source, self._stop), _Side(GREEN, green, source, self._stop)]

    def __enter__(self) -> Self:
        for side in self._sides:
            side.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for side in self._sides:
            side.join(STOP_SECONDS)
            if side.is_alive():
                side.failure = TimeoutError(f"no answer within {STOP_SECONDS:.0f} s")

    def verdict(self) -> Verdict:
        """Return what the tries show. Raises SandboxError if they could not be made to the end."""
        for side in self._sides:
            if side.failure is not None:
                what = f"{type(side.failure).__name__}: {side.failure}"
                raise SandboxError(f"the probe of writable sides failed on {side.name}: {' '.join(what.split())}")
        return judge(self.tries())

    def tries(self) -> list[Try]:
        """Return the tries so far, blue's first."""
        return [one for side in self._sides for one in side.tries]


class _Side(threading.Thread):
    """Tries one side until it is told to stop."""

    def __init__(self, name: str, server: ServerInfo, source: Source, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.tries: list[Try] = []
        self.failure: BaseException | None = None
        self._server, self._source, self._stopped = server, source, stop
        self._held: Any = None

    def run(self) -> None:
        """Try both ways again and again."""
        try:
            due = time.monotonic()
            for number in count():
                if self._stopped.wait(max(0.0, due - time.monotonic())):
                    return
                due = max(due + EVERY_SECONDS, time.monotonic())
                self._try_held()
                if number % NEW_EVERY == 0:
                    self._try_new()
        except BaseException as error:
            self.failure = error
        finally:
            _close(self._held)

    def _try_held(self) -> None:
        if self._held is not None and not self._write(self._held, HELD) and self._held.closed:
            self._held = None

    def _try_new(self) -> None:
        """Try over a new connection; where none is held any more, this one is from now on."""
        began = time.monotonic()
        try:
            connection = connect(
                address=self._server.address,
                port=self._server.port,
                database=self._source.database,
                user=self._source.role,
                password=self._source.password,
                name="rehearsal-probe",
            )
        except psycopg2.Error:
            self.tries.append(Try(self.name, NEW, began, time.monotonic(), accepted=False))
            return
        self._write(connection, NEW)
        if self._held is None and not connection.closed:
            self._held = connection
        else:
            _close(connection)

    def _write(self, connection: Any, way: str) -> bool:
        """Try to write and say whether that was accepted."""
        began, accepted = time.monotonic(), False
        try:
            with connection.cursor() as cursor:
                cursor.execute(WRITE, (str(uuid.uuid4()),))
            accepted = True
        except psycopg2.Error:
            with suppress(psycopg2.Error), connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        self.tries.append(Try(self.name, way, began, time.monotonic(), accepted=accepted))
        return accepted


def _close(connection: Any) -> None:
    if connection is not None:
        with suppress(psycopg2.Error):
            connection.close()
