"""Whether a row that differs while changes flow is wrong, or only late.

A look reads the source, waits until the target has applied all that the source had committed by then, and reads target
and source. What the target shows has to be what the source showed before or after; a source that shows the same
version both times leaves no other excuse.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from handlers.clock import Clock
from handlers.validation.compare import Both, Key, Seen, Sides, agree, seek
from handlers.validation.plan import Pair

PAUSE_SECONDS = 0.1


class Fate(StrEnum):
    """What a look says of a row."""

    CLEAR = "clear"
    CONFIRMED = "confirmed"
    OPEN = "open"


@dataclass(frozen=True)
class Look:
    """A row as the source showed it, then the target, then the source again; None where it was not there."""

    before: Seen | None
    target: Seen | None
    after: Seen | None

    @property
    def gone(self) -> bool:
        """Say whether the source did not have it."""
        return self.before is None and self.after is None


class Stream(Protocol):
    """What carries changes from the source to the target."""

    def mark(self) -> str:
        """Return a mark behind everything the source has committed."""

    def passed(self, mark: str) -> bool:
        """Say whether the target has applied everything before the mark."""


class Patience:
    """Where nothing tells how far the target is: everything is taken for applied after so many seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def mark(self) -> str:
        """Return the time."""
        return str(self._clock.now())

    def passed(self, mark: str) -> bool:
        """Say whether the time is over."""
        return self._clock.now() >= float(mark) + self._seconds


class Tokens(Protocol):
    """A database that drain tokens can be written to and read from."""

    def write_token(self, mark: str, token: int) -> None:
        """Write a row that is carried over behind everything before it."""

    def has_token(self, mark: str) -> bool:
        """Say whether it has arrived."""


@dataclass(frozen=True)
class Heartbeat:
    """A row of our own through the stream: exact, with DMS as well. `token` is of whoever acts, as for a drain."""

    source: Tokens
    target: Tokens
    token: int

    def mark(self) -> str:
        """Write a row."""
        mark = str(uuid.uuid4())
        self.source.write_token(mark, self.token)
        return mark

    def passed(self, mark: str) -> bool:
        """Say whether it has arrived."""
        return self.target.has_token(mark)


def judge(look: Look, last: Look | None) -> Fate:
    """Return what a look says. `last` is the one before it, if the row was open then.

    A row that is not there has no version, and may have come and gone between two readings. But a version the target
    kept over two looks, with the source without the row in both, is of no row the source has deleted since: the
    deletion would have arrived.
    """
    if agree((look.before, look.target)) or agree((look.after, look.target)):
        return Fate.CLEAR
    if look.gone:
        return Fate.CONFIRMED if last is not None and last.gone and last.target == look.target else Fate.OPEN
    return Fate.CONFIRMED if look.before == look.after else Fate.OPEN


@dataclass(frozen=True)
class Settled:
    """Rows proven to differ, and rows that the source kept changing or a stream that stood still left open."""

    confirmed: Mapping[Key, Both]
    open: frozenset[Key]


def settle(
    sides: Sides, pair: Pair, suspects: Iterable[Key], stream: Stream, clock: Clock, rounds: int, patience: float
) -> Settled:
    """Look at rows again until each is cleared or confirmed, `rounds` times at most.

    The target gets `patience`, in seconds, to come as far as each mark.
    """
    confirmed: dict[Key, Both] = {}
    left: dict[Key, Look | None] = dict.fromkeys(suspects)
    for _ in range(rounds):
        if not left:
            break
        keys = list(left)
        before = seek(sides.old, pair.old, pair.method, keys)
        if not _wait(stream, clock, patience):
            break
        target = seek(sides.new, pair.new, pair.method, keys)
        after = seek(sides.old, pair.old, pair.method, keys)
        for key in keys:
            look = Look(before.get(key), target.get(key), after.get(key))
            fate = judge(look, left[key])
            left[key] = look
            if fate is not Fate.OPEN:
                del left[key]
            if fate is Fate.CONFIRMED:
                confirmed[key] = (look.after, look.target)
    return Settled(confirmed, frozenset(left))


def _wait(stream: Stream, clock: Clock, patience: float) -> bool:
    until, mark = clock.now() + patience, stream.mark()
    while not stream.passed(mark):
        if clock.now() >= until:
            return False
        clock.sleep(PAUSE_SECONDS)
    return True
