"""The SQL of the comparison. Every query reads one side once; none needs an argument but lists of keys."""

from collections.abc import Sequence

from handlers.core import sql
from handlers.validation.equality import Field, Method, row_hash
from handlers.validation.plan import MOST_CELLS, Cells, Half, KeyColumn, Part

ALIAS = "row"
MOST_RANGES = 2 * MOST_CELLS
"""From so many ranges on a table's keys are not where its statistics have them."""


def cells_query(half: Half, method: Method, part: Part, cells: Cells) -> str:
    """Return the query for (cell, number of rows, sum of their hashes) of every cell that has rows.

    Sums, not exclusive ors: there duplicates would cancel out; and sums over parts add up. Of ranges it answers
    MOST_RANGES at most: what statistics do not know of can lie anywhere.

    A row without a key is known by its hash, which is made once, below an OFFSET that keeps planners from merging both
    levels. With one they shall merge them, for parallel workers to add up what they have hashed.
    """
    hashed, where = row(half, method), f"FROM ONLY {table(half)}{_where(half, method, part)}"
    if not half.key:
        hashed, where = "hash", f"FROM (SELECT {hashed} AS hash {where} OFFSET 0) AS hashed"
    return (
        f"SELECT {_cell(half, method, cells)} AS cell, count(*), sum({hashed})::text "
        f"{where} GROUP BY 1{'' if cells.shift is None else f' LIMIT {MOST_RANGES}'}"
    )


def rows_query(half: Half, method: Method, parts: Sequence[Part]) -> str:
    """Return the query for (key as text, …, hash) of every row in these parts; without a key (hash, how many)."""
    hashed = row(half, method)
    where = f"FROM ONLY {table(half)}{_where(half, method, *parts)}"
    if half.key:
        return f"SELECT {', '.join(_key_texts(half))}, {hashed} {where}"
    return f"SELECT {hashed}, count(*) {where} GROUP BY 1"


def totals_query(half: Half, method: Method) -> str:
    """Return the query for the number of rows and the sum of the hashes of their keys: cheap, and shows a deletion."""
    return f"SELECT count(*), coalesce(sum({_key_hash(half, method)}), 0)::text FROM ONLY {table(half)}"  # noqa: S608


def versions_query(half: Half, method: Method, boundary: int, most: int) -> str:
    """Return the query for (key as text, …, hash) of the rows written since, `most` at most.

    `boundary` is the lowest transaction that was under way at that time. An age below 0 is of a row frozen long ago,
    whose transaction lies ahead by now, as 32 bits count.
    """
    since = f"(SELECT age('{boundary % (1 << 32)}'::xid))"
    return (
        f"SELECT {', '.join(_key_texts(half))}, {row(half, method)} FROM ONLY {table(half)} "  # noqa: S608
        f"WHERE age(xmin) <= {since} AND age(xmin) >= 0 LIMIT {most}"
    )


def seek_query(half: Half, method: Method) -> str:
    """Return the query for (place among the keys wanted, hash, version) of every row there is.

    Its arguments are `key0`, `key1` and so on: for each column of the key, the wanted rows' values as text. A row's
    version changes with everything that is done to it.
    """
    return _seek(half, f"{row(half, method, ALIAS)}, {sql.name(ALIAS)}.xmin::text || {sql.name(ALIAS)}.ctid::text")


def columns_query(half: Half, method: Method) -> str:
    """Return the query for (place among the keys wanted, the hash of each column); arguments as above."""
    hashes = ", ".join(row_hash([field], method, alias=ALIAS) for field in half.fields)
    return _seek(half, f"ARRAY[{hashes}]::int8[]")


def values_query(half: Half) -> str:
    """Return the query for (place among the keys wanted, each column as text); arguments as above."""
    texts = ", ".join(f"{sql.name(ALIAS, field.name)}::text" for field in half.fields)
    return _seek(half, f"ARRAY[{texts}]::text[]")


def _seek(half: Half, what: str) -> str:
    numbers = range(len(half.key))
    wanted = ", ".join(f"%(key{number})s::text[]" for number in numbers)
    names = ", ".join(f"key{number}" for number in numbers)
    same = " AND ".join(
        key.part.is_value(sql.name(ALIAS, key.name), f"wanted.key{number}") for number, key in enumerate(half.key)
    )
    return (
        f"SELECT wanted.place, {_literally(what)} "  # noqa: S608 - quoted names only
        f"FROM unnest({wanted}) WITH ORDINALITY AS wanted ({names}, place) "
        f"JOIN ONLY {_literally(table(half))} AS {sql.name(ALIAS)} ON {_literally(same)}"
    )


def _cell(half: Half, method: Method, cells: Cells) -> str:
    if cells.shift is not None:
        return f"({_number(half)} >> {cells.shift})"
    hashed = _key_hash(half, method) if half.key else "hash"
    return f"({hashed} & {cells.modulus - 1})" if cells.modulus > 1 else "0"


def _where(half: Half, method: Method, *parts: Part) -> str:
    conditions = [_in_part(half, method, part) for part in parts]
    return "" if "" in conditions else f" WHERE ({') OR ('.join(conditions)})"


def _in_part(half: Half, method: Method, part: Part) -> str:
    found = []
    if part.low is not None:
        found.append(f"{_key_name(half)} >= {part.low}")
    if part.high is not None:
        found.append(f"{_key_name(half)} < {part.high}")
    if part.first is not None:
        found.append(f"ctid >= '({part.first},0)'")
    if part.last is not None:
        found.append(f"ctid < '({part.last},0)'")
    if part.modulus > 1:
        found.append(
            f"({_bucket_hash(half, method)} & {part.modulus - 1}) = ANY('{{{','.join(map(str, part.chosen))}}}')"
        )
    return " AND ".join(found)


def row(half: Half, method: Method, alias: str | None = None) -> str:
    """Return the expression for the hash of a row."""
    if method is not Method.VALUE or not half.by_number:
        return row_hash(half.fields, method, alias=alias)
    rest = [field for field in half.fields if field.name != half.key[0].name]
    return row_hash(rest, method, _number(half, alias), alias)


def _bucket_hash(half: Half, method: Method) -> str:
    return row_hash(half.fields, method) if not half.key else _key_hash(half, method)


def _key_hash(half: Half, method: Method) -> str:
    """A hash of the key whose sum tells sets of keys apart."""
    if half.by_number:
        return row_hash([], Method.VALUE, _number(half))
    return row_hash([Field(key.name, key.form) for key in half.key], method)


def _key_texts(half: Half) -> list[str]:
    return [_key_text(key) for key in half.key]


def _key_text(key: KeyColumn) -> str:
    text = f"{sql.name(key.name)}::text"
    if not key.part.kind.startswith("numeric"):
        return text
    # What trim_scale does, which came with 13.
    return f"CASE strpos({text}, '.') WHEN 0 THEN {text} ELSE rtrim(rtrim({text}, '0'), '.') END"


def _number(half: Half, alias: str | None = None) -> str:
    return f"{_key_name(half, alias)}::int8"


def _key_name(half: Half, alias: str | None = None) -> str:
    name = half.key[0].name
    return sql.name(name) if alias is None else sql.name(alias, name)


def table(half: Half) -> str:
    """Return the table as SQL names it."""
    return sql.name(half.table.schema, half.table.name)


def _literally(text: str) -> str:
    """Write a text into a query that takes arguments, where a percent sign has a meaning."""
    return text.replace("%", "%%")
