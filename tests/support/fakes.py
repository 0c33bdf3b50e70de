"""A migration without AWS and without databases: two databases, names, a task and a table that live in memory.

Every call on them passes a watcher, which checks after each that at most one side can be written to, and which can kill
the caller before or after any of them, as a machine that dies would.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from handlers import config
from handlers.clock import Clock
from handlers.core import names
from handlers.core.access import PUBLIC, Access, Role
from handlers.core.comparison import Column, Digest, Table
from handlers.core.readiness import TaskState
from handlers.core.record import Record, Superseded
from handlers.core.sequences import GAP
from handlers.core.sequences import Sequence as NumberSequence
from handlers.migration import Migration

APPLICATION, OPERATOR, DMS = "app", "operator", "dms"
SIDE = {"port": 5432, "database": "shop", "ssl_mode": "require"}
CONFIG: dict[str, Any] = {
    "migration_id": "migration-unit",
    "mode": "manual",
    "source": {"host": "old", "operator_secret_arn": "operator", "replication_secret_arn": "dms", **SIDE},
    "target": {"host": "new", "operator_secret_arn": "operator", "replication_secret_arn": "dms", **SIDE},
    "application_secret_arn": "app",
    "source_application_secret_arn": "",
    "application_roles": [],
    "replication": {
        "task_arn": "arn:task",
        "failback_task_arn": "arn:back",
        "instance_id": "instance",
        "instance_arn": "arn:instance",
        "endpoint_arns": ["arn:source", "arn:target"],
    },
    "dns": {
        "zone_id": "Z1",
        "writer_name": "writer.db.example",
        "reader_name": "reader.db.example",
        "ttl_seconds": 60,
        "switchover_ttl_seconds": 1,
    },
    "limits": {
        "maximum_lag_seconds": 30,
        "longest_transaction_seconds": 60,
        "drain_seconds": 10,
        "compare_seconds": 60,
        "bake_seconds": 0,
    },
    "state_parameter": "/state",
    "tracking_table": "tracking",
    "topic_arn": "arn:topic",
    "state_machine_arn": "arn:machine",
}
ORDERS = Table("public", "orders")
COLUMNS = {ORDERS: [Column("id", "int8")]}


class Killed(BaseException):
    """The machine died. No handler catches it, as no handler catches a power cut."""


class Ticks(Clock):
    """A clock that a look at moves on by a millisecond, and sleeping by what was slept."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        self.time += 0.001
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Watcher:
    """Counts calls, kills at a chosen one, and notes every moment at which both sides could be written to."""

    check: Callable[[], str | None] = lambda: None
    kill_before: int | None = None
    kill_after: int | None = None
    fail: dict[str, list[Exception]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def wrap(self, thing: Any, name: str) -> Any:
        return _Watched(thing, name, self)

    def called(self, name: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        if number == self.kill_before:
            raise Killed(f"before {name}")
        if self.fail.get(name):
            raise self.fail[name].pop(0)
        result = method(*args, **kwargs)
        wrong = self.check()
        if wrong:
            self.violations.append(f"{wrong} after {name}")
        if number == self.kill_after:
            raise Killed(f"after {name}")
        return result


class _Watched:
    def __init__(self, thing: Any, name: str, watcher: Watcher) -> None:
        self._thing, self._name, self._watcher = thing, name, watcher

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._thing, attribute)
        if not callable(value):
            return value
        called = self._watcher.called
        return lambda *args, **kwargs: called(f"{self._name}.{attribute}", value, args, kwargs)


@dataclass
class FakeDatabase:
    """One side. `sessions_of` are roles with a session, `stubborn` ones whose session does not end."""

    name: str = "shop"
    role: str = OPERATOR
    grantees: set[str] = field(default_factory=lambda: {PUBLIC})
    read_only: str | None = None
    roles: dict[str, bool] = field(default_factory=lambda: {APPLICATION: False, OPERATOR: False, DMS: False})
    sessions_of: list[str] = field(default_factory=list)
    stubborn: set[str] = field(default_factory=set)
    prepared: list[str] = field(default_factory=list)
    long: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    downstream: "FakeDatabase | None" = None
    numbers: dict[str, int] = field(default_factory=lambda: {"ids": 100})
    sets_sequences: bool = True
    digests: dict[Table, Digest] = field(default_factory=lambda: {ORDERS: Digest(3, "42")})
    late_digests: list[Digest] = field(default_factory=list)
    suspended: list[str] = field(default_factory=list)
    exceptions: int = 0
    test: str | None = "1"
    views: list[str] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)
    control: list[list[str]] = field(default_factory=list)
    closed: int = 0

    def writable(self) -> bool:
        return PUBLIC in self.grantees or APPLICATION in self.grantees

    def close(self) -> None:
        self.closed += 1

    def access(self) -> Access:
        return Access(self.name, tuple(sorted(self.grantees)), self.read_only)

    def run(self, statements: Iterable[str]) -> None:
        for statement in statements:
            for verb, names_ in re.findall(r"^(REVOKE|GRANT) CONNECT .* (?:FROM|TO) (.*?)(?: CASCADE)?$", statement):
                whom = {PUBLIC if n == "PUBLIC" else n.strip('"') for n in names_.split(", ")}
                self.grantees = self.grantees - whom if verb == "REVOKE" else self.grantees | whom
            if "RESET" in statement:
                self.read_only = None
            elif " SET default" in statement:
                self.read_only = statement.rsplit("= ", 1)[1].strip("'")

    def login_roles(self) -> list[Role]:
        return [
            Role(name, superuser or PUBLIC in self.grantees or name in self.grantees, superuser)
            for name, superuser in sorted(self.roles.items())
        ]

    def sessions(self, spared: Sequence[str], *, superusers_only: bool = False) -> list[str]:
        return [s for s in self.sessions_of if s not in spared and (self.roles.get(s) or not superusers_only)]

    def end_sessions(self, spared: Sequence[str]) -> int:
        ended = [s for s in self.sessions_of if s not in spared and s not in self.stubborn]
        self.sessions_of = [s for s in self.sessions_of if s not in ended]
        return len(ended)

    def prepared_transactions(self) -> list[str]:
        return self.prepared

    def long_transactions(self, seconds: float) -> list[str]:
        return self.long

    def make_control_schema(self, readers: Sequence[str]) -> None:
        self.control.append(list(readers))

    def write_token(self, token: str) -> None:
        self.tokens.add(token)
        if self.downstream is not None:
            self.downstream.tokens.add(token)

    def has_token(self, token: str) -> bool:
        return token in self.tokens

    def suspended_tables(self) -> list[str]:
        return self.suspended

    def apply_exceptions(self) -> int:
        return self.exceptions

    def tables(self) -> dict[Table, list[Column]]:
        return {table: COLUMNS.get(table, []) for table in self.digests}

    def self_test(self) -> str | None:
        return self.test

    def digest(self, table: Table, columns: Sequence[Column], *, record_hash: bool) -> Digest:
        return self.late_digests.pop(0) if self.late_digests else self.digests[table]

    def sequences(self) -> list[NumberSequence]:
        return [NumberSequence("public", n, v, 1, 1, 10**9) for n, v in self.numbers.items()]

    def sequence_names(self) -> set[tuple[str, str]]:
        return {("public", name) for name in self.numbers}

    def set_sequences(self, sequences: Iterable[NumberSequence]) -> None:
        if self.sets_sequences:
            self.numbers |= {s.name: s.last_value + GAP * s.increment for s in sequences}

    def refresh_materialized_views(self) -> list[str]:
        return self.views

    def make_role(self, role: str, password: str) -> None:
        self.roles[role] = False
        self.passwords[role] = password

    def grant_role(self, group: str, member: str) -> None:
        self.control.append([group, member])

    def allow_writes(self, role: str) -> None:
        self.control.append(["writes", role])


