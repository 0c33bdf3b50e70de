"""Whether a row is wrong or late: the rule against every history of a stream that lags."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.clock import Clock
from handlers.core.comparison import Column, Table
from handlers.core.mapping import Relation
from handlers.core.samples import Key as PrimaryKey
from handlers.core.samples import KeyPart
from handlers.validation.compare import Seen, Sides
from handlers.validation.equality import Method
from handlers.validation.plan import pair_up
from handlers.validation.suspects import Fate, Look, Patience, judge, settle

A, B = Seen(1, "7(0,1)"), Seen(2, "8(0,1)")
RELATION = Relation(Table("s", "t"), (Column("id", "int8"),))
KEY = PrimaryKey((KeyPart("id", "bigint"),), 1)
PAIR = pair_up(RELATION, RELATION, RELATION.columns, (KEY, KEY), Method.VALUE)


class Ticks(Clock):
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class World:
    """One row. The source's history is played on, and the target applies it in order, `damage` to one version of it."""

    def __init__(self, history: list[int | None], paces: list[tuple[int, int]], damaged: int | None) -> None:
        self.history, self.paces, self.damaged = history, paces, damaged
        self.written = self.applied = 0

    def tick(self) -> None:
        """Let the source write and the target apply a little."""
        writes, applies = self.paces.pop(0) if self.paces else (1, len(self.history))
        self.written = min(self.written + writes, len(self.history) - 1)
        self.applied = min(self.applied + applies, self.written)

    def source(self) -> Seen | None:
        value = self.history[self.written]
        return None if value is None else Seen(value, f"s{self.written}")

    def target(self) -> Seen | None:
        wrong = self.damaged is not None and self.applied >= self.damaged and self.applied == self.damaged
        value = 99 if wrong else self.history[self.applied]
        return None if value is None else Seen(value, f"t{self.applied}")

    def mark(self) -> str:
        return str(self.written)

    def passed(self, mark: str) -> bool:
        self.tick()
        return self.applied >= int(mark)


class OneSide:
    def __init__(self, world: World, old: bool) -> None:
        self.world, self.old = world, old

    def rows(self, query: str, args: Any = None) -> list[tuple[Any, ...]]:
        self.world.tick()
        seen = self.world.source() if self.old else self.world.target()
        return [(1, seen.hash, seen.version)] if seen else []


values = st.one_of(st.none(), st.integers(1, 3))
paces = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=40)


@given(history=st.lists(values, min_size=1, max_size=20), paces=paces)
@settings(max_examples=150, deadline=None)
def test_a_right_target_is_never_found_wrong_however_late_it_is(
    history: list[int | None], paces: list[tuple[int, int]]
) -> None:
    world = World(history, paces, None)
    sides = Sides(OneSide(world, True), OneSide(world, False))
    assert not settle(sides, PAIR, [("1",)], world, Ticks(), 8, 100).confirmed


@given(history=st.lists(values, min_size=1, max_size=20), paces=paces)
@settings(max_examples=80, deadline=None)
def test_a_wrong_row_is_confirmed_once_the_source_leaves_it_alone(
    history: list[int | None], paces: list[tuple[int, int]]
) -> None:
    world = World(history, paces, len(history) - 1)
    sides = Sides(OneSide(world, True), OneSide(world, False))
    for _ in range(100):
        world.tick()
    assert set(settle(sides, PAIR, [("1",)], world, Ticks(), 8, 100).confirmed) == {("1",)}


def test_a_row_the_source_does_not_have_needs_two_looks_at_the_same_version() -> None:
    extra = Look(None, A, None)
    assert judge(extra, None) is Fate.OPEN
    assert judge(extra, Look(None, B, None)) is Fate.OPEN
    assert judge(extra, Look(A, A, None)) is Fate.OPEN
    assert judge(extra, extra) is Fate.CONFIRMED


def test_a_stream_that_stands_still_leaves_rows_open() -> None:
    class Still(World):
        def passed(self, mark: str) -> bool:
            return False

    world = Still([1, 2], [], 1)
    sides = Sides(OneSide(world, True), OneSide(world, False))
    found = settle(sides, PAIR, [("1",)], world, Ticks(), 3, 5)
    assert (found.confirmed, found.open) == ({}, {("1",)})


def test_patience_is_a_stream_that_is_through_after_some_seconds() -> None:
    clock = Ticks()
    stream = Patience(clock, 2)
    mark = stream.mark()
    assert not stream.passed(mark)
    clock.sleep(2)
    assert stream.passed(mark)
