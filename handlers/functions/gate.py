"""Take the lock and look: may the switchover begin? Nothing the application could notice is changed."""

import uuid
from dataclasses import replace
from typing import Any

from handlers.clock import DeadlineExceeded, wait_for
from handlers.core import access, mapping, readiness
from handlers.core import record as records
from handlers.core.comparison import verdict
from handlers.core.readiness import Observation
from handlers.core.record import Step
from handlers.edge import handler as edge
from handlers.migration import LEASE_SECONDS, Door, Migration

STATEMENT_SECONDS = 60.0
PROBE_PAUSE_SECONDS = 0.02


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:  # noqa: ARG001
    """Claim the migration for this execution and judge whether it is ready."""
    clock = migration.clock
    now = clock.now()
    record = records.claim(migration.tracking.read(), event["execution"], now, LEASE_SECONDS)
    record = migration.tracking.write(record, "claimed", now)
    record = migration.begin(record, Step.GATE)
    seen = observe(migration)
    reasons = readiness.reasons_against(seen, migration.config.limits)
    if reasons:
        why = "not ready: " + "; ".join(reasons)
        record = migration.tracking.write(records.undone(record, why), "refused", clock.now())
        migration.show(record)
        return {"outcome": "refused", "reason": why}
    evidence = {"probe_seconds": seen.probe_seconds, "latency": seen.task.latency}
    record = migration.end(record, Step.GATE, evidence)
    migration.show(record)
    return {"outcome": "ready", "attempt": record.token, **evidence}


def observe(migration: Migration) -> Observation:
    """Look at the task, the source and the target."""
    config = migration.config
    task = migration.task.state(migration.clock.now())
    rules = migration.task.mappings()
    with (
        migration.database(config.source, STATEMENT_SECONDS) as source,
        migration.database(config.target, STATEMENT_SECONDS) as target,
    ):
        roles = source.database.login_roles()
        spared = access.keepers(roles, source.ours, config.application_roles)
        fenced = [role.name for role in roles if role.can_connect and not role.superuser and role.name not in spared]
        there = {role.name for role in target.database.login_roles()}
        source_tables = source.database.tables()
        target_tables = target.database.tables()
        target_sequences = target.database.sequence_names()
        return replace(
            Observation(task=task, probe_seconds=_probe(migration, source, target) if not _down(task) else None),
            exceptions=target.database.apply_exceptions(),
            prepared=tuple(source.database.prepared_transactions()),
            long_transactions=tuple(source.database.long_transactions(config.limits.longest_transaction_seconds)),
            superuser_sessions=tuple(source.database.sessions(spared, superusers_only=True)),
            target_open_to=tuple(access.intruders(target.database.login_roles(), target.ours)),
            unselected_tables=tuple(str(table) for table in source_tables if verdict(table, rules) is None),
            missing_tables=tuple(mapping.missing(source_tables, target_tables, rules)),
            merged_names=tuple(mapping.merged(source_tables, rules)),
            missing_sequences=tuple(
                f"{s.schema}.{s.name}"
                for s in mapping.sequences(source.database.sequences(), rules)
                if (s.schema, s.name) not in target_sequences
            ),
            missing_roles=tuple(name for name in fenced if name not in there),
        )


def _down(task: readiness.TaskState) -> bool:
    return bool(readiness.replicating(task))


def _probe(migration: Migration, source: Door, target: Door) -> float | None:
    """Return how many seconds a row takes from source to target, None if it does not arrive in time."""
    clock, limit = migration.clock, migration.config.limits.maximum_lag_seconds
    token, began = str(uuid.uuid4()), clock.now()
    source.database.write_token(token)
    try:
        wait_for(
            lambda: target.database.has_token(token),
            clock=clock,
            until=began + limit,
            pause=PROBE_PAUSE_SECONDS,
            what="the probe",
        )
    except DeadlineExceeded:
        return None
    return clock.now() - began


handler = edge(step)
