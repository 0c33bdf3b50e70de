"""Let readers read from the target ahead of the switchover, a share of them at a time, and judge how that goes.

The writer's name stays where it is, and so does every right to write: the target is opened to roles that only read.
"""

from contextlib import ExitStack
from typing import Any

from handlers import outlook
from handlers.core import access, readiness
from handlers.core.direction import Direction
from handlers.core.record import Phase, Record, Refused, Step
from handlers.edge import handler as edge
from handlers.migration import Migration
from handlers.routing import await_sync
from handlers.samples import Samples
from handlers.streams import probe

STATEMENT_SECONDS = 60.0


class Unhealthy(Exception):
    """The target is not fit to be read from. The message says why; the attempt has to be taken back."""


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Lead `percent` of the readers to the target, or with `check` judge how it does with them.

    Returns `reading` with the seconds to watch, or `healthy`. Raises Refused where a role may do more than read,
    Unhealthy where something is wrong.
    """
    record = migration.taken(event["execution"], Phase.SWITCHING, waits=migration.config.canary.seconds)
    if record.direction is not Direction.FORWARD:
        raise Refused("there is no canary on the way back: readers and writers go together")
    percent = int(event["percent"])
    if event.get("check"):
        return _check(migration, record, percent, seconds)
    return _lead(migration, record, percent, seconds)


def _lead(migration: Migration, record: Record, percent: int, seconds: float) -> dict[str, Any]:
    config = migration.config
    until = migration.clock.now() + seconds
    with migration.database(Direction.FORWARD.new, min(seconds, STATEMENT_SECONDS)) as target:
        problems = target.database.lacks_to_only_read(config.canary.roles)
        if problems:
            raise Refused("; ".join(problems))
        record = migration.begin(record, Step.CANARY, {"readers": list(config.canary.roles)})
        target.database.act(record.token, access.admit(target.database.access(), config.canary.roles))
    weights = {
        config.dns.writer_name: dict(record.direction.before),
        config.dns.reader_name: {record.direction.old: 100 - percent, record.direction.new: percent},
    }
    await_sync(migration, migration.router.shift(weights, f"canary of {record.owner}", token=record.token), until)
    migration.show(record, weights[config.dns.writer_name], reader_weights=weights[config.dns.reader_name])
    return {"outcome": "reading", "percent": percent, "wait_seconds": config.canary.seconds}


def _check(migration: Migration, record: Record, percent: int, seconds: float) -> dict[str, Any]:
    config, clock = migration.config, migration.clock
    until = clock.now() + seconds
    limit = config.limits.maximum_lag_seconds
    task = migration.task.state(clock.now())
    reasons = migration.alarms.unwell() + readiness.replicating(task) + readiness.lagging(task, limit)
    if reasons:
        raise Unhealthy("; ".join(reasons))
    with ExitStack() as doors:
        survey = outlook.begin(migration, record.direction, min(seconds, STATEMENT_SECONDS), doors)
        took = probe(migration, record.token, survey.old, survey.new, limit)
        if took is None:
            raise Unhealthy(f"a probe row did not get through in {limit} s: replication does not flow")
        drawn, left = Samples.begin(survey), until - clock.now()
        reasons = drawn.compare(clock, left, min(float(limit), left / 2))
    if reasons:
        raise Unhealthy(f"of a sample on both sides {'; '.join(reasons)}")
    found = {"probe_seconds": round(took, 3), "latency": task.latency, **drawn.evidence()}
    earlier = record.evidence.get(Step.CANARY.value, {})
    record = migration.end(record, Step.CANARY, {**earlier, str(percent): found})
    return {"outcome": "healthy", "percent": percent, **found}


handler = edge(step)
