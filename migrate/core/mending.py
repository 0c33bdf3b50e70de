"""The statement that mends a difference, by the kind of what differs; none where there is no safe one."""

import re
from collections.abc import Callable

from handlers.core.catalogue import Thing

Statements = list[str]
Change = Callable[[Thing, Thing], Statements]
ENUM = re.compile(r"^(ENUM|\()")
STATISTICS = re.compile(r" STATISTICS (\d+) (-?\d+)")
NOT_VALID, INVALID = " NOT VALID", " (invalid)"


def missing(one: Thing) -> Statements:
    """Return the statements that make on the target what only the source has."""
    make = MAKE.get(one.kind)
    return make(one) if make else []


def surplus(one: Thing) -> Statements:
    """Return the statements that take from the target what the source does not have."""
    drop = DROP.get(one.kind)
    return [drop(one)] if drop else []


def changed(here: Thing, there: Thing) -> Statements:
    """Return the statements that make of what the target has what the source has."""
    change = CHANGE.get(here.kind)
    if change is not None:
        return change(here, there)
    return [*surplus(there), *missing(here)] if here.kind in AGAIN else []


def _column(what: str) -> Callable[[Thing], Statements]:
    return lambda one: [f"ALTER TABLE {one.on} ALTER COLUMN {one.name} {what.format(one.text)}"]


def _uncolumn(what: str) -> Callable[[Thing], str]:
    return lambda one: f"ALTER TABLE {one.on} ALTER COLUMN {one.name} {what}"


def _index(one: Thing) -> Statements:
    text = one.text.removesuffix(INVALID)
    targets = [
        f"ALTER INDEX {one.name} ALTER COLUMN {column} SET STATISTICS {target}"
        for column, target in STATISTICS.findall(text)
    ]
    return [STATISTICS.sub("", text).removesuffix(INVALID), *targets]


def _reindexed(here: Thing, there: Thing) -> Statements:
    if INVALID in there.text and INVALID not in here.text:
        return [f"REINDEX INDEX {there.name}"]
    return [*surplus(there), *missing(here)]


def _constraint(here: Thing, there: Thing) -> Statements:
    if there.text == here.text + NOT_VALID:
        return [f"ALTER TABLE {there.on} VALIDATE CONSTRAINT {there.name}"]
    return [*surplus(there), *missing(here)]


def _view(one: Thing) -> Statements:
    options, body = "", one.text
    if body.startswith("WITH (") and ")  " in body:
        options, body = body.split(")  ", 1)
        options += ") "
    return [f"CREATE OR REPLACE VIEW {one.name} {options}AS {body.strip()}"]


def _type(one: Thing) -> Statements:
    return [f"CREATE TYPE {one.name} AS {one.text}"] if ENUM.match(one.text) else []


def _sequence(here: Thing, there: Thing) -> Statements:
    text, of = (part.strip() for part in (*here.text.partition(" OWNED BY ")[::2],))
    cycle = "" if text.endswith(" CYCLE") else " NO CYCLE"
    owned = "" if there.text.endswith(f" OWNED BY {of}") or not of else f" OWNED BY {of}"
    return [f"ALTER SEQUENCE {here.name} {text}{cycle}{owned}"]


def privileges(text: str) -> set[str]:
    """Return what is granted, each on its own."""
    return {part for part in text.split(", ") if part}


def _granted(one: Thing, what: set[str]) -> Statements:
    free = sorted(part for part in what if not part.endswith(" WITH GRANT OPTION"))
    passed_on = sorted(part.removesuffix(" WITH GRANT OPTION") for part in what - set(free))
    found = [f"GRANT {', '.join(free)} ON {one.on} TO {one.name}"] if free else []
    if passed_on:
        found.append(f"GRANT {', '.join(passed_on)} ON {one.on} TO {one.name} WITH GRANT OPTION")
    return found


def _revoked(one: Thing, what: set[str]) -> Statements:
    named = ", ".join(sorted(part.removesuffix(" WITH GRANT OPTION") for part in what))
    return [f"REVOKE {named} ON {one.on} FROM {one.name}"] if what else []


