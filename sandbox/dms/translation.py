"""From a change on the source to the statement that makes it on the target, under the target's names."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg2 import sql

from sandbox.dms.decoding import Change, Kept, Relation, Row, Value
from sandbox.dms.transformations import Mapped

Statement = tuple[sql.Composable, list[str | None]]


@dataclass(frozen=True)
class Snapshot:
    """What a load saw: pg_current_snapshot()'s text, read."""

    least: int
    end: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Return the snapshot in `text`, least:end:running,..."""
        least, end, running = text.split(":")
        return cls(int(least), int(end), frozenset(int(one) for one in running.split(",") if one))

    def saw(self, xid: int) -> bool:
        """Say whether a transaction that has committed by now was seen. Its id is given without its epoch."""
        full = (self.end & ~0xFFFFFFFF) | xid
        full -= 2**32 if full - self.end > 2**31 else 0
        return full < self.end and full not in self.running


def statement(change: Change, relation: Relation, table: Mapped) -> Statement | None:
    """Return the statement and its values, None where nothing that the target has was changed.

    A row that is not there is not updated, nor deleted, and nothing is said: so PostgreSQL's own replication has it.
    """
    if change.kind == "I":
        return _insert(_named(change.new, relation, table), table)
    old, new = _named(change.old, relation, table), _named(change.new, relation, table)
    row = old if change.old is not None else new
    key, exact = _identity(change, relation, table)
    where = sql.SQL(" AND ").join(
        [
            sql.SQL("{} = %s" if exact else "{}::text IS NOT DISTINCT FROM %s").format(sql.Identifier(name))
            for name in key
        ]
    )
    # One row, as PostgreSQL's own replication: a table without a key may hold several alike.
    which = sql.SQL("ctid = (SELECT ctid FROM ONLY {} WHERE {} LIMIT 1)").format(table.target.sql(), where)
    values = [_text(row[name]) for name in key]
    if change.kind == "D":
        return sql.SQL("DELETE FROM ONLY {} WHERE {}").format(table.target.sql(), which), values
    changed = {name: value for name, value in new.items() if not isinstance(value, Kept)}
    if change.old is None:
        changed = {name: value for name, value in changed.items() if name not in key}
    elif change.whole:
        changed = {name: value for name, value in changed.items() if value != old[name]}
    if not changed:
        return None
    assignments = sql.SQL(", ").join([sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changed])
    update = sql.SQL("UPDATE ONLY {} SET {} WHERE {}").format(table.target.sql(), assignments, which)
    return update, [*map(_text, changed.values()), *values]


def _insert(row: Mapping[str, Value], table: Mapped) -> Statement:
    names = sql.SQL(", ").join(map(sql.Identifier, row))
    marks = sql.SQL(", ").join([sql.SQL("%s")] * len(row))
    into = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(table.target.sql(), names, marks)
    return into, [_text(value) for value in row.values()]


def _identity(change: Change, relation: Relation, table: Mapped) -> tuple[list[str], bool]:
    """Return the columns that tell the row, and whether they have an equality that an index knows."""
    key = table.source.key if change.whole and table.source.key else relation.identity
    exact = not change.whole or bool(table.source.key)
    return [table.columns[name] for name in relation.columns if name in key and name in table.columns], exact


def _named(row: Row | None, relation: Relation, table: Mapped) -> dict[str, Value]:
    """Return a row by the target's names, without what is removed."""
    pairs = zip(relation.columns, row or (), strict=False)
    return {table.columns[name]: value for name, value in pairs if name in table.columns}


def _text(value: Value) -> str | None:
    return None if isinstance(value, Kept) else value
