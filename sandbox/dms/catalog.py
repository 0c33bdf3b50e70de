"""What the databases hold: tables with their keys and columns, as the endpoint's own user sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from sandbox.dms.sides import Session

SYSTEM_SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


@dataclass(frozen=True)
class Column:
    """A column.

    `type` is as SQL writes it, `plain` the same without the user's own types: what DMS creates a column with. `base` is
    the name of its type or of its domain's; `kind` and `category` are pg_type's. `bounded` says whether a length or
    precision was declared.
    """

    name: str
    number: int
    type: str
    plain: str
    base: str
    kind: str
    category: str
    bounded: bool
    generated: bool

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return self.category == "A"


@dataclass(frozen=True)
class Table:
    """A table that holds rows itself. `identified` says whether the log tells which row an update or delete met."""

    schema: str
    name: str
    oid: int
    logged: bool
    identified: bool
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def id(self) -> tuple[str, str]:
        """Schema and name."""
        return (self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def sql(self) -> sql.Identifier:
        """Return its quoted name."""
        return sql.Identifier(self.schema, self.name)


def tables(session: Session) -> list[Table]:
    """Return every ordinary table and leaf partition outside the system's schemas."""
    found = session.rows(
        f"""SELECT n.nspname, c.relname, c.oid, c.relpersistence = 'p',
        c.relreplident IN ('f', 'i') OR (c.relreplident = 'd' AND k.indexrelid IS NOT NULL),
        coalesce((SELECT array_agg(a.attname::text ORDER BY u.place)
                  FROM unnest(k.indkey) WITH ORDINALITY u(number, place)
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number), '{{}}')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_index k ON k.indrelid = c.oid AND k.indisprimary AND k.indimmediate
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {SYSTEM_SCHEMAS}
        ORDER BY n.nspname, c.relname"""  # noqa: S608 - constants only
    )
    columns = _columns(session, [row[2] for row in found])
    return [
        Table(schema, name, oid, logged, identified, tuple(key), tuple(columns.get(oid, [])))
        for schema, name, oid, logged, identified, key in found
    ]


def _columns(session: Session, oids: Sequence[int]) -> dict[int, list[Column]]:
    found = session.rows(
        """SELECT a.attrelid, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),
        CASE t.typtype WHEN 'e' THEN 'character varying(64)' WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
                       ELSE format_type(a.atttypid, a.atttypmod) END,
        b.typname, t.typtype, b.typcategory,
        a.atttypmod <> -1 OR (t.typtype = 'd' AND t.typtypmod <> -1), a.attgenerated <> ''
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
        WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum""",
        (list(oids),),
    )
    columns: dict[int, list[Column]] = {}
    for oid, *rest in found:
        columns.setdefault(oid, []).append(Column(*rest))
    return columns
