"""What equal means, and the expressions that both servers hash a row with.

Three ways, each tried by its self-test on both servers before it is trusted: PostgreSQL's own hashes of the columns'
values (no text is made), the extended hash of the row's text, and md5 of that text in UTF-8, for servers that have no
other way in common.
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
        *("date", "time", "timestamp", "timestamptz", "interval"),
        *("int4range", "numrange", "tsrange", "tstzrange", "daterange"),
    }
)
"""Types whose extended hash is the same on every server, and arrays of them. All others are compared as text.

An enum and a regclass hash their OID. A composite's hash is a weighted sum that its values can be moved about in. Of
timetz, midnight at Greenwich hashes to 0 whatever the seed, as NULL does.
"""
LENIENT = frozenset({"numeric", "numrange", "jsonb", "float4", "float8", "interval"})
"""Types whose hash is blind to something: 1.1 and 1.10, 0 and -0, 1 month and 30 days; in jsonb, where nesting ends."""
ALIKE = (frozenset({"int2", "int4", "int8"}), frozenset({"float4", "float8"}), frozenset({"text", "varchar"}))
"""Types whose equal values hash alike, so that one may stand on either side."""
FOLDED = "int8"
"""Its hash folds -5 and 4294967291 into one."""


class Method(StrEnum):
    """How rows are hashed."""

    VALUE = "value"
    TEXT = "text"
    MD5 = "md5"


class Form(StrEnum):
    """How a column goes into the hash of a row."""

    INTEGER = "integer"
    WIDE = "wide"
    FLOAT = "float"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    STRING = "string"
    PADDED = "padded"
    UUID = "uuid"
    JSONB = "jsonb"
    DATE = "date"
    TIMESTAMP = "timestamp"
    ZONED = "zoned"
    RECORD = "record"
    """In a record, with all others of this form: types whose hash can't be called, or that are rare."""
    ARRAY = "array"
    """The same, and its dimensions: the hash of an array goes by its elements alone."""
    TEXT = "text"


HASHES: Mapping[Form, str] = {
    Form.INTEGER: "hashint4extended({value}::int4, {seed})",
    # The value is in the seed as well, unfolded.
    Form.WIDE: "hashint8extended({value}::int8, {value}::int8 # {seed})",
    Form.FLOAT: "hashfloat8extended({value}::float8, {seed})",
    Form.NUMERIC: "hash_numeric_extended({value}, {seed})",
    # Both hashes are worked out when the query is planned.
    Form.BOOLEAN: "CASE WHEN {value} THEN hashint4extended(1, {seed}) "
    "WHEN NOT {value} THEN hashint4extended(0, {seed}) END",
    Form.STRING: "hashtextextended({value}, {seed})",
    Form.PADDED: "hashbpcharextended({value}, {seed})",
    Form.UUID: "uuid_hash_extended({value}, {seed})",
    Form.JSONB: "jsonb_hash_extended({value}, {seed})",
    # Days, which both infinities lie beyond: a date's own hash can't be called by one name on every version.
    Form.DATE: "hashint4extended(CASE isfinite({value}) WHEN true THEN {value} - date '2000-01-01' WHEN false THEN "
    "CASE WHEN {value} > date '2000-01-01' THEN 2147483647 ELSE -2147483648 END END, {seed})",
    Form.TIMESTAMP: "timestamp_hash_extended({value}, {seed})",
    Form.ZONED: "timestamp_hash_extended({value} AT TIME ZONE interval '0', {seed})",
    Form.TEXT: 'hashtextextended({value}::text COLLATE "C", {seed})',
}
"""PostgreSQL's own hash of a value of each form, with a seed: a call for each costs less than a record of them."""
OF_TYPE: Mapping[str, Form] = {
    **{"int2": Form.INTEGER, "int4": Form.INTEGER, "int8": Form.WIDE, "float4": Form.FLOAT, "float8": Form.FLOAT},
    **{"numeric": Form.NUMERIC, "bool": Form.BOOLEAN, "text": Form.STRING, "varchar": Form.STRING},
    **{"bpchar": Form.PADDED, "uuid": Form.UUID, "jsonb": Form.JSONB, "date": Form.DATE},
    **{"timestamp": Form.TIMESTAMP, "timestamptz": Form.ZONED},
}
"""Forms of the types in HASHABLE; what is missing here goes into a record."""


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
        wider = FOLDED if FOLDED in types else here.type_name
        return Form.TEXT if strict and types & LENIENT else OF_TYPE[wider]
    element = here.type_name.removeprefix("_")
    if len(types) > 1 or element not in HASHABLE or (strict and element in LENIENT):
        return Form.TEXT
    if element == here.type_name:
        return OF_TYPE.get(element, Form.RECORD)
    return Form.TEXT if element == FOLDED else Form.ARRAY


