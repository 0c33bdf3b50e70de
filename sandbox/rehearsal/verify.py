"""The verdict: does the database that is open in the end hold every write that was acknowledged, exactly once?"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from handlers.core.comparison import Column, Digest, Table, differences
from handlers.validation.equality import SELF_TEST, digest_query
from sandbox.errors import SandboxError
from sandbox.rehearsal.ledger import DELETE, INSERT, Ledger, Record
from sandbox.rehearsal.progress import progress_path, read
from sandbox.rehearsal.writes import OWN_TABLE, SHOP

EXAMPLES = 20
"""How many lost and how many doubled writes are named."""


@dataclass
class Verification:
    """Numbers and, for each kind of fault, up to EXAMPLES lines that name one."""

    acknowledged_writes: int = 0
    ambiguous_writes: int = 0
    lost_writes: int = 0
    """Acknowledged and not there, or only in part; an acknowledged deletion whose row is back; a missing increment."""
    duplicated_writes: int = 0
    """There more often than written, ambiguous writes counted as if they had happened."""
    client_errors: int = 0
    errors_by_class: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for the report."""
        return asdict(self)

    def note(self, *, lost: int = 0, duplicated: int = 0, example: str) -> None:
        """Add a fault."""
        self.lost_writes += lost
        self.duplicated_writes += duplicated
        for number, examples in ((lost, self.lost), (duplicated, self.duplicated)):
            if number and len(examples) < EXAMPLES:
                examples.append(example)


@dataclass
class Expectations:
    """What the database must hold.

    `inserted` maps request ids to the least and most number of rows and the items of each; `counters` maps keys to the
    least and the most they may stand at.
    """

    inserted: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)


def expectations(records: Iterable[Record]) -> Expectations:
    """Fold the ledger, in its order, into what must be there. An ambiguous write widens what is allowed."""
    expected = Expectations()
    least: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for record in records:
        if record.kind == INSERT:
            expected.inserted[record.id] = (int(record.acknowledged), 1, record.items)
        elif record.kind == DELETE:
            _, high, items = expected.inserted.get(record.of, (0, 1, 0))
            expected.inserted[record.of] = (0, 0 if record.acknowledged else high, items)
        for key in record.counters:
            least[key] += record.acknowledged
            most[key] += 1
    expected.counters = {key: (least[key], high) for key, high in most.items()}
    return expected


# Ids of expected inserts that are there: once for each row itself, for each of its items, and for each payment.
_THERE = {
    SHOP: """SELECT e.id, 1 AS rows, 0 AS items, 0 AS payments
        FROM expected_inserts e JOIN public.orders o ON o.request_id = e.id
        UNION ALL SELECT e.id, 0, 1, 0 FROM expected_inserts e
        JOIN public.orders o ON o.request_id = e.id JOIN public.order_items i ON i.order_id = o.id
        UNION ALL SELECT e.id, 0, 0, 1 FROM expected_inserts e JOIN public.payments p ON p.request_id = e.id""",
    OWN_TABLE: """SELECT e.id, 1 AS rows, 0 AS items, 1 AS payments
        FROM expected_inserts e JOIN rehearsal.writes w ON w.request_id = e.id""",
}
_COUNTERS = {
    SHOP: """SELECT 'accounts ' || id AS key, writes FROM public.accounts
        UNION ALL SELECT 'stock ' || site_id || ' ' || product_id, writes FROM warehouse.stock""",
    OWN_TABLE: "SELECT 'writes ' || id AS key, writes FROM rehearsal.writes WHERE request_id IS NULL",
}


