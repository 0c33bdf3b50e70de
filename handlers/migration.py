"""One migration as a function sees it: its config, its record, and the doors to everything it acts on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.adapters import catalogue
from handlers.adapters.catalogue import Asked
from handlers.adapters.cloud import Alarms, Machine, Notices, Secrets
from handlers.adapters.dms import Endpoints, Task
from handlers.adapters.postgres import Database
from handlers.adapters.tracking import Tracking
from handlers.clock import Clock
from handlers.config import Config, Side
from handlers.core import access
from handlers.core import record as records
from handlers.core.comparison import Table
from handlers.core.direction import Direction
from handlers.core.mapping import Relation
from handlers.core.names import BLUE, GREEN
from handlers.core.readiness import TaskState
from handlers.core.record import Phase, Record, Refused, Step, Superseded
from handlers.preflight.facts import Facts
from handlers.validation.changes import Verdict
from handlers.validation.equality import Method

LEASE_SECONDS = 900.0
"""How long an execution holds the lock without a sign of life: the longest a function can run."""


class Router(Protocol):
    """What leads applications to a side. DNS is one; a pooler that pauses, repoints and resumes can be another.

    Like a database it refuses who comes with an older token than it has seen.
    """

    def weights(self) -> dict[str, dict[str, int]]:
        """Return the weight of each side, by name."""

    def ttl(self) -> int:
        """Return for how many seconds clients may keep an answer."""

    def last_token(self) -> int:
        """Return the token of who moved the names last."""

    def shift(
        self, weights: Mapping[str, Mapping[str, int]], why: str, ttl: int | None = None, *, token: int | None = None
    ) -> str:
        """Give every name its weights, all or none, and return the change's id. Raises Superseded by an older token."""

    def in_sync(self, change_id: str) -> bool:
        """Say whether a change is in force everywhere."""


class Replication(Protocol):
    """What carries changes from one side to the other: a task, or a serverless replication."""

    def state(self, now: float) -> TaskState:
        """Return its state, its tables in error, and the newest latencies."""

    def mappings(self) -> list[dict[str, Any]]:
        """Return the rules of its table mappings."""

    def settings(self) -> dict[str, Any]:
        """Return its settings."""

    def start(self) -> None:
        """Start it for the first time."""

    def counters(self) -> dict[str, int]:
        """Return how many changes DMS has read and how many it has applied, over all tables: evidence, no gate."""

    def stop(self) -> bool:
        """Ask it to stop and say whether there was anything to stop."""

    def status(self) -> str:
        """Return its status as DMS words it."""

    def failure(self) -> str:
        """Return why DMS says that it failed, empty where it did not."""

    def at_rest(self) -> bool:
        """Say whether it neither runs nor is about to start or stop."""


class Comparison(Protocol):
    """Tables of both sides, compared again and again, each time only as far as they have changed."""

    @property
    def method(self) -> Method:
        """How rows are hashed."""

    def round(self, tables: Iterable[Table]) -> int:
        """Look at what has changed in these tables while writes go on; return how many rows may differ now."""

    def equal_rows(self, table: Table) -> int | None:
        """Return a table's rows if the last round compared it whole and found it equal, else None."""

    def expected_rows(self, table: Table) -> int:
        """Return how many rows a table may have, by statistics."""

    def verdict(self, tables: Iterable[Table]) -> dict[Table, Verdict]:
        """Compare what is left, where nothing is written any more."""


Begin = Callable[[Database, Database, Mapping[Table, tuple[Relation, Relation]]], Comparison]
"""Begins a comparison of the old side's tables with the new one's. Raises ValueError where a column is missing."""


