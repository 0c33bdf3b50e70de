"""When the window for a way back is over: names as they were but for their weights, all that was made taken down."""

from typing import Any

from handlers.core.direction import Direction
from handlers.core.record import BUSY, Phase, Step, Superseded, fence_to_open_seconds
from handlers.edge import handler as edge
from handlers.migration import Migration
from handlers.routing import await_sync
from handlers.streams import come_to_rest

STATEMENT_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 60


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Finish the migration. Can be repeated; nothing here can take the application down.

    Returns `waiting` while a fail-back is under way, `failed back` after one, and `overtaken` where others have gone on
    from there.
    """
    execution, known = event["execution"], migration.tracking.read()
    if known.direction is Direction.BACK and known.phase in BUSY | {Phase.NEEDS_A_PERSON}:
        return {"outcome": "waiting", "wait_seconds": LOOK_AGAIN_SECONDS}
    if known.phase is Phase.FAILED_BACK:
        return {"outcome": "failed back"}
    if known.owner != execution:  # failed back, and prepared or tried anew since
        return {"outcome": "overtaken"}
    record = migration.taken(execution, Phase.OPEN)
    if Step.SETTLE not in record.done:
        raise Superseded(f"migration {record.migration_id} is not settled: {execution} comes too early")
    record = migration.begin(record, Step.FINISH)
    until = migration.clock.now() + seconds
    change = migration.shift(record, record.direction.after, "after switchover", int(record.saved["ttl"]))
    await_sync(migration, change, until)
    counters = migration.task.counters()
    dropped = False
    if migration.config.replication.failback_slot:
        come_to_rest(migration, migration.way_back(), until)
    with (
        migration.database(Direction.FORWARD.old, STATEMENT_SECONDS) as source,
        migration.database(Direction.FORWARD.new, STATEMENT_SECONDS) as target,
    ):
        if migration.config.replication.failback_slot:
            dropped = target.database.drop_slot(migration.config.replication.failback_slot, record.token)
        for door in (source, target):
            door.database.drop_control()
    evidence = {"change": change, "counters": counters, "slot_dropped": dropped}
    record = migration.end(record, Step.FINISH, evidence)
    migration.show(record, record.direction.after)
    summary = {"fence_to_open_seconds": fence_to_open_seconds(record), "evidence": record.evidence}
    migration.notices.tell(f"Migration {record.migration_id} completed", summary)
    return {"outcome": "completed", **summary}


handler = edge(step)
