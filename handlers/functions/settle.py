"""After the new side is open: forward, the way back is made to flow and watched; back, what led there is taken down."""

from typing import Any

from handlers.core.direction import Direction
from handlers.core.record import Phase, Record, Step, settled
from handlers.edge import handler as edge
from handlers.migration import Migration
from handlers.routing import in_force
from handlers.streams import StreamBroken, come_to_rest, flows

STATEMENT_SECONDS = 600.0


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Settle what was switched. Can be repeated; nothing here can take the application down.

    Returns `window` with the seconds until the way back ends, or `failed back`.
    """
    record = migration.taken(event["execution"], Phase.OPEN, Phase.FAILED_BACK)
    record = migration.begin(record, Step.SETTLE)
    if record.direction is Direction.BACK:
        return _failed_back(migration, record, seconds)
    until = migration.clock.now() + seconds
    come_to_rest(migration, migration.task, until)
    with migration.database(Direction.FORWARD.new, min(seconds, STATEMENT_SECONDS)) as target:
        views = target.database.refresh_materialized_views()
    way_back = _way_back(migration, record, until)
    bake = migration.config.limits.bake_seconds
    record = settled(record, migration.clock.now() + bake)
    evidence = {"way_back": way_back, "refreshed": views}
    record = migration.end(record, Step.SETTLE, evidence)
    migration.show(record, record.direction.after, way_back=way_back)
    migration.notices.tell(
        f"Migration {record.migration_id} switched over",
        {"way_back": way_back, "seconds_to_decide": bake, "execution": record.owner},
    )
    return {"outcome": "window", "wait_seconds": bake, "way_back": way_back}


def _way_back(migration: Migration, record: Record, until: float) -> dict[str, Any]:
    """Start the reverse stream where the slot begins and see a row go through it. Says why where there is none."""
    position = record.evidence.get(Step.REVERSE.value, {}).get("position")
    if position is None:
        return {"safe": False, "reason": "switchover.failBack is false: none was made"}
    try:
        migration.way_back().start_from(position, since=record.times[Step.REVERSE.value][0])
        took = flows(migration, record.token, Direction.BACK, until)
    except StreamBroken as broken:
        return {"safe": False, "reason": str(broken)}
    return {"safe": True, "probe_seconds": round(took, 3)}


def _failed_back(migration: Migration, record: Record, seconds: float) -> dict[str, Any]:
    until = migration.clock.now() + seconds
    come_to_rest(migration, migration.way_back(), until)
    with migration.database(Direction.FORWARD.new, min(seconds, STATEMENT_SECONDS)) as target:
        dropped = target.database.drop_slot(migration.config.replication.failback_slot, record.token)
    change = migration.shift(record, record.direction.after, "after fail-back", int(record.saved["ttl"]))
    names = in_force(migration, change, until)
    evidence = {"slot_dropped": dropped, "change": change, "names_in_force": names}
    record = migration.end(record, Step.SETTLE, evidence)
    migration.show(record, record.direction.after)
    migration.notices.tell(f"Migration {record.migration_id} failed back", {"evidence": record.evidence})
    return {"outcome": "failed back"}


handler = edge(step)
