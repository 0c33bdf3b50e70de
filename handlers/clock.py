"""Time, and waiting for something with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """What was waited for did not happen in time."""


class Clock:
    """The machine's clock. Tests pass one of their own."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def moment(seconds: float) -> str:
    """Return a point in time, given in seconds since the epoch, as people and machines write it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def wait_for(look: Callable[[], T | None], *, clock: Clock, until: float, pause: float, what: str) -> T:
    """Call `look` until it returns something true, at least once. Raises DeadlineExceeded after `until`."""
    while True:
        found = look()
        if found:
            return found
        if clock.now() >= until:
            raise DeadlineExceeded(f"{what} did not happen in time")
        clock.sleep(pause)