def verify(ledger: Ledger, connection: Any, mode: str) -> Verification:
    """Check the database that an autocommit superuser `connection` is open to against the ledger.

    `mode` is the load's: "shop" or "own_table". Nothing is left behind in the database. The load must have ended.
    """
    if mode not in _THERE:
        raise SandboxError(f"no load of the kind {mode}: choose {' or '.join(_THERE)}")
    records = ledger.read()
    result = Verification(acknowledged_writes=sum(record.acknowledged for record in records))
    result.ambiguous_writes = len(records) - result.acknowledged_writes
    errors: Counter[str] = Counter()
    for bucket in read(progress_path(ledger.path))[0]:
        errors.update(bucket.errors)
    result.errors_by_class, result.client_errors = dict(errors.most_common()), errors.total()
    for record in records:
        if record.acknowledged and record.kind == DELETE and record.rows != 1:
            # What it should have deleted was lost or doubled before, and can't be seen any more.
            example = f"delete {record.id} found {record.rows} rows of {record.of}"
            result.note(lost=int(record.rows == 0), duplicated=max(0, record.rows - 1), example=example)
    expected = expectations(records)
    with _session(connection) as cursor:
        _copy(cursor, "expected_inserts", "id uuid, least int, most int, items int", _inserts(expected))
        _check_inserts(cursor, mode, result)
        _copy(cursor, "expected_counters", "key text, least bigint, most bigint", _counters(expected))
        _check_counters(cursor, mode, result)
    return result


def _inserts(expected: Expectations) -> Iterator[Sequence[Any]]:
    for identity, (least, most, items) in expected.inserted.items():
        yield identity, least, most, items


def _counters(expected: Expectations) -> Iterator[Sequence[Any]]:
    for key, (least, most) in expected.counters.items():
        yield key, least, most


def _check_inserts(cursor: Any, mode: str, result: Verification) -> None:
    cursor.execute(
        f"""SELECT id::text, least, most, e.items, coalesce(rows, 0), coalesce(t.items, 0), coalesce(payments, 0)
        FROM expected_inserts e LEFT JOIN (
            SELECT id, sum(rows) AS rows, sum(items) AS items, sum(payments) AS payments
            FROM ({_THERE[mode]}) there GROUP BY id
        ) t USING (id)
        WHERE coalesce(rows, 0) NOT BETWEEN least AND most OR t.items <> rows * e.items OR payments <> rows
        ORDER BY id"""  # noqa: S608 - constants
    )
    for identity, least, most, items_of_one, rows, items, payments in cursor:
        if rows < least:
            result.note(lost=1, example=f"insert {identity} is not there")
        elif most == 0 and rows:
            result.note(lost=1, duplicated=rows - 1, example=f"insert {identity} was deleted and is there {rows} times")
        elif rows > most:
            result.note(duplicated=rows - most, example=f"insert {identity} is there {rows} times")
        else:
            lacks = items < rows * items_of_one or payments < rows
            example = f"insert {identity} is there {rows} times, its items {items} times, its payment {payments} times"
            result.note(lost=int(lacks), duplicated=int(not lacks), example=example)


def _check_counters(cursor: Any, mode: str, result: Verification) -> None:
    """Compare counters, also those that nothing was written to: they count from 0."""
    cursor.execute(
        f"""SELECT key, coalesce(e.least, 0), coalesce(e.most, 0), c.writes
        FROM expected_counters e FULL JOIN ({_COUNTERS[mode]}) c USING (key)
        WHERE coalesce(c.writes, 0) NOT BETWEEN coalesce(e.least, 0) AND coalesce(e.most, 0)
           OR c.writes IS NULL ORDER BY 1"""  # noqa: S608 - constants
    )
    for key, least, most, writes in cursor:
        example = f"counter {key} stands at {'nothing' if writes is None else writes}, expected {least}"
        example += f" to {most}" if most > least else ""
        lost = max(1, least) if writes is None else max(0, least - writes)
        result.note(lost=lost, duplicated=max(0, (writes or 0) - most), example=example)


