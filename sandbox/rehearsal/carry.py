"""What an operator does by hand with PostgreSQL's own tools: DMS carries rows, not roles and not the schema.

On AWS the same commands run from a machine that reaches both databases; `docs/getting-started.md` shows them.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from sandbox.errors import SandboxError
from sandbox.instance import Instance

CONTROL_SCHEMA = "migration_control"
WRITABLE = "-c default_transaction_read_only=off"
"""For a target that is closed already."""


@dataclass(frozen=True)
class Login:
    """A role and its password."""

    username: str
    password: str


def carry(instance: Instance, database: str, master: Login, ours: Sequence[str], *, passwords: bool) -> None:
    """Carry roles and the whole schema from the source to the target.

    `master` is the target's administrator, `ours` are the migration's own roles on the source, which stay there.
    `passwords` go along as verifiers, where a superuser can read them on the source: RDS shows them to nobody.
    """
    with instance.source.superuser(database) as source, source.cursor() as cursor:
        roles, members = _roles(cursor, list(ours), passwords=passwords)
        creators = _creators_in_public(cursor, [name for name, _, _ in roles])
    session = instance.target.session(database, master.username, master.password, WRITABLE)
    with session as target, target.cursor() as cursor:
        _make_roles(cursor, roles, members)
        for name in creators:
            # On the source one may be allowed to as the database's owner; on RDS that is the administrator.
            cursor.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(name)))
    _carry_schema(instance, database, master)


def analyze(instance: Instance, database: str, master: Login) -> None:
    """Give the target's planner statistics before the first query needs them."""
    _psql(instance, database, master, "ANALYZE;")


def _roles(
    cursor: Any, ours: list[str], *, passwords: bool
) -> tuple[list[tuple[str, bool, str | None]], list[tuple[str, str]]]:
    """Return the application's roles on the source (name, whether it logs in, verifier) and who is a member of whom.

    PostgreSQL's and RDS's own roles are on every server.
    """
    cursor.execute(
        """SELECT rolname, rolcanlogin, CASE WHEN %s THEN rolpassword END FROM pg_authid
        WHERE rolname !~ '^(pg|rds)_' AND NOT rolsuper AND rolname <> ALL(%s) ORDER BY rolname""",
        (passwords, ours),
    )
    roles = list(cursor.fetchall())
    cursor.execute(
        """SELECT g.rolname, m.rolname FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid
        JOIN pg_roles m ON m.oid = a.member WHERE m.rolname <> ALL(%s) AND g.rolname !~ '^(pg|rds)_'""",
        (ours,),
    )
    return roles, list(cursor.fetchall())


def _creators_in_public(cursor: Any, roles: list[str]) -> list[str]:
    """Return those of `roles` who may create something in the schema public: only they can own what lies there."""
    cursor.execute(
        """SELECT r.rolname FROM pg_roles r JOIN pg_namespace n ON n.nspname = 'public'
        WHERE r.rolname = ANY(%s) AND has_schema_privilege(r.oid, n.oid, 'CREATE') ORDER BY 1""",
        (roles,),
    )
    return [row[0] for row in cursor.fetchall()]


def _make_roles(cursor: Any, roles: Sequence[tuple[str, bool, str | None]], members: Sequence[tuple[str, str]]) -> None:
    for name, logs_in, verifier in roles:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        kind = "LOGIN" if logs_in else "NOLOGIN"
        password = sql.SQL(" PASSWORD {}").format(sql.Literal(verifier)) if verifier else sql.SQL("")
        cursor.execute(sql.SQL(f"{verb} ROLE {{}} {kind}").format(sql.Identifier(name)) + password)
        # Who makes a role may manage it, but owns what it owns only as its member.
        cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))
    for group, member in members:
        cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(member)))


def _carry_schema(instance: Instance, database: str, master: Login) -> None:
    dump = subprocess.run(
        [
            instance.target.program("pg_dump"),
            "--schema-only",
            "--no-publications",
            "--no-subscriptions",
            f"--exclude-schema={CONTROL_SCHEMA}",
        ],
        env=instance.source.environment(database),
        capture_output=True,
        text=True,
        check=False,
    )
    if dump.returncode:
        raise SandboxError(f"pg_dump of the source's schema failed: {_first_error(dump.stderr)}")
    _psql(instance, database, master, dump.stdout)


def _psql(instance: Instance, database: str, master: Login, text: str) -> None:
    """Run SQL on the target as its administrator, who is no superuser, as on RDS."""
    env = instance.target.environment(database) | {
        "PGUSER": master.username,
        "PGPASSWORD": master.password,
        "PGOPTIONS": WRITABLE,
    }
    done = subprocess.run(
        [instance.target.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input=text,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SandboxError(f"the schema can't be carried to the target: {_first_error(done.stderr)}")


def _first_error(text: str) -> str:
    lines = [line for line in text.splitlines() if "ERROR" in line or "error" in line]
    return " ".join((lines or text.splitlines() or ["no reason given"])[0].split())
