"""Whether two tables hold the same rows: a count and a sum of row hashes, computed by both servers in one scan each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from handlers.core import sql

HASHABLE = frozenset(
    {
        *("bool", "int2", "int4", "int8", "float4", "float8", "numeric"),
        *("text", "varchar", "bpchar", "uuid", "bytea", "jsonb", "inet", "cidr", "macaddr"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
    }
)
"""Types whose extended hash is the same on every server. Others (enum hashes its OID) are compared as text."""
SELF_TEST = (
    "SELECT hash_record_extended(row(1::int8, 'é'::text, 1.5::numeric, true, "
    "'2026-01-02 03:04:05+00'::timestamptz, '{\"a\": 1}'::jsonb, '\\x00ff'::bytea, "
    "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid, ARRAY[1,2]::int4[]), 0)::text"
)
"""PostgreSQL promises nothing across major versions: unless both servers answer this alike, text is hashed."""


@dataclass(frozen=True)
class Column:
    """A column: its name, and its type's internal name (`_int4` is an array of int4)."""

    name: str
    type_name: str


@dataclass(frozen=True, order=True)
class Table:
    """A table that holds rows itself: an ordinary one or a partition without partitions."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Digest:
    """Number of rows and the sum of their hashes. A sum, not an exclusive or: there duplicates would cancel out."""

    rows: int
    hash: str


def digest_query(table: Table, columns: Sequence[Column], *, record_hash: bool) -> str:
    """Return the query for a table's Digest: one row, (count, sum). `record_hash` needs servers that pass SELF_TEST."""
    one, where = row_hash(columns, record_hash=record_hash), sql.name(table.schema, table.name)
    return f"SELECT count(*), coalesce(sum({one}), 0)::text FROM ONLY {where}"  # noqa: S608 - quoted names only


def row_hash(columns: Sequence[Column], *, record_hash: bool, alias: str | None = None) -> str:
    """Return the expression for one row's hash; `alias` is what the query calls the table, if anything."""

    def of(column: Column) -> str:
        return sql.name(column.name) if alias is None else sql.name(alias, column.name)

    if record_hash:
        fields = ", ".join(of(c) + ("" if hashable(c) else "::text") for c in columns)
        return f"hash_record_extended(row({fields}), 0)"
    fields = ", ".join(of(c) + "::text" for c in columns)
    return f"hashtextextended(row({fields})::text, 0)"


def hashable(column: Column) -> bool:
    """Say whether the column's hash can be trusted across servers."""
    return column.type_name.removeprefix("_") in HASHABLE


def selected(table: Table, rules: Iterable[Mapping[str, object]]) -> bool:
    """Say whether DMS's selection rules take `table`: included by one, excluded by none."""
    return verdict(table, rules) is True


def verdict(table: Table, rules: Iterable[Mapping[str, object]]) -> bool | None:
    """Return whether DMS's selection rules include `table` (True), exclude it (False), or do not speak of it (None)."""
    taken = None
    for rule in rules:
        if rule.get("rule-type") != "selection":
            continue
        locator = rule["object-locator"]
        assert isinstance(locator, Mapping)  # noqa: S101 - the shape of DMS's own documents
        if like(table.schema, str(locator["schema-name"])) and like(table.name, str(locator["table-name"])):
            if rule["rule-action"] == "exclude":
                return False
            taken = taken or rule["rule-action"] in ("include", "explicit") or None
    return taken


def differences(
    old: Mapping[Table, Digest | None],
    new: Mapping[Table, Digest | None],
    called: tuple[str, str] = ("source", "target"),
) -> list[str]:
    """Return, for every table that differs, a line that says how. None stands for a table that is not there.

    `called` is what the two sides are called.
    """
    lines = []
    for table in sorted({*old, *new}):
        here, there = old.get(table), new.get(table)
        if here == there:
            continue
        if here is None or there is None:
            lines.append(f"{table} is missing on the {called[0] if here is None else called[1]}")
        elif here.rows != there.rows:
            lines.append(f"{table} has {here.rows} rows on the {called[0]}, {there.rows} on the {called[1]}")
        else:
            lines.append(f"{table} has the same {here.rows} rows by number, not by content")
    return lines


def like(text: str, pattern: str) -> bool:
    """Match DMS's wildcards: `%` for any characters, `_` for one, both literal in brackets."""
    shell, escaped = "", False
    for character in pattern:
        if character == "[":
            escaped, shell = True, shell + "["
        elif character == "]":
            escaped, shell = False, shell + "]"
        elif escaped:
            shell += character
        else:
            shell += {"%": "*", "_": "?", "*": "[*]", "?": "[?]"}.get(character, character)
    return fnmatchcase(text, shell)
