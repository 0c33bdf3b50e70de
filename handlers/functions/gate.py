"""Take the lock and look: may the attempt begin? Nothing the application could notice is changed."""

from typing import Any

from handlers import census, pair
from handlers.core import access, mapping, readiness
from handlers.core import record as records
from handlers.core.comparison import verdict
from handlers.core.direction import Direction
from handlers.core.readiness import Observation
from handlers.core.record import Record, Step
from handlers.edge import handler as edge
from handlers.migration import LEASE_SECONDS, Migration
from handlers.streams import probe

STATEMENT_SECONDS = 60.0


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Claim the migration for this execution and judge whether it is ready.

    The execution's `input` may have a `direction`, forward (the default) or back. Returns `ready` or `refused`; where
    another execution left something unfinished, what to do about that first: `undo`, `forward`, `settle` or `finish`.
    """
    clock = migration.clock
    now = clock.now()
    direction = _direction(event.get("input") or {})
    migration.stream(direction)  # refused before anything is claimed where there is no way back
    record = records.claim(migration.tracking.read(), event["execution"], now, LEASE_SECONDS, direction)
    record = migration.tracking.write(record, "claimed", now)
    if record.left_off:
        return {"outcome": record.left_off, "wait_seconds": 0}
    record = migration.begin(record, Step.GATE)
    seen = observe(migration, record)
    reasons = readiness.reasons_against(seen, migration.config.limits)
    if direction is Direction.FORWARD:
        reasons += [*pair.short_form(migration), *census.reasons_against(migration)]
    if reasons:
        why = "not ready: " + "; ".join(reasons)
        record = migration.tracking.write(records.undone(record, why), "refused", clock.now())
        migration.show(record)
        return {"outcome": "refused", "reason": why}
    evidence = {"probe_seconds": seen.probe_seconds, "latency": seen.task.latency}
    record = migration.end(record, Step.GATE, evidence)
    migration.show(record)
    return {"outcome": "ready", "attempt": record.attempt, **evidence}


def _direction(asked: dict[str, Any]) -> Direction:
    wanted = str(asked.get("direction", Direction.FORWARD))
    if wanted not in list(Direction):
        raise records.Refused(f"direction is {wanted!r}: write {' or '.join(Direction)} in the execution's input")
    return Direction(wanted)


def observe(migration: Migration, record: Record) -> Observation:
    """Look at the task and both sides. Old is the side that is open."""
    direction, config = record.direction, migration.config
    stream = migration.stream(direction)
    task = stream.state(migration.clock.now())
    rules = stream.mappings()
    with (
        migration.database(direction.old, STATEMENT_SECONDS) as old,
        migration.database(direction.new, STATEMENT_SECONDS) as new,
    ):
        roles = old.database.login_roles()
        spared = old.fenced_for(config.application_roles)
        fenced = [role.name for role in roles if role.can_connect and not role.superuser and role.name not in spared]
        there = {role.name for role in new.database.login_roles()}
        old_tables, new_tables = old.database.tables(), new.database.tables()
        verdicts = {table: verdict(table, rules) for table in old_tables}
        new_sequences = new.database.sequence_names()
        way_back = direction is Direction.FORWARD and bool(config.replication.failback_slot)
        ill, limit = readiness.replicating(task), config.limits.maximum_lag_seconds
        took = None if ill else probe(migration, record.token, old, new, limit)
        return Observation(
            task=task,
            probe_seconds=took,
            exceptions=new.database.apply_exceptions(),
            prepared=tuple(old.database.prepared_transactions()),
            long_transactions=tuple(old.database.long_transactions(config.limits.longest_transaction_seconds)),
            superuser_sessions=tuple(old.database.sessions(spared, superusers_only=True)),
            new_open_to=tuple(access.intruders(new.database.login_roles(), new.closed_for(config.application_roles))),
            unselected_tables=tuple(str(table) for table, taken in verdicts.items() if taken is None),
            missing_tables=tuple(mapping.missing(old_tables, new_tables, rules)),
            merged_names=tuple(mapping.merged(old_tables, rules)),
            missing_sequences=tuple(
                f"{s.schema}.{s.name}"
                for s in mapping.sequences(old.database.sequences(), rules)
                if (s.schema, s.name) not in new_sequences
            ),
            # Back there are the roles that were there before, and they get what they had.
            missing_roles=tuple(n for n in fenced if n not in there) if direction is Direction.FORWARD else (),
            unset_sequences=tuple(new.database.lacks_to_set_sequences()),
            no_way_back=tuple(
                old.database.lacks_to_write(old.ours[1], [table for table, taken in verdicts.items() if taken])
                + old.database.lacks_to_set_sequences()
                + new.database.lacks_to_keep_changes()
            )
            if way_back
            else (),
            canary=tuple(new.database.lacks_to_only_read(config.canary.roles))
            if direction is Direction.FORWARD and config.canary.roles
            else (),
            # Looked for with the migration claimed: a rotation that begins from here on sees that, and waits.
            half_rotated=tuple(arn for arn in config.secret_arns if migration.secrets.half_rotated(arn)),
        )


handler = edge(step, {records.Refused: "refused"})
