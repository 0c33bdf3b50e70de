"""Taking an attempt back before its point of no return: every action can be repeated, and none waits for another."""

from collections.abc import Callable

from handlers.core import access
from handlers.core import record as records
from handlers.core.direction import Direction
from handlers.core.record import Record, Undo
from handlers.fenced import access_key
from handlers.migration import LEASE_SECONDS, Migration

STATEMENT_SECONDS = 30.0


class UndoFailed(Exception):
    """Part of the undo did not work. The message says which; the rest was done. Trying again is safe."""


def undo(migration: Migration, record: Record, reason: str) -> Record:
    """Take the attempt back whole and free the lock. Raises UndoFailed after trying every part.

    It takes a token of its own first: whoever was at work on the attempt is refused from then on. Raises Superseded
    where `record` is not what is stored.
    """
    plan = records.undo_plan(record)
    now = migration.clock.now()
    record = migration.tracking.write(records.undoing(record, now, LEASE_SECONDS, reason), "undo begins", now)
    acts: dict[Undo, Callable[[], None]] = {
        Undo.CLOSE_NEW: lambda: close_new(migration, record),
        Undo.DROP_SLOT: lambda: drop_slot(migration, record),
        Undo.REOPEN_OLD: lambda: reopen_old(migration, record),
        Undo.NAMES_BACK: lambda: names_back(migration, record),
        Undo.END_READERS: lambda: end_readers(migration, record),
    }
    failed = []
    for part in plan:
        try:
            acts[part]()
        except Exception as error:
            failed.append(f"{part}: {error}")
    if failed:
        raise UndoFailed("; ".join(failed))
    return migration.tracking.write(records.undone(record, record.reason), "undone", migration.clock.now())


def close_new(migration: Migration, record: Record) -> None:
    """Leave the new side to those who may wait there, and refuse whoever comes with an older token."""
    with migration.database(record.direction.new, STATEMENT_SECONDS) as door:
        spared = door.closed_for(migration.config.application_roles)
        door.database.act(record.token, access.close(door.database.access(), spared))


def drop_slot(migration: Migration, record: Record) -> None:
    """Drop the slot of the way back: it would keep the target's log for nobody."""
    with migration.database(Direction.FORWARD.new, STATEMENT_SECONDS) as door:
        door.database.drop_slot(migration.config.replication.failback_slot, record.token)


def reopen_old(migration: Migration, record: Record) -> None:
    """Give everybody on the old side the rights they had before the fence."""
    with migration.database(record.direction.old, STATEMENT_SECONDS) as door:
        before = access.Access.from_dict(record.saved[access_key(door)])
        door.database.act(record.token, access.open_again(before, door.database.access()))


def end_readers(migration: Migration, record: Record) -> None:
    """Send away whom the canary let into the target: a session outlives its right to connect."""
    with migration.database(Direction.FORWARD.new, STATEMENT_SECONDS) as door:
        door.database.end_sessions_of(record.saved["readers"])


def names_back(migration: Migration, record: Record) -> None:
    """Lead both names to the old side again. Their time to live is restored unless fail-back may follow."""
    forward = record.direction is Direction.FORWARD
    ttl = record.saved["ttl"] if forward else migration.config.dns.switchover_ttl_seconds
    migration.shift(record, record.direction.before, "undo of", ttl)
