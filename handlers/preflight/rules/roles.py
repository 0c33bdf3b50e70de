"""What the migration's own roles may do on both sides, and the application's roles beside them."""

from collections.abc import Iterator

from handlers.core.sql import literal
from handlers.preflight.facts import Rights, Roles, Server
from handlers.preflight.findings import Found, Remedy, Severity, Side
from handlers.preflight.remedies import advice, quoted, sql
from handlers.preflight.rule import Case, Look, rule


def _lacking(case: Case, side: Side, what: str, found: str) -> Iterator[Found]:
    rights = case.side(side).read(Rights)
    for missing, statement in getattr(rights, what):
        remedy: Remedy = sql(side, statement) if statement.endswith(";") else advice(statement)
        yield Found(missing, found, remedy, side)


def _lacks(what: str, found: str, *sides: Side) -> Look:
    """Return what looks on these sides for what is lacking of one kind of right."""

    def look(case: Case) -> Iterator[Found]:
        """What our roles lack."""
        for side in sides:
            yield from _lacking(case, side, what, found)

    return look


rights_to_fence = rule(
    "rights-to-fence",
    1,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The operator can't fence",
    why="Closing a database needs its owner's rights, ending sessions needs pg_signal_backend, and seeing that nobody "
    "is left needs pg_read_all_stats.",
)(_lacks("to_fence", "the operator lacks it", Side.SOURCE, Side.TARGET))


rights_to_read_log = rule(
    "rights-to-read-log",
    8,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="DMS's role may not read the log",
    why="It makes a slot and streams from it.",
)(_lacks("to_read_log", "DMS's role lacks it", Side.SOURCE))


@rule(
    "way-back-rights",
    6,
    8,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="There would be no way back for lack of rights",
    why="On the way back DMS reads the target's log and writes to the source, and the operator sets the source's "
    "sequences. A right that is missing then is missed in the middle of an incident.",
)
def way_back_rights(case: Case) -> Iterator[Found]:
    """What is lacking on the target to read, and on the source to write."""
    if case.terms.way_back:
        yield from _lacking(case, Side.TARGET, "to_read_log", "DMS's role lacks it")
        yield from _lacking(case, Side.SOURCE, "to_write_rows", "DMS's role lacks it")
        yield from _lacking(case, Side.SOURCE, "to_set_sequences", "the operator lacks it")


rights_to_read_rows = rule(
    "rights-to-read-rows",
    8,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="DMS's role may not read a table",
    why="The full load of that table would fail.",
)(_lacks("to_read_rows", "DMS's role lacks it", Side.SOURCE))


rights_to_write_rows = rule(
    "rights-to-write-rows",
    14,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="DMS's role may not write to a table, or not silence its triggers",
    why="It writes every row, with session_replication_role = replica so that no trigger and no foreign key fires.",
)(_lacks("to_write_rows", "DMS's role lacks it", Side.TARGET))


rights_to_set_sequences = rule(
    "rights-to-set-sequences",
    7,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="The operator may not set a sequence",
    why="DMS carries no sequence: the switchover sets them all behind the fence.",
)(_lacks("to_set_sequences", "the operator lacks it", Side.TARGET))


row_security = rule(
    "row-security",
    25,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="Row-level security hides rows from the migration",
    why="Who is subject to a policy reads fewer rows, without an error: DMS would carry less, and the comparison would "
    "compare less.",
)(_lacks("to_see_all_rows", "policies apply to it", Side.SOURCE, Side.TARGET))


def _ours(case: Case) -> set[str]:
    sides = (case.source.read(Rights), case.target.read(Rights))
    return {name for rights in sides for name in (rights.operator, rights.replication)}


