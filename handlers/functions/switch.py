"""Run the fenced section, and take it back in the same invocation if it fails before the target opens."""

from typing import Any

from handlers import compensation
from handlers.clients import log
from handlers.core.record import Record, Superseded, fence_to_open_seconds
from handlers.edge import handler as edge
from handlers.fenced import SWITCHED, FencedSection
from handlers.migration import Migration


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Switch over and return the outcome: open or undone. `seconds` bounds every statement."""
    record = migration.claimed(event["execution"])
    limit = min(seconds, float(migration.config.limits.compare_seconds))
    try:
        record = switch(migration, record, limit)
    except Superseded:
        raise
    except Exception as error:
        record = migration.claimed(event["execution"])
        if record.past_no_return:
            raise  # forward only: the next invocation goes on from the record
        reason = f"{type(error).__name__}: {error}"
        log.info("undoing after %s", reason)
        record = compensation.undo(migration, record, reason)
        migration.show(record, compensation.BEFORE)
        return {"outcome": "undone", "reason": reason}
    migration.show(record, SWITCHED)
    return {
        "outcome": "open",
        "fence_to_open_seconds": fence_to_open_seconds(record),
        "times": record.times,
        "evidence": record.evidence,
    }


def switch(migration: Migration, record: Record, seconds: float) -> Record:
    """Open both databases and run the section. What needs AWS's answers is asked before the fence."""
    rules = migration.task.mappings()
    with (
        migration.database(migration.config.source, seconds) as source,
        migration.database(migration.config.target, seconds) as target,
    ):
        return FencedSection(migration, source, target, rules, record).run()


handler = edge(step)
