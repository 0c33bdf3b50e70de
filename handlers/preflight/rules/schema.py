"""What has to be on the target before the load, and what must not: extensions, tables, objects, rows."""

from collections import Counter
from collections.abc import Iterator

from handlers.core import mapping
from handlers.core.comparison import Column, Table
from handlers.preflight.facts import Extensions, Fields, Objects, Relations
from handlers.preflight.findings import Found, Severity, Side
from handlers.preflight.remedies import advice, config, excuse, quoted, sql
from handlers.preflight.rule import Case, rule

LEFT_TO_OTHERS = ("table", "sequence", "column")
"""Kinds that have rules of their own."""
AFTER_LOAD = ("index", "constraint", "trigger", "policy", "statistics")
"""Kinds that `migrate carry after-load` makes."""
CARRY = (
    "carry the schema: python -m migrate carry before-load, with --all unless replication.secondaryIndexes is "
    "afterLoad (docs/carry.md)"
)


@rule(
    "missing-extension",
    26,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The target lacks an extension",
    why="Its types and functions are part of the schema: nothing that uses them can be carried.",
)
def missing_extension(case: Case) -> Iterator[Found]:
    """Extensions that are not installed, and those that can't be."""
    source, target = case.source.read(Extensions), case.target.read(Extensions)
    for extension, version in sorted(source.installed.items()):
        if extension in target.installed:
            continue
        place = source.places.get(extension, "public")
        if extension not in target.available:
            remedy, found = sql(Side.SOURCE, f"DROP EXTENSION {quoted(extension)};"), "the server does not offer it"
        elif place not in target.schemas:
            remedy, found = advice(CARRY), f"it is not installed, and there is no schema {place} that it belongs in"
        else:
            # With what it needs, which may be missing as well and come before it or after.
            made = f"CREATE EXTENSION IF NOT EXISTS {quoted(extension)} WITH SCHEMA {quoted(place)} CASCADE;"
            remedy, found = sql(Side.TARGET, made), "it is not installed"
        yield Found(extension, f"version {version} on the source; {found}", remedy, Side.TARGET)


@rule(
    "older-extension",
    26,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="An extension is older on the target",
    why="A function or a format may be missing there, or behave otherwise.",
)
def older_extension(case: Case) -> Iterator[Found]:
    """Extensions that can be brought up to the source's version."""
    target = case.target.read(Extensions)
    for extension, version in sorted(case.source.read(Extensions).installed.items()):
        there = target.installed.get(extension)
        if there is not None and _parts(there) < _parts(version):
            newest = target.available.get(extension, "")
            yield Found(
                extension,
                f"{version} on the source, {there} on the target",
                sql(Side.TARGET, f"ALTER EXTENSION {quoted(extension)} UPDATE TO '{newest}';")
                if newest and _parts(newest) >= _parts(version)
                else config(excuse("older-extension", extension)),
                Side.TARGET,
            )


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in version.split("."))


@rule(
    "missing-table",
    15,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The target lacks a table or a column",
    why="DMS would make it with types of its own and without anything that hangs on it.",
)
def missing_table(case: Case) -> Iterator[Found]:
    """What was not carried of the tables that are taken."""
    rules = case.terms.rules
    for missing in mapping.missing(_tables(case, Side.SOURCE), _tables(case, Side.TARGET), rules):
        yield Found(missing, "it is not there", advice(CARRY), Side.TARGET)


@rule(
    "merged-names",
    24,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="Two tables or columns get one name on the target",
    why="DMS would write the rows of both into one.",
)
def merged_names(case: Case) -> Iterator[Found]:
    """Names that the transformations give twice."""
    for merged in mapping.merged(_tables(case, Side.SOURCE), case.terms.rules):
        remedy = advice("change one of the rules in replication.transformations that give this name")
        yield Found(merged, "replication.transformations gives it twice", remedy, Side.TARGET)


def _tables(case: Case, side: Side) -> dict[Table, list[Column]]:
    facts = case.side(side)
    found: dict[Table, list[Column]] = {one.table: [] for one in facts.read(Relations).all if one.kind == "r"}
    for column in facts.read(Fields).all:
        if column.table in found:
            found[column.table].append(Column(column.name, column.base))
    return found


@rule(
    "missing-object",
    15,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The target lacks an index, a constraint, a trigger, a view, a function or a type",
    why="DMS carries tables and primary keys only. The application would run without what is missing, and nobody would "
    "see it until it is slow or wrong.",
)
def missing_object(case: Case) -> Iterator[Found]:
    """Secondary objects, by the name they have in the schema as the target calls it."""
    if any(rule["rule-type"] == "transformation" for rule in case.terms.rules):
        yield from _fewer(case)
        return
    there = case.target.read(Objects).all
    for one in sorted(case.source.read(Objects).all.keys() - there.keys()):
        if one.split(" ", 1)[0] not in _elsewhere(case):
            yield Found(one, "it is not there", advice(CARRY), Side.TARGET)


def _fewer(case: Case) -> Iterator[Found]:
    """Compare by number where names differ."""
    here, there = (
        Counter(one.split(" ", 1)[0] for one in case.side(side).read(Objects).all)
        for side in (Side.SOURCE, Side.TARGET)
    )
    for kind in sorted(here):
        if there[kind] < here[kind] and kind not in _elsewhere(case):
            yield Found(
                f"{kind}s", f"{here[kind]} on the source, {there[kind]} on the target", advice(CARRY), Side.TARGET
            )


def _elsewhere(case: Case) -> tuple[str, ...]:
    """Return the kinds that are not missing yet, or have rules of their own."""
    return (*LEFT_TO_OTHERS, *(AFTER_LOAD if case.terms.carries_later else ()))


@rule(
    "target-has-rows",
    9,
    14,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="A table of the target has rows before the load",
    why="DMS loads without emptying: a row that is there twice suspends the table, one that is extra stays for ever.",
    again=False,
)
def target_has_rows(case: Case) -> Iterator[Found]:
    """Rows that an earlier attempt, or a schema with data, has left."""
    wanted = {case.terms.there(one.table) for one in case.taken() if one.kind == "r"}
    full = [one for one in case.target.read(Relations).all if one.table in wanted and one.kind == "r" and one.bytes > 0]
    everything = ", ".join(f"{quoted(one.table.schema)}.{quoted(one.table.name)}" for one in full)
    for one in full:
        yield Found(str(one.table), f"{one.bytes >> 10} kB of rows", sql(Side.TARGET, f"TRUNCATE {everything};"))


RULES = (
    missing_extension,
    older_extension,
    missing_table,
    merged_names,
    missing_object,
    target_has_rows,
)
