"""Run the fenced section, and take it back in the same invocation if it fails before the new side opens."""

from contextlib import ExitStack
from typing import Any

from handlers import compensation, outlook
from handlers.clients import log
from handlers.core.record import Phase, Record, Superseded, fence_to_open_seconds
from handlers.edge import handler as edge
from handlers.fenced import FencedSection
from handlers.migration import Migration


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Switch over and return the outcome: open or undone. `seconds` bounds the invocation and every statement."""
    record = migration.taken(event["execution"], Phase.SWITCHING, Phase.OPEN, Phase.FAILED_BACK)
    if record.phase is not Phase.SWITCHING:
        return _opened(migration, record)
    limit = min(seconds, float(migration.config.limits.compare_seconds))
    with ExitStack() as doors:
        section: FencedSection | None = None
        try:
            section = _before_the_fence(migration, record, limit, doors)
            record = section.run()
        except Superseded:
            raise
        except Exception as error:
            record = section.record if section else record
            if record.past_no_return:
                raise  # forward only: the next invocation goes on from the record
            reason = f"{type(error).__name__}: {error}"
            log.info("undoing after %s", reason)
            record = compensation.undo(migration, record, reason)
            migration.show(record, record.direction.before)
            return {"outcome": "undone", "reason": reason}
    return _opened(migration, record)


def _before_the_fence(migration: Migration, record: Record, seconds: float, doors: ExitStack) -> FencedSection:
    """Open both databases, look at both, and judge what the fence would cost. Asks AWS what needs its answers."""
    survey = outlook.begin(migration, record.direction, seconds, doors)
    if not record.past_no_return:  # an invocation that goes on from there has nobody left to wait for
        outlook.forecast(migration, record, survey, seconds)
    return FencedSection(migration, survey, record)


def _opened(migration: Migration, record: Record) -> dict[str, Any]:
    migration.show(record, record.direction.after)
    return {
        "outcome": "open",
        "fence_to_open_seconds": fence_to_open_seconds(record),
        "times": record.times,
        "evidence": record.evidence,
    }


handler = edge(step)
