"""Validates tables: chunk by chunk, with rests in between, then the rows that differed until they settle."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from handlers.clock import Clock
from handlers.core.comparison import Table
from handlers.validation.cells import columns_query
from handlers.validation.compare import (
    Both,
    Database,
    Found,
    Key,
    Sides,
    Sums,
    add,
    compare_chunk,
    compare_merged,
    one_side,
)
from handlers.validation.equality import Method
from handlers.validation.plan import CHUNK_ROWS, Chunk, Half, Pair, Size, chunks
from handlers.validation.result import Difference, Kind, TableResult, Verdict
from handlers.validation.suspects import Settled, Stream, settle


@dataclass(frozen=True)
class Options:
    """How much of a table is compared at once and how hard the servers are worked.

    busy: the share of the time in which chunks are compared; the rest is for others.
    rounds, patience: how often a row that differs is looked at again, and how many seconds the target may be behind.
    named: so many rows that differ are named of each table.
    """

    chunk_rows: int = CHUNK_ROWS
    busy: float = 1.0
    rounds: int = 5
    patience: float = 60.0
    named: int = 1_000


def patience(settle_seconds: float) -> float:
    """Return how many seconds the target may be behind where it is said to be within `settle_seconds`."""
    return max(60.0, 2 * settle_seconds)


@dataclass(frozen=True)
class Subject:
    """A table to validate, with what statistics say of it on both sides."""

    pair: Pair
    old: Size
    new: Size


def validate(sides: Sides, subject: Subject, stream: Stream, clock: Clock, options: Options) -> TableResult:
    """Compare one table and return its verdict."""
    began = clock.now()
    found = compare(sides, subject, clock, options)
    if subject.pair.has_key:
        return judged(sides, subject.pair, found, stream, clock, options, began)
    settled = _settle_multiset(sides, subject, found, stream, clock, options)
    return _result(sides, subject.pair, found, settled, options, clock.now() - began)


def judged(
    sides: Sides, pair: Pair, found: Found, stream: Stream, clock: Clock, options: Options, began: float
) -> TableResult:
    """Look at the rows that differ until they settle and return the verdict on all that was compared since `began`."""
    settled = settle(sides, pair, found.differing, stream, clock, options.rounds, options.patience)
    return _result(sides, pair, found, settled, options, clock.now() - began)


def _result(sides: Sides, pair: Pair, found: Found, settled: Settled, options: Options, seconds: float) -> TableResult:
    named = list(settled.confirmed)[: options.named]
    verdict = (
        Verdict.DIFFERENT if settled.confirmed else Verdict.UNSETTLED if settled.open or found.cut else Verdict.EQUAL
    )
    return TableResult(
        pair.name,
        verdict,
        pair.method,
        (found.old_rows, found.new_rows),
        round(seconds, 3),
        tuple(describe(sides, pair, {key: settled.confirmed[key] for key in named})),
        tuple(sorted(settled.open)[: options.named]),
        more=found.cut or len(settled.confirmed) > len(named),
    )


def compare(sides: Sides, subject: Subject, clock: Clock, options: Options) -> Found:
    """Compare a table once, as of now, and return every row that differs."""
    planned = chunks(subject.pair, subject.old, subject.new, options.chunk_rows)
    if planned[0].sides == ("old", "new"):
        found = Found()
        for chunk in _with_rests(planned, clock, options.busy):
            found.add(compare_chunk(sides, chunk))
        return found
    of: dict[str, list[Chunk]] = {side: [one for one in planned if one.sides == (side,)] for side in ("old", "new")}

    def scan(side: str) -> Callable[[], Sums]:
        database = sides.old if side == "old" else sides.new

        def add_up() -> Sums:
            total: Sums = {}
            for chunk in _with_rests(of[side], clock, options.busy):
                add(total, one_side(database, chunk))
            return total

        return add_up

    old, new = sides.both(scan("old"), scan("new"))
    return compare_merged(sides, planned[0], old, new)


def _with_rests(planned: Sequence[Chunk], clock: Clock, busy: float) -> Iterator[Chunk]:
    """Give out one chunk after the other, with a rest between them as long as `busy` leaves to others."""
    for number, chunk in enumerate(planned):
        began = clock.now()
        yield chunk
        if busy < 1 and number + 1 < len(planned):
            clock.sleep((clock.now() - began) * (1 / busy - 1))


def describe(sides: Sides, pair: Pair, differing: Mapping[Key, Both]) -> list[Difference]:
    """Say of each row how it differs, and in which columns."""
    changed = [key for key, (here, there) in differing.items() if here and there and pair.has_key]
    return differences(pair, differing, _columns(sides, pair, changed))


def differences(pair: Pair, differing: Mapping[Key, Both], columns: Mapping[Key, tuple[str, ...]]) -> list[Difference]:
    """Say of each row how it differs. `columns` are those that do, of rows that both sides have."""
    found = []
    for key, (here, there) in sorted(differing.items()):
        kind = Kind.EXTRA if here is None else Kind.MISSING if there is None else Kind.CHANGED
        times = (here.times if here else 0, there.times if there else 0)
        found.append(Difference(key, kind, columns.get(key, ()), (1, 1) if pair.has_key else times))
    return found


def _columns(sides: Sides, pair: Pair, keys: Sequence[Key]) -> dict[Key, tuple[str, ...]]:
    """Return, by key, the source's names of the columns that differ."""
    if not keys:
        return {}
    old, new = sides.both(
        lambda: _column_hashes(sides.old, pair.old, pair.method, keys),
        lambda: _column_hashes(sides.new, pair.new, pair.method, keys),
    )
    names = [one.name for one in pair.old.fields]
    return {
        keys[place - 1]: tuple(
            name for name, here, there in zip(names, old[place], new[place], strict=True) if here != there
        )
        for place in old.keys() & new.keys()
    }


def _column_hashes(database: Database, half: Half, method: Method, keys: Sequence[Key]) -> dict[int, list[int]]:
    args = {f"key{number}": [key[number] for key in keys] for number in range(len(half.key))}
    return {int(place): hashes for place, hashes in database.rows(columns_query(half, method), args)}


def _settle_multiset(
    sides: Sides, subject: Subject, found: Found, stream: Stream, clock: Clock, options: Options
) -> Settled:
    """Rows without a key have no version: what differs the same way twice, with the target caught up, is proven."""
    last: Mapping[Key, Both] = {}
    differing = found.differing
    for _ in range(options.rounds):
        if not differing or differing == last:
            break
        until, mark = clock.now() + options.patience, stream.mark()
        while not stream.passed(mark) and clock.now() < until:
            clock.sleep(0.1)
        last, differing = differing, compare(sides, subject, clock, options).differing
    confirmed = {key: both for key, both in differing.items() if last.get(key) == both}
    return Settled(confirmed, frozenset(differing.keys() - confirmed.keys()))


def tables_named(tables: Sequence[Table], wanted: Sequence[str]) -> list[Table]:
    """Return the tables with these names, all of them where none is wanted. Raises ValueError for an unknown one."""
    known = {str(table): table for table in tables}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"no table {', '.join(unknown)}: name tables as schema.table, as the source does")
    return [known[name] for name in wanted] if wanted else sorted(tables)
