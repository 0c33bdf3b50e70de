"""What the automation does with the names: lead them ahead of the fence, and wait until a change is in force."""

from typing import Any

from handlers.clock import DeadlineExceeded, wait_for
from handlers.core.record import Record
from handlers.migration import Migration

SYNC_SECONDS = 90.0
"""Route 53 needs up to 60 s."""
PAUSE_SECONDS = 0.5


def lead_ahead(migration: Migration, record: Record) -> dict[str, Any]:
    """Send both names to the new side, all weights in one change, and wait until everybody is told so.

    Before the fence: who has a session goes on writing on the old side meanwhile, and finds the new one at once when
    the fence ends it. Who connects anew is refused by the new side, which is still closed, so nobody writes in two
    places. Raises DeadlineExceeded where Route 53 does not follow.
    """
    clock, after = migration.clock, record.direction.after
    ttl = migration.config.dns.switchover_ttl_seconds
    change = migration.shift(record, after, "switchover", ttl)
    await_sync(migration, change, clock.now() + SYNC_SECONDS)
    clock.sleep(ttl)  # who asked just before keeps the old answer that long
    return {"change": change, "weights": after}


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
