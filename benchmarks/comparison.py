"""The comparison behind the fence: our row hash, beside its fallback, the usual md5 of text, and a bare scan.

`python -m benchmarks.comparison [ROWS] [ROUNDS]` fills a PostgreSQL 18 with the rehearsal's shop and prints rows per
second over all tables, the best of all rounds. The bare scan is the limit: no comparison reads less.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from handlers.adapters.postgres import Database
from handlers.config import Side
from handlers.core import sql
from handlers.core.comparison import Column, Table
from handlers.validation.equality import digest_query
from sandbox import databases
from sandbox.databases import Server
from sandbox.ports import free_port
from sandbox.processes import Processes
from sandbox.rehearsal import shop

ADDRESS = "127.0.0.4"
Scan = Callable[[Database, Table, list[Column]], object]


def _hash(*, by_value: bool) -> Scan:
    return lambda database, table, columns: database.rows(digest_query(table, columns, by_value=by_value))


def _md5(database: Database, table: Table, _: list[Column]) -> object:
    name = sql.name(table.schema, table.name)
    return database.rows(f"SELECT count(*), sum(('x' || left(md5(t::text), 15))::bit(60)::bigint) FROM {name} t")  # noqa: S608


def _count(database: Database, table: Table, _: list[Column]) -> object:
    return database.rows(f"SELECT count(*) FROM {sql.name(table.schema, table.name)}")  # noqa: S608


SCANS: dict[str, Scan] = {
    "value_hash": _hash(by_value=True),
    "text_hash": _hash(by_value=False),
    "md5_of_text": _md5,
    "count_alone": _count,
}


def measure(database: Database, rounds: int) -> dict[str, float]:
    """Return the fewest seconds each way took to go over all tables."""
    tables = database.tables()
    best = dict.fromkeys(SCANS, float("inf"))
    for _ in range(rounds):  # in turn, so that whatever else the machine does hits all alike
        for name, scan in SCANS.items():
            began = time.perf_counter()
            for table, columns in tables.items():
                scan(database, table, columns)
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def main(rows: int = 300_000, rounds: int = 5) -> None:
    """Fill a server, measure, print."""
    databases.fetch()
    with tempfile.TemporaryDirectory() as room, Processes(Path(room) / "logs") as processes:
        Path(room).chmod(0o755)
        server = Server("benchmark", "18", ADDRESS, free_port(ADDRESS), Path(room))
        server.start(processes)
        made = shop.create(server.info, rows, 7, shop.new_passwords())
        with server.info.superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        side = Side(ADDRESS, server.info.port, "shop", "none", "", "")
        credentials = {"username": "sandbox", "password": server.info.password}
        database = Database.connect(side, credentials, 600)
        try:
            seconds = measure(database, rounds)
        finally:
            database.close()
    found = {name: {"seconds": round(s, 4), "rows_per_second": round(made / s)} for name, s in seconds.items()}
    print(json.dumps({"benchmark": "comparison", "rows": made, "rounds": rounds, **found}, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
