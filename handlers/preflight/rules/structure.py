"""What hangs on tables: triggers that fire for DMS, constraints and indexes that are not what they seem."""

# ruff: noqa: S608 - nothing here is run: these are remedies for people, with quoted names

from collections.abc import Iterator

from handlers.core import mapping
from handlers.core.sql import literal
from handlers.preflight.facts import Client, Clients, Counters, Extensions, Fields, Rights, Structure
from handlers.preflight.findings import Found, Severity, Side
from handlers.preflight.remedies import config, excuse, name, quoted, sql
from handlers.preflight.rule import Case, rule

OURS = ("awsdms_intercept_ddl",)
"""DMS's own event trigger."""
WRITERS = {
    "pg_cron": "it runs jobs inside the server",
    "dblink": "other databases may write through it, and it may write to others",
    "postgres_fdw": "other databases may be written to through it",
    "pg_partman": "its background worker makes and drops partitions",
    "aws_lambda": "functions may be called from the database",
    "pg_background": "it runs statements in the background",
}
"""Extensions by which something writes that is no client."""


@rule(
    "trigger-always",
    14,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="A trigger fires even for DMS",
    why="DMS writes with session_replication_role = replica, which silences ordinary triggers. One that is ENABLE "
    "ALWAYS or ENABLE REPLICA fires for every row that is loaded.",
)
def trigger_always(case: Case) -> Iterator[Found]:
    """Triggers on the target; on the source as well where there is a way back."""
    for side in case.written_to:
        for one in case.side(side).read(Structure).triggers:
            if one.enabled in ("A", "R"):
                how = "ALWAYS" if one.enabled == "A" else "REPLICA"
                remedy = sql(side, f"ALTER TABLE {name(one.table)} ENABLE TRIGGER {quoted(one.name)};")
                yield Found(f"{one.table}: {one.name}", f"it is ENABLE {how}", remedy, side)


@rule(
    "rule-always",
    14,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="A rewrite rule applies even for DMS",
    why="A rule that is ENABLE ALWAYS or ENABLE REPLICA turns what DMS writes into something else.",
)
def rule_always(case: Case) -> Iterator[Found]:
    """Rewrite rules on the target."""
    for table, one in case.target.read(Structure).rules_always:
        remedy = sql(Side.TARGET, f"ALTER TABLE {name(table)} ENABLE RULE {quoted(one)};")
        yield Found(f"{table}: {one}", "it applies for replicated rows", remedy)


@rule(
    "event-trigger",
    13,
    severity=Severity.WARN,
    side=Side.TARGET,
    what="An event trigger is enabled on the target",
    why="It fires for what DMS, prepare and the schema's carrying make there, and may refuse it.",
)
def event_trigger(case: Case) -> Iterator[Found]:
    """Event triggers that are not DMS's."""
    for one in case.target.read(Structure).event_triggers:
        if one not in OURS:
            yield Found(one, "it is enabled", sql(Side.TARGET, f"ALTER EVENT TRIGGER {quoted(one)} DISABLE;"))


@rule(
    "unvalidated-constraint",
    14,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A constraint was never validated",
    why="Rows may break it. They are loaded all the same, and a later validation on the target would fail.",
)
def unvalidated_constraint(case: Case) -> Iterator[Found]:
    """Constraints that promise less than they say."""
    for table, constraint in case.source.read(Structure).unvalidated:
        remedy = sql(Side.SOURCE, f"ALTER TABLE {name(table)} VALIDATE CONSTRAINT {quoted(constraint)};")
        yield Found(f"{table}: {constraint}", "it is NOT VALID", remedy)


@rule(
    "broken-index",
    15,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="An index is not valid",
    why="A build that failed left it. It is carried as a valid one, whose build on the target may fail as well.",
)
def broken_index(case: Case) -> Iterator[Found]:
    """Indexes that a failed CREATE INDEX CONCURRENTLY has left."""
    for one in case.source.read(Structure).broken_indexes:
        yield Found(one.replace('"', ""), "it is invalid", sql(Side.SOURCE, f"DROP INDEX {one};"))


@rule(
    "coalesce-index",
    24,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A unique index is made with coalesce",
    why="DMS's documentation says that it does not replicate such a table.",
)
def coalesce_index(case: Case) -> Iterator[Found]:
    """Indexes that DMS can't make sense of."""
    for one in case.source.read(Structure).coalesce_indexes:
        yield Found(one, "a unique index with coalesce", config(excuse("coalesce-index", one)))


