"""A migration without AWS and without databases: two databases, names, a task and a table that live in memory.

Every call on them passes a watcher, which checks after each that at most one side can be written to, and which can kill
the caller before or after any of them, as a machine that dies would.
"""

import copy
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from handlers import config
from handlers.clock import Clock
from handlers.core.access import PUBLIC, Access, Role
from handlers.core.census import Seen
from handlers.core.comparison import Column, Digest, Table
from handlers.core.mapping import Relation
from handlers.core.readiness import TaskState
from handlers.core.record import Record, Superseded
from handlers.core.samples import Key, KeyPart
from handlers.core.sequences import Sequence as NumberSequence
from handlers.migration import Migration
from handlers.preflight.kept import Basis, Kept, packed, unpacked, unpacked_basis
from handlers.validation.changes import Verdict
from handlers.validation.equality import Method
from tests.support.facts import Facts, clean_facts

APPLICATION, OPERATOR, DMS, REPORT = "app", "operator", "dms", "report"
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
        "failback_slot": "migration_failback",
        "instance_id": "instance",
        "instance_arn": "arn:instance",
        "endpoint_arns": ["arn:source", "arn:target"],
    },
    "dns": {
        "zone_id": "Z1",
        "writer_name": "writer.db.example",
        "reader_name": "reader.db.example",
        "token_name": "_switchover.writer.db.example",
        "ttl_seconds": 60,
        "switchover_ttl_seconds": 1,
        "propagation_seconds": 60,
    },
    "limits": {
        "maximum_lag_seconds": 30,
        "longest_transaction_seconds": 60,
        "drain_seconds": 10,
        "compare_seconds": 60,
        "write_gap_seconds": 120,
        "bake_seconds": 300,
        "approval_seconds": 86400,
        "safe_seconds": 300,
    },
    "canary": {"roles": [], "seconds": 0},
    "alarms": {"safe_to_switch": "safe", "names": ["lag", "cpu"]},
    "preflight": {
        "maximum_age_hours": 24,
        "lob_seconds": 60,
        "excuses": [],
        "census": {"required": False, "days": 7, "managed": [], "excused": []},
    },
    "state_parameter": "/state",
    "tracking_table": "tracking",
    "topic_arn": "arn:topic",
    "state_machine_arn": "arn:aws:states:eu-west-1:123456789012:stateMachine:unit",
}
parsed = functools.lru_cache(config.parse)
ORDERS = Table("public", "orders")
COLUMNS = [Column("id", "int8")]


class Killed(BaseException):
    """The machine died. No handler catches it, as no handler catches a power cut."""


class Ticks(Clock):
    """A clock that a look at moves on by a millisecond, and sleeping by what was slept."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.asleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        self.time += 0.001
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.asleep()


@dataclass
class Watcher:
    """Counts calls, kills at a chosen one, and notes every moment at which both sides could be written to."""

    check: Callable[[], str | None] = lambda: None
    kill_before: int | None = None
    kill_after: int | None = None
    fail: dict[str, list[Exception | None]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def wrap(self, thing: Any, name: str) -> Any:
        return _Watched(thing, name, self)

    def called(self, name: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        if number == self.kill_before:
            raise Killed(f"before {name}")
        failure = self.fail[name].pop(0) if self.fail.get(name) else None
        if failure is not None:
            raise failure
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


@dataclass(frozen=True)
class Entry:
    """A change in a database's log: a row or a token, and whether it was made here or came by replication."""

    kind: str
    value: str
    native: bool = True


