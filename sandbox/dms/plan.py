"""What a task is to do, worked out and made ready before its rows move: every check, and everything that is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sandbox.dms import catalog, limits, mappings, preparation, rights, stream, task_settings, transformations, watch
from sandbox.dms.catalog import Table
from sandbox.dms.control_tables import ControlTables
from sandbox.dms.limits import Policy
from sandbox.dms.progress import Ledger
from sandbox.dms.protocol import Json
from sandbox.dms.region import Region
from sandbox.dms.sides import Session, Sessions, Side, SideError, resolve
from sandbox.dms.store import Kind, Record
from sandbox.dms.task_settings import TaskSettings
from sandbox.dms.transformations import Mapped, Transformation

FULL_LOAD, CDC = "full-load", "cdc"
NO_TABLES = (
    "No tables were found at task initialization. Either the selected table(s) or schemas(s) no longer exist or no "
    "match was found for the table selection pattern(s). If you would like to start a Task that does not initially "
    "capture any tables, set Task Setting FailOnNoTablesCaptured to false and restart task."
)


@dataclass(frozen=True)
class Suspended:
    """A table that DMS does not replicate, and why."""

    table: Table
    reason: str


@dataclass(frozen=True)
class Plan:
    """A task's two ends and settings, as they were read at its start."""

    task: str
    migration_type: str
    source: Side
    target: Side
    settings: TaskSettings
    rules: Sequence[mappings.Rule]
    transformations: Sequence[Transformation] = ()
    lob_limits: Mapping[tuple[str, str], int | None] = field(default_factory=dict)

    @property
    def loads(self) -> bool:
        """Whether rows that are there are loaded."""
        return self.migration_type != CDC

    @property
    def follows(self) -> bool:
        """Whether changes are replicated after the load."""
        return self.migration_type != FULL_LOAD

    @property
    def names(self) -> stream.Names:
        """Names of the stream's parts."""
        return stream.Names.of(self.task)

    @property
    def limit_names(self) -> limits.Names:
        """Names of what imposes the limits."""
        return limits.Names.of(self.task.replace("-", "_"), self.settings.control_schema)

    @property
    def control(self) -> ControlTables:
        """The task's control tables."""
        return ControlTables(self.settings, self.task)


@dataclass(frozen=True)
class Work:
    """The tables a task replicates, as they are on the source and on the target, and how their limits may be broken.

    `there` are the target's, known by the source's names; `mapped` says what they are called.
    """

    tables: tuple[Table, ...]
    mapped: tuple[Mapped, ...]
    there: tuple[Table, ...]
    suspended: tuple[Suspended, ...]
    breaches: tuple[limits.Breach, ...]
    ledger: Ledger


def read(region: Region, record: Record) -> Plan:
    """Read a task's declaration and its endpoints' secrets. Raises SideError where an end is not one of ours."""
    body = record.body
    source, target = (
        resolve(endpoint_body(region, body[key]), region.cloud, region.servers)
        for key in ("SourceEndpointArn", "TargetEndpointArn")
    )
    if source.place == target.place:
        raise SideError("source and target are the same database")
    return Plan(
        task=record.resource_id,
        migration_type=body["MigrationType"],
        source=source,
        target=target,
        settings=task_settings.parse(body["ReplicationTaskSettings"]),
        rules=mappings.parse(body["TableMappings"]),
        transformations=transformations.parse(body["TableMappings"]),
        lob_limits=mappings.lob_limits(body["TableMappings"]),
    )


def endpoint_body(region: Region, arn: str) -> Json:
    """Return what was declared of an endpoint."""
    return region.store.get(Kind.ENDPOINT, arn).body


def opposite(plan: Plan, others: Sequence[Plan]) -> bool:
    """Say whether another task carries changes the other way, with nothing that keeps them from going round."""
    return any(
        (other.source.place, other.target.place) == (plan.target.place, plan.source.place)
        and not (other.settings.prevents_loopback and plan.settings.prevents_loopback)
        for other in others
        if other.follows and plan.follows
    )


