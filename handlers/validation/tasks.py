"""A validation cut up for many workers: what a round asks of each table, and the chunks it is asked in.

All of it is plain data. A chunk names its table and its part, no more: what workers have to know of the table beside
that is kept once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from handlers.core.comparison import Table
from handlers.validation import plan
from handlers.validation.compare import Key
from handlers.validation.equality import Method
from handlers.validation.plan import CHUNK_ROWS, Cells, Pair, Part, Size
from handlers.validation.result import Difference, Kind, TableResult, Verdict

PAGE_BYTES = 8_192
BOTH = "both"


class Ask(StrEnum):
    """What is asked of a chunk."""

    COMPARE = "compare"
    """Both sides at once: which rows differ, and in what. That is all there is to say of the part."""
    SUMS = "sums"
    """One side's sums by cell, for tables that are read in blocks: only all of them together say which cells differ."""
    ROWS = "rows"
    """One side's keys and hashes of the rows in cells that differ."""
    SETTLE = "settle"
    """Rows that differ, by their keys: looked at again until they agree or are proven to differ."""


@dataclass(frozen=True)
class Budget:
    """What a chunk may take, and how fast the servers are taken to be: slower than any that were measured.

    A worker has nine times as long.
    """

    seconds: int = 100
    rows_per_second: int = 50_000
    bytes_per_second: int = 10_000_000
    most_rows: int = CHUNK_ROWS

    def rows(self, old: Size, new: Size) -> int:
        """Return how many rows of a table make a chunk, by their number and by their bytes."""
        width = max(one.pages * PAGE_BYTES / max(1, one.rows) for one in (old, new))
        by_bytes = self.seconds * self.bytes_per_second / max(1.0, width)
        return max(1, int(min(self.most_rows, self.seconds * self.rows_per_second, by_bytes)))


@dataclass(frozen=True)
class Task:
    """What a round asks of a table.

    most: rows per chunk. cells, within: how sums are divided, and which cells are looked into. rows: what both sides
    have, once that is known. suspects: rows that differed in the round before, with how often each side had them; of a
    table without a key `looks` counts how often. cut: more rows differ than are looked into.
    """

    table: int
    pair: Pair
    old: Size
    new: Size
    ask: Ask
    most: int
    settle_seconds: float
    cells: Cells = field(default_factory=Cells)
    within: Part = field(default_factory=Part)
    rows: tuple[int, int] = (0, 0)
    suspects: tuple[tuple[Key, int, int], ...] = ()
    looks: int = 0
    cut: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Task":
        """Return what `to_dict` described."""
        chunk = plan.Chunk.from_dict({**found, "part": found["within"], "sides": ()})
        old, new = (Size(**{**found[side], "histogram": tuple(found[side]["histogram"])}) for side in ("old", "new"))
        return cls(
            found["table"],
            chunk.pair,
            old,
            new,
            Ask(found["ask"]),
            found["most"],
            found["settle_seconds"],
            chunk.cells,
            chunk.part,
            tuple(found["rows"]),
            tuple((tuple(key), here, there) for key, here, there in found["suspects"]),
            found["looks"],
            found["cut"],
        )


@dataclass(frozen=True)
class Item:
    """A chunk: a number of its own among those of its table, which rows, and of which side, or of both."""

    run: str
    round: int
    table: int
    chunk: int
    side: str = BOTH
    part: Part = field(default_factory=Part)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data without what is not limited: a Map's item is sent about for every worker.

        Limits are text: keys can be larger than what JSON's readers keep whole as numbers.
        """
        limits = {name: str(value) for name, value in asdict(self.part).items() if name in LIMITS and value is not None}
        return {**asdict(self), "part": limits}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Item":
        """Return what `to_dict` described. Raises TypeError for anything else."""
        limits: dict[str, Any] = {name: int(text) for name, text in found["part"].items()}
        return cls(**{**found, "part": Part(**limits)})


LIMITS = ("low", "high", "first", "last")


def first(table: int, pair: Pair, old: Size, new: Size, budget: Budget, settle_seconds: float) -> Task:
    """Return what the first round asks of a table."""
    most = budget.rows(old, new)
    sides, _ = plan.parts(pair, old, new, most)[0]
    ask = Ask.COMPARE if len(sides) > 1 else Ask.SUMS
    cells = plan.buckets(old, new) if ask is Ask.SUMS else Cells()
    return Task(table, pair, old, new, ask, most, settle_seconds, cells)


def items(task: Task, run: str, number: int) -> Iterator[Item]:
    """Return the chunks in which a round asks for this."""
    if task.ask is Ask.SETTLE:
        yield Item(run, number, task.table, 0)
        return
    for place, (sides, part) in enumerate(plan.parts(task.pair, task.old, task.new, task.most)):
        yield Item(run, number, task.table, place, BOTH if len(sides) > 1 else sides[0], part)


def result_from_dict(found: Mapping[str, Any]) -> TableResult:
    """Return a table's result from plain data, as dataclasses.asdict makes it."""
    return TableResult(
        table=Table(**found["table"]),
        verdict=Verdict(found["verdict"]),
        method=Method(found["method"]) if found["method"] else None,
        rows=tuple(found["rows"]),
        seconds=found["seconds"],
        differences=tuple(
            Difference(tuple(one["key"]), Kind(one["kind"]), tuple(one["columns"]), tuple(one["times"]))
            for one in found["differences"]
        ),
        unsettled=tuple(tuple(key) for key in found["unsettled"]),
        more=found["more"],
        reason=found["reason"],
    )
