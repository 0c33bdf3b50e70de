"""Taking a switchover back before its point of no return: every action can be repeated, and none waits for another."""

from collections.abc import Callable

from handlers.core import access, names
from handlers.core import record as records
from handlers.core.record import Record, Undo
from handlers.migration import Migration

STATEMENT_SECONDS = 30.0
BEFORE = {names.BLUE: 100, names.GREEN: 0}


class UndoFailed(Exception):
    """Part of the undo did not work. The message says which; the rest was done. Trying again is safe."""


def undo(migration: Migration, record: Record, reason: str) -> Record:
    """Take the attempt back whole and free the lock. Raises UndoFailed after trying every part."""
    acts: dict[Undo, Callable[[], None]] = {
        Undo.CLOSE_TARGET: lambda: close_target(migration),
        Undo.UNFENCE_SOURCE: lambda: unfence_source(migration, record),
        Undo.WEIGHTS_BACK: lambda: set_names(migration, record, migration.config.dns.switchover_ttl_seconds),
        Undo.RESTORE_TTL: lambda: set_names(migration, record, record.saved["ttl"]),
    }
    failed = []
    for part in records.undo_plan(record):
        try:
            acts[part]()
        except Exception as error:
            failed.append(f"{part}: {error}")
            if part is Undo.CLOSE_TARGET:
                break  # opening the source while the target may be open could make two writable sides
    if failed:
        raise UndoFailed("; ".join(failed))
    now = migration.clock.now()
    return migration.tracking.write(records.undone(record, reason), "undone", now)


def close_target(migration: Migration) -> None:
    """Leave the target to our own roles."""
    with migration.database(migration.config.target, STATEMENT_SECONDS) as target:
        target.database.run(access.close(target.database.access(), target.ours))


def unfence_source(migration: Migration, record: Record) -> None:
    """Give everybody on the source the rights they had before the fence."""
    before = access.Access.from_dict(record.saved["source_access"])
    with migration.database(migration.config.source, STATEMENT_SECONDS) as source:
        source.database.run(access.open_again(before, source.database.access()))


def set_names(migration: Migration, record: Record, ttl: int) -> None:
    """Send the writer's name back to the source."""
    migration.writer.shift(BEFORE, ttl, f"undo of {record.owner}")