@rule(
    "identity-always",
    24,
    severity=Severity.WARN,
    side=Side.TARGET,
    what="An identity column is GENERATED ALWAYS",
    why="PostgreSQL refuses an INSERT that gives such a column a value, unless it says OVERRIDING SYSTEM VALUE: "
    "changes that DMS applies as plain INSERTs would fail. After the migration it can be set back.",
)
def identity_always(case: Case) -> Iterator[Found]:
    """Identity columns on the target, and for the way back on the source."""
    for side in case.written_to:
        for column in case.side(side).read(Fields).all:
            if column.identity == "a":
                statement = f"ALTER TABLE {name(column.table)} ALTER COLUMN {quoted(column.name)}"
                remedy = sql(side, f"{statement} SET GENERATED BY DEFAULT;")
                yield Found(f"{column.table}.{column.name}", "it is GENERATED ALWAYS", remedy, side)


@rule(
    "materialized-view-rights",
    23,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="A materialized view can't be refreshed by the operator",
    why="The switchover refreshes every one before it opens the target, and only an owner may.",
)
def materialized_view_rights(case: Case) -> Iterator[Found]:
    """Views whose owner the operator is not."""
    structure, operator = case.target.read(Structure), case.target.read(Rights).operator
    for view, owner in structure.not_ours_to_refresh:
        remedy = sql(Side.TARGET, f"GRANT {quoted(owner)} TO {quoted(operator)};")
        yield Found(view, f"it belongs to {owner}, of whom {operator} is no member", remedy)


@rule(
    "other-writers",
    18,
    severity=Severity.INFO,
    side=Side.SOURCE,
    what="Something can write that is no client",
    why="Jobs and links of a database do not move with its clients: carry them, and stop them before the switch.",
)
def other_writers(case: Case) -> Iterator[Found]:
    """Extensions by which something writes."""
    for extension in sorted(case.source.read(Extensions).installed.keys() & WRITERS.keys()):
        yield Found(extension, WRITERS[extension], config(excuse("other-writers", extension)))


@rule(
    "clients",
    18,
    severity=Severity.INFO,
    side=Side.SOURCE,
    what="Who is connected to the source",
    why="Each of them has to come by the managed name before the switchover, or stays behind on a fenced database.",
)
def clients(case: Case) -> Iterator[Found]:
    """Everybody who would be fenced."""
    for one in _strangers(case):
        found = f"{one.user} from {one.address} ({one.application or 'no application name'})"
        sessions = f"{one.sessions} session{'s' * (one.sessions != 1)}"
        yield Found(found, sessions, config(excuse("clients", found)))


def _strangers(case: Case) -> list[Client]:
    """Return the source's clients that are not the migration's own."""
    rights = case.source.read(Rights)
    return [one for one in case.source.read(Clients).all if one.user not in (rights.operator, rights.replication)]


@rule(
    "superuser-session",
    1,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="A superuser is connected",
    why="No fence stops a superuser: what it writes after the drain is lost.",
)
def superuser_session(case: Case) -> Iterator[Found]:
    """Sessions that a REVOKE does not keep out. DMS's own, whose role has to be one before 15, writes nothing there."""
    for one in _strangers(case):
        if one.superuser:
            end = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE usename = {literal(one.user)} AND pid <> pg_backend_pid();"
            )
            yield Found(
                f"{one.user} from {one.address} ({one.application})", "it is a superuser's", sql(Side.SOURCE, end)
            )


@rule(
    "missing-sequence",
    7,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The target lacks a sequence",
    why="The switchover sets every sequence; one that is missing gives out numbers that exist.",
)
def missing_sequence(case: Case) -> Iterator[Found]:
    """Sequences that were not carried."""
    there = {(one.schema, one.name) for one in case.target.read(Counters).all}
    for one in case.source.read(Counters).all:
        schema = mapping.schema(one.schema, case.terms.rules)
        if (schema, one.name) not in there:
            start = f" INCREMENT {one.increment} MINVALUE {one.minimum} MAXVALUE {one.maximum}"
            create = f"CREATE SEQUENCE {quoted(schema)}.{quoted(one.name)}{start};"
            yield Found(f"{schema}.{one.name}", "it is not there", sql(Side.TARGET, create), Side.TARGET)


RULES = (
    trigger_always,
    rule_always,
    event_trigger,
    unvalidated_constraint,
    broken_index,
    coalesce_index,
    identity_always,
    materialized_view_rights,
    other_writers,
    clients,
    superuser_session,
    missing_sequence,
)