@dataclass
class FakeDatabase:
    """One side. `sessions_of` are roles with a session, `stubborn` ones whose session does not end."""

    name: str = "shop"
    role: str = OPERATOR
    grantees: set[str] = field(default_factory=lambda: {PUBLIC})
    read_only: str | None = None
    roles: dict[str, bool] = field(default_factory=lambda: {APPLICATION: False, OPERATOR: False, DMS: False})
    groups: set[str] = field(default_factory=set)
    sessions_of: list[str] = field(default_factory=list)
    stubborn: set[str] = field(default_factory=set)
    prepared: list[str] = field(default_factory=list)
    long: list[str] = field(default_factory=list)
    token: int = 0
    rows: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    log: list[Entry] = field(default_factory=list)
    slots: dict[str, int] = field(default_factory=dict)
    slots_left: bool = True
    may_not_set: list[str] = field(default_factory=list)
    may_not_write: list[str] = field(default_factory=list)
    may_write: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    time_passes: Callable[[], None] = lambda: None
    numbers: dict[str, int] = field(default_factory=lambda: {"ids": 100})
    sets_sequences: bool = True
    sequence_schema: str = "public"
    digests: dict[Table, Digest] = field(default_factory=lambda: {ORDERS: Digest(3, "42")})
    late_digests: list[Digest] = field(default_factory=list)
    suspended: list[str] = field(default_factory=list)
    exceptions: int = 0
    test: str | None = "1"
    views: list[str] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)
    control: list[list[str]] = field(default_factory=list)
    emptied: list[Table] = field(default_factory=list)
    keeps_marks: bool = True
    limits: list[float] = field(default_factory=list)
    closed: int = 0
    controlled: bool = True
    slot_is_read: Callable[[], bool] = lambda: False

    def lets_in(self) -> bool:
        return PUBLIC in self.grantees or APPLICATION in self.grantees

    def writable(self) -> bool:
        """Whether the application can write: a session that is there goes on, whoever may connect anew."""
        return self.lets_in() or APPLICATION in self.sessions_of

    def limit(self, seconds: float) -> None:
        self.limits.append(seconds)

    def close(self) -> None:
        self.closed += 1

    def access(self) -> Access:
        return Access(self.name, tuple(sorted(self.grantees)), self.read_only)

    def write(self, row: str) -> bool:
        """Write as the application does and say whether that was acknowledged."""
        if not self.writable():
            return False
        if APPLICATION not in self.sessions_of:
            self.sessions_of.append(APPLICATION)
        self.apply(Entry("row", row))
        return True

    def apply(self, entry: Entry) -> None:
        if entry.value in self.tokens or entry.value in self.rows:
            self.exceptions += 1  # as DMS logs what breaks a primary key
            return
        self.log.append(entry)
        if entry.kind == "row":
            self.rows.append(entry.value)
        else:
            self.tokens.add(entry.value)

    def act(self, token: int, statements: Iterable[str]) -> None:
        if not self.controlled:
            raise LookupError(f"no control schema in {self.name}")
        if token < self.token:
            raise Superseded(f"database {self.name} was acted on with a later token than {token}")
        self.token = token
        self.run(statements)

    def run(self, statements: Iterable[str]) -> None:
        for statement in statements:
            if self.sets_sequences:
                for name, value in re.findall(r"""setval\('"public"\."(\w+)"'::regclass, (\d+)""", statement):
                    self.numbers[name] = int(value)
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

    def has_role(self, role: str) -> bool:
        return role in self.roles or role in self.groups

    def sessions(self, spared: Sequence[str], *, superusers_only: bool = False) -> list[str]:
        return [s for s in self.sessions_of if s not in spared and (self.roles.get(s) or not superusers_only)]

    def end_sessions(self, spared: Sequence[str]) -> int:
        ended = [s for s in self.sessions_of if s not in spared and s not in self.stubborn]
        self.sessions_of = [s for s in self.sessions_of if s not in ended]
        return len(ended)

    def end_sessions_of(self, roles: Sequence[str]) -> int:
        kept = [s for s in self.sessions_of if s not in roles]
        ended, self.sessions_of = len(self.sessions_of) - len(kept), kept
        return ended

    def lacks_to_only_read(self, roles: Sequence[str]) -> list[str]:
        return [f"{role} may write to {table}" for role, table in self.may_write.items() if role in roles]

    def keys(self) -> dict[Table, Key]:
        return {ORDERS: Key((KeyPart("id", "bigint"),), 1)}

    def draw(self, table: Table, key: Key, rows: int) -> list[tuple[str, ...]]:
        return [(row,) for row in self.rows[:rows]]

    def hashes(
        self,
        table: Table,
        key: Key,
        wanted: Sequence[tuple[str, ...]],
        columns: Sequence[Column],
        *,
        by_value: bool,
    ) -> dict[int, str]:
        self.time_passes()
        return {place: self.damaged.get(row, row) for place, (row,) in enumerate(wanted) if row in self.rows}

    def prepared_transactions(self) -> list[str]:
        return self.prepared

    def long_transactions(self, seconds: float) -> list[str]:
        return self.long

    def make_control_schema(self, readers: Sequence[str]) -> None:
        self.control.append(list(readers))
        self.controlled = True

    def last_token(self) -> int:
        return self.token

    def drop_control(self) -> None:
        self.control.append(["dropped"])
        self.controlled, self.token = False, 0

    def write_token(self, mark: str, token: int) -> None:
        self.act(token, [])
        self.apply(Entry("token", mark))

    def has_token(self, mark: str) -> bool:
        self.time_passes()
        return mark in self.tokens

    def make_slot(self, name: str, token: int) -> str:
        self.act(token, [])
        if name in self.slots:
            raise ValueError(f"replication slot {name} already exists")
        self.slots[name] = len(self.log)
        return str(len(self.log))

    def drop_slot(self, name: str, token: int) -> bool:
        if name not in self.slots:
            return False
        self.act(token, [])
        if name in self.slots and self.slot_is_read():
            raise ValueError(f"replication slot {name} is active")
        return self.slots.pop(name, None) is not None

    def lacks_to_keep_changes(self) -> list[str]:
        return [] if self.slots_left else ["all 10 replication slots are taken"]

    def lacks_to_set_sequences(self) -> list[str]:
        return list(self.may_not_set)

    def lacks_to_write(self, role: str, tables: Sequence[Table]) -> list[str]:
        return [f"{role} may not write {table}" for table in self.may_not_write]

    def suspended_tables(self) -> list[str]:
        return self.suspended

    def apply_exceptions(self) -> int:
        return self.exceptions

    def tables(self) -> dict[Table, list[Column]]:
        return dict.fromkeys(self.digests, COLUMNS)

    def digest(self, table: Table) -> Digest:
        self.time_passes()
        if self.late_digests:
            return self.late_digests.pop(0)
        found = self.digests[table]
        return replace(found, rows=found.rows + len(self.rows), hash=found.hash + "".join(sorted(self.rows)))

    def marks(self) -> dict[Table, str]:
        return {table: f"{digest} {len(self.rows)}" for table, digest in self.digests.items() if self.keeps_marks}

    def empty(self, tables: Sequence[Table], token: int) -> None:
        self.act(token, [])
        self.emptied += tables
        self.rows.clear()

    def sequences(self) -> list[NumberSequence]:
        return [NumberSequence(self.sequence_schema, n, v, 1, 1, 10**9) for n, v in self.numbers.items()]

    def sequence_names(self) -> set[tuple[str, str]]:
        return {(self.sequence_schema, name) for name in self.numbers}

    def refresh_materialized_views(self) -> list[str]:
        return self.views

    def make_role(self, role: str, password: str) -> None:
        self.roles[role] = False
        self.passwords[role] = password

    def grant_role(self, group: str, member: str) -> None:
        self.control.append([group, member])

    def allow_schemas(self, role: str) -> None:
        self.control.append(["schemas", role])

    def allow_writes(self, role: str) -> None:
        self.control.append(["writes", role])