@rule(
    "missing-role",
    27,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="The target lacks a role of the source",
    why="Its sessions would be refused after the switch, and what it owns or was granted can't be carried.",
)
def missing_role(case: Case) -> Iterator[Found]:
    """Roles that were not carried."""
    there, ours = {role.name for role in case.target.read(Roles).all}, _ours(case)
    for role in case.source.read(Roles).all:
        if role.name not in there | ours and not role.superuser:
            kind = "LOGIN" if role.login else "NOLOGIN"
            remedy = sql(Side.TARGET, f"CREATE ROLE {quoted(role.name)} {kind};")
            what = "it logs in; give it its password as well" if role.login else "it is a group"
            yield Found(role.name, what, remedy, Side.TARGET)


@rule(
    "missing-membership",
    27,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="A role is a member of fewer roles on the target",
    why="It may do less after the switch than before.",
)
def missing_membership(case: Case) -> Iterator[Found]:
    """Memberships that were not carried."""
    target, ours = case.target.read(Roles), _ours(case)
    there = {role.name for role in target.all}
    for group, member in sorted(case.source.read(Roles).members - target.members):
        if {group, member} <= there and member not in ours:
            remedy = sql(Side.TARGET, f"GRANT {quoted(group)} TO {quoted(member)};")
            yield Found(f"{member} in {group}", "it is no member there", remedy, Side.TARGET)


@rule(
    "missing-grant",
    27,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="A role was granted less on the target",
    why="It may do less after the switch than before.",
)
def missing_grant(case: Case) -> Iterator[Found]:
    """Grants on what both sides have that were not carried."""
    source, target, ours = case.source.read(Roles), case.target.read(Roles), _ours(case)
    there = {role.name for role in target.all} | {""}
    objects = {where for _, _, where in target.grants}
    for who, right, where in sorted(source.grants - target.grants):
        if who in there and who not in ours and where in objects:
            whom = quoted(who) if who else "PUBLIC"
            remedy = sql(Side.TARGET, f"GRANT {right} ON {where} TO {whom};")
            yield Found(f"{right} on {where} to {whom}", "it was not granted there", remedy, Side.TARGET)


@rule(
    "missing-default-privilege",
    27,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="The target lacks a default privilege",
    why="What is made after the switch would be granted to fewer roles.",
)
def missing_default_privilege(case: Case) -> Iterator[Found]:
    """Default privileges that were not carried. They are written as the statement that sets them."""
    source, target = case.source.read(Roles), case.target.read(Roles)
    there = {role.name for role in target.all} | {""}
    for owner, who, statement in sorted(source.defaults - target.defaults):
        if {owner, who} <= there:
            yield Found(statement.removesuffix(";"), "it is not set there", sql(Side.TARGET, statement), Side.TARGET)


@rule(
    "missing-setting",
    27,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="A setting of a role or of the database was not carried",
    why="pg_dump carries none of them: a search_path or a time zone set for a role changes what its queries mean.",
)
def missing_setting(case: Case) -> Iterator[Found]:
    """ALTER ROLE ... SET and ALTER DATABASE ... SET that the target lacks."""
    source, target, ours = case.source.read(Roles), case.target.read(Roles), _ours(case)
    there = {role.name for role in target.all}
    for who, name, value in sorted(source.settings - target.settings):
        if who in ours or (who and who not in there) or name == "default_transaction_read_only":
            continue
        wanted = literal(value) if name not in LISTS else value
        subject = f"ROLE {quoted(who)}" if who else f"DATABASE {quoted(case.target.read(Server).database)}"
        remedy = sql(Side.TARGET, f"ALTER {subject} SET {name} = {wanted};")
        yield Found(f"{name} of {who or 'the database'}", f"it is {value} on the source", remedy, Side.TARGET)


LISTS = frozenset({"search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces"})
"""Settings whose value is a list of names, which one literal is not."""

RULES = (
    rights_to_fence,
    rights_to_read_log,
    way_back_rights,
    rights_to_read_rows,
    rights_to_write_rows,
    rights_to_set_sequences,
    row_security,
    missing_role,
    missing_membership,
    missing_grant,
    missing_default_privilege,
    missing_setting,
)
