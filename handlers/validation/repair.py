"""The statements that make the target equal, and carrying them out: guarded, in one transaction, with a backup."""

from collections.abc import Collection, Mapping, Sequence

from handlers.core import sql
from handlers.validation.cells import row, table, values_query
from handlers.validation.compare import KEYS_AT_ONCE, Database, Key, Seen, Sides, seek
from handlers.validation.plan import Half, Pair
from handlers.validation.result import Difference, Kind

BACKUP = sql.name("migration_control", "repaired")
MAKE_BACKUP = (
    "CREATE SCHEMA IF NOT EXISTS migration_control",
    f"CREATE TABLE IF NOT EXISTS {BACKUP} (at timestamptz NOT NULL DEFAULT now(), table_name text NOT NULL, "
    "what text NOT NULL, row_before text NOT NULL)",
)
ORDER = (Kind.EXTRA, Kind.CHANGED, Kind.MISSING)
"""What is too many goes first: it may hold a value that another row needs for itself."""
Values = Mapping[Key, Sequence[str | None]]
"""Rows of the source by key: each column as text."""


class Overtaken(Exception):
    """A row of the target is no longer what was compared. Nothing was changed."""


def statement(pair: Pair, one: Difference, values: Values, left_out: Collection[str], guard: str = "") -> str:
    """Return the statement that makes one row equal. `left_out` are columns the target computes itself."""
    half, where = pair.new, _where(pair.new, one.key) + guard
    if one.kind is Kind.EXTRA:
        return f"DELETE FROM {table(half)} WHERE {where}"  # noqa: S608 - quoted names and literals
    chosen = [
        (new.name, value)
        for old, new, value in zip(pair.old.fields, half.fields, values[one.key], strict=True)
        if new.name not in left_out and (one.kind is Kind.MISSING or old.name in one.columns)
    ]
    if one.kind is Kind.CHANGED:
        changes = ", ".join(f"{sql.name(name)} = {_literal(value)}" for name, value in chosen)
        return f"UPDATE {table(half)} SET {changes} WHERE {where}"  # noqa: S608
    names, literals = ", ".join(sql.name(n) for n, _ in chosen), ", ".join(_literal(v) for _, v in chosen)
    return f"INSERT INTO {table(half)} ({names}) OVERRIDING SYSTEM VALUE VALUES ({literals})"  # noqa: S608


def statements(sides: Sides, pair: Pair, differences: Sequence[Difference]) -> list[str]:
    """Return the statements that make these rows of the target equal to the source's as they are now.

    A row the source has lost since is not touched. Raises ValueError for a table without a key: which of several
    equal rows is meant, nobody can say.
    """
    left_out, values = _generated(sides.new, pair.new), _values(sides.old, pair.old, differences)
    return [statement(pair, one, values, left_out) for one in _possible(pair, differences, values)]


def apply(sides: Sides, pair: Pair, differences: Sequence[Difference]) -> int:
    """Carry the statements out on the target and return how many rows they changed; what they overwrite is kept.

    One transaction. Triggers and foreign keys rest where the role may silence them, as they do for DMS. Raises
    Overtaken where a row is not what was compared any more.
    """
    target, half = sides.new, pair.new
    left_out, values = _generated(target, half), _values(sides.old, pair.old, differences)
    seen = seek(target, half, pair.method, [one.key for one in differences])
    possible = _possible(pair, differences, values)
    for one in possible:
        if (one.key in seen) is (one.kind is Kind.MISSING):
            raise Overtaken(f"{pair.new.table} {', '.join(one.key)} is not {one.kind} any more: validate again")
    target.rows("BEGIN READ WRITE")
    try:
        _silence(target)
        for make in MAKE_BACKUP:
            target.rows(make)
        for one in possible:
            _carry_out(target, pair, one, statement(pair, one, values, left_out, _guard(pair, seen.get(one.key))))
        target.rows("COMMIT")
    except BaseException:
        target.rows("ROLLBACK")
        raise
    return len(possible)


def _carry_out(target: Database, pair: Pair, one: Difference, made: str) -> None:
    half = pair.new
    if one.kind is not Kind.MISSING:
        target.rows(
            f"INSERT INTO {BACKUP} (table_name, what, row_before) SELECT {sql.literal(table(half))}, "  # noqa: S608
            f"'{one.kind}', t::text FROM ONLY {table(half)} t WHERE {_where(half, one.key)} FOR UPDATE"
        )
    if not target.rows(f"{made} RETURNING 1"):
        raise Overtaken(f"{half.table} {', '.join(one.key)} has changed since it was compared: validate again")


def _possible(pair: Pair, differences: Sequence[Difference], values: Values) -> list[Difference]:
    if not pair.has_key:
        raise ValueError(f"{pair.new.table} has no primary key: repair it by loading the table again")
    found = [one for one in differences if (one.key in values) is not (one.kind is Kind.EXTRA)]
    return sorted(found, key=lambda one: (ORDER.index(one.kind), one.key))


def _guard(pair: Pair, seen: Seen | None) -> str:
    return f" AND {row(pair.new, pair.method)} = {seen.hash}" if seen else ""


def _values(source: Database, half: Half, differences: Sequence[Difference]) -> Values:
    keys = [one.key for one in differences]
    found: dict[Key, Sequence[str | None]] = {}
    for first in range(0, len(keys) if half.key else 0, KEYS_AT_ONCE):
        wanted = keys[first : first + KEYS_AT_ONCE]
        args = {f"key{number}": [key[number] for key in wanted] for number in range(len(half.key))}
        found |= {wanted[place - 1]: values for place, values in source.rows(values_query(half), args)}
    return found


def _generated(target: Database, half: Half) -> set[str]:
    found = target.rows(
        """SELECT attname FROM pg_attribute WHERE attrelid = %(table)s::regclass AND attnum > 0
        AND attgenerated <> ''""",
        {"table": table(half)},
    )
    return {row[0] for row in found}


def _silence(target: Database) -> None:
    [(allowed,)] = target.rows(
        """SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
        THEN has_parameter_privilege('session_replication_role', 'SET')
        ELSE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) END"""
    )
    if allowed:
        target.rows("SET LOCAL session_replication_role = replica")


def _where(half: Half, key: Key) -> str:
    return " AND ".join(
        column.part.is_value(sql.name(column.name), sql.literal(value))
        for column, value in zip(half.key, key, strict=True)
    )


def _literal(value: str | None) -> str:
    return "NULL" if value is None else sql.literal(value)