class FakeWatch:
    """Compares whole tables each time, by their digests."""

    def __init__(self, old: Any, new: Any, tables: Mapping[Table, tuple[Relation, Relation]]) -> None:
        self.old, self.new, self.tables = old, new, tables
        self.found: dict[Table, tuple[Digest, Digest]] = {}

    @property
    def method(self) -> Method:
        return Method.VALUE if self.old.test == self.new.test is not None else Method.TEXT

    def round(self, tables: Iterable[Table]) -> int:
        return sum(here != there for here, there in map(self._compare, tables))

    def equal_rows(self, table: Table) -> int | None:
        here, there = self.found[table]
        return here.rows if here == there else None

    def expected_rows(self, table: Table) -> int:
        return self.old.digests[self.tables[table][0].table].rows

    def verdict(self, tables: Iterable[Table]) -> dict[Table, Verdict]:
        return {
            table: Verdict(here.rows, there.rows, {} if here == there else {("7",): (None, None)}, False, True)
            for table in tables
            for here, there in [self._compare(table)]
        }

    def _compare(self, table: Table) -> tuple[Digest, Digest]:
        here, there = (
            side.digest(relation.table) for side, relation in zip((self.old, self.new), self.tables[table], strict=True)
        )
        self.found[table] = (here, there)
        return here, there


