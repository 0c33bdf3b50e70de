"""What is known before the fence: both sides compared while writes go on, and what the fence would cost."""

from contextlib import ExitStack

from handlers.core.direction import Direction
from handlers.core.forecast import Forecast, reasons_against
from handlers.core.record import Record, Refused
from handlers.migration import Migration
from handlers.streams import caught_up
from handlers.survey import Survey

SURVEY_SHARE = 0.5
"""How much of the invocation's time the survey may take."""


def begin(migration: Migration, direction: Direction, seconds: float, doors: ExitStack) -> Survey:
    """Open both databases, until `doors` close, and read what tables there are. No statement takes over `seconds`."""
    rules = migration.stream(direction).mappings()
    old, new = (doors.enter_context(migration.database(side, seconds)) for side in (direction.old, direction.new))
    return Survey.begin(old, new, rules, migration.begin_comparison)


def forecast(migration: Migration, record: Record, survey: Survey, seconds: float) -> Forecast:
    """Compare both sides and return how long nobody could write. Raises Refused where that is over the budget."""
    until = migration.clock.now() + seconds * SURVEY_SHARE
    survey.look(migration.clock, until)
    return renew(migration, record, survey, until)


def renew(migration: Migration, record: Record, survey: Survey, until: float) -> Forecast:
    """Look at what has changed since, until little is left, and forecast anew. Raises Refused as `forecast` does."""
    # Reading every row has held the stream up.
    drain = caught_up(migration, record.token, survey.old, survey.new, until)
    survey.keep_up(migration.clock, until)
    config = migration.config
    found = Forecast(
        compare_seconds=survey.busy_seconds(),
        drain_seconds=drain,
        ttl_seconds=config.dns.switchover_ttl_seconds,
        propagation_seconds=config.dns.propagation_seconds,
    )
    reasons = reasons_against(found, config.limits.write_gap_seconds)
    if reasons:
        raise Refused("; ".join(reasons))
    return found
