"""The source as the migration finds it on premises: the two roles it is given there, and their secrets on AWS."""

import json
from typing import Any

import psycopg2.extensions
from psycopg2 import sql

from sandbox.databases.server import new_password
from sandbox.instance import Instance

OPERATOR, REPLICATION = "migration_operator", "dms_replication"
# What each role is granted, as docs/getting-started.md asks of a real source; to write is for the way back.
OPERATOR_GROUPS = ("pg_signal_backend", "pg_read_all_stats")
EVERY_TABLE = ("pg_read_all_data", "pg_write_all_data")
READ_CONTROL = """ALTER DEFAULT PRIVILEGES FOR ROLE {dms} GRANT USAGE ON SCHEMAS TO {me};
ALTER DEFAULT PRIVILEGES FOR ROLE {dms} GRANT SELECT ON TABLES TO {me}"""
"""Lets the operator read DMS's control tables where nothing lets it read every table."""
KNOWS_EVERY_TABLE, KNOWS_SETTINGS = 14, 15
"""From these major versions on there are such roles, and a right to set what only superusers could."""


def prepare(instance: Instance, database: str, region: str) -> dict[str, str]:
    """Make the operator's and DMS's role on the source, store their credentials, and return the secrets' ARNs.

    They are stored in the stack's region: the program refuses those of another.
    """
    passwords = {OPERATOR: new_password(), REPLICATION: new_password()}
    with instance.source.superuser(database) as connection, connection.cursor() as cursor:
        make_role(cursor, OPERATOR, passwords[OPERATOR], "BYPASSRLS")
        make_role(cursor, REPLICATION, passwords[REPLICATION], "REPLICATION")
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
        owner, version = cursor.fetchone()[0], int(instance.source.version)
        tables = EVERY_TABLE if version >= KNOWS_EVERY_TABLE else _owners(cursor)
        for role, groups in ((OPERATOR, {*OPERATOR_GROUPS, owner, *tables}), (REPLICATION, {*tables})):
            for group in sorted(groups):
                cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role)))
        if version < KNOWS_EVERY_TABLE:
            cursor.execute(sql.SQL(READ_CONTROL).format(dms=sql.Identifier(REPLICATION), me=sql.Identifier(OPERATOR)))
        silence = "GRANT SET ON PARAMETER session_replication_role TO {}"
        if version < KNOWS_SETTINGS:
            silence = "ALTER ROLE {} SUPERUSER"
        cursor.execute(sql.SQL(silence).format(sql.Identifier(REPLICATION)))
    client = instance.client("secretsmanager", region)
    arns = {}
    for purpose, role in (("operator", OPERATOR), ("replication", REPLICATION)):
        fields = {
            "engine": "postgres",
            "host": instance.source.address,
            "port": instance.source.port,
            "dbname": database,
            "username": role,
            "password": passwords[role],
        }
        answer = client.create_secret(Name=f"migration/source/{purpose}", SecretString=json.dumps(fields))
        arns[purpose] = answer["ARN"]
    return arns


def schemas(instance: Instance, database: str) -> list[str]:
    """Return the schemas of the source that hold tables."""
    with instance.source.superuser(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1"""
        )
        return [row[0] for row in cursor.fetchall()] or ["public"]


def _owners(cursor: Any) -> tuple[str, ...]:
    """Return who owns tables and sequences."""
    cursor.execute(
        """SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'S')
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"""
    )
    return tuple(row[0] for row in cursor.fetchall())


def make_role(cursor: Any, role: str, password: str, attributes: str = "") -> None:
    """Make a login role. The password goes as a SCRAM verifier, which no log can give away."""
    verifier = psycopg2.extensions.encrypt_password(password, role, cursor.connection, "scram-sha-256")
    statement = sql.SQL("CREATE ROLE {} LOGIN " + attributes + " PASSWORD {}")
    cursor.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))