@dataclass(frozen=True)
class Migration:
    """Everything a step needs.

    `endpoints` is None where DMS has nothing to test connections from. `connect` opens a database with credentials and
    a limit per statement in seconds, `begin_comparison` compares two, `inspect` reads what preflight asks of one.
    """

    config: Config
    tracking: Tracking
    router: Router
    task: Replication
    failback_task: Task | None
    endpoints: Endpoints | None
    machine: Machine
    alarms: Alarms
    notices: Notices
    secrets: Secrets
    clock: Clock
    connect: Callable[[Side, Mapping[str, str], float], Database]
    begin_comparison: Begin
    inspect: Callable[[Side, Mapping[str, str], Asked], Facts] = catalogue.look

    @contextmanager
    def database(self, side: str, statement_seconds: float) -> Iterator["Door"]:
        """Open a side, blue or green, as its operator and close it in the end."""
        found = {BLUE: self.config.source, GREEN: self.config.target}[side]
        replication = self.secrets.read(found.replication_secret_arn)["username"]
        database = self.connect(found, self.secrets.read(found.operator_secret_arn), statement_seconds)
        try:
            yield Door(side, database, (database.role, replication))
        finally:
            database.close()

    def stream(self, direction: Direction) -> Replication:
        """Return what carries changes to the new side. Raises Refused where nothing carries them back."""
        return self.task if direction is Direction.FORWARD else self.way_back()

    def way_back(self) -> Task:
        """Return the task that carries changes back to the source. Raises Refused where the stack has none."""
        if self.failback_task is None or not self.config.replication.failback_slot:
            raise Refused(f"migration {self.config.migration_id} has no way back: switchover.failBack is false")
        return self.failback_task

    def everywhere(self, weights: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """Return these weights for the writer's and the reader's name."""
        dns = self.config.dns
        return {name: dict(weights) for name in (dns.writer_name, dns.reader_name)}

    def claimed(self, execution: str) -> Record:
        """Return the record. Raises Superseded unless `execution` holds it."""
        record = self.tracking.read()
        if record.owner != execution or record.phase not in records.HELD:
            held = f"{record.owner or 'nobody'}, {record.phase}"
            raise Superseded(f"{execution} does not hold migration {self.config.migration_id} ({held})")
        return record

    def taken(self, execution: str, *phases: Phase, waits: float = 0.0) -> Record:
        """Return the record with a token of this invocation's own: every earlier one is too late from here on.

        `waits` is for how many seconds the execution will rest after it: so much longer it holds the lock. Raises
        Superseded unless `execution` holds it in one of `phases`.
        """
        record = self.claimed(execution)
        if record.phase not in phases:
            raise Superseded(f"migration {self.config.migration_id} is {record.phase}: {execution} comes too late")
        now = self.clock.now()
        return self.tracking.write(records.take(record, now, LEASE_SECONDS + waits), "taken", now)

    def begin(self, record: Record, step: Step, saved: dict[str, Any] | None = None) -> Record:
        """Record that `step` is about to act."""
        now = self.clock.now()
        return self.tracking.write(records.begin(record, step, now, saved), f"{step} begins", now)

    def end(self, record: Record, step: Step, evidence: Any = None) -> Record:
        """Record what `step` did."""
        now = self.clock.now()
        return self.tracking.write(records.end(record, step, now, evidence), f"{step} done", now)

    def pass_on(self, record: Record, done: Step, evidence: Any, following: Step) -> Record:
        """Record what a step did and that the next is about to act, in one write: behind the fence each one counts."""
        now = self.clock.now()
        ended = records.end(record, done, now, evidence)
        return self.tracking.write(records.begin(ended, following, now), f"{done} done, {following} begins", now)

    def shift(self, record: Record, weights: Mapping[str, int], why: str, ttl: int) -> str:
        """Give both names these weights and this time to live, with the record's token, and return the change's id."""
        return self.router.shift(self.everywhere(weights), f"{why} {record.owner}", ttl, token=record.token)

    def show(self, record: Record, weights: Mapping[str, int] | None = None, **more: Any) -> None:
        """Mirror the record to the state parameter."""
        shown = {
            "phase": record.phase,
            "direction": record.direction,
            "steps_done": list(record.done),
            "reason": record.reason,
            "attempt": record.attempt,
        }
        self.notices.show({**shown, "weights": dict(weights or {}), "execution": record.owner, **more})


@dataclass(frozen=True)
class Door:
    """An open database, which side it is, and the roles on it that belong to the migration."""

    side: str
    database: Database
    ours: tuple[str, ...]

    def fenced_for(self, application_roles: Iterable[str]) -> tuple[str, ...]:
        """Return whom a fence spares here: ours and, where the application's roles are listed, all others."""
        return access.keepers(self.database.login_roles(), self.ours, tuple(application_roles))

    def closed_for(self, application_roles: Iterable[str]) -> tuple[str, ...]:
        """Return whom this side lets in while it waits to be opened: the target ours alone, the source as fenced."""
        return self.fenced_for(application_roles) if self.side == BLUE else tuple(sorted(self.ours))