def _grant(here: Thing, there: Thing) -> Statements:
    mine, other = privileges(here.text), privileges(there.text)
    return [*_revoked(there, other - mine), *_granted(here, mine - other)]


def defaults(text: str) -> dict[str, set[str]]:
    """Return default privileges by grantee."""
    lines = (line.rpartition(" TO ") for line in text.split("; ") if " TO " in line)
    return {grantee: privileges(granted) for granted, _, grantee in lines}


def _defaults(here: Thing, before: dict[str, set[str]]) -> Statements:
    mine, found = defaults(here.text), []
    for grantee in sorted({*mine, *before}):
        over, under = before.get(grantee, set()) - mine.get(grantee, set()), mine.get(grantee, set())
        head = f"ALTER DEFAULT PRIVILEGES {here.on}"
        if over:
            named = ", ".join(sorted(part.removesuffix(" WITH GRANT OPTION") for part in over))
            found.append(f"{head} REVOKE {named} ON {here.name} FROM {grantee}")
        for part in sorted(under - before.get(grantee, set())):
            bare = part.removesuffix(" WITH GRANT OPTION")
            tail = " WITH GRANT OPTION" if bare != part else ""
            found.append(f"{head} GRANT {bare} ON {here.name} TO {grantee}{tail}")
    return found


def _default_privileges(one: Thing) -> Statements:
    """Where a database has none, PostgreSQL's own hold: everybody may run functions and use types."""
    built_in = {"FUNCTIONS": {"PUBLIC": {"EXECUTE"}}, "TYPES": {"PUBLIC": {"USAGE"}}}
    return _defaults(one, {} if " IN SCHEMA " in one.on else built_in.get(one.name, {}))


def _setting(one: Thing) -> Statements:
    return [f"ALTER {one.on} SET {one.name} TO {one.text}"]


