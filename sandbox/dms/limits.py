"""DMS's limits on values, written as triggers on the target that fire for replicated rows alone.

Native replication carries every value whole. DMS does not: large objects are cut or fail the task, NUMERIC without
precision becomes NUMERIC(28,6), infinite timestamps become finite, and an update of a key changes nothing. The triggers
are ENABLE REPLICA: an application that writes to the target does not meet them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from psycopg2 import sql

from sandbox.dms.catalog import Column, Table

WIDE_CLOBS = frozenset({"text", "citext", "varchar", "bpchar", "json", "jsonb", "hstore"})
"""NCLOB to DMS: two bytes a character, four where the value has a character of four."""
CLOBS = frozenset({"xml", "tsvector", "tsquery", "path", "polygon"})
CUTTABLE = frozenset({"text", "citext", "varchar", "bpchar", "bytea"})
"""Types of which a part is still a value; a part of a document or an array is none, and DMS's apply fails on it."""
LATEST = {"timestamp": "9999-12-31 23:59:59", "timestamptz": "9999-12-31 23:59:59+00"}
EARLIEST = {"timestamp": "4713-01-01 00:00:00 BC", "timestamptz": "4713-01-01 00:00:00+00 BC"}
NUMERIC_SCALE = 6
NUMERIC_BOUND = 10**22
"""NUMERIC(28,6) has 22 digits before the point."""


@dataclass(frozen=True)
class Policy:
    """How a task treats values. `lob_kb` is None in full LOB mode and 0 where large objects are left out.

    `lob_kb_of` has the tables with a limit of their own, by (schema, table).
    """

    lob_kb: int | None
    fails_on_truncation: bool
    exact_numeric: bool
    lob_kb_of: Mapping[tuple[str, str], int | None] = field(default_factory=dict)

    def of(self, table: Table) -> "Policy":
        """Return how values of one table are treated."""
        return replace(self, lob_kb=self.lob_kb_of.get(table.id, self.lob_kb) if self.lob_kb != 0 else 0)


@dataclass(frozen=True)
class Breach:
    """A column whose values may break a limit in a way that fails the task, and the words for it."""

    table: Table
    column: str
    reason: str


@dataclass(frozen=True)
class Names:
    """What the triggers, functions and the sequence of one task are called."""

    schema: str
    base: str

    @classmethod
    def of(cls, resource_id: str, control_schema: str) -> "Names":
        """Return the names of the task with a resource id."""
        return cls(control_schema, f"awsdms_limit_{resource_id.lower()}")

    @property
    def sequence(self) -> sql.Identifier:
        """The sequence that remembers a breach: unlike a row, its value outlives the failed transaction."""
        return sql.Identifier(self.schema, self.base)

    def function(self, number: int) -> sql.Identifier:
        """The function of one table."""
        return sql.Identifier(self.schema, f"{self.base}_{number}")

    @property
    def key_function(self) -> sql.Identifier:
        """The function that drops updates of a key."""
        return sql.Identifier(self.schema, f"{self.base}_key")

    @property
    def triggers(self) -> tuple[str, str]:
        """Names of the value trigger and of the key trigger."""
        return (self.base, f"{self.base}_key")


@dataclass(frozen=True)
class Script:
    """The statements that impose the limits, and what each number left in the sequence means (from 1)."""

    statements: tuple[sql.Composable, ...]
    breaches: tuple[Breach, ...]


def script(tables: Sequence[Table], policy: Policy, names: Names) -> Script:
    """Return what imposes `policy` on tables of the target, given as they are on the source."""
    statements: list[sql.Composable] = [
        sql.SQL("CREATE SEQUENCE {}").format(names.sequence),
        sql.SQL(
            "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $limit$ BEGIN RETURN NULL; END $limit$"
        ).format(names.key_function),
    ]
    breaches: list[Breach] = []
    for number, table in enumerate(tables, start=1):
        checks, acts, own = [], [], policy.of(table)
        for column in table.columns:
            limit = _limit(column, own)
            if limit is not None:
                if limit.reason:
                    breaches.append(Breach(table, column.name, limit.reason))
                checks.append(limit.when)
                acts.append(limit.act(_fail(len(breaches))))
        if acts:
            statements += _value_trigger(table, names, number, checks, acts)
        if table.key:
            statements += _key_trigger(table, names)
    return Script(tuple(statements), tuple(breaches))


def is_lob(column: Column) -> bool:
    """Say whether DMS treats a column as a large object."""
    if column.is_array or column.kind == "c":
        return True
    if column.base in ("varchar", "bpchar"):
        return not column.bounded
    return column.base in WIDE_CLOBS | CLOBS | {"bytea"}


@dataclass(frozen=True)
class _Limit:
    """When a value needs the function, what the function does then, given how to fail, and why it would fail."""

    when: sql.Composable
    act: Callable[[sql.Composable], sql.Composable]
    reason: str = ""


def _limit(column: Column, policy: Policy) -> _Limit | None:
    value = sql.SQL("NEW.{}").format(sql.Identifier(column.name))
    if column.generated:
        return None
    if is_lob(column):
        if policy.lob_kb is None:
            return None
        return _lob(column, value, policy.lob_kb, policy.fails_on_truncation) if policy.lob_kb else _left_out(value)
    if column.base == "numeric" and not column.bounded and not policy.exact_numeric:
        return _numeric(value)
    if column.base in LATEST:
        return _timestamp(value, LATEST[column.base], EARLIEST[column.base])
    return None


