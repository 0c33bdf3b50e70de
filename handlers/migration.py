"""One migration as a function sees it: its config, its record, and the doors to everything it acts on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.adapters.cloud import Endpoints, Machine, Names, Notices, Secrets
from handlers.adapters.postgres import Database
from handlers.adapters.tracking import Tracking
from handlers.clock import Clock
from handlers.config import Config, Side
from handlers.core import record as records
from handlers.core.readiness import TaskState
from handlers.core.record import Record, Step, Superseded

LEASE_SECONDS = 900.0
"""How long an execution holds the lock without a sign of life: the longest a function can run."""


class Replication(Protocol):
    """What replicates forward: a task, or a serverless replication."""

    def state(self, now: float) -> TaskState:
        """Return its state, its tables in error, and the newest latencies."""

    def mappings(self) -> list[dict[str, Any]]:
        """Return the rules of its table mappings."""

    def counters(self) -> dict[str, int]:
        """Return how many changes DMS has read and how many it has applied, over all tables: evidence, no gate."""

    def stop(self) -> bool:
        """Stop it and say whether there was anything to stop."""


@dataclass(frozen=True)
class Migration:
    """Everything a step needs.

    `endpoints` is None where DMS has nothing to test connections from. `connect` opens a database with credentials and
    a limit per statement in seconds.
    """

    config: Config
    tracking: Tracking
    writer: Names
    task: Replication
    endpoints: Endpoints | None
    machine: Machine
    notices: Notices
    secrets: Secrets
    clock: Clock
    connect: Callable[[Side, Mapping[str, str], float], Database]

    @contextmanager
    def database(self, side: Side, statement_seconds: float) -> Iterator["Door"]:
        """Open one side as its operator and close it in the end."""
        replication = self.secrets.read(side.replication_secret_arn)["username"]
        database = self.connect(side, self.secrets.read(side.operator_secret_arn), statement_seconds)
        try:
            yield Door(database, (database.role, replication))
        finally:
            database.close()

    def claimed(self, execution: str) -> Record:
        """Return the record. Raises Superseded unless `execution` holds it."""
        record = self.tracking.read()
        if record.owner != execution or record.phase not in records.BUSY:
            held = f"{record.owner or 'nobody'}, {record.phase}"
            raise Superseded(f"{execution} does not hold migration {self.config.migration_id} ({held})")
        return record

    def begin(self, record: Record, step: Step, saved: dict[str, Any] | None = None) -> Record:
        """Record that `step` is about to act."""
        now = self.clock.now()
        return self.tracking.write(records.begin(record, step, now, saved), f"{step} begins", now)

    def end(self, record: Record, step: Step, evidence: Any = None) -> Record:
        """Record what `step` did."""
        now = self.clock.now()
        return self.tracking.write(records.end(record, step, now, evidence), f"{step} done", now)

    def show(self, record: Record, weights: Mapping[str, int] | None = None) -> None:
        """Mirror the record to the state parameter."""
        shown = {
            "phase": record.phase,
            "steps_done": list(record.done),
            "reason": record.reason,
            "attempt": record.token,
        }
        self.notices.show({**shown, "weights": dict(weights or {}), "execution": record.owner})


@dataclass(frozen=True)
class Door:
    """An open database and the roles on it that belong to the migration."""

    database: Database
    ours: tuple[str, ...]