@dataclass
class FakeRouter:
    """Both names' weights and time to live."""

    found: dict[str, dict[str, int]] = field(
        default_factory=lambda: {f"{name}.db.example": {"blue": 100, "green": 0} for name in ("writer", "reader")}
    )
    seconds: int = 60
    synced: bool = True
    token: int = 0

    def leads_to(self) -> str | None:
        """Return the side that both names lead to, None where they do not agree or lead to none whole."""
        sides = {side for weights in self.found.values() for side, weight in weights.items() if weight}
        return sides.pop() if len(sides) == 1 else None

    def weights(self) -> dict[str, dict[str, int]]:
        return {name: dict(weights) for name, weights in self.found.items()}

    def ttl(self) -> int:
        return self.seconds

    def last_token(self) -> int:
        return self.token

    def shift(
        self, weights: Mapping[str, Mapping[str, int]], why: str, ttl: int | None = None, *, token: int | None = None
    ) -> str:
        if token is None or token < self.token:
            raise Superseded(f"names were moved with a later token than {token}")
        self.token = token
        self.found = {name: dict(found) for name, found in weights.items()}
        self.seconds = self.seconds if ttl is None else ttl
        return "/change/C1"

    def in_sync(self, change_id: str) -> bool:
        return self.synced


@dataclass
class FakeTask:
    """A replication task: carries what `old` logs to `new` while it runs, whenever time passes."""

    old: FakeDatabase
    new: FakeDatabase
    position: int = 0
    slot: str = ""
    began: float = 0.0
    broken: bool = False
    violations: list[str] = field(default_factory=list)

    found: TaskState = field(
        default_factory=lambda: TaskState("running", 100, 0, (), {"CDCLatencySource": 0.0, "CDCLatencyTarget": 0.0})
    )
    stopped: int = 0
    schema: str = "%"
    transformations: list[tuple[str, str, str]] = field(default_factory=list)
    """Each a target, an action and a value, of the table orders."""

    def state(self, now: float) -> TaskState:
        return self.found

    def mappings(self) -> list[dict[str, Any]]:
        locator = {"schema-name": self.schema, "table-name": "%"}
        orders = {"schema-name": "public", "table-name": "orders"}
        return [
            {"rule-type": "selection", "rule-action": "include", "object-locator": locator},
            *(
                {
                    "rule-type": "transformation",
                    "rule-target": what,
                    "rule-action": action,
                    "object-locator": orders,
                    "value": value,
                }
                for what, action, value in self.transformations
            ),
        ]

    def settings(self) -> dict[str, Any]:
        return {"TargetMetadata": {"SupportLobs": True, "FullLobMode": False, "LobMaxSize": 1024}}

    def start(self) -> None:
        self.found = replace(self.found, status="running")

    def counters(self) -> dict[str, int]:
        return {"read": 5, "applied": 5}

    def carry(self) -> None:
        """Carry what was logged since, unless the task stands or is broken."""
        if self.at_rest() or self.broken:
            return
        for entry in self.old.log[self.position :]:
            if not entry.native:
                self.violations.append(f"{entry.value} went round")
            self.new.apply(replace(entry, native=False))
        self.position = len(self.old.log)

    def stop(self) -> bool:
        ran = self.found.status == "running"
        self.stopped += ran
        if ran:
            self.found = replace(self.found, status="stopping")
        return ran

    def status(self) -> str:
        return self.found.status

    def failure(self) -> str:
        return ""

    def at_rest(self) -> bool:
        return self.found.status not in ("running", "stopping")

    def time_passes(self) -> None:
        """Carry what there is; a task that is about to stop does."""
        self.carry()
        if self.found.status == "stopping":
            self.found = replace(self.found, status="stopped")

    def start_from(self, position: str, since: float) -> None:
        if not self.at_rest():
            return
        if self.slot not in self.old.slots:
            self.found = replace(self.found, status="failed")
            return
        if self.began < since:  # else it goes on where it was
            self.began, self.position = since, int(position)
        # A slot serves nothing from before it began, and says nothing of it.
        self.position = max(self.position, self.old.slots[self.slot])
        self.found = replace(self.found, status="running")


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
    question: tuple[str, str, float] | None = None
    events: list[str] = field(default_factory=list)
    seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    kept: Kept | None = None
    started: Basis | None = None
    watched: tuple[float, str] = (0.0, "")

    def read(self) -> Record:
        return self.record

    def write(self, record: Record, event: str, now: float) -> Record:
        if record.version != self.record.version:
            raise Superseded("somebody else wrote")
        self.record = replace(record, version=record.version + 1)
        self.events.append(event)
        return self.record

    def keep_preflight(self, found: Kept) -> None:
        self.kept = unpacked(packed(found))

    def preflight(self) -> Kept | None:
        return self.kept

    def keep_start(self, speaks_of: Basis, now: float) -> None:
        self.started = unpacked_basis(packed(speaks_of))

    def start(self) -> Basis | None:
        return self.started

    def keep_schema_watch(self, changed: str, now: float) -> None:
        self.watched = (now, changed)

    def schema_watch(self) -> tuple[float, str]:
        return self.watched

    def keep_clients(self, seen: Seen, now: float) -> None:
        self.seen = dict(seen)

    def clients(self) -> dict[str, tuple[float, float]]:
        return dict(self.seen)

    def keep_question(self, execution: str, task_token: str, until: float) -> None:
        self.question = (execution, task_token, until)


