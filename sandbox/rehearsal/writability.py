"""Which side could be written to when, judged by tries to write: never both at once, and how long neither."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

BLUE, GREEN = "blue", "green"
NEW, HELD = "new", "held"


@dataclass(frozen=True, slots=True)
class Try:
    """One try to write. `began` and `ended` are seconds of one monotonic clock, and the write lies between them."""

    side: str
    """BLUE or GREEN."""
    way: str
    """NEW: over a connection made for it. HELD: over one that was there before."""
    began: float
    ended: float
    accepted: bool
    """Whether the server carried it out. What was never answered does not count as accepted."""


@dataclass(frozen=True)
class Verdict:
    """What the tries show."""

    both_instants: int
    """Tries that were accepted while the other side was open as well, beyond doubt."""
    neither_seconds: float
    """How long no try was accepted, all such times together."""
    tries: int
    accepted: dict[str, int]
    """Accepted tries by side."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for the report."""
        return {**asdict(self), "neither_seconds": round(self.neither_seconds, 3)}


Run = Sequence[Try]
"""Tries of one side and way that were accepted one after the other: the side was open all the while."""


def judge(tries: Iterable[Try]) -> Verdict:
    """Judge all tries of a rehearsal, in any order."""
    every = sorted(tries, key=lambda one: (one.began, one.ended))
    runs = {side: [*_runs(every, side, NEW), *_runs(every, side, HELD)] for side in (BLUE, GREEN)}
    accepted = [one for one in every if one.accepted]
    windows = [_window(blue, green) for blue in runs[BLUE] for green in runs[GREEN] if _overlap(blue, green)]
    both = [one for one in accepted if any(one.began <= end and begin <= one.ended for begin, end in windows)]
    return Verdict(
        both_instants=len(both),
        neither_seconds=_uncovered([*runs[BLUE], *runs[GREEN]]),
        tries=len(every),
        accepted={side: sum(one.side == side for one in accepted) for side in (BLUE, GREEN)},
    )


def _runs(tries: Iterable[Try], side: str, way: str) -> list[Run]:
    ours = (one for one in tries if (one.side, one.way) == (side, way))
    return [list(run) for accepted, run in groupby(ours, key=lambda one: one.accepted) if accepted]


def _overlap(one: Run, other: Run) -> bool:
    """Say whether two sides were open at the same time, wherever in its try each write lies.

    A side was open when its first try had ended at the latest, and still was when its last one began.
    """
    return one[0].ended <= other[-1].began and other[0].ended <= one[-1].began


def _window(one: Run, other: Run) -> tuple[float, float]:
    """Return the time that two runs share; a single try inside the other's run gives its own."""
    first, last = sorted((max(one[0].ended, other[0].ended), min(one[-1].began, other[-1].began)))
    return first, last


def _uncovered(runs: Iterable[Run]) -> float:
    """Return how many seconds between the first run and the last lie in none of them."""
    spans = sorted((run[0].began, max(one.ended for one in run)) for run in runs)
    total, reached = 0.0, spans[0][0] if spans else 0.0
    for begin, end in spans:
        total += max(0.0, begin - reached)
        reached = max(reached, end)
    return total
