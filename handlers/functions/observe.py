"""Called by events of DMS and of the alarm that says when a switchover is safe, and, because events are best effort,
by a schedule: show where the migration stands.

Until a switchover has begun it notes who is connected to the source, and watches the source's schema. In automatic mode
it also starts the switchover once it has been safe for long enough. While the target is open it answers whether
fail-back is still safe, and until when.
"""

from typing import Any

from handlers import census, schema_watch
from handlers.clock import moment
from handlers.core import readiness
from handlers.core.record import Phase, Record
from handlers.edge import handler as edge
from handlers.migration import Migration

AUTOMATIC = "automatic"


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Return the phase shown, and the execution started if one was, or how the way back stands."""
    record = migration.tracking.read()
    if record.phase is Phase.OPEN:
        return _way_back(migration, record)
    if record.phase not in (Phase.IDLE, Phase.UNDONE):
        return {"outcome": record.phase}
    census.take(migration)
    limit = migration.config.limits.maximum_lag_seconds
    task = migration.task.state(migration.clock.now())
    reasons = readiness.replicating(task) + readiness.lagging(task, limit) + schema_watch.look(migration)
    outcome = "ready" if not reasons else "replicating" if task.full_load_percent >= 100 else "loading"
    since = migration.alarms.safe_since()
    migration.notices.show(
        {
            "phase": outcome,
            "task": task.status,
            "latency": task.latency,
            "reasons": reasons,
            "attempt": record.attempt,
            "safe_since": moment(since) if since is not None else None,
        }
    )
    safe = since is not None and migration.clock.now() - since >= migration.config.limits.safe_seconds
    # An undone attempt is a person's to judge: only the first one starts on its own.
    first = migration.config.mode == AUTOMATIC and record.phase is Phase.IDLE
    if first and not reasons and _measured(task) and safe:
        return {
            "outcome": outcome,
            "started": migration.machine.start(f"{migration.config.migration_id}-{record.attempt + 1}"),
        }
    return {"outcome": outcome, "reasons": reasons}


def _way_back(migration: Migration, record: Record) -> dict[str, Any]:
    """Say whether a fail-back could begin now: from the task's state and lag, and the end of the window."""
    now = migration.clock.now()
    until = float(record.saved.get("way_back_until", 0))
    if not until:
        reasons = ["the reverse stream is not verified yet"]
    elif now > until:
        reasons = ["the window is over"]
    elif not migration.config.replication.failback_slot:
        reasons = ["switchover.failBack is false: there is none"]
    else:
        task = migration.way_back().state(now)
        reasons = readiness.replicating(task) + readiness.lagging(task, migration.config.limits.maximum_lag_seconds)
    way_back = {"safe": not reasons, "reasons": reasons, "until": moment(until) if until else None}
    migration.show(record, record.direction.after, way_back=way_back)
    return {"outcome": record.phase, "way_back": way_back}


def _measured(task: readiness.TaskState) -> bool:
    return all(value is not None for value in task.latency.values())


handler = edge(step)
