"""What is compared with what: a table on both sides, in parts, each divided into cells of about a thousand rows.

All of it is plain data, so that a part can be sent to whoever compares it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

from handlers.core.comparison import Column, Table
from handlers.core.mapping import Relation
from handlers.core.samples import Key, KeyPart
from handlers.validation.equality import Field, Form, Method, form

CELL_ROWS = 1_000
CHUNK_ROWS = 5_000_000
"""So many rows are hashed in about ten seconds: short for a snapshot, and far within an invocation."""
MOST_CELLS = 16_384
INTEGERS = frozenset({"smallint", "integer", "bigint"})
MOST_KEY = (1 << 63) - 1
BOTH = ("old", "new")
ORDERED = 0.9
"""From this correlation between key and place on, a range of keys is read nearly as fast as a range of blocks."""


@dataclass(frozen=True)
class KeyColumn:
    """A column of the primary key, and how it is hashed."""

    part: KeyPart
    form: Form

    @property
    def name(self) -> str:
        """Its name."""
        return self.part.name


@dataclass(frozen=True)
class Half:
    """A table as one side has it: its columns in an order both sides hash them in, and its key, if it has one.

    `by_number` says that the key is one integer on both sides: then ranges of it can be cells.
    """

    table: Table
    fields: tuple[Field, ...]
    key: tuple[KeyColumn, ...] = ()
    by_number: bool = False


@dataclass(frozen=True)
class Pair:
    """A table on both sides. It goes by the old side's name."""

    old: Half
    new: Half
    method: Method

    @property
    def name(self) -> Table:
        """What the table is called."""
        return self.old.table

    @property
    def has_key(self) -> bool:
        """Say whether rows can be told apart by a primary key."""
        return bool(self.old.key)

    def keys_only(self) -> "Pair":
        """Return the same with nothing compared but the keys."""
        old, new = (
            replace(half, fields=tuple(Field(key.name, key.form) for key in half.key)) for half in (self.old, self.new)
        )
        return Pair(old, new, self.method)


@dataclass(frozen=True)
class Part:
    """Which rows: keys from `low` to below `high`, blocks from `first` to below `last`, and of `modulus` buckets some.

    None is no limit. Blocks are one side's own: the other has its rows elsewhere.
    """

    low: int | None = None
    high: int | None = None
    first: int | None = None
    last: int | None = None
    modulus: int = 1
    chosen: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cells:
    """How a part is divided: into ranges of `1 << shift` keys, or by the key's hash into `modulus` buckets.

    A range's number is its keys' upper bits: only ranges with rows are there. `modulus` is a power of two.
    """

    shift: int | None = None
    modulus: int = 1

    def part_of(self, part: Part, cell: int) -> Part:
        """Return a cell of a part."""
        if self.shift is not None:
            low, high = cell << self.shift, (cell + 1) << self.shift
            return replace(
                part,
                low=low if part.low is None else max(low, part.low),
                high=part.high if high > MOST_KEY else high if part.high is None else min(high, part.high),
            )
        return replace(part, modulus=self.modulus, chosen=(cell,)) if self.modulus > 1 else part


@dataclass(frozen=True)
class Chunk:
    """A part to compare at once. `sides` names whose sums it yields: both, or one where blocks are read."""

    pair: Pair
    part: Part
    cells: Cells
    sides: tuple[str, ...] = BOTH

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Chunk":
        """Return what `to_dict` described."""
        pair = found["pair"]
        part = {**found["part"], "chosen": tuple(found["part"]["chosen"])}
        return cls(
            Pair(_half(pair["old"]), _half(pair["new"]), Method(pair["method"])),
            Part(**part),
            Cells(**found["cells"]),
            tuple(found["sides"]),
        )


@dataclass(frozen=True)
class Size:
    """What a server's statistics say of a table, none of it exact: `correlation` is of the key with the rows' places.

    `histogram` holds bounds of the key, about as many rows between each two.
    """

    rows: int
    pages: int
    correlation: float = 0.0
    histogram: tuple[int, ...] = field(default=())


def pair_up(
    here: Relation,
    there: Relation,
    found: Sequence[Column],
    keys: tuple[Key | None, Key | None],
    method: Method,
    *,
    strict: bool = False,
) -> Pair:
    """Return a table of both sides, ready to compare. `found` are the columns the new side really has.

    Without the same primary key on both sides rows are compared as a multiset. Raises ValueError where the new side
    lacks a column.
    """
    types = {column.name: column for column in found}
    lacking = [column.name for column in there.columns if column.name not in types]
    if lacking:
        raise ValueError(f"{there.table} lacks {', '.join(lacking)}")
    forms = [form(a, types[b.name], strict=strict) for a, b in zip(here.columns, there.columns, strict=True)]
    called = {a.name: b.name for a, b in zip(here.columns, there.columns, strict=True)}
    of = {a.name: one for a, one in zip(here.columns, forms, strict=True)}
    old_key, new_key = keys
    same = old_key and new_key and [called.get(name) for name in old_key.names] == new_key.names
    old, new = old_key if same else None, new_key if same else None
    of_key = [of[name] for name in old.names] if old else []
    number = all(key is not None and [one.kind in INTEGERS for one in key.columns] == [True] for key in (old, new))
    return Pair(
        Half(here.table, _fields(here.columns, forms), _key(old, of_key), number),
        Half(there.table, _fields(there.columns, forms), _key(new, of_key), number),
        method,
    )


