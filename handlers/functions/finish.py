"""After the bake time: names as they were but for their weights, forward task stopped, views fresh, people told."""

from typing import Any

from handlers.clock import DeadlineExceeded, wait_for
from handlers.core.record import Step, fence_to_open_seconds
from handlers.edge import handler as edge
from handlers.fenced import SWITCHED
from handlers.migration import Migration

SYNC_SECONDS = 90.0
STATEMENT_SECONDS = 600.0


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Finish the migration. Can be repeated; nothing here can take the application down."""
    record = migration.claimed(event["execution"])
    record = migration.begin(record, Step.FINISH)
    clock = migration.clock
    change = migration.writer.shift(SWITCHED, int(record.saved["ttl"]), f"after switchover {record.owner}")
    try:
        wait_for(
            lambda: migration.writer.in_sync(change),
            clock=clock,
            until=clock.now() + min(seconds, SYNC_SECONDS),
            pause=1.0,
            what="Route 53 INSYNC",
        )
        in_sync = True
    except DeadlineExceeded:
        in_sync = False
    counters = migration.task.counters()
    stopped = migration.task.stop()
    with migration.database(migration.config.target, min(seconds, STATEMENT_SECONDS)) as target:
        views = target.database.refresh_materialized_views()
    evidence = {"in_sync": in_sync, "counters": counters, "task_stopped": stopped, "refreshed": views}
    record = migration.end(record, Step.FINISH, evidence)
    migration.show(record, SWITCHED)
    summary = {"fence_to_open_seconds": fence_to_open_seconds(record), "evidence": record.evidence}
    migration.notices.tell(f"Migration {record.migration_id} completed", summary)
    return {"outcome": "completed", **summary}


handler = edge(step)
