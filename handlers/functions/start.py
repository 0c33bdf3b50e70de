"""Start the replication, if a preflight of this very pair says that nothing speaks against it."""

from typing import Any

from handlers import pair
from handlers.core.readiness import NEVER_STARTED
from handlers.core.record import Phase, Refused
from handlers.edge import handler as edge
from handlers.migration import Migration
from handlers.preflight.kept import reasons_against


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Start the forward replication and keep the schema it starts with, which the gate compares.

    Raises Refused where no preflight allows it, and where the replication has run already.
    """
    record = migration.tracking.read()
    if record.phase not in (Phase.IDLE, Phase.UNDONE):
        raise Refused(f"migration {record.migration_id} is {record.phase}: its replication was started long ago")
    status = migration.task.status()
    if status not in NEVER_STARTED:
        raise Refused(
            f"the replication is {status}: it was started before. To load anew, replace it by a new one, with an empty "
            "target"
        )
    speaks_of = pair.basis(migration, pair.look(migration))
    found = migration.tracking.preflight()
    now = migration.clock.now()
    reasons = reasons_against(found, speaks_of, now, migration.config.preflight.maximum_age_hours)
    if reasons:
        raise Refused("not started: " + "; ".join(reasons))
    migration.tracking.keep_start(speaks_of, now)
    migration.task.start()
    return {"outcome": "started", "preflight_at": found.at if found else None}


handler = edge(step, {Refused: "refused"})