@dataclass
class FakeNames:
    """The writer's weights and time to live."""

    name: str = "writer.db.example"
    weights: dict[str, int] = field(default_factory=lambda: {"blue": 100, "green": 0})
    ttl: int = 60
    synced: bool = True

    def read(self) -> dict[str, names.RecordSet]:
        return {side: {"Weight": weight, "TTL": self.ttl} for side, weight in self.weights.items()}

    def shift(self, weights: Mapping[str, int], ttl: int, why: str) -> str:
        self.weights, self.ttl = dict(weights), ttl
        return "/change/C1"

    def in_sync(self, change_id: str) -> bool:
        return self.synced


@dataclass
class FakeTask:
    """The replication task."""

    found: TaskState = field(
        default_factory=lambda: TaskState("running", 100, 0, (), {"CDCLatencySource": 0.0, "CDCLatencyTarget": 0.0})
    )
    stopped: int = 0
    schema: str = "%"

    def state(self, now: float) -> TaskState:
        return self.found

    def mappings(self) -> list[dict[str, Any]]:
        locator = {"schema-name": self.schema, "table-name": "%"}
        return [{"rule-type": "selection", "rule-action": "include", "object-locator": locator}]

    def counters(self) -> dict[str, int]:
        return {"read": 5, "applied": 5}

    def stop(self) -> bool:
        self.stopped += 1
        return self.stopped == 1


