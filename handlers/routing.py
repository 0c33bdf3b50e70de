"""What the automation does with the names: wait until a change is in force on every server that answers for them."""

from handlers.clock import DeadlineExceeded, wait_for
from handlers.migration import Migration

SYNC_SECONDS = 90.0
"""Route 53 needs up to 60 s."""
PAUSE_SECONDS = 0.5


def await_sync(migration: Migration, change: str, until: float) -> None:
    """Wait until a change is in force everywhere, `until` or SYNC_SECONDS at most. Raises DeadlineExceeded."""
    clock = migration.clock
    wait_for(
        lambda: migration.router.in_sync(change),
        clock=clock,
        until=min(until, clock.now() + SYNC_SECONDS),
        pause=PAUSE_SECONDS,
        what="Route 53 INSYNC",
    )


def in_force(migration: Migration, change: str, until: float) -> bool:
    """Wait as `await_sync` does, where going on is right either way, and say whether the change is in force."""
    try:
        await_sync(migration, change, until)
    except DeadlineExceeded:
        return False
    return True
