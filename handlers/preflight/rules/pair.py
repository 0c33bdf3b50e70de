"""What has to be alike on both sides, and the names that lead to them."""

from collections import Counter
from collections.abc import Iterator

from handlers.core import mapping
from handlers.core.comparison import Column, Table
from handlers.core.names import BLUE
from handlers.core.sql import literal
from handlers.preflight.facts import Extensions, Fields, Objects, Relations, Server
from handlers.preflight.findings import Found, Remedy, Severity, Side
from handlers.preflight.remedies import advice, config, excuse, quoted, restart, sql
from handlers.preflight.rule import Case, rule

MEANING = (
    *("TimeZone", "DateStyle", "IntervalStyle", "bytea_output", "standard_conforming_strings", "array_nulls"),
    *("default_transaction_isolation", "search_path", "xmloption", "transform_null_equals", "extra_float_digits"),
    *("lc_monetary", "lc_numeric", "lc_time", "default_text_search_config", "check_function_bodies"),
)
"""Settings that change what a query means."""
ROOM = ("max_connections", "max_prepared_transactions", "max_locks_per_transaction")
"""Settings of which the target needs as much as the source has."""
LEFT_TO_OTHERS = ("table", "sequence", "column")
"""Kinds that have rules of their own."""
AFTER_LOAD = ("index", "constraint", "trigger", "policy", "statistics")
"""Kinds that `migrate carry after-load` makes."""
LONG_TTL = 300
CARRY = (
    "carry the schema: python -m migrate carry before-load, with --all unless replication.secondaryIndexes is "
    "afterLoad (docs/carry.md)"
)


@rule(
    "older-target",
    26,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The target is an older major version than the source",
    why="What the source's version knows, the target's may not: no schema is carried downwards.",
)
def older_target(case: Case) -> Iterator[Found]:
    """Versions the wrong way round."""
    source, target = case.source.read(Server).version, case.target.read(Server).version
    if target // 10000 < source // 10000:
        yield Found(
            "version",
            f"the source is {source // 10000}, the target {target // 10000}",
            config(f'target:\n  engineVersion: "{source // 10000}"'),
            Side.TARGET,
        )


@rule(
    "encoding",
    26,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The databases differ in their encoding",
    why="A character that the target's encoding lacks can't be stored there.",
)
def encoding(case: Case) -> Iterator[Found]:
    """Character sets."""
    source, target = case.source.read(Server), case.target.read(Server)
    if source.encoding != target.encoding:
        yield Found(
            "encoding",
            f"the source is {source.encoding}, the target {target.encoding}",
            _made_anew(source, target),
            Side.TARGET,
        )


@rule(
    "collation",
    16,
    26,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="The databases differ in their collation",
    why="Text sorts and compares differently: ranges, unique indexes on expressions and pages of results change.",
)
def collation(case: Case) -> Iterator[Found]:
    """The order of text."""
    source, target = case.source.read(Server), case.target.read(Server)
    here = (_plain(source.collation), _plain(source.character_type), source.provider)
    there = (_plain(target.collation), _plain(target.character_type), target.provider)
    if here != there:
        yield Found(
            "collation",
            f"the source has {source.collation}, the target {target.collation}",
            _made_anew(source, target),
            Side.TARGET,
        )


def _plain(locale: str) -> str:
    """Return a locale without how its encoding is spelled."""
    return locale.lower().replace("-", "")


def _made_anew(source: Server, target: Server) -> Remedy:
    return advice(
        f"make the target's database anew: DROP DATABASE {quoted(target.database)}; CREATE DATABASE "
        f"{quoted(target.database)} TEMPLATE template0 ENCODING '{source.encoding}' LOCALE '{source.collation}';"
    )


@rule(
    "collation-version",
    26,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="A database's collation is of another version than its indexes",
    why="The library that sorts text has changed under the indexes: they may not find rows, and unique ones may hold "
    "duplicates, which the load then fails on.",
)
def collation_version(case: Case) -> Iterator[Found]:
    """Indexes that were made with another order of text."""
    for side in (Side.SOURCE, Side.TARGET):
        server = case.side(side).read(Server)
        if server.collation_version and server.collation_now not in ("", server.collation_version):
            database = quoted(server.database)
            yield Found(
                server.database,
                f"indexes were made with {server.collation_version}, the system has {server.collation_now}",
                sql(side, f"REINDEX DATABASE {database};", f"ALTER DATABASE {database} REFRESH COLLATION VERSION;"),
                side,
            )


@rule(
    "setting-differs",
    26,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="A setting that changes what queries mean differs",
    why="The application would get other answers to the same questions after the switch.",
)
def setting_differs(case: Case) -> Iterator[Found]:
    """Settings of the server, the time zone among them."""
    source, target = case.source.read(Server), case.target.read(Server)
    for setting in MEANING:
        here, there = source.settings.get(setting), target.settings.get(setting)
        if here is not None and there is not None and here.lower() != there.lower():
            wanted = here if setting == "search_path" else literal(here)
            yield Found(
                setting,
                f"the source has {here}, the target {there}",
                sql(Side.TARGET, f"ALTER DATABASE {quoted(target.database)} SET {setting} = {wanted};"),
                Side.TARGET,
            )


@rule(
    "less-room",
    26,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="The target allows less than the source",
    why="What fits on the source is refused on the target: connections first of all.",
)
def less_room(case: Case) -> Iterator[Found]:
    """Limits that are lower on the target."""
    source, target = case.source.read(Server), case.target.read(Server)
    for setting in ROOM:
        here, there = int(source.settings[setting]), int(target.settings[setting])
        if there < here:
            remedy = restart(Side.TARGET, setting, str(here), f"target:\n  parameters:\n    {setting}: '{here}'")
            yield Found(setting, f"the source has {here}, the target {there}", remedy, Side.TARGET)


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
    target = case.target.read(Extensions)
    for extension, version in sorted(case.source.read(Extensions).installed.items()):
        if extension in target.installed:
            continue
        if extension in target.available:
            remedy, found = sql(Side.TARGET, f"CREATE EXTENSION {quoted(extension)};"), "it is not installed"
        else:
            remedy, found = sql(Side.SOURCE, f"DROP EXTENSION {quoted(extension)};"), "the server does not offer it"
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


@rule(
    "writer-weights",
    3,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="A name does not lead to the source whole",
    why="Weights between 0 and 100 on a writer's name are two writers.",
)
def writer_weights(case: Case) -> Iterator[Found]:
    """Names that were moved by hand."""
    for name, weights in sorted(case.terms.weights.items()):
        if any((weight == 0) is (side == BLUE) for side, weight in weights.items()):
            yield Found(
                name,
                f"its weights are {', '.join(f'{side} {weight}' for side, weight in sorted(weights.items()))}",
                advice("set blue to 100 and green to 0 in Route 53, in one change batch"),
                Side.SOURCE,
            )


@rule(
    "long-ttl",
    5,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="The names' time to live is long",
    why="A switchover lowers it first and waits until the old one has run out.",
)
def long_ttl(case: Case) -> Iterator[Found]:
    """Times to live above five minutes."""
    if case.terms.ttl_seconds > LONG_TTL:
        found = f"{case.terms.ttl_seconds} s: so long every switchover waits before it begins"
        yield Found("dns.ttlSeconds", found, config("dns:\n  ttlSeconds: 60"), Side.SOURCE)


RULES = (
    older_target,
    encoding,
    collation,
    collation_version,
    setting_differs,
    less_room,
    missing_extension,
    older_extension,
    missing_table,
    merged_names,
    missing_object,
    target_has_rows,
    writer_weights,
    long_ttl,
)
