"""Compares: cells on both sides at once, then rows of those cells alone that differ."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from handlers.validation.cells import MOST_RANGES, cells_query, rows_query, seek_query
from handlers.validation.equality import Method
from handlers.validation.plan import CELL_ROWS, MOST_CELLS, Cells, Chunk, Half, Pair, Part

ROWS_AT_ONCE = 20_000
"""So many rows' keys and hashes of a side are held at a time: about 10 MB."""
MOST_DIFFERENCES = 20_000
"""A table with more rows that differ is looked into no further."""
KEYS_AT_ONCE = 2_000
FINEST = 1 << 30

T = TypeVar("T")
Key = tuple[str, ...]
"""A row's primary key, each column as text. Of a table without one, the row's hash."""
Sums = dict[int, tuple[int, int]]
"""Number of rows and sum of their hashes, by cell."""
Rows = list[tuple[Any, ...]]


class Database(Protocol):
    """An open connection."""

    def rows(self, query: str, args: Mapping[str, Any] | None = None) -> Rows:
        """Run a query and return its rows."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as one side showed it. Its version changes with everything that is done to it; a multiset has none."""

    hash: int
    version: str = ""
    times: int = 1


Both = tuple[Seen | None, Seen | None]
"""A row on the old and on the new side, None where it is not there."""


@dataclass
class Found:
    """What a comparison came to: rows of both sides, and those that differ. `cut` says that there are more."""

    old_rows: int = 0
    new_rows: int = 0
    differing: dict[Key, Both] = field(default_factory=dict)
    cut: bool = False

    def add(self, other: "Found") -> None:
        """Take in what another part of the same table came to."""
        self.old_rows += other.old_rows
        self.new_rows += other.new_rows
        self.differing.update(other.differing)
        self.cut = self.cut or other.cut


class Sides:
    """Two databases, asked at the same time."""

    def __init__(self, old: Database, new: Database) -> None:
        self.old, self.new = old, new
        self._hands = ThreadPoolExecutor(max_workers=2)

    def both(self, on_old: Callable[[], T], on_new: Callable[[], T]) -> tuple[T, T]:
        """Do something on each side. If it fails on one, that is raised when the other has ended as well."""
        futures = self._hands.submit(on_old), self._hands.submit(on_new)
        wait(futures)
        return futures[0].result(), futures[1].result()

    def ask(self, old: str, new: str) -> tuple[Rows, Rows]:
        """Run a query on each side and return both answers."""
        return self.both(lambda: self.old.rows(old), lambda: self.new.rows(new))

    def seek(self, pair: Pair, keys: Iterable[Key]) -> dict[Key, Both]:
        """Return the rows with these keys as both sides show them now."""
        wanted = list(keys)
        old, new = self.both(
            lambda: seek(self.old, pair.old, pair.method, wanted), lambda: seek(self.new, pair.new, pair.method, wanted)
        )
        return {key: (old.get(key), new.get(key)) for key in wanted}


def seek(database: Database, half: Half, method: Method, keys: Sequence[Key]) -> dict[Key, Seen]:
    """Return the rows with these keys, as far as they are there."""
    query: str = seek_query(half, method)
    found: dict[Key, Seen] = {}
    for wanted in _batches(keys, KEYS_AT_ONCE):
        args = {f"key{number}": [key[number] for key in wanted] for number in range(len(half.key))}
        found.update(
            {wanted[place - 1]: Seen(hashed, version) for place, hashed, version in database.rows(query, args)}
        )
    return found


def agree(both: Both) -> bool:
    """Say whether a row is the same on both sides, or on neither."""
    here, there = both
    if here is None or there is None:
        return here is there
    return (here.hash, here.times) == (there.hash, there.times)


def compare_chunk(sides: Sides, chunk: Chunk) -> Found:
    """Compare a chunk that yields both sides' sums, and name every row of it that differs now."""
    pair, part, cells = chunk.pair, chunk.part, chunk.cells
    old, new = sums(sides, pair, part, cells)
    if cells.shift is not None and max(len(old), len(new)) >= MOST_RANGES:
        cells = Cells(modulus=MOST_CELLS)
        old, new = sums(sides, pair, part, cells)
    found = Found(sum(rows for rows, _ in old.values()), sum(rows for rows, _ in new.values()))
    _look_into(sides, pair, list(bad_cells(part, cells, old, new)), found)
    return found


