"""Called when a step failed or died: take the attempt back, or say that it can only go forward."""

from typing import Any

from handlers import compensation
from handlers.core import record as records
from handlers.core.record import BUSY, Step
from handlers.edge import handler as edge
from handlers.migration import Migration


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Return `undone`, `forward` where the target has been opened, or `nothing` where this execution holds nothing.

    With `give_up` in the event the attempt is handed to a person instead: both sides stay as they are, closed.
    """
    record = migration.tracking.read()
    if record.owner != event["execution"] or record.phase not in BUSY:
        return {"outcome": "nothing", "phase": record.phase}
    reason = str(event.get("reason") or "a step failed")
    if event.get("give_up"):
        record = migration.tracking.write(records.needs_a_person(record, reason), "given up", migration.clock.now())
        migration.show(record)
        migration.notices.tell(
            f"Migration {record.migration_id} needs a person", {"reason": reason, "record": record.begun}
        )
        return {"outcome": "needs a person", "reason": reason}
    if record.past_no_return:
        return {"outcome": "finish" if Step.OPEN in record.done else "forward"}
    record = compensation.undo(migration, record, reason)
    migration.show(record, compensation.BEFORE)
    return {"outcome": "undone", "reason": reason}


handler = edge(step)