def _left_out(value: sql.Composable) -> _Limit:
    null = sql.SQL("{} := NULL;").format(value)
    return _Limit(sql.SQL("{} IS NOT NULL").format(value), lambda _: null)


def _lob(column: Column, value: sql.Composable, kb: int, fails_on_truncation: bool) -> _Limit:
    size, plain = kb * 1024, not column.is_array
    part_is_a_value = plain and column.base in CUTTABLE
    fails = fails_on_truncation or not part_is_a_value
    why = "and FailTasksOnLobTruncation is true" if fails_on_truncation else f"and a part of a {column.type} is none"
    reason = f"a LOB is larger than LobMaxSize {kb} KB, {why}" if fails else ""
    text = value if part_is_a_value and column.base != "bytea" else sql.SQL("{}::text").format(value)
    if plain and column.base in CLOBS | {"bytea"}:
        what = value if column.base == "bytea" else text
        look = large = sql.SQL("octet_length({}) > {}").format(what, sql.Literal(size))
        cut = sql.SQL("{v} := substring({v} FROM 1 FOR {n});").format(v=value, n=sql.Literal(size))
    else:
        # A cheap look first: fewer bytes than the smallest limit has characters can't break it.
        look = sql.SQL("octet_length({}) > {}").format(text, sql.Literal(size // 4))
        allowed = sql.SQL(r"CASE WHEN {} ~ '[\U00010000-\U0010FFFF]' THEN {} ELSE {} END").format(
            text, sql.Literal(size // 4), sql.Literal(size // 2)
        )
        large = sql.SQL("{} AND char_length({}) > {}").format(look, text, allowed)
        cut = sql.SQL("{v} := left({v}, {n});").format(v=value, n=allowed)
    return _Limit(look, lambda fail: _if(large, fail if fails else cut), reason)


def _numeric(value: sql.Composable) -> _Limit:
    large = sql.SQL("abs({}) >= {}").format(value, sql.Literal(NUMERIC_BOUND))
    fine = sql.SQL("scale({}) > {}").format(value, sql.Literal(NUMERIC_SCALE))
    rounded = sql.SQL("{v} := round({v}, {n});").format(v=value, n=sql.Literal(NUMERIC_SCALE))
    return _Limit(
        sql.SQL("{} OR {}").format(large, fine),
        lambda fail: _if(sql.SQL("{} AND {} <> 'NaN'").format(large, value), fail) + _if(fine, rounded),
        f"a value does not fit NUMERIC(28,{NUMERIC_SCALE})",
    )


def _timestamp(value: sql.Composable, latest: str, earliest: str) -> _Limit:
    endless = sql.SQL("NOT isfinite({})").format(value)
    finite = sql.SQL("{v} := CASE WHEN {v} = 'infinity' THEN {late} ELSE {early} END;").format(
        v=value, late=sql.Literal(latest), early=sql.Literal(earliest)
    )
    return _Limit(endless, lambda _: _if(endless, finite))


def _if(condition: sql.Composable, act: sql.Composable) -> sql.Composed:
    # In brackets: PL/pgSQL reads a condition up to the first THEN outside of any, that of a CASE included.
    return sql.SQL("IF ({}) THEN {} END IF; ").format(condition, act)


def _fail(code: int) -> sql.Composable:
    """Remember which limit was broken and fail the transaction that broke it."""
    return sql.SQL("PERFORM setval(TG_ARGV[0]::regclass, {}); RAISE EXCEPTION 'a limit of DMS is exceeded';").format(
        sql.Literal(code)
    )


def _value_trigger(
    table: Table, names: Names, number: int, checks: Sequence[sql.Composable], acts: Sequence[sql.Composable]
) -> list[sql.Composable]:
    function, trigger = names.function(number), sql.Identifier(names.triggers[0])
    when = sql.SQL(" OR ").join([sql.SQL("({})").format(check) for check in checks])
    body = sql.SQL(" ").join(acts)
    argument = sql.Literal('"{}"."{}"'.format(names.schema.replace('"', '""'), names.base))
    return [
        sql.SQL(
            "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $limit$ BEGIN {} RETURN NEW; END $limit$"
        ).format(function, body),
        sql.SQL(
            "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION {}({})"
        ).format(trigger, table.sql(), when, function, argument),
        sql.SQL("ALTER TABLE {} ENABLE REPLICA TRIGGER {}").format(table.sql(), trigger),
    ]


def _key_trigger(table: Table, names: Names) -> list[sql.Composable]:
    trigger = sql.Identifier(names.triggers[1])
    when = sql.SQL(" OR ").join(
        [sql.SQL("OLD.{c} IS DISTINCT FROM NEW.{c}").format(c=sql.Identifier(column)) for column in table.key]
    )
    return [
        sql.SQL("CREATE TRIGGER {} BEFORE UPDATE ON {} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION {}()").format(
            trigger, table.sql(), when, names.key_function
        ),
        sql.SQL("ALTER TABLE {} ENABLE REPLICA TRIGGER {}").format(table.sql(), trigger),
    ]
