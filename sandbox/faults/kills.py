"""Functions killed before and after everything they record: where they may die, and what has to come of it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from handlers.core.direction import Direction
from sandbox.faults.fault import NEW, OLD, Fault
from sandbox.faults.interception import stored
from sandbox.faults.undoing import damaged

KILL = "kill"
TAKEN = "taken"
GATE = ("claimed", "gate begins", "gate done")
ANNOUNCE = ((TAKEN, 0), ("announce begins", 0), ("announce done", 0))
FLIP = ((TAKEN, 1), ("flip begins", 0), ("flip done", 0))
SWITCH_BACK = ("fence", "drain", "sequences", "compare", "open")
SWITCH = ("fence", "drain", "sequences", "reverse", "compare", "open")
SETTLE = ((TAKEN, 2), ("settle begins", 0), ("settle done", 0))
Point = tuple[str, int]
"""An event of the record, and how many of the same name come before it in an attempt."""


def points(direction: Direction) -> list[Point]:
    """Return everything that is recorded in an attempt without a fault, in order, up to its settling."""
    steps = SWITCH if direction is Direction.FORWARD else SWITCH_BACK
    pairs = [f"{done} done, {begun} begins" for done, begun in pairwise(steps)]
    fenced = [(f"{steps[0]} begins", 0), *((pair, 0) for pair in pairs), (f"{steps[-1]} done", 0)]
    return [*((event, 0) for event in GATE), *ANNOUNCE, *FLIP, *fenced, *SETTLE]


def faults() -> Iterator[Fault]:
    """Return a fault for every point, before and after, both ways; and for the points of the undo."""
    for direction in Direction:
        for event, skip in points(direction):
            for after in (False, True):
                yield killed(direction, event, skip, after=after)
    for event in ("undo begins", "undone"):
        for after in (False, True):
            when = "after" if after else "before"
            yield Fault(
                name=f"kill-{when}-{_dashed(event)}",
                what=f"the function that takes an attempt back is killed {when} `{event}` is recorded",
                expected=OLD,
                rules=(stored(event, KILL, after=after),),
                strike=damaged,
            )
    finishing = (TAKEN, "finish begins", "finish done")
    yield Fault(
        name="kill-finish",
        what="the function that ends the window for the way back is killed before and after everything it records",
        expected=OLD,
        rules=tuple(stored(event, KILL, after=after) for event in finishing for after in (False, True)),
        direction=Direction.BACK,
        begin=lambda stage, _: stage.finish(),
        last=True,
    )
    yield Fault(
        name="kill-undo-twice",
        what="the fenced section is killed in its drain, and the function that takes it back twice",
        expected=OLD,
        rules=(
            stored("fence done, drain begins", KILL, after=True),
            stored("undo begins", KILL, after=True),
            stored("undone", KILL, after=False),
        ),
    )


def killed(direction: Direction, event: str, skip: int, *, after: bool) -> Fault:
    """Return the fault that kills whoever records an event."""
    when = "after" if after else "before"
    number = {TAKEN: f"-{('announce', 'switch', 'settle')[skip]}"}.get(event, "")
    back = "back-" if direction is Direction.BACK else ""
    opened = _opening_recorded(points(direction), (event, skip), after=after)
    return Fault(
        name=f"{back}kill-{when}-{_dashed(event)}{number}",
        what=f"the function is killed {when} `{event}` is recorded",
        expected=NEW if opened else OLD,
        rules=(stored(event, KILL, after=after, skip=skip),),
        direction=direction,
    )


def _opening_recorded(every: Sequence[Point], point: Point, *, after: bool) -> bool:
    """Say whether the record holds, when the function dies, that the opening of the new side has begun."""
    opening = next(index for index, (event, _) in enumerate(every) if event.endswith("open begins"))
    return every.index(point) + after > opening


def _dashed(event: str) -> str:
    return event.replace(",", "").replace(" ", "-")
