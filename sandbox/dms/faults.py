"""Faults for rehearsals: what is wrong with a task on purpose, as a function of time. No input or output here."""

import math
from dataclasses import dataclass

FAULTS = ("stall", "lag", "lose-source", "fail", "resume")
DEFAULT_LAG_SECONDS = 5.0


@dataclass
class Faults:
    """The faults of one task. Times are seconds on the clock that `now` is read from."""

    stalled_until: float = 0.0
    source_lost_until: float = 0.0
    failing: bool = False
    lag_seconds: float = 0.0
    _held_until: float = 0.0

    def set(self, fault: str, seconds: float | None, now: float) -> None:
        """Begin a fault, for `seconds` or until resume, which ends them all. Raises ValueError for any other word."""
        until = now + seconds if seconds else math.inf
        if fault == "stall":
            self.stalled_until = until
        elif fault == "lose-source":
            self.source_lost_until = until
        elif fault == "fail":
            self.failing = True
        elif fault == "lag":
            self.lag_seconds = seconds or DEFAULT_LAG_SECONDS
            self._held_until = now + self.lag_seconds
        elif fault == "resume":
            self.stalled_until = self.source_lost_until = self.lag_seconds = self._held_until = 0.0
        else:
            raise ValueError(f"fault {fault!r} is unknown: use one of {', '.join(FAULTS)}")

    def source_lost(self, now: float) -> bool:
        """Say whether the source is to be out of reach."""
        return now < self.source_lost_until

    def applies(self, now: float, *, caught_up: bool) -> bool:
        """Say whether changes may be applied. A lag holds them for its seconds, lets all through, and holds again."""
        if now < self.stalled_until:
            return False
        if not self.lag_seconds or now < self._held_until:
            return not self.lag_seconds
        if caught_up:
            self._held_until = now + self.lag_seconds
            return False
        return True

    def shape(self, now: float) -> dict[str, object]:
        """Return what is wrong now, as plain data."""
        return {
            "stalled": now < self.stalled_until,
            "source_lost": self.source_lost(now),
            "lag_seconds": self.lag_seconds,
            "failing": self.failing,
        }