def whole(pair: Pair, size: Size) -> Chunk:
    """Return a table as one chunk, whatever its size."""
    return chunk(pair, size, Part())


def chunk(pair: Pair, size: Size, part: Part) -> Chunk:
    """Return a part of a table as a chunk that yields both sides' sums, in cells by what statistics say."""
    return Chunk(pair, part, _cells(pair, size, part))


def best_known(old: Size, new: Size) -> Size:
    """Return what is known of a table's keys: by the source's statistics, or the target's where it has none."""
    return old if old.histogram else Size(old.rows, old.pages, new.correlation, new.histogram)


def chunks(pair: Pair, old: Size, new: Size, most: int = CHUNK_ROWS) -> list[Chunk]:
    """Return a table in chunks of about `most` rows, by what the servers' statistics say.

    Ranges of the key where it is an integer that lies in order, else blocks: of each side by itself, with the same
    cells, so that their sums add up.
    """
    known = best_known(old, new)
    cut = parts(pair, old, new, most)
    if len(cut[0][0]) > 1:
        return [chunk(pair, known, part) for _, part in cut]
    return [Chunk(pair, part, buckets(old, new), sides) for sides, part in cut]


def buckets(old: Size, new: Size) -> Cells:
    """Return the cells of a table that is read in blocks: the same on both sides, and in every block."""
    return Cells(modulus=_power_of_two(min(MOST_CELLS, max(old.rows, new.rows) / CELL_ROWS)))


def parts(pair: Pair, old: Size, new: Size, most: int) -> list[tuple[tuple[str, ...], Part]]:
    """Return the parts of a table's chunks alone, each with the sides it is read on."""
    known = best_known(old, new)
    rows = max(old.rows, new.rows)
    if rows <= most:
        return [(BOTH, Part())]
    if pair.old.by_number and known.histogram and min(abs(old.correlation), abs(new.correlation)) >= ORDERED:
        cuts = [None, *_cuts(known.histogram, -(-rows // most)), None]
        return [(BOTH, Part(low=low, high=high)) for low, high in pairwise(cuts)]
    return [((side,), part) for side, size in (("old", old), ("new", new)) for part in _blocks(size, most)]


def _cuts(histogram: Sequence[int], wanted: int) -> list[int]:
    """Return where to cut keys into so many ranges of about as many rows, between the histogram's bounds as well."""
    steps = len(histogram) - 1
    found = []
    for number in range(1, wanted):
        place, rest = divmod(number * steps, wanted)
        low, high = histogram[place], histogram[min(place + 1, steps)]
        found.append(low + (high - low) * rest // wanted)
    return sorted(set(found))


def _blocks(size: Size, most: int) -> list[Part]:
    """The last has no end: a table grows, and statistics are old."""
    step = max(1, size.pages * most // max(1, size.rows))
    firsts = range(0, max(1, size.pages), step)
    return [Part(first=first, last=last) for first, last in pairwise([*firsts, None]) if first is not None]


def _cells(pair: Pair, size: Size, part: Part) -> Cells:
    if size.rows <= CELL_ROWS:
        return Cells()
    if pair.old.by_number and len(size.histogram) > 1:
        return Cells(shift=shift(size.histogram, size.rows, part))
    return Cells(modulus=_power_of_two(min(MOST_CELLS, size.rows / CELL_ROWS)))


def shift(histogram: Sequence[int], rows: int, part: Part) -> int:
    """Return how many of a key's lower bits make ranges of about CELL_ROWS rows in a part.

    Where rows lie dense in one place and far apart in another, a range has more rows, for there to be no more of them.
    """
    each = rows / (len(histogram) - 1)
    pieces = []
    for low, high in pairwise(histogram):
        start = low if part.low is None else max(low, part.low)
        end = high if part.high is None else min(high, part.high)
        if start < end:
            pieces.append((end - start, each * (end - start) / (high - low)))
    most = min(MOST_CELLS, 1.5 * sum(inside for _, inside in pieces) / CELL_ROWS + len(pieces))

    def ranges(bits: int) -> float:
        # A key far beyond all others makes a piece wide that has its rows in one place: some are left out of account.
        found = sorted(min(inside, (width >> bits) + 1) for width, inside in pieces)
        return sum(found[: len(found) - len(found) // 50])

    return next((bits for bits in range(63) if ranges(bits) <= most), 63)


def _power_of_two(wanted: float) -> int:
    return 1 << max(0, round(wanted) - 1).bit_length()


def _fields(columns: Iterable[Column], forms: Iterable[Form]) -> tuple[Field, ...]:
    return tuple(Field(column.name, one) for column, one in zip(columns, forms, strict=True))


def _key(key: Key | None, forms: Sequence[Form]) -> tuple[KeyColumn, ...]:
    columns = key.columns if key else ()
    return tuple(KeyColumn(part, one) for part, one in zip(columns, forms, strict=True))


def _half(found: Mapping[str, Any]) -> Half:
    return Half(
        Table(**found["table"]),
        tuple(Field(one["name"], Form(one["form"])) for one in found["fields"]),
        tuple(KeyColumn(KeyPart(*one["part"]), Form(one["form"])) for one in found["key"]),
        found["by_number"],
    )
