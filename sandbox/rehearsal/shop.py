"""The default source: a web shop with a bit of everything that real PostgreSQL databases hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg2.errors import DuplicateDatabase
from psycopg2.extensions import encrypt_password

from handlers.core import sql
from sandbox.databases import ServerInfo
from sandbox.databases.server import new_password
from sandbox.errors import SandboxError

DATABASE = "shop"
OWNER, APPLICATION, REPORT = "shop_owner", "shop_app", "shop_report"
ROWS = 300_000
SCRIPT = Path(__file__).with_name("shop.sql")


def new_passwords() -> dict[str, str]:
    """Return a password for each of the shop's roles."""
    return {role: new_password() for role in (OWNER, APPLICATION, REPORT)}


def create(server: ServerInfo, rows: int, seed: int, passwords: Mapping[str, str]) -> int:
    """Create the shop's roles and its database with about `rows` rows, and return how many there are.

    The same `rows` and `seed` always give the same rows. `passwords` maps roles to passwords: the owner and the
    application must have one, the read-only role can log in only if it has one. Raises SandboxError if the server has
    such a database already.
    """
    with server.superuser() as connection, connection.cursor() as cursor:
        _make_roles(cursor, passwords)
        try:
            cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        except DuplicateDatabase:
            raise SandboxError(f"{server.name} has a database {DATABASE} already: start from a fresh server") from None
    with server.superuser(DATABASE) as connection:
        _build(connection, rows, seed)
        return count_rows(connection)


def move_in(connection: Any, rows: int, seed: int, passwords: Mapping[str, str], member: str) -> int:
    """Create the shop as `create` does, in the database that an autocommit `connection` is open to.

    Its role owns the database and needs CREATEROLE, no more. The role `member` may then do what the application may.
    """
    with connection.cursor() as cursor:
        _make_roles(cursor, passwords)
        cursor.execute("SELECT current_database()")
        database = sql.name(cursor.fetchone()[0])
        cursor.execute(f"GRANT {OWNER} TO CURRENT_USER")
        cursor.execute(f"GRANT CREATE ON DATABASE {database} TO {OWNER}")
        cursor.execute(f"GRANT CREATE ON SCHEMA public TO {OWNER}")
        cursor.execute(f"GRANT {APPLICATION} TO {sql.name(member)}")
    _build(connection, rows, seed)
    return count_rows(connection)


def count_rows(connection: Any) -> int:
    """Return the exact number of rows in all user tables of the database that an autocommit `connection` is open to."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
            AND n.nspname <> 'information_schema'"""
        )
        tables = cursor.fetchall()
        total = 0
        for schema, table in tables:
            cursor.execute(f"SELECT count(*) FROM ONLY {sql.name(schema, table)}")  # noqa: S608 - quoted names
            total += cursor.fetchone()[0]
    return total


def _make_roles(cursor: Any, passwords: Mapping[str, str]) -> None:
    for role in (OWNER, APPLICATION, REPORT):
        _make_role(cursor, role, passwords.get(role) if role == REPORT else passwords[role])
    cursor.execute(f"ALTER ROLE {REPORT} SET default_transaction_read_only = on")


def _build(connection: Any, rows: int, seed: int) -> None:
    """Make everything that is in the shop, as its owner."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {OWNER}")
        cursor.execute("SELECT set_config('shop.rows', %s, false)", (str(rows),))
        cursor.execute("SELECT set_config('shop.seed', %s, false)", (str(seed),))
        cursor.execute("SET work_mem = '64MB'; SET maintenance_work_mem = '256MB'")  # the shop is built, not served
        cursor.execute(SCRIPT.read_text(encoding="utf-8"))
        cursor.execute("RESET ROLE")


def _make_role(cursor: Any, role: str, password: str | None) -> None:
    """Make a role or change it. The server gets a SCRAM verifier, so that none of its logs can hold the password."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    login = "NOLOGIN"
    if password is not None:
        login = f"LOGIN PASSWORD {sql.literal(encrypt_password(password, role, cursor.connection, 'scram-sha-256'))}"
    cursor.execute(f"{verb} ROLE {sql.name(role)} {login}")
