"""What the automation does with DMS's tasks: see that one flows, and wait until one is at rest."""

import uuid

from handlers.clock import DeadlineExceeded, wait_for
from handlers.core.direction import Direction
from handlers.migration import Door, Migration, Replication

STATEMENT_SECONDS = 60.0
TASK_PAUSE_SECONDS = 0.5
PROBE_PAUSE_SECONDS = 0.02
CAUGHT_UP_SECONDS = 0.1
"""A stream that takes no longer has nothing left to catch up on."""


class StreamBroken(Exception):
    """Changes do not get through. The message says what is known of the reason."""


def probe(migration: Migration, token: int, old: Door, new: Door, seconds: float) -> float | None:
    """Return how many seconds a row takes from one side to the other, None if it does not arrive in `seconds`.

    `token` is the invocation's.
    """
    clock = migration.clock
    mark, began = str(uuid.uuid4()), clock.now()
    old.database.write_token(mark, token)
    try:
        wait_for(
            lambda: new.database.has_token(mark),
            clock=clock,
            until=began + seconds,
            pause=PROBE_PAUSE_SECONDS,
            what="the probe",
        )
    except DeadlineExceeded:
        return None
    return clock.now() - began


def caught_up(migration: Migration, token: int, old: Door, new: Door, until: float) -> float:
    """Wait as long as the stream catches up, each row faster than the one before; return what the last one took.

    What a fence would have to wait for is waited for while everybody can still write. Raises StreamBroken where a row
    takes longer than the limit for the lag.
    """
    best = float("inf")
    while True:
        took = probe(migration, token, old, new, migration.config.limits.maximum_lag_seconds)
        if took is None:
            raise StreamBroken(f"no row came through in {migration.config.limits.maximum_lag_seconds} s")
        if took <= CAUGHT_UP_SECONDS or took >= best or migration.clock.now() >= until:
            return took
        best = took


def flows(migration: Migration, token: int, direction: Direction, until: float) -> float:
    """Wait until a row goes through the stream of `direction` and return how many seconds it took.

    `token` is the invocation's.
    Raises StreamBroken where the task fails or nothing arrives until then.
    """
    with (
        migration.database(direction.old, STATEMENT_SECONDS) as old,
        migration.database(direction.new, STATEMENT_SECONDS) as new,
    ):
        while True:
            took = probe(migration, token, old, new, migration.config.limits.maximum_lag_seconds)
            if took is not None:
                return took
            task = migration.stream(direction)
            status = task.status()
            if status not in ("starting", "running") or migration.clock.now() >= until:
                why = task.failure() or "look into its log"
                raise StreamBroken(f"no row came {direction} in time, and the task is {status}: {why}")


def come_to_rest(migration: Migration, task: Replication, until: float) -> None:
    """Stop a task and wait until it is: two that carry changes both ways would send them round and round."""
    task.stop()
    wait_for(task.at_rest, clock=migration.clock, until=until, pause=TASK_PAUSE_SECONDS, what="the end of the task")