MAKE: dict[str, Callable[[Thing], Statements]] = {
    "role": lambda one: [f"CREATE ROLE {one.name} {one.text}"],
    "role attribute": lambda one: [f"ALTER ROLE {one.on} {one.name}"],
    "membership": lambda one: [f"GRANT {one.on} TO {one.name}{one.text}"],
    "setting": _setting,
    "schema": lambda one: [f"CREATE SCHEMA {one.name}"],
    "extension": lambda one: [f"CREATE EXTENSION {one.name} SCHEMA {one.text}"],
    "type": _type,
    "domain": lambda one: [f"CREATE DOMAIN {one.name} AS {one.text}"],
    "function": lambda one: [one.text.strip()],
    "procedure": lambda one: [one.text.strip()],
    "sequence": lambda one: [f"CREATE SEQUENCE {one.name} {one.text}"],
    "column": lambda one: [f"ALTER TABLE {one.on} ADD COLUMN {one.name} {one.text}"],
    "default": _column("SET DEFAULT {}"),
    "not null": _column("SET NOT NULL{}"),
    "storage": _column("SET STORAGE {}"),
    "identity": _column("ADD GENERATED {} AS IDENTITY"),
    "constraint": lambda one: [f"ALTER TABLE {one.on} ADD CONSTRAINT {one.name} {one.text}"],
    "foreign key": lambda one: [f"ALTER TABLE {one.on} ADD CONSTRAINT {one.name} {one.text}"],
    "index": _index,
    "statistics": lambda one: [one.text],
    "view": _view,
    "materialized view": lambda one: [f"CREATE MATERIALIZED VIEW {one.name} AS {one.text.strip(' ;')} WITH NO DATA"],
    "rule": lambda one: [one.text],
    "trigger": lambda one: [one.text],
    "firing": lambda one: [f"ALTER TABLE {one.on} {one.text} TRIGGER {one.name}"],
    "policy": lambda one: [f"CREATE POLICY {one.name} ON {one.on} {one.text}"],
    "row security": lambda one: [
        f"ALTER TABLE {one.on} {verb} ROW LEVEL SECURITY" for verb in dict.fromkeys(("ENABLE", one.text))
    ],
    "replica identity": lambda one: [f"ALTER TABLE {one.on} REPLICA IDENTITY {one.text}"],
    "owner": lambda one: [f"ALTER {one.on} OWNER TO {one.text}"],
    "grant": lambda one: _granted(one, privileges(one.text)),
    "column grant": lambda one: _granted(one, privileges(one.text)),
    "default privileges": _default_privileges,
    "comment": lambda one: [f"COMMENT ON {one.on} IS {one.text}"],
    "event trigger": lambda one: [f"CREATE EVENT TRIGGER {one.name} {one.text}"],
}
"""What makes a thing, by its kind. Other kinds are carried by a dump alone."""
DROP: dict[str, Callable[[Thing], str]] = {
    **{kind: lambda one: f"DROP {one.kind.upper()} {one.name}" for kind in ("schema", "extension", "type", "domain")},
    **{kind: lambda one: f"DROP {one.kind.upper()} {one.name}" for kind in ("function", "procedure", "sequence")},
    **{kind: lambda one: f"DROP {one.kind.upper()} {one.name}" for kind in ("index", "view", "materialized view")},
    **{kind: lambda one: f"DROP {one.kind.upper()} {one.name}" for kind in ("statistics", "event trigger", "operator")},
    **{kind: lambda one: f"DROP {one.kind.upper()} {one.name}" for kind in ("aggregate", "collation")},
    **{kind: lambda one: f"DROP {one.kind.upper()} {one.name} ON {one.on}" for kind in ("rule", "trigger", "policy")},
    "setting": lambda one: f"ALTER {one.on} RESET {one.name}",
    "column": lambda one: f"ALTER TABLE {one.on} DROP COLUMN {one.name}",
    "default": _uncolumn("DROP DEFAULT"),
    "not null": _uncolumn("DROP NOT NULL"),
    "storage": _uncolumn("SET STORAGE DEFAULT"),
    "identity": _uncolumn("DROP IDENTITY"),
    "generated": _uncolumn("DROP EXPRESSION"),
    "constraint": lambda one: f"ALTER TABLE {one.on} DROP CONSTRAINT {one.name}",
    "foreign key": lambda one: f"ALTER TABLE {one.on} DROP CONSTRAINT {one.name}",
    "row security": lambda one: f"ALTER TABLE {one.on} DISABLE ROW LEVEL SECURITY",
    "replica identity": lambda one: f"ALTER TABLE {one.on} REPLICA IDENTITY DEFAULT",
    "grant": lambda one: "".join(_revoked(one, privileges(one.text))),
    "column grant": lambda one: "".join(_revoked(one, privileges(one.text))),
    "comment": lambda one: f"COMMENT ON {one.on} IS NULL",
}
CHANGE: dict[str, Change] = {
    "role": lambda here, _: [f"ALTER ROLE {here.name} {here.text}"],
    "extension": lambda here, _: [f"ALTER EXTENSION {here.name} SET SCHEMA {here.text}"],
    "extension version": lambda here, _: [f"ALTER EXTENSION {here.name} UPDATE TO '{here.text}'"],
    "column": lambda here, _: [f"ALTER TABLE {here.on} ALTER COLUMN {here.name} TYPE {here.text}"],
    "identity": lambda here, _: [f"ALTER TABLE {here.on} ALTER COLUMN {here.name} SET GENERATED {here.text}"],
    "sequence": _sequence,
    "index": _reindexed,
    "constraint": _constraint,
    "foreign key": _constraint,
    "grant": _grant,
    "column grant": _grant,
    "default privileges": lambda here, there: _defaults(here, defaults(there.text)),
    **{kind: lambda here, _: missing(here) for kind in ("owner", "comment", "setting", "firing", "default", "storage")},
    **{kind: lambda here, _: missing(here) for kind in ("view", "function", "procedure", "replica identity")},
    "membership": lambda here, _: missing(here),
    "row security": lambda here, _: [
        f"ALTER TABLE {here.on} {'' if here.text == 'FORCE' else 'NO '}FORCE ROW LEVEL SECURITY"
    ],
}
AGAIN = frozenset({"rule", "trigger", "policy", "statistics", "event trigger"})
"""Kinds of which nothing is lost when they are dropped and made again."""