@contextmanager
def _session(connection: Any) -> Iterator[Any]:
    """One snapshot of the database, in which temporary tables may be made even where it is closed to writes."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
        try:
            cursor.execute("SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = 0; SET LOCAL jit = off")
            yield cursor
        finally:
            cursor.execute("ROLLBACK")


def _copy(cursor: Any, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Make a temporary table of rows whose text needs no escapes."""
    cursor.execute(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
    text = io.StringIO("".join("\t".join(map(str, row)) + "\n" for row in rows))
    cursor.copy_expert(f"COPY {table} FROM STDIN", text)
    cursor.execute(f"ANALYZE {table}")


class TableComparison(TypedDict):
    """One table on both sides. A number of rows is None where there is no such table."""

    table: str
    source_rows: int | None
    target_rows: int | None
    equal: bool


class Comparison(TypedDict):
    """All tables on both sides: how many, the source's rows, and a line for each difference."""

    tables: int
    rows: int
    mismatches: list[str]
    by_table: list[TableComparison]


NOT_COMPARED = ("information_schema", "migration_control", "awsdms_control")
"""Schemas that belong to the migration, not to the application."""
TEXT_SETTINGS = (
    *("timezone = 'UTC'", "datestyle = 'ISO, YMD'", "intervalstyle = 'postgres'", "extra_float_digits = 3"),
    *("bytea_output = 'hex'", "search_path = pg_catalog", "jit = off", "statement_timeout = 0"),
)


def compare_all(source: Any, target: Any, is_left_out: Callable[[str, str], bool] = lambda *_: False) -> Comparison:
    """Compare number and content of the rows of all user tables on both sides at once.

    `is_left_out` says of a schema and a table in it whether it is none of the migration's.
    `source` and `target` are autocommit superuser connections. Only meaningful while nobody writes.
    """
    sides = (_Side(source), _Side(target))
    with ThreadPoolExecutor(2) as pool:
        here, there = pool.map(lambda side: side.tables(is_left_out), sides)
        test_here, test_there = pool.map(_Side.self_test, sides)
        alike = test_here is not None and test_here == test_there
        rows_here, rows_there = pool.map(
            lambda side, tables: side.digests(tables, by_value=alike), sides, (here, there)
        )
    altered = [table for table in sorted(here.keys() & there.keys()) if here[table] != there[table]]
    mismatches = [
        f"{table} has the columns {_listed(here[table])} on the source, {_listed(there[table])} on the target"
        for table in altered
    ]
    mismatches += differences(
        {table: digest for table, digest in rows_here.items() if table not in altered},
        {table: digest for table, digest in rows_there.items() if table not in altered},
    )
    every = sorted(here.keys() | there.keys())
    return {
        "tables": len(every),
        "rows": sum(digest.rows for digest in rows_here.values()),
        "mismatches": mismatches,
        "by_table": [
            {
                "table": str(table),
                "source_rows": rows_here[table].rows if table in here else None,
                "target_rows": rows_there[table].rows if table in there else None,
                "equal": table not in altered and rows_here.get(table) == rows_there.get(table),
            }
            for table in every
        ],
    }


def _listed(columns: Iterable[Column]) -> str:
    return ", ".join(f"{column.name} {column.type_name}" for column in columns) or "none"


class _Side:
    """One of two databases to compare."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def tables(self, is_left_out: Callable[[str, str], bool]) -> dict[Table, list[Column]]:
        """Return the tables that hold rows themselves, with their columns by name."""
        found: dict[Table, list[Column]] = {}
        with self._connection.cursor() as cursor:
            cursor.execute(
                """SELECT n.nspname, c.relname, a.attname, t.typname FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                LEFT JOIN pg_type t ON t.oid = a.atttypid
                WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
                AND n.nspname <> ALL(%s)
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
                ORDER BY 1, 2, 3""",
                (list(NOT_COMPARED),),
            )
            for schema, table, column, type_name in cursor:
                if is_left_out(schema, table):
                    continue
                columns = found.setdefault(Table(schema, table), [])
                if column is not None:
                    columns.append(Column(column, type_name))
        return found

    def self_test(self) -> str | None:
        """Return this server's answer to the hash self-test, None if it has no such hash."""
        with self._session() as cursor:
            cursor.execute("SELECT to_regproc('pg_catalog.hash_record_extended') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return None
            cursor.execute(SELF_TEST)
            return str(cursor.fetchone()[0])

    def digests(self, tables: Mapping[Table, Sequence[Column]], *, by_value: bool) -> dict[Table, Digest]:
        """Count and hash the tables, all as of the same moment."""
        found = {}
        with self._session() as cursor:
            for table, columns in tables.items():
                cursor.execute(digest_query(table, columns, by_value=by_value))
                rows, total = cursor.fetchone()
                found[table] = Digest(int(rows), str(total))
        return found

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """One snapshot, with the settings that make text come out the same everywhere."""
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                for setting in TEXT_SETTINGS:
                    cursor.execute(f"SET LOCAL {setting}")
                yield cursor
            finally:
                cursor.execute("ROLLBACK")