def sums(sides: Sides, pair: Pair, part: Part, cells: Cells) -> tuple[Sums, Sums]:
    """Return both sides' sums of a part."""
    here, there = sides.ask(*(cells_query(half, pair.method, part, cells) for half in (pair.old, pair.new)))
    return as_sums(here), as_sums(there)


def one_side(database: Database, chunk: Chunk) -> Sums:
    """Return the sums of a chunk that yields one side's."""
    [side] = chunk.sides
    half = chunk.pair.old if side == "old" else chunk.pair.new
    return as_sums(database.rows(cells_query(half, chunk.pair.method, chunk.part, chunk.cells)))


def as_sums(rows: Rows) -> Sums:
    """Return the answer to a query for cells. A key that is no number, NULL, can't be: it is a primary key's."""
    return {int(cell): (int(count), int(total)) for cell, count, total in rows}


def add(total: Sums, partial: Mapping[int, tuple[int, int]]) -> None:
    """Add the sums of another part of the same side."""
    for cell, (rows, hashes) in partial.items():
        before = total.get(cell, (0, 0))
        total[cell] = before[0] + rows, before[1] + hashes


def compare_merged(sides: Sides, chunk: Chunk, old: Sums, new: Sums) -> Found:
    """Name every row that differs now, by the sums of all chunks of a table that yield one side's."""
    found = Found(sum(rows for rows, _ in old.values()), sum(rows for rows, _ in new.values()))
    _look_into(sides, chunk.pair, list(bad_cells(Part(), chunk.cells, old, new)), found)
    return found


def bad_cells(part: Part, cells: Cells, old: Sums, new: Sums) -> Iterator[tuple[Part, int]]:
    """Return, as parts with the rows of the fuller side, the cells that differ."""
    for cell in sorted(old.keys() | new.keys()):
        here, there = old.get(cell, (0, 0)), new.get(cell, (0, 0))
        if here == there:
            continue
        yield cells.part_of(part, cell), max(here[0], there[0])


def _look_into(sides: Sides, pair: Pair, bad: list[tuple[Part, int]], found: Found) -> None:
    """Find the rows that differ in these parts, first dividing those that hold too many rows."""
    for part, rows in [one for one in bad if one[1] > ROWS_AT_ONCE and one[0].modulus < FINEST]:
        if found.cut:
            return
        cells = Cells(modulus=max(part.modulus * 2, 1 << (rows // CELL_ROWS).bit_length()))
        _look_into(sides, pair, list(bad_cells(part, cells, *sums(sides, pair, part, cells))), found)
    small = [one for one in bad if one[1] <= ROWS_AT_ONCE or one[0].modulus >= FINEST]
    for parts in _together(small):
        if found.cut:
            return
        found.differing.update(_differing(sides, pair, parts))
        found.cut = len(found.differing) > MOST_DIFFERENCES


def _differing(sides: Sides, pair: Pair, parts: Sequence[Part]) -> dict[Key, Both]:
    here, there = sides.ask(*(rows_query(half, pair.method, parts) for half in (pair.old, pair.new)))
    old, new = _as_rows(here, pair.has_key), _as_rows(there, pair.has_key)
    both: dict[Key, Both] = {key: (seen, new.get(key)) for key, seen in old.items()}
    both |= {key: (None, seen) for key, seen in new.items() if key not in old}
    return {key: pair_of for key, pair_of in both.items() if not agree(pair_of)}


def _as_rows(rows: Rows, has_key: bool) -> dict[Key, Seen]:
    if has_key:
        return {tuple(row[:-1]): Seen(row[-1]) for row in rows}
    return {(str(hashed),): Seen(hashed, times=times) for hashed, times in rows}


def _together(parts: Iterable[tuple[Part, int]]) -> Iterator[list[Part]]:
    """Join parts until their rows are as many as are held at a time; buckets of one part become one condition."""
    batch: list[Part] = []
    held = 0
    for part, rows in parts:
        if batch and held + rows > ROWS_AT_ONCE:
            yield batch
            batch, held = [], 0
        held += rows
        if batch and part.chosen and replace(batch[-1], chosen=()) == replace(part, chosen=()):
            batch[-1] = replace(part, chosen=(*batch[-1].chosen, *part.chosen))
        else:
            batch.append(part)
    if batch:
        yield batch


def _batches(keys: Sequence[Key], size: int) -> Iterator[Sequence[Key]]:
    for first in range(0, len(keys), size):
        yield keys[first : first + size]
