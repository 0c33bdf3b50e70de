"""What a comparison asks of PostgreSQL beside the rows: statistics, self-tests, and a session that hurts nobody."""

from collections.abc import Mapping
from typing import Any, Protocol

import psycopg2

from handlers.core.comparison import Table
from handlers.core.names import FOREIGN_SCHEMAS
from handlers.core.samples import Key
from handlers.validation.equality import SELF_TESTS, Method
from handlers.validation.plan import INTEGERS, Size

CALM = {
    "default_transaction_read_only": "on",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
    "enable_sort": "off",  # else cells of a part are sorted on disk: planners take them for as many as rows
    "row_security": "off",  # an error rather than rows that are hidden from us
    "lc_monetary": "C",
}
EAGER = {"parallel_setup_cost": "0", "parallel_tuple_cost": "0"}
"""Planners take hashing for as cheap as any operator, and would do without the workers they may have."""


class Database(Protocol):
    """An open connection."""

    def rows(self, query: str, args: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""


def calm(database: Database, statement_seconds: float, workers: int = 0) -> None:
    """Make a session one that only reads, waits for no lock for long, and takes `workers` more processes per query."""
    settings = {
        **CALM,
        **(EAGER if workers else {}),
        "statement_timeout": f"{int(statement_seconds * 1000)}ms",
        "max_parallel_workers_per_gather": str(workers),
    }
    database.rows(
        "SELECT set_config(name, value, false) FROM unnest(%(names)s::text[], %(values)s::text[]) AS s (name, value)",
        {"names": list(settings), "values": list(settings.values())},
    )


def self_tests(database: Database) -> dict[Method, str | None]:
    """Return this server's answer to each self-test, None where it can't do it."""
    found: dict[Method, str | None] = {}
    for method, query in SELF_TESTS.items():
        try:
            found[method] = str(database.rows(query)[0][0])
        except (psycopg2.errors.UndefinedFunction, psycopg2.errors.InternalError_, psycopg2.errors.FeatureNotSupported):
            found[method] = None
    return found


def sizes(database: Database, keys: Mapping[Table, Key]) -> dict[Table, Size]:
    """Return what the statistics say of every table. One that was never analysed is as large as its file suggests."""
    found = database.rows(
        """SELECT n.nspname, c.relname, c.reltuples, pg_relation_size(c.oid) / current_setting('block_size')::int
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> ALL(%(foreign)s)""",
        {"foreign": list(FOREIGN_SCHEMAS)},
    )
    numbers = {
        table: key.names[0] for table, key in keys.items() if [one.kind in INTEGERS for one in key.columns] == [True]
    }
    known = {
        (Table(schema, name), column): (float(correlation or 0), tuple(map(int, histogram or ())))
        for schema, name, column, correlation, histogram in database.rows(
            """SELECT schemaname, tablename, attname, correlation, histogram_bounds::text::int8[] FROM pg_stats
            WHERE tablename = ANY(%(tables)s) AND attname = ANY(%(columns)s) AND (schemaname, tablename, attname) IN
            (SELECT * FROM unnest(%(schemas)s::text[], %(tables)s::text[], %(columns)s::text[]))""",
            {
                "schemas": [table.schema for table in numbers],
                "tables": [table.name for table in numbers],
                "columns": list(numbers.values()),
            },
        )
    }
    result = {}
    for schema, name, tuples, pages in found:
        table = Table(schema, name)
        rows = int(tuples) if tuples > 0 else int(pages) * ROWS_PER_PAGE
        result[table] = Size(rows, int(pages), *known.get((table, numbers.get(table, "")), (0.0, ())))
    return result


ROWS_PER_PAGE = 100
"""Assumed where nobody has counted: too many cells cost little, too few a second look."""


def large_objects(database: Database) -> int:
    """Return how many large objects there are: they belong to no table, and nothing here compares them."""
    return int(database.rows("SELECT count(*) FROM pg_largeobject_metadata")[0][0])