@dataclass
class FakeEndpoints:
    """Connections whose test ends after some looks."""

    looks: int = 2
    tested: bool = False

    def begin_tests(self) -> None:
        self.tested = True

    def untested(self) -> list[str]:
        self.looks -= 1
        return ["arn:source"] if self.looks > 0 else []


@dataclass
class FakeTracking:
    """The tracking table: a write by who read an older version is refused."""

    record: Record = field(default_factory=lambda: Record("migration-unit"))
    events: list[str] = field(default_factory=list)

    def read(self) -> Record:
        return self.record

    def write(self, record: Record, event: str, now: float) -> Record:
        if record.version != self.record.version:
            raise Superseded("somebody else wrote")
        self.record = replace(record, version=record.version + 1)
        self.events.append(event)
        return self.record


@dataclass
class FakeNotices:
    """What people were told and shown."""

    told: list[str] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, subject: str, detail: Mapping[str, Any]) -> None:
        self.told.append(subject)

    def show(self, state: Mapping[str, Any]) -> None:
        self.shown.append(dict(state))


class FakeSecrets:
    """Credentials by ARN: in tests the ARN is the user's name."""

    def read(self, arn: str) -> dict[str, str]:
        return {"username": arn, "password": f"{arn}'s password"}


@dataclass
class FakeMachine:
    """Executions that were started."""

    started: list[str] = field(default_factory=list)

    def start(self, name: str) -> str:
        self.started.append(name)
        return name


@dataclass
class World:
    """A whole migration in memory, past its full load, with the application at work on the source."""

    source: FakeDatabase = field(default_factory=lambda: FakeDatabase(sessions_of=[APPLICATION, APPLICATION, DMS]))
    target: FakeDatabase = field(default_factory=lambda: FakeDatabase(grantees={OPERATOR, DMS}, read_only="on"))
    names: FakeNames = field(default_factory=FakeNames)
    task: FakeTask = field(default_factory=FakeTask)
    endpoints: FakeEndpoints | None = field(default_factory=FakeEndpoints)
    tracking: FakeTracking = field(default_factory=FakeTracking)
    notices: FakeNotices = field(default_factory=FakeNotices)
    machine: FakeMachine = field(default_factory=FakeMachine)
    clock: Ticks = field(default_factory=Ticks)
    watcher: Watcher = field(default_factory=Watcher)
    config: dict[str, Any] = field(default_factory=lambda: dict(CONFIG))

    def __post_init__(self) -> None:
        self.source.downstream = self.target
        self.watcher.check = self.both_writable

    def both_writable(self) -> str | None:
        return "both sides can be written to" if self.source.writable() and self.target.writable() else None

    def migration(self) -> Migration:
        import json

        wrap = self.watcher.wrap
        sides = {"old": wrap(self.source, "source"), "new": wrap(self.target, "target")}
        return Migration(
            config=config.parse(json.dumps(self.config)),
            tracking=wrap(self.tracking, "tracking"),
            writer=wrap(self.names, "names"),
            task=wrap(self.task, "task"),
            endpoints=wrap(self.endpoints, "endpoints") if self.endpoints is not None else None,
            machine=wrap(self.machine, "machine"),
            notices=wrap(self.notices, "notices"),
            secrets=FakeSecrets(),  # type: ignore[arg-type]
            clock=self.clock,
            connect=lambda side, credentials, seconds: sides[side.host],
        )
