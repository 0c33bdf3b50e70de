"""Messages of pgoutput, the output plugin of PostgreSQL's own logical replication, protocol version 1."""

import struct
from dataclasses import dataclass
from enum import Enum


class Kept(Enum):
    """Stands for a value that the message leaves out: stored apart and not changed."""

    KEPT = "kept"


Value = str | None | Kept
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Begin:
    """A transaction begins: its id, as 32 bits."""

    xid: int


@dataclass(frozen=True)
class Commit:
    """It ends: the position after it in the log, and when it was committed, in microseconds since 2000."""

    end: int
    at: int


@dataclass(frozen=True)
class Relation:
    """A table that later messages speak of. `identity` are the columns that tell a row."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    identity: frozenset[str]


@dataclass(frozen=True)
class Change:
    """A row inserted (no `old`), updated or deleted (no `new`).

    `old` is there for an update only if its identity changed or is the whole row, as `whole` says; where it is not
    whole, only the identity's columns are set. `kind` is I, U or D.
    """

    kind: str
    relation: int
    old: Row | None = None
    new: Row | None = None
    whole: bool = False


Message = Begin | Commit | Relation | Change


def decode(data: bytes) -> Message | None:
    """Return a message, None for one that says nothing about rows. Raises ValueError for one nobody asked for."""
    reader = _Reader(data)
    kind = reader.letter()
    if kind == "B":
        reader.number("q")
        reader.number("q")
        return Begin(reader.number("I"))
    if kind == "C":
        reader.number("b")
        reader.number("q")
        return Commit(reader.number("q"), reader.number("q"))
    if kind == "R":
        return _relation(reader)
    if kind in "IUD":
        return _change(kind, reader)
    if kind in "OYM":  # origin, type, message of an application
        return None
    raise ValueError(f"a message of kind {kind!r} is not part of what was asked for")


def _relation(reader: "_Reader") -> Relation:
    oid, schema, name = reader.number("I"), reader.text(), reader.text()
    reader.letter()
    columns, identity = [], set()
    for _ in range(reader.number("h")):
        flags, column = reader.number("b"), reader.text()
        reader.number("I")
        reader.number("i")
        columns.append(column)
        if flags & 1:
            identity.add(column)
    return Relation(oid, schema, name, tuple(columns), frozenset(identity))


def _change(kind: str, reader: "_Reader") -> Change:
    relation, old, new, whole = reader.number("I"), None, None, False
    while not reader.ended:
        part = reader.letter()
        if part == "N":
            new = reader.row()
        else:
            old, whole = reader.row(), part == "O"
    return Change(kind, relation, old, new, whole)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def letter(self) -> str:
        return self._take(1).decode("ascii")

    def number(self, form: str) -> int:
        [value] = struct.unpack(f"!{form}", self._take(struct.calcsize(form)))
        return int(value)

    def text(self) -> str:
        end = self._data.index(b"\0", self._at)
        return self._take(end + 1 - self._at)[:-1].decode()

    def row(self) -> Row:
        return tuple(self._value() for _ in range(self.number("h")))

    def _value(self) -> Value:
        kind = self.letter()
        if kind == "n":
            return None
        if kind == "u":
            return Kept.KEPT
        if kind == "t":
            return self._take(self.number("i")).decode()
        raise ValueError(f"a value of kind {kind!r} is not part of what was asked for")

    def _take(self, length: int) -> bytes:
        found = self._data[self._at : self._at + length]
        if len(found) != length:
            raise ValueError("a message is cut off")
        self._at += length
        return found
