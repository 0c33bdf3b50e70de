"""What preflight's short form takes on a large schema: the gate waits for it, and the observer for a part of it.

`python -m benchmarks.preflight [TABLES …]` fills a PostgreSQL 16 and an 18 with so many tables of ten columns, a key
and two more indexes, and prints median seconds: to read both sides one after the other, to judge, and to read the
source's schema alone. Beside it `pg_dump --schema-only` of the source, which reads what there is to read of a schema.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.validation.stage import started
from handlers.adapters import catalogue
from handlers.adapters.catalogue import Asked
from handlers.config import Side
from handlers.preflight import kept, registry
from handlers.preflight.facts import Objects
from handlers.preflight.rule import Case, Terms
from migrate.validate import EVERYTHING
from sandbox.databases import ServerInfo
from sandbox.databases.server import SUPERUSER

RUNS = 5
AT_ONCE = 250
"""Tables made in one transaction: more would need more locks than there are."""
TABLE = """CREATE TABLE app.t{0} (id bigint PRIMARY KEY, a text NOT NULL, b numeric(12, 2) DEFAULT 0, c timestamptz,
    d jsonb, e uuid, f int CHECK (f > 0), g text, h boolean, i date);
    CREATE INDEX ON app.t{0} (a); CREATE INDEX ON app.t{0} (c, e);"""
TERMS = Terms(EVERYTHING, lob_kilobytes=32, slot="failback", longest_transaction_seconds=60, ttl_seconds=60, weights={})


def measure(servers: Sequence[ServerInfo], tables: int) -> dict[str, Any]:
    """Fill both servers and return what each part takes."""
    for server in servers:
        _fill(server, tables)
    sides = [(Side(one.address, one.port, f"t{tables}", "none", "", ""), one.password) for one in servers]

    def look(number: int, *only: type) -> Any:
        side, password = sides[number]
        return catalogue.look(side, {"username": SUPERUSER, "password": password}, Asked(SUPERUSER, only=only))

    (old, new), reading = _timed(lambda: (look(0), look(1)))
    _, judging = _timed(lambda: registry.again(Case(old, new, TERMS)))
    schema, alone = _timed(lambda: kept.schema_of(look(0, Objects)))
    _, dumping = _timed(lambda: _dump(servers[0], f"t{tables}"))
    return {
        "tables": tables,
        "objects": len(schema.objects),
        "reading_both_sides_seconds": reading,
        "judging_seconds": judging,
        "schema_alone_seconds": alone,
        "pg_dump_of_the_source_seconds": dumping,
        "kept_bytes": len(kept.packed(schema)),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _fill(server: ServerInfo, tables: int) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE t{tables}")
    with server.superuser(f"t{tables}") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA app")
        for first in range(0, tables, AT_ONCE):
            cursor.execute("".join(TABLE.format(n) for n in range(first, min(tables, first + AT_ONCE))))
        cursor.execute("ANALYZE")


def _dump(server: ServerInfo, database: str) -> None:
    command = [str(server.program("pg_dump")), "--schema-only", "--file=/dev/null"]
    subprocess.run(command, env=server.environment(database), check=True)


def _timed(act: Callable[[], Any]) -> tuple[Any, float]:
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        found = act()
        seconds.append(time.perf_counter() - began)
    return found, round(statistics.median(seconds), 2)


def main(*tables: int) -> None:
    """Start both servers, measure, print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with started(folder, ("16", "18")) as stage:
            found = [measure(stage.both, number) for number in tables or (1_000, 5_000)]
    print(json.dumps({"benchmark": "preflight", "runs": RUNS, "schemas": found}, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
