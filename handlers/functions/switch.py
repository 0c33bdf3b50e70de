"""Flip the names, run the fenced section, and take both back in the same invocation if the new side can't open."""

from contextlib import ExitStack
from typing import Any

from handlers import compensation, outlook
from handlers.clients import log
from handlers.core.record import Phase, Record, Superseded, fence_to_open_seconds
from handlers.edge import handler as edge
from handlers.fenced import FencedSection
from handlers.migration import Migration

RENEW_SHARE = 0.2
"""How much of the invocation's time it may take to look again at what has changed while DNS followed the flip."""


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Switch over and return the outcome: open or undone. `seconds` bounds the invocation and every statement."""
    record = migration.taken(event["execution"], Phase.SWITCHING, Phase.OPEN, Phase.FAILED_BACK)
    if record.phase is not Phase.SWITCHING:
        return _opened(migration, record)
    limit = min(seconds, float(migration.config.limits.compare_seconds))
    with ExitStack() as doors:
        section: FencedSection | None = None
        try:
            section = FencedSection(migration, outlook.begin(migration, record.direction, limit, doors), record)
            if not record.past_no_return:  # an invocation that goes on from there has nobody left to wait for
                _before_the_fence(migration, section, limit)
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


def _before_the_fence(migration: Migration, section: FencedSection, seconds: float) -> None:
    """Compare both sides, judge what the fence would cost, flip the names, and look at what has changed meanwhile."""
    outlook.forecast(migration, section.record, section.survey, seconds)
    section.flip()
    outlook.renew(migration, section.record, section.survey, migration.clock.now() + seconds * RENEW_SHARE)


def _opened(migration: Migration, record: Record) -> dict[str, Any]:
    migration.show(record, record.direction.after)
    return {
        "outcome": "open",
        "fence_to_open_seconds": fence_to_open_seconds(record),
        "times": record.times,
        "evidence": record.evidence,
    }


handler = edge(step)