@dataclass
class FakeAlarms:
    """The stack's alarms: what is not well, and since when a switchover is safe."""

    found: list[str] = field(default_factory=list)
    since: float | None = 0.0

    def unwell(self) -> list[str]:
        return self.found

    def safe_since(self) -> float | None:
        return self.since


@dataclass
class FakeNotices:
    """What people were told and shown."""

    told: list[str] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, subject: str, detail: Mapping[str, Any]) -> None:
        self.told.append(subject)
        self.details.append(dict(detail))

    def show(self, state: Mapping[str, Any]) -> None:
        self.shown.append(dict(state))


@dataclass
class FakeSecrets:
    """Credentials by ARN: in tests the ARN is the user's name. `rotating` are those with a rotation half done."""

    rotating: set[str] = field(default_factory=set)

    def read(self, arn: str) -> dict[str, str]:
        return {"username": arn, "password": f"{arn}'s password"}

    def half_rotated(self, arn: str) -> bool:
        return arn in self.rotating


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
    router: FakeRouter = field(default_factory=FakeRouter)
    task: FakeTask = field(init=False)
    failback_task: FakeTask = field(init=False)
    endpoints: FakeEndpoints | None = field(default_factory=FakeEndpoints)
    tracking: FakeTracking = field(default_factory=FakeTracking)
    notices: FakeNotices = field(default_factory=FakeNotices)
    machine: FakeMachine = field(default_factory=FakeMachine)
    alarms: FakeAlarms = field(default_factory=FakeAlarms)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    clock: Ticks = field(default_factory=Ticks)
    watcher: Watcher = field(default_factory=Watcher)
    meanwhile: Callable[[], None] = lambda: None
    """What others do after a call of an invocation."""
    config: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CONFIG))
    facts: dict[str, Facts] = field(default_factory=lambda: dict.fromkeys(("old", "new"), clean_facts()))
    """What preflight reads, by host: a pair of which nothing is to be said."""

    def __post_init__(self) -> None:
        self.task = FakeTask(self.source, self.target)
        self.failback_task = FakeTask(self.target, self.source)
        self.failback_task.found = replace(self.failback_task.found, status="ready")
        self.failback_task.slot = self.config["replication"]["failback_slot"]
        self.target.slot_is_read = lambda: not self.failback_task.at_rest()
        self.source.time_passes = self.target.time_passes = self.time_passes
        self.clock.asleep = self.time_passes
        self.watcher.check = self.both_writable

    def time_passes(self) -> None:
        """Let both tasks carry what there is."""
        self.task.time_passes()
        self.failback_task.time_passes()

    @property
    def violations(self) -> list[str]:
        """Every moment at which both sides could be written to, and every change that went round."""
        return [*self.watcher.violations, *self.task.violations, *self.failback_task.violations]

    def open_side(self) -> str | None:
        """Return the side that the application can write to, None where it is neither."""
        return "blue" if self.source.writable() else "green" if self.target.writable() else None

    def both_writable(self) -> str | None:
        return "both sides can be written to" if self.source.writable() and self.target.writable() else None

    def migration(self, watcher: Watcher | None = None) -> Migration:
        import json

        wrap = (watcher or self.watcher).wrap
        sides = {"old": wrap(self.source, "source"), "new": wrap(self.target, "target")}
        return Migration(
            config=parsed(json.dumps(self.config)),
            tracking=wrap(self.tracking, "tracking"),
            router=wrap(self.router, "router"),
            task=wrap(self.task, "task"),
            failback_task=wrap(self.failback_task, "failback_task"),
            endpoints=wrap(self.endpoints, "endpoints") if self.endpoints is not None else None,
            machine=wrap(self.machine, "machine"),
            alarms=wrap(self.alarms, "alarms"),
            notices=wrap(self.notices, "notices"),
            secrets=self.secrets,  # type: ignore[arg-type]
            clock=self.clock,
            connect=lambda side, credentials, seconds: sides[side.host],
            begin_comparison=FakeWatch,
            inspect=lambda side, credentials, asked: self.facts[side.host],
        )
