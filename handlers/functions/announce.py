"""Lower the names' time to live ahead, so that clients follow the flip within a second or so."""

from typing import Any

from handlers.core.direction import Direction
from handlers.core.record import Phase, Step
from handlers.edge import handler as edge
from handlers.migration import Migration
from handlers.routing import await_sync


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Lower the time to live and return how long resolvers may still keep the old one."""
    weights, found = migration.router.weights(), migration.router.ttl()
    record = migration.taken(event["execution"], Phase.SWITCHING, waits=found)
    record = migration.begin(record, Step.ANNOUNCE, {"ttl": found})
    ttl, wait = migration.config.dns.switchover_ttl_seconds, 0
    before = found if record.direction is Direction.BACK else int(record.saved["ttl"])
    if before != ttl:
        change = migration.router.shift(weights, f"ahead of switchover {record.owner}", ttl, token=record.token)
        await_sync(migration, change, migration.clock.now() + seconds)
        wait = before  # who asked just before the change was in force keeps the old answer that long
    record = migration.end(record, Step.ANNOUNCE, {"ttl_before": before, "ttl": ttl})
    migration.show(record, weights[migration.config.dns.writer_name])
    return {"outcome": "announced", "wait_seconds": wait, "direction": record.direction}


handler = edge(step)
