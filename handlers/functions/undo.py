"""Called when a step failed or died, and by who aborts: take the attempt back, or say what is left to do."""

from typing import Any

from handlers import compensation
from handlers.core import record as records
from handlers.core.record import BUSY, HELD, Phase, Refused, Step
from handlers.edge import handler as edge
from handlers.migration import Migration


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Return `undone`, `forward`, `settle` or `finish` where the new side is open, or `nothing` where none is held.

    With `abort` in the event, a person's reason, whatever attempt is under way is taken back, whoever holds it; past
    the point of no return that is refused. With `give_up` the attempt is left to a person as it is.
    """
    record = migration.tracking.read()
    if "abort" in event:
        return _abort(migration, record, str(event["abort"]))
    if record.owner != event["execution"] or record.phase not in HELD:
        return {"outcome": "nothing", "phase": record.phase}
    reason = str(event.get("reason") or "a step failed")
    if event.get("give_up"):
        return _give_up(migration, record, reason)
    if record.past_no_return:
        if Step.OPEN not in record.done:
            return {"outcome": "forward"}
        return {"outcome": "finish" if Step.SETTLE in record.done else "settle"}
    return _undo(migration, record, reason)


def _undo(migration: Migration, record: records.Record, reason: str) -> dict[str, Any]:
    record = compensation.undo(migration, record, reason)
    migration.show(record, record.direction.before if record.phase is Phase.UNDONE else record.direction.after)
    return {"outcome": "undone", "reason": record.reason}


def _abort(migration: Migration, record: records.Record, reason: str) -> dict[str, Any]:
    if record.phase not in BUSY | {Phase.NEEDS_A_PERSON}:
        raise Refused(f"migration {record.migration_id} is {record.phase}: no attempt is under way to abort")
    return _undo(migration, record, f"aborted: {reason}")


def _give_up(migration: Migration, record: records.Record, reason: str) -> dict[str, Any]:
    record = migration.tracking.write(records.given_up(record, reason), "given up", migration.clock.now())
    migration.show(record)
    migration.notices.tell(
        f"Migration {record.migration_id} needs a person",
        {
            "reason": reason,
            "phase": record.phase,
            "begun": record.begun,
            "done": record.done,
            "what_to_do": "mend what the reason says, then start the state machine under a new name: it goes on here",
        },
    )
    return {"outcome": "needs a person", "reason": reason}


handler = edge(step)
