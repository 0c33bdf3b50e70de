"""Run the fenced section, and take it back in the same invocation if it fails before the new side opens."""

from contextlib import ExitStack
from typing import Any

from handlers import compensation
from handlers.clients import log
from handlers.core.forecast import Forecast, reasons_against
from handlers.core.record import Phase, Record, Refused, Superseded, fence_to_open_seconds
from handlers.edge import handler as edge
from handlers.fenced import FencedSection
from handlers.migration import Migration
from handlers.streams import caught_up
from handlers.survey import Survey

SURVEY_SHARE = 0.5
"""How much of the invocation's time the survey before the fence may take."""


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
    rules = migration.stream(record.direction).mappings()
    old, new = (
        doors.enter_context(migration.database(side, seconds)) for side in (record.direction.old, record.direction.new)
    )
    survey = Survey.begin(old, new, rules)
    if not record.past_no_return:  # an invocation that goes on from there has nobody left to wait for
        until = migration.clock.now() + seconds * SURVEY_SHARE
        survey.look(migration.clock, until)
        drain = caught_up(migration, old, new, until)  # reading every row has held the stream up
        survey.forget_changed()
        config = migration.config
        forecast = Forecast(
            compare_seconds=survey.busy_seconds(),
            drain_seconds=drain,
            ttl_seconds=config.dns.switchover_ttl_seconds,
            propagation_seconds=config.dns.propagation_seconds,
        )
        reasons = reasons_against(forecast, config.limits.write_gap_seconds)
        if reasons:
            raise Refused("; ".join(reasons))
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
