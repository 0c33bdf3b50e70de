"""Compares what has changed since it was compared last, so that little is left to compare while nobody can write.

A row version carries the transaction that wrote it. What is older than the *boundary*, the lowest transaction that was
under way when the last comparison began, was seen by that comparison; so only rows with a later version on either side,
and those that differed, are compared again. Each side's versions are its own: how a row came there does not matter.

That holds, for every key that is not a suspect, at any time: if both sides have the row and both versions are older
than the boundaries, they are equal. A row that is on one side only has a new version, or is a suspect, or the other
side has deleted it since. A deletion leaves no version behind: the last round, when nothing changes any more, compares
the number of rows and a sum over their keys as well, and looks for the keys where they differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from handlers.core import sql
from handlers.core.comparison import Table
from handlers.validation.cells import totals_query, versions_query
from handlers.validation.compare import Both, Database, Key, Seen, Sides, agree, compare_chunk
from handlers.validation.equality import Method
from handlers.validation.plan import Half, Pair, Size, whole

MOST_CHANGES = 50_000
"""A table with more rows changed since the last round is compared as a whole."""
MOST_TRANSACTIONS = 1 << 30
"""After more than that since the last round, the age of a row as 32 bits count it says nothing any more."""


Boundary = tuple[int, int]
"""The lowest transaction that was under way, on the old and on the new side."""
Shape = list[str]
"""A table's file and columns, on the old and on the new side."""


@dataclass
class Watched:
    """A table under watch: as of when it was looked at, and which rows differed then. `size` is what statistics say.

    `cut` says that more rows differ than are kept, `rows` how many there were when it was compared as a whole.
    """

    pair: Pair
    size: Size
    boundary: Boundary = (0, 0)
    shape: Shape = field(default_factory=list)
    suspects: dict[Key, Both] = field(default_factory=dict)
    cut: bool = False
    rows: tuple[int, int] = (0, 0)
    whole: bool = False
    """Whether the last look was at all of it."""

    @property
    def unknown(self) -> bool:
        """Say whether it has to be compared as a whole: it never was, has no key, or too much of it differed."""
        return not self.shape or self.cut or not self.pair.has_key


@dataclass(frozen=True)
class Verdict:
    """How a table compares when nothing changes any more: rows of both sides, and those that differ.

    `cut` says that there are more that differ, `whole` that all rows had to be looked at.
    """

    old_rows: int
    new_rows: int
    differing: Mapping[Key, Both]
    cut: bool
    whole: bool
    has_key: bool = True

    @property
    def equal(self) -> bool:
        """Say whether both sides hold the same rows."""
        return not self.differing and not self.cut and self.old_rows == self.new_rows


