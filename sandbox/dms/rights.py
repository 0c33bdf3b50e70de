"""What DMS documents as needed of the two databases and of the endpoints' users, asked with the users' own eyes."""

from collections.abc import Iterable, Mapping, Sequence

from psycopg2 import sql

from sandbox.dms.catalog import Table
from sandbox.dms.sides import Session, Side, SideError

REPLICATION_ROLE = "rds_replication"
SENDER_TIMEOUT_MS = 10_000
"""Below it, unless it is off, DMS refuses to read the log."""


def check_source(session: Session, side: Side, tables: Sequence[Table], *, reads_log: bool) -> bool:
    """Check the source. Returns whether its user replicates through RDS's role rather than the attribute.

    Raises SideError naming every setting and right that is missing.
    """
    problems = []
    [(superuser, replicates, through_role)] = session.rows(
        """SELECT rolsuper, rolreplication, EXISTS (SELECT FROM pg_roles g WHERE g.rolname = %s
           AND pg_has_role(r.oid, g.oid, 'MEMBER')) FROM pg_roles r WHERE rolname = current_user""",
        (REPLICATION_ROLE,),
    )
    if reads_log:
        [(level, timeout)] = session.rows(
            """SELECT current_setting('wal_level'), (SELECT setting::int FROM pg_settings
               WHERE name = 'wal_sender_timeout')"""
        )
        if level != "logical":
            problems.append(f"wal_level is {level} and has to be logical")
        if 0 < timeout < SENDER_TIMEOUT_MS:
            problems.append(f"wal_sender_timeout is {timeout} ms and has to be 0 or at least {SENDER_TIMEOUT_MS} ms")
        if not (superuser or replicates or through_role):
            problems.append(f"{side.login.user} has neither REPLICATION nor membership in {REPLICATION_ROLE}")
    unreadable = _without(session, tables, "SELECT")
    if unreadable:
        problems.append(f"{side.login.user} may not SELECT from {', '.join(unreadable)}")
    if problems:
        raise SideError(f"the source is not ready: {'; '.join(problems)}")
    return through_role and not (superuser or replicates)


def check_target(session: Session, side: Side, tables: Sequence[Table], found: Mapping[tuple[str, str], Table]) -> None:
    """Check the target, whose existing tables are `found`. Raises SideError naming what is missing or in the way."""
    problems = []
    there = [found[table.id] for table in tables if table.id in found]
    [(read_only, replica)] = session.rows(
        "SELECT current_setting('transaction_read_only'), current_setting('session_replication_role') = 'replica'"
    )
    if read_only == "on":
        problems.append(f"sessions of {side.login.user} are read-only")
    for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
        lacking = _without(session, there, right)
        if lacking:
            problems.append(f"{side.login.user} may not {right} {', '.join(lacking)}")
    for table in tables:
        columns = {column.name for column in found[table.id].columns} if table.id in found else None
        lost = [column.name for column in table.columns if columns is not None and column.name not in columns]
        if lost:
            problems.append(f"{table} lacks {', '.join(lost)}")
    if not replica:
        # Native replication never fires them. DMS does, unless it is told not to: what it would run into fails here.
        obstacles = _obstacles(session, there)
        if obstacles:
            problems.append(
                f"foreign keys and triggers would fire while rows come in no order: {', '.join(obstacles)}; "
                "set session_replication_role = 'replica' in AfterConnectScript, or drop them"
            )
    if problems:
        raise SideError(f"the target is not ready: {'; '.join(problems)}")


def grant_replication(superuser: Session, user: str) -> None:
    """Let a member of RDS's replication role replicate, as RDS does by itself."""
    superuser.rows(sql.SQL("ALTER ROLE {} REPLICATION").format(sql.Identifier(user)))


def _without(session: Session, tables: Iterable[Table], right: str) -> list[str]:
    found = session.rows(
        """SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.oid = ANY(%s::oid[])
           AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, %s)) ORDER BY 1""",
        ([table.oid for table in tables], right),
    )
    return [row[0] for row in found]


def _obstacles(session: Session, tables: Iterable[Table]) -> list[str]:
    oids = [table.oid for table in tables]
    found = session.rows(
        """SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%(oids)s::oid[])
           UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')
           AND tgrelid = ANY(%(oids)s::oid[]) ORDER BY 1""",
        {"oids": oids},
    )
    return [row[0] for row in found]
