"""Two databases to compare, and their tables in pairs."""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from handlers.adapters import postgres_cells
from handlers.adapters.postgres import Database
from handlers.config import Side
from handlers.core import mapping
from handlers.core.comparison import Column, Digest, Table
from handlers.validation import equality, plan
from handlers.validation.plan import Pair, Size
from migrate import validate
from sandbox.databases import ServerInfo
from sandbox.databases.server import SUPERUSER

EVERYTHING = [
    {
        "rule-type": "selection",
        "rule-action": "include",
        "object-locator": {"schema-name": "%", "table-name": "%"},
    }
]


@contextmanager
def opened(server: ServerInfo, database: str = "postgres") -> Iterator[Database]:
    side = Side(server.address, server.port, database, "none", "", "")
    found = Database.connect(side, {"username": SUPERUSER, "password": server.password}, 60)
    try:
        yield found
    finally:
        found.close()


def validated(both: tuple[Database, Database], *words: str) -> tuple[int, dict[str, Any]]:
    """Run the command on two open databases and return its exit code and report."""
    parser = argparse.ArgumentParser()
    validate.add_to(parser.add_subparsers())
    said: list[str] = []
    asked = parser.parse_args(["validate", "--settle-seconds", "0", "--json", *words])
    code = validate.run(asked, *both, tell=said.append)
    return code, json.loads("\n".join(said))


def digest(database: Database, table: Table, columns: Sequence[Column], *, by_value: bool) -> Digest:
    """Count and hash a table's rows in one scan."""
    count, total = database.rows(equality.digest_query(table, columns, by_value=by_value))[0]
    return Digest(int(count), str(total))


def pairs(both: tuple[Database, Database], *, strict: bool = False) -> list[tuple[Pair, Size]]:
    """Every table of both sides, ready to compare, with the size the old side's statistics say."""
    old, new = both
    found = new.tables()
    here, there = mapping.sides(old.tables(), found, EVERYTHING)
    method = equality.common_method(*map(postgres_cells.self_tests, both))
    old_keys, new_keys = old.keys(), new.keys()
    sizes = postgres_cells.sizes(old, old_keys)
    return [
        (
            plan.pair_up(
                here[table],
                there[table],
                found[there[table].table],
                (old_keys.get(here[table].table), new_keys.get(there[table].table)),
                method,
                strict=strict,
            ),
            sizes[table],
        )
        for table in here.keys() & there.keys()
    ]
