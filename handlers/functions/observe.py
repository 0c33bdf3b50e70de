"""Called by DMS's events and, because those are best effort, by a schedule: show where the migration stands.

In automatic mode it also starts the switchover once the replication is ready.
"""

from typing import Any

from handlers.core import readiness
from handlers.core.record import Phase
from handlers.edge import handler as edge
from handlers.migration import Migration

AUTOMATIC = "automatic"


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Return the phase shown, and the execution started if one was."""
    record = migration.tracking.read()
    if record.phase not in (Phase.IDLE, Phase.UNDONE):
        return {"outcome": record.phase}
    task = migration.task.state(migration.clock.now())
    reasons = readiness.replicating(task) + readiness.lagging(task, migration.config.limits.maximum_lag_seconds)
    outcome = "ready" if not reasons else "replicating" if task.full_load_percent >= 100 else "loading"
    migration.notices.show(
        {"phase": outcome, "task": task.status, "latency": task.latency, "reasons": reasons, "attempt": record.token}
    )
    # An undone attempt is a person's to judge: only the first one starts on its own.
    if migration.config.mode == AUTOMATIC and record.phase is Phase.IDLE and not reasons and _measured(task):
        return {
            "outcome": outcome,
            "started": migration.machine.start(f"{migration.config.migration_id}-{record.token + 1}"),
        }
    return {"outcome": outcome, "reasons": reasons}


def _measured(task: readiness.TaskState) -> bool:
    return all(value is not None for value in task.latency.values())


handler = edge(step)
