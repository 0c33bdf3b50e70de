"""Rows drawn from both sides and compared while writes go on: which differ, and which of those had time to arrive."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from handlers.core import sql
from handlers.core.comparison import Column, Table
from handlers.validation.equality import Method, forms, row_hash

PAGES = 200
"""About so many pages of a table are looked into for rows, wherever they lie."""


class KeyPart(NamedTuple):
    """A column of a primary key: its name, its type and the operator its index goes by, as SQL writes them.

    `exact` says that values which that operator calls equal are the same text: those of citext are not, nor those of a
    nondeterministic collation.
    """

    name: str
    kind: str
    equals: str = "="
    exact: bool = True

    def is_value(self, column: str, value: str) -> str:
        """Return the condition that a column, as a query calls it, has the value of this text."""
        found = f"{column} {self.equals} {value}::{self.kind}"
        return found if self.exact else f'{found} AND {column}::text COLLATE "C" = {value}'


@dataclass(frozen=True)
class Key:
    """A table's primary key, and how many pages the table has."""

    columns: tuple[KeyPart, ...]
    pages: int

    @property
    def names(self) -> list[str]:
        """The columns' names in their order."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class Doubt:
    """A row that differs: what the source showed of it, None where it is not there, and since when it shows that."""

    source: str | None
    since: float


def draw_query(table: Table, key: Key, rows: int) -> str:
    """Return the query for the keys, as text, of `rows` rows at most, from pages chosen by chance."""
    columns = ", ".join(f"{sql.name(name)}::text" for name in key.names)
    percent = min(100.0, 100.0 * PAGES / max(1, key.pages))
    return (
        f"SELECT {columns} FROM ONLY {sql.name(table.schema, table.name)} "  # noqa: S608 - quoted names and a number
        f"TABLESAMPLE SYSTEM ({percent:f}) ORDER BY random() LIMIT {rows}"
    )


def hashes_query(table: Table, key: Key, columns: Sequence[Column], *, by_value: bool) -> str:
    """Return the query for (place among the keys wanted, hash) of every row there is.

    Its arguments are `key0`, `key1` and so on: for each column of the key, the wanted rows' values as text.
    """
    numbers = range(len(key.columns))
    wanted = ", ".join(f"%(key{number})s::text[]" for number in numbers)
    names = ", ".join(f"key{number}" for number in numbers)
    same = " AND ".join(
        _literally(column.is_value(sql.name("row", column.name), f"wanted.key{number}"))
        for number, column in enumerate(key.columns)
    )
    method = Method.VALUE if by_value else Method.TEXT
    one = _literally(row_hash(forms(columns), method, alias="row"))
    return (
        f"SELECT wanted.place, ({one})::text FROM unnest({wanted}) WITH ORDINALITY AS wanted ({names}, place) "  # noqa: S608
        f'JOIN ONLY {_literally(sql.name(table.schema, table.name))} AS "row" ON {same}'
    )


def doubts(
    rows: Iterable[int], source: Mapping[int, str], target: Mapping[int, str], known: Mapping[int, Doubt], now: float
) -> dict[int, Doubt]:
    """Return which of `rows` differ now; what was `known` of one stays as long as the source shows the same."""
    found = {}
    for row in rows:
        here = source.get(row)
        if here != target.get(row):
            before = known.get(row)
            found[row] = before if before is not None and before.source == here else Doubt(here, now)
    return found


def overdue(found: Mapping[int, Doubt], now: float, patience: float) -> list[int]:
    """Return the rows that the source has not changed for longer than `patience`: the change had time to arrive."""
    return [row for row, doubt in found.items() if now - doubt.since >= patience]


def _literally(text: str) -> str:
    """Write a text into a query that takes arguments, where a percent sign has a meaning."""
    return text.replace("%", "%%")