def forms(columns: Iterable[Column]) -> tuple[Field, ...]:
    """Return how columns are hashed that have the same types on both sides."""
    return tuple(Field(column.name, form(column, column)) for column in columns)


def row_hash(fields: Sequence[Field], method: Method, number: str | None = None, alias: str | None = None) -> str:
    """Return the expression for one row's hash, an int8. `alias` is what the query calls the table, if anything.

    Sums of such hashes are compared, so that what a row comes to has to be hashed as a whole at last: two rows that
    exchange a value would else leave a sum as it was. `number` is a bigint that is to be a part of it besides: a key.
    """
    if method is Method.VALUE:
        parts = [_value(field, seed, alias) for seed, field in enumerate(fields, start=1) if field.form in HASHES]
        rest = ", ".join(_in_record(field, alias) for field in fields if field.form not in HASHES)
        parts += [f"hash_record_extended(row({rest}), 0)"] if rest else []
        return f"hashint8extended({number or 0}, {' # '.join([*parts, *([number] if number else [])]) or 0})"
    text = f"row({', '.join(_text(field, alias) for field in fields)})::text"
    if method is Method.TEXT:
        return f"hashtextextended({text}, 0)"
    return f"('x' || left(md5(convert_to({text}, 'UTF8')), 16))::bit(64)::int8"


def digest_query(table: Table, columns: Sequence[Column], *, by_value: bool) -> str:
    """Return the query for a table's Digest: one row, (count, sum). `by_value` needs servers that pass SELF_TEST."""
    one = row_hash(forms(columns), Method.VALUE if by_value else Method.TEXT)
    where = sql.name(table.schema, table.name)
    return f"SELECT count(*), coalesce(sum({one}), 0)::text FROM ONLY {where}"  # noqa: S608 - quoted names only


def _value(field: Field, seed: int, alias: str | None) -> str:
    """Seeds are the columns' numbers: without, two columns that exchange their values would hash alike."""
    return f"coalesce({HASHES[field.form].format(value=_name(field, alias), seed=seed)}, {seed})"


def _in_record(field: Field, alias: str | None) -> str:
    name = _name(field, alias)
    return f"{name}, array_dims({name})" if field.form is Form.ARRAY else name


def _text(field: Field, alias: str | None) -> str:
    return f'{_name(field, alias)}::text COLLATE "C"'


def _name(field: Field, alias: str | None) -> str:
    return sql.name(field.name) if alias is None else sql.name(alias, field.name)


_SAMPLE = (
    (Form.INTEGER, "-3::int4"),
    (Form.WIDE, "-5::int8"),
    (Form.FLOAT, "0.1::float8"),
    (Form.NUMERIC, "1.5::numeric"),
    (Form.BOOLEAN, "true"),
    (Form.STRING, "'é'::text"),
    (Form.PADDED, "'é '::bpchar"),
    (Form.UUID, "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid"),
    (Form.JSONB, "'{\"a\": 1}'::jsonb"),
    (Form.DATE, "date '2026-01-02'"),
    (Form.TIMESTAMP, "timestamp '2026-01-02 03:04:05'"),
    (Form.ZONED, "timestamptz '2026-01-02 03:04:05+00'"),
    (Form.RECORD, "'\\x00ff'::bytea"),
    (Form.RECORD, "int4range(1, 5)"),
    (Form.ARRAY, "ARRAY[1, 2]::int4[]"),
    (Form.TEXT, "NULL::text"),
)
_COLUMNS = ", ".join(f'{value} AS "c{number}"' for number, (_, value) in enumerate(_SAMPLE))
_HASHED = row_hash([Field(f"c{number}", form) for number, (form, _) in enumerate(_SAMPLE)], Method.VALUE, "7::int8")
SELF_TEST = f"SELECT {_HASHED}::text FROM (SELECT {_COLUMNS}) AS sample"  # noqa: S608
"""PostgreSQL promises nothing across major versions: unless both servers answer this alike, text is hashed."""
_RECORD = f"(SELECT row({', '.join(value for _, value in _SAMPLE)})::text)"
SELF_TESTS: Mapping[Method, str] = {
    Method.VALUE: SELF_TEST,
    Method.TEXT: f"SELECT hashtextextended({_RECORD}, 7)::text",
    Method.MD5: f"SELECT md5(convert_to({_RECORD}, 'UTF8'))",
}