def choose(session: Session, plan: Plan) -> tuple[list[Table], list[Suspended]]:
    """Return the tables that the mappings take, and those of them that DMS suspends at once."""
    known = {table.id: table for table in catalog.tables(session)}
    taken = [known[one] for one in mappings.select(plan.rules, known)]
    if not taken and plan.settings.fails_without_tables:
        raise SideError(NO_TABLES)
    suspended = [Suspended(table, reason) for table in taken if (reason := _unfit(table))]
    left_out = {one.table.id for one in suspended}
    return [table for table in taken if table.id not in left_out], suspended


def _unfit(table: Table) -> str:
    if not table.logged:
        return "an unlogged table"
    if not table.key and any(column.is_array for column in table.columns):
        return "an array and no primary key"
    return ""


def begin(plan: Plan, sessions: Sessions, *, reload: bool) -> Work:
    """Check everything and make the target ready: tables, control tables, limits. Raises SideError if it can't be."""
    with sessions.user(plan.source) as source, sessions.user(plan.target) as target:
        tables, suspended = choose(source, plan)
        through_role = rights.check_source(source, plan.source, tables, reads_log=plan.follows)
        mapped = transformations.mapped(plan.transformations, tables)
        wanted = [one.target for one in mapped]
        found = {table.id: table for table in catalog.tables(target)}
        rights.check_target(target, plan.target, wanted, found)
        # DMS empties the tables that it reloads whatever the mode.
        mode = plan.settings.preparation if plan.loads else ""
        mode = preparation.TRUNCATE if reload and mode != preparation.DROP else mode
        preparation.prepare(target, wanted, found, mode, exact_numeric=plan.source.exact_numeric)
        if plan.follows:
            plan.control.make(target)
            plan.control.suspended(target, [(*one.table.id, one.reason) for one in suspended])
        source_of = {one.target.id: one.source for one in mapped}
        there = [
            replace(table, schema=source_of[table.id].schema, name=source_of[table.id].name)
            for table in catalog.tables(target)
            if table.id in source_of
        ]
        ledger = Ledger(tables, [one.table.id for one in suspended], loads=plan.loads, reloaded=reload)
        ledger.base_target = watch.counts(target, there)
    if through_role or not plan.follows:
        # RDS lets the members of its role replicate; and a load alone needs no such right on AWS, only here.
        with sessions.superuser(plan.source, "postgres") as superuser:
            rights.grant_replication(superuser, plan.source.login.user)
    return Work(tuple(tables), mapped, tuple(there), tuple(suspended), impose(plan, sessions, mapped), ledger)


def impose(plan: Plan, sessions: Sessions, mapped: Sequence[Mapped]) -> tuple[limits.Breach, ...]:
    """Put the limits on the target's tables and return how they may be broken, by the source's tables."""
    settings, source = plan.settings, plan.source
    limits_there = {one.target.id: plan.lob_limits[one.source.id] for one in mapped if one.source.id in plan.lob_limits}
    policy = Policy(settings.lob_limit_kb, source.fails_on_truncation, source.exact_numeric, limits_there)
    script = limits.script([one.target for one in mapped], policy, plan.limit_names)
    with sessions.superuser(plan.target) as superuser:
        stream.impose(superuser, plan.limit_names, script, plan.target.login.user)
    source_of = {one.target.id: one.source for one in mapped}
    return tuple(replace(breach, table=source_of[breach.table.id]) for breach in script.breaches)


def announce(plan: Plan, sessions: Sessions) -> int | None:
    """Publish a task's tables before it starts, and return where in the log that began if it is new.

    PostgreSQL's own decoding knows a publication only from its making on. DMS can read a slot that is older than its
    task's start: so that it can be read here as well, what may be asked for is published early.
    """
    with sessions.user(plan.source) as source:
        tables, _ = choose(source, plan)
    with sessions.superuser(plan.source) as superuser:
        return stream.publish(superuser, plan.names, tables)
