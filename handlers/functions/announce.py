"""Lower the writer's time to live ahead, so that clients follow the flip within a second or so."""

from typing import Any

from handlers.core import names
from handlers.core.record import Step
from handlers.edge import handler as edge
from handlers.migration import Migration


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Lower the time to live and return how long resolvers may still keep the old one."""
    record = migration.claimed(event["execution"])
    found = migration.writer.read()
    record = migration.begin(record, Step.ANNOUNCE, {"ttl": names.ttl(found)})
    ttl = migration.config.dns.switchover_ttl_seconds
    migration.writer.shift(names.weights(found), ttl, f"ahead of switchover {record.owner}")
    wait = int(record.saved["ttl"])
    record = migration.end(record, Step.ANNOUNCE, {"ttl_before": wait, "ttl": ttl})
    migration.show(record, names.weights(found))
    return {"outcome": "announced", "wait_seconds": wait}


handler = edge(step)
