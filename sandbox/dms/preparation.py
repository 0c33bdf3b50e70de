"""The target's tables before a load: created with columns and key alone, emptied, or left as they are."""

from collections.abc import Mapping, Sequence

from psycopg2 import sql

from sandbox.dms.catalog import Column, Table
from sandbox.dms.limits import NUMERIC_SCALE
from sandbox.dms.sides import Session

DROP, TRUNCATE = "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD"


def prepare(
    session: Session, tables: Sequence[Table], found: Mapping[tuple[str, str], Table], mode: str, *, exact_numeric: bool
) -> None:
    """Make the target ready with the endpoint's own rights. Raises SideError where they or the tables forbid it."""
    schemas = {row[0] for row in session.rows("SELECT nspname FROM pg_namespace")}
    for table in tables:
        exists = table.id in found
        if exists and mode == TRUNCATE:
            session.rows(sql.SQL("TRUNCATE TABLE {}").format(table.sql()))
        elif exists and mode == DROP:
            session.rows(sql.SQL("DROP TABLE {}").format(table.sql()))
        if not exists or mode == DROP:
            if table.schema not in schemas:
                session.rows(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(table.schema)))
                schemas.add(table.schema)
            session.rows(creation(table, exact_numeric=exact_numeric))


def creation(table: Table, *, exact_numeric: bool) -> sql.Composable:
    """Return the statement DMS makes a table with: no default, identity, index, foreign key, check or trigger."""
    parts: list[sql.Composable] = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(_type(column, exact_numeric)))
        for column in table.columns
    ]
    if table.key:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, table.key))))
    return sql.SQL("CREATE TABLE {} ({})").format(table.sql(), sql.SQL(", ").join(parts))


def _type(column: Column, exact_numeric: bool) -> str:
    if column.base == "numeric" and not column.bounded and not column.is_array and not exact_numeric:
        return f"numeric(28,{NUMERIC_SCALE})"
    return column.plain
