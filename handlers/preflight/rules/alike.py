"""Where the servers have to be alike: version, order of text, settings, room."""

from collections.abc import Iterator

from handlers.core.sql import literal
from handlers.preflight.facts import Server
from handlers.preflight.findings import Found, Remedy, Severity, Side
from handlers.preflight.remedies import advice, config, quoted, restart, sql
from handlers.preflight.rule import Case, rule

MEANING = (
    *("TimeZone", "DateStyle", "IntervalStyle", "bytea_output", "standard_conforming_strings", "array_nulls"),
    *("default_transaction_isolation", "search_path", "xmloption", "transform_null_equals", "extra_float_digits"),
    *("lc_monetary", "lc_numeric", "lc_time", "default_text_search_config", "check_function_bodies"),
)
"""Settings that change what a query means."""
ROOM = ("max_connections", "max_prepared_transactions", "max_locks_per_transaction")
"""Settings of which the target needs as much as the source has."""


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


RULES = (
    older_target,
    encoding,
    collation,
    collation_version,
    setting_differs,
    less_room,
)
