"""What equal means, and the expressions that both servers hash a row with.

Three ways, each tried by its self-test on both servers before it is trusted: PostgreSQL's record hash (no text is
made), the extended hash of the row's text, and md5 of that text in UTF-8, for servers that have no other way in common.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from handlers.core import sql
from handlers.core.comparison import Column, Table

HASHABLE = frozenset(
    {
        *("bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric"),
        *("text", "varchar", "bpchar", "uuid", "bytea", "jsonb", "inet", "cidr", "macaddr", "macaddr8", "pg_lsn"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
        *("int4range", "numrange", "tsrange", "tstzrange", "daterange"),
    }
)
"""Types whose extended hash is the same on every server, and arrays of them. All others are compared as text.

An enum and a regclass hash their OID. A composite's hash is a weighted sum that its values can be moved about in.
"""
LENIENT = frozenset({"numeric", "numrange", "jsonb", "float4", "float8", "interval"})
"""Types whose hash is blind to something: 1.1 and 1.10, 0 and -0, 1 month and 30 days; in jsonb, where nesting ends."""
ALIKE = (frozenset({"int2", "int4", "int8"}), frozenset({"float4", "float8"}), frozenset({"text", "varchar"}))
"""Types whose equal values hash alike, so that one may stand on either side."""
FOLDED = "int8"
"""Its hash folds -5 and 4294967291 into one."""


class Method(StrEnum):
    """How rows are hashed."""

    RECORD = "record"
    TEXT = "text"
    MD5 = "md5"


_SAMPLE = (
    "1::int8, 'é'::text, 1.5::numeric, true, '2026-01-02 03:04:05+00'::timestamptz, '{\"a\": 1}'::jsonb, "
    "'\\x00ff'::bytea, '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid, ARRAY[1,2]::int4[], 0.1::float8"
)
SELF_TEST = f"SELECT hash_record_extended(row({_SAMPLE}, int4range(1, 5)), 7)::text"
"""PostgreSQL promises nothing across major versions: unless both servers answer this alike, text is hashed."""
SELF_TESTS: Mapping[Method, str] = {
    Method.RECORD: SELF_TEST,
    Method.TEXT: f"SELECT hashtextextended(row({_SAMPLE})::text, 7)::text",
    Method.MD5: f"SELECT md5(convert_to(row({_SAMPLE})::text, 'UTF8'))",
}


class Form(StrEnum):
    """How a column goes into the hash of a row."""

    VALUE = "value"
    WIDE = "wide"
    """As a value, and its upper half once more, for FOLDED."""
    ARRAY = "array"
    """As a value, and its dimensions: the hash of an array goes by its elements alone."""
    TEXT = "text"


@dataclass(frozen=True)
class Field:
    """A column as one side has it, and how it is hashed."""

    name: str
    form: Form


def common_method(here: Mapping[Method, str | None], there: Mapping[Method, str | None]) -> Method:
    """Return the fastest way that both servers' self-tests agree on. Raises ValueError where there is none."""
    for method in Method:
        answer = here.get(method)
        if answer is not None and answer == there.get(method):
            return method
    raise ValueError("the two servers hash nothing alike, not even text with md5: compare them by another tool")


def form(here: Column, there: Column, *, strict: bool = False) -> Form:
    """Return how a column is hashed on both sides. `strict` tells apart what LENIENT types do not."""
    types = {here.type_name, there.type_name}
    if any(types <= family for family in ALIKE):
        return Form.TEXT if strict and types & LENIENT else Form.WIDE if FOLDED in types else Form.VALUE
    element = here.type_name.removeprefix("_")
    if len(types) > 1 or element not in HASHABLE or (strict and element in LENIENT):
        return Form.TEXT
    if element == here.type_name:
        return Form.VALUE
    return Form.TEXT if element == FOLDED else Form.ARRAY


def forms(columns: Iterable[Column]) -> tuple[Field, ...]:
    """Return how columns are hashed that have the same types on both sides."""
    return tuple(Field(column.name, form(column, column)) for column in columns)


def row_hash(fields: Sequence[Field], method: Method, seed: str | None = None, alias: str | None = None) -> str:
    """Return the expression for one row's hash, an int8.

    The record hash is a weighted sum of its columns' hashes: two rows that exchange a value leave a sum over both as it
    was. So the hash of the key, which no other row has, is the `seed`; without one the whole is hashed again.
    `alias` is what the query calls the table, if anything.
    """
    if method is Method.RECORD:
        values = ", ".join(_values(field, alias) for field in fields)
        if seed is None:
            return f"hashint8extended(hash_record_extended(row({values}), 0), 0)"
        return f"hash_record_extended(row({values}), {seed})"
    text = f"row({', '.join(_text(field, alias) for field in fields)})::text"
    if method is Method.TEXT:
        return f"hashtextextended({text}, 0)"
    return f"('x' || left(md5(convert_to({text}, 'UTF8')), 16))::bit(64)::int8"


def digest_query(table: Table, columns: Sequence[Column], *, record_hash: bool) -> str:
    """Return the query for a table's Digest: one row, (count, sum). `record_hash` needs servers that pass SELF_TEST."""
    one = row_hash(forms(columns), Method.RECORD if record_hash else Method.TEXT)
    where = sql.name(table.schema, table.name)
    return f"SELECT count(*), coalesce(sum({one}), 0)::text FROM ONLY {where}"  # noqa: S608 - quoted names only


def _values(field: Field, alias: str | None) -> str:
    name = _name(field, alias)
    return {
        Form.VALUE: name,
        Form.WIDE: f"{name}, {name}::int8 >> 32",
        Form.ARRAY: f"{name}, array_dims({name})",
        Form.TEXT: _text(field, alias),
    }[field.form]


def _text(field: Field, alias: str | None) -> str:
    return f'{_name(field, alias)}::text COLLATE "C"'


def _name(field: Field, alias: str | None) -> str:
    return sql.name(field.name) if alias is None else sql.name(alias, field.name)
