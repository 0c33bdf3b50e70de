"""What an operator does by hand with PostgreSQL's own tools: DMS carries rows, not roles and not the schema.

On AWS the same commands run from a machine that reaches both databases; `docs/getting-started.md` shows them.
"""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import psycopg2
from psycopg2 import sql

from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.source import OPERATOR, REPLICATION

CONTROL_SCHEMA = "migration_control"


def carry(instance: Instance, database: str, master_secret_arn: str) -> None:
    """Carry roles, with their passwords as verifiers, and the whole schema from the source to the target."""
    master = _master(instance, master_secret_arn)
    with instance.source.superuser(database) as source, source.cursor() as cursor:
        roles, members = _roles(cursor)
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
        owner = cursor.fetchone()[0]
    connection = psycopg2.connect(
        host=instance.target.address,
        port=instance.target.port,
        dbname=database,
        user=master["username"],
        password=master["password"],
        options="-c default_transaction_read_only=off",
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            _make_roles(cursor, roles, members)
            if owner in {name for name, _, _ in roles}:
                # On the source it may create in public as the database's owner; on RDS that is the administrator.
                cursor.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
    finally:
        connection.close()
    _carry_schema(instance, database, master)


def analyze(instance: Instance, database: str, master_secret_arn: str) -> None:
    """Give the target's planner statistics before the first query needs them."""
    master = _master(instance, master_secret_arn)
    _psql(instance, database, master, "ANALYZE;")


def _master(instance: Instance, secret_arn: str) -> dict[str, str]:
    """Return username and password of the target's administrator."""
    answer = instance.client("secretsmanager").get_secret_value(SecretId=secret_arn)
    found: dict[str, str] = json.loads(answer["SecretString"])
    return found


def _roles(cursor: Any) -> tuple[list[tuple[str, bool, str | None]], list[tuple[str, str]]]:
    """Return the source's own roles (name, whether it logs in, verifier) and who is a member of whom."""
    ours = [OPERATOR, REPLICATION]
    cursor.execute(
        """SELECT rolname, rolcanlogin, rolpassword FROM pg_authid
        WHERE rolname !~ '^pg_' AND NOT rolsuper AND rolname <> ALL(%s) ORDER BY rolname""",
        (ours,),
    )
    roles = list(cursor.fetchall())
    cursor.execute(
        """SELECT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members
        WHERE pg_get_userbyid(member) <> ALL(%s) AND pg_get_userbyid(roleid) !~ '^pg_'""",
        (ours,),
    )
    return roles, list(cursor.fetchall())


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


def _carry_schema(instance: Instance, database: str, master: dict[str, str]) -> None:
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


def _psql(instance: Instance, database: str, master: dict[str, str], text: str) -> None:
    """Run SQL on the target as its administrator, who is no superuser, as on RDS."""
    env = instance.target.environment(database) | {
        "PGUSER": master["username"],
        "PGPASSWORD": master["password"],
        "PGOPTIONS": "-c default_transaction_read_only=off",
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