class Watch:
    """Two databases' tables, compared again and again, each time only as far as they have changed."""

    def __init__(self, old: Database, new: Database, tables: Iterable[tuple[Pair, Size]]) -> None:
        self.sides = Sides(old, new)
        self.tables: dict[Table, Watched] = {pair.name: Watched(pair, size) for pair, size in tables}

    def round(self, tables: Iterable[Table] | None = None) -> int:
        """Look at what has changed in these tables, or in all, and return how many rows may differ now.

        A table is compared as a whole the first time, and where its changes can't be told. Writes may go on.
        """
        named = self._named(tables)
        for watched, boundary, shape in self._begin(named):
            self._look(watched, boundary, shape)
        return sum(len(watched.suspects) for watched in named)

    def verdict(self, tables: Iterable[Table] | None = None) -> dict[Table, Verdict]:
        """Compare what is left. True only if nothing is written on either side from before the call to its end."""
        return {
            watched.pair.name: self._verdict(watched, boundary, shape)
            for watched, boundary, shape in self._begin(self._named(tables))
        }

    def equal_rows(self, table: Table) -> int | None:
        """Return a table's rows if the last round compared it whole and found it equal, else None."""
        watched = self.tables[table]
        equal = watched.whole and not watched.suspects and not watched.cut and watched.rows[0] == watched.rows[1]
        return watched.rows[0] if equal else None

    def expected_rows(self, table: Table) -> int:
        """Return how many rows a table may have, by statistics."""
        return self.tables[table].size.rows

    @property
    def method(self) -> Method:
        """How rows are hashed: the same for all tables."""
        return next((watched.pair.method for watched in self.tables.values()), Method.VALUE)

    def _named(self, tables: Iterable[Table] | None) -> list[Watched]:
        return [self.tables[table] for table in (self.tables if tables is None else tables)]

    def _begin(self, named: list[Watched]) -> list[tuple[Watched, Boundary, Shape]]:
        """Read the boundaries before anything else: what is written from here on is the next round's."""
        (old, here), (new, there) = self.sides.both(
            lambda: _state(self.sides.old, [watched.pair.old for watched in named]),
            lambda: _state(self.sides.new, [watched.pair.new for watched in named]),
        )
        return [(watched, (old, new), shape) for watched, *shape in zip(named, here, there, strict=True)]

    def _verdict(self, watched: Watched, boundary: Boundary, shape: Shape) -> Verdict:
        pair = watched.pair
        if self._look(watched, boundary, shape):
            return Verdict(*watched.rows, watched.suspects, watched.cut, whole=True, has_key=pair.has_key)
        old, new = self.sides.ask(totals_query(pair.old, pair.method), totals_query(pair.new, pair.method))
        if old == new:
            return Verdict(int(old[0][0]), int(new[0][0]), watched.suspects, cut=False, whole=False)
        found = compare_chunk(self.sides, whole(pair.keys_only(), watched.size))
        watched.suspects |= _differing(self.sides.seek(pair, found.differing))
        return Verdict(found.old_rows, found.new_rows, watched.suspects, found.cut, whole=False)

    def _look(self, watched: Watched, boundary: Boundary, shape: Shape) -> bool:
        """Bring a table up to date and say whether it was compared as a whole."""
        versions = None if watched.unknown or shape != watched.shape else self._versions(watched, boundary)
        watched.boundary, watched.shape, watched.whole = boundary, shape, versions is None
        if versions is not None:
            watched.suspects = self._compare(watched, *versions)
            return False
        # A table without a key is as a rule equal, and in cells each row would be hashed twice.
        size = watched.size if watched.pair.has_key else Size(0, 0)
        found = compare_chunk(self.sides, whole(watched.pair, size))
        watched.suspects, watched.cut, watched.rows = found.differing, found.cut, (found.old_rows, found.new_rows)
        return True

    def _compare(self, watched: Watched, old: dict[Key, Seen], new: dict[Key, Seen]) -> dict[Key, Both]:
        """Return which rows differ of those that did and those that have new versions."""
        same = {key for key, seen in old.items() if key in new and new[key].hash == seen.hash}
        rest = (old.keys() | new.keys() | watched.suspects.keys()) - same
        return _differing(self.sides.seek(watched.pair, rest))

    def _versions(self, watched: Watched, boundary: Boundary) -> tuple[dict[Key, Seen], dict[Key, Seen]] | None:
        """Return, by key, the rows of each side written since its boundary; None where they can't be told."""
        pair, before = watched.pair, watched.boundary
        if any(now - then > MOST_TRANSACTIONS for now, then in zip(boundary, before, strict=True)):
            return None
        most = MOST_CHANGES + 1
        old, new = self.sides.ask(
            versions_query(pair.old, pair.method, before[0], most),
            versions_query(pair.new, pair.method, before[1], most),
        )
        if max(len(old), len(new)) == most:
            return None
        return {tuple(row[:-1]): Seen(row[-1]) for row in old}, {tuple(row[:-1]): Seen(row[-1]) for row in new}


def _state(database: Database, halves: list[Half]) -> tuple[int, list[str]]:
    """Return a side's boundary, and for each table what changes when it is rewritten, emptied or altered."""
    [(boundary,)] = database.rows("SELECT txid_snapshot_xmin(txid_current_snapshot())")
    found = database.rows(
        """SELECT concat(pg_relation_filenode(c.oid), ' ', (SELECT string_agg(concat(a.attname, ' ', a.atttypid, ' ',
        a.xmin), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0))
        FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS wanted (name, place)
        LEFT JOIN pg_class c ON c.oid = to_regclass(wanted.name) ORDER BY wanted.place""",
        {"tables": [sql.name(half.table.schema, half.table.name) for half in halves]},
    )
    return int(boundary), [row[0] for row in found]


def _differing(found: Mapping[Key, Both]) -> dict[Key, Both]:
    return {key: both for key, both in found.items() if not agree(both)}
