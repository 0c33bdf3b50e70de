"""Two servers with the same tables, replication between them, and an application that writes."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlers.adapters.postgres import Database
from handlers.config import Side
from sandbox.databases import Server, ServerInfo
from sandbox.databases.server import SUPERUSER
from sandbox.ports import free_port
from sandbox.processes import Processes

ADDRESSES = ("127.0.0.61", "127.0.0.62")
STATEMENT_SECONDS = 600.0
COLUMNS = """name varchar(60), price numeric(12,2), at timestamptz, body jsonb, note text, ok boolean"""
VALUES = """'name ' || n, (n %% 100000) / 7.0, timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second',
    jsonb_build_object('n', n, 'tags', jsonb_build_array('a', n %% 7)), repeat(md5(n::text), 2), n %% 3 = 0
    FROM generate_series(1, %(rows)s) n"""
PLANTED = 15


@dataclass(frozen=True)
class Stage:
    """Both servers, empty or with tables. `folder` is one that they can read."""

    old: ServerInfo
    new: ServerInfo
    folder: Path

    @property
    def both(self) -> tuple[ServerInfo, ServerInfo]:
        """Old and new."""
        return self.old, self.new

    def run(
        self, statement: str, args: dict[str, Any] | None = None, sides: Sequence[ServerInfo] | None = None
    ) -> None:
        """Run SQL on both servers at once, or on some."""
        threads = [threading.Thread(target=_run, args=(one, statement, args)) for one in sides or self.both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def numbered(self, table: str, rows: int) -> None:
        """Make a table with a bigint key and so many rows on both sides."""
        self.run(f"CREATE TABLE {table} (id bigint PRIMARY KEY, n bigint, u uuid NOT NULL, {COLUMNS})")
        self.run(f"INSERT INTO {table} SELECT n, n, md5(n::text)::uuid, {VALUES}", {"rows": rows})
        self._settle(f"VACUUM (FREEZE, ANALYZE) {table}")

    def random(self, table: str, rows: int) -> None:
        """Make a table with a random uuid for a key."""
        self.run(f"CREATE TABLE {table} (u uuid PRIMARY KEY, n bigint, {COLUMNS})")
        self.run(f"INSERT INTO {table} SELECT md5(n::text)::uuid, n, {VALUES}", {"rows": rows})
        self._settle(f"VACUUM (FREEZE, ANALYZE) {table}")

    def spoil(self, table: str, rows: int) -> None:
        """Make 15 rows of the target differ: 10 changed, 3 missing, 2 extra; all with odd numbers."""
        step = rows // 32 * 2
        places = [1 + step * number for number in range(13)]
        changed, missing = (", ".join(map(str, some)) for some in (places[:10], places[10:]))
        statements = (
            f"UPDATE {table} SET name = name || '!' WHERE n IN ({changed})",  # noqa: S608
            f"DELETE FROM {table} WHERE n IN ({missing})",  # noqa: S608
        )
        for statement in statements:
            self.run(statement, sides=[self.new])
        with self.new.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", (table,))
            names = [row[0] for row in cursor.fetchall()]
            fresh = {"id": "id + 10 * %(rows)s", "u": "gen_random_uuid()", "n": "-1"}
            chosen = ", ".join(fresh.get(name, name) for name in names)
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {chosen} FROM {table} WHERE n IN (3, 5)",  # noqa: S608
                {"rows": rows},
            )
        self._settle(f"VACUUM (ANALYZE) {table}")

    def _settle(self, vacuum: str) -> None:
        """Let everything be written that would else be written while contenders are measured."""
        self.run(vacuum)
        self.run("CHECKPOINT")
        os.sync()

    def forget(self) -> None:
        """Take the tables out of the machine's memory, but for what the servers hold themselves (128 MB each)."""
        os.sync()
        for path in self.folder.glob("*/data/base/*/*"):
            with path.open("rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    @contextmanager
    def database(self, server: ServerInfo) -> Iterator[Database]:
        """Open a side as the product does."""
        side = Side(server.address, server.port, "postgres", "none", "", "")
        login = {"username": SUPERUSER, "password": server.password}
        database = Database.connect(side, login, STATEMENT_SECONDS)
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def replicated(self, tables: Sequence[str]) -> Iterator[None]:
        """Let changes of these tables flow from old to new."""
        self.run(f"CREATE PUBLICATION moved FOR TABLE {', '.join(tables)}", sides=[self.old])
        self.run(
            f"CREATE SUBSCRIPTION moved CONNECTION '{conninfo(self.old)}' PUBLICATION moved WITH (copy_data = false)",
            sides=[self.new],
        )
        try:
            yield
        finally:
            self.run("DROP SUBSCRIPTION moved", sides=[self.new])
            self.run("DROP PUBLICATION moved", sides=[self.old])

    def drain(self) -> None:
        """Wait until the target has applied everything."""
        with self.database(self.old) as database:
            [(position,)] = database.rows("SELECT pg_current_wal_lsn()::text")
            done = "SELECT bool_and(confirmed_flush_lsn >= %(at)s::pg_lsn) FROM pg_replication_slots"
            while not database.rows(done, {"at": position})[0][0]:
                time.sleep(0.05)


class Writer:
    """Updates rows with even numbers at a rate, in transactions of ten."""

    BATCH = 10

    def __init__(self, server: ServerInfo, tables: Sequence[str], rows: int, rate: float) -> None:
        self._server, self._tables, self._rows, self._rate = server, tables, rows, rate
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.written = 0

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _write(self) -> None:
        with self._server.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            began, number = time.monotonic(), 0
            while not self._end.is_set():
                table = self._tables[number % len(self._tables)]
                first = 2 + number * 7919 * 2 % (self._rows - 100)
                ids = [first - first % 2 + 2 * one for one in range(self.BATCH)]
                cursor.execute(
                    f"UPDATE {table} SET price = price + 1 WHERE id = ANY(%s)",  # noqa: S608
                    (ids,),
                )
                number += 1
                self.written += cursor.rowcount
                ahead = began + number * self.BATCH / self._rate - time.monotonic()
                if ahead > 0:
                    self._end.wait(ahead)


@contextmanager
def started(folder: Path, versions: Sequence[str]) -> Iterator[Stage]:
    """Start both servers, of these major versions, and end them."""
    port = free_port(*ADDRESSES)
    servers = [
        Server(name, version, address, port, folder)
        for name, version, address in zip(("old", "new"), versions, ADDRESSES, strict=True)
    ]
    with Processes(folder / "logs") as processes:
        for server in servers:
            server.start(processes)
        yield Stage(servers[0].info, servers[1].info, folder)


def conninfo(server: ServerInfo) -> str:
    """Return how libpq reaches the database on a server."""
    return f"host={server.address} port={server.port} user={SUPERUSER} password={server.password} dbname=postgres"


def _run(server: ServerInfo, statement: str, args: dict[str, Any] | None) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute(statement, args)
