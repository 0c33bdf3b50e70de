"""Facts of tables, columns, sequences and the sizes of large values."""

# ruff: noqa: S608 - what is put into queries are constants and quoted names

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import psycopg2

from handlers.adapters.catalogue_server import Hidden
from handlers.adapters.postgres import Database
from handlers.adapters.postgres_contents import NOT_OF_AN_EXTENSION, USER_SCHEMAS
from handlers.core import sql
from handlers.core.comparison import Table
from handlers.core.names import FOREIGN_SCHEMAS
from handlers.preflight.facts import Counter, Counters, Field, Fields, Lob, Lobs, Relation, Relations

OURS = "c.relname !~ '^awsdms_'"
TABLES = (
    f"c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {USER_SCHEMAS} AND {OURS} AND {NOT_OF_AN_EXTENSION}"
)
FOREIGN = {"foreign": list(FOREIGN_SCHEMAS)}
WIDE = frozenset({"text", "citext", "varchar", "bpchar", "json", "jsonb", "hstore"})
"""Documents of characters: DMS counts two bytes for each, four where one needs four."""
NARROW = frozenset({"xml", "tsvector", "tsquery", "path", "polygon"})
SHORT = 8192
"""Below so many characters no one looks which kind they are: the larger size is assumed, and is small."""


def relations(database: Database) -> Relations:
    """Return every table of the application."""
    found = database.rows(
        f"""SELECT n.nspname, c.relname, c.relkind::text, c.relpersistence = 'u', c.relreplident::text,
        coalesce(k.columns, '{{}}'), coalesce(k.deferrable, false), coalesce(u.words, ''), c.relrowsecurity,
        c.relforcerowsecurity, c.relispartition, EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid),
        greatest(c.reltuples, 0)::bigint,
        CASE c.relkind WHEN 'r' THEN pg_relation_size(c.oid)
            + CASE c.reltoastrelid WHEN 0 THEN 0 ELSE pg_relation_size(c.reltoastrelid) END ELSE 0 END,
        coalesce(pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid), 0),
        pg_get_userbyid(c.relowner)::text, coalesce(s.bounds, '{{}}')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN LATERAL (
            SELECT array_agg(a.attname::text ORDER BY p.place) AS columns, NOT i.indimmediate AS deferrable
            FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS p (attnum, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.attnum
            WHERE i.indrelid = c.oid AND i.indisprimary AND p.place <= i.indnkeyatts GROUP BY i.indimmediate
        ) k ON true
        LEFT JOIN LATERAL (
            SELECT CASE WHEN EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid)
                THEN '(' || string_agg(quote_ident(a.attname), ', ' ORDER BY p.place) || ')'
                ELSE 'USING INDEX ' || quote_ident(x.relname) END AS words
            FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS p (attnum, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.attnum
            WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL AND p.place <= i.indnkeyatts
            AND 0 = ALL (i.indoption::int[])
            GROUP BY i.indexrelid, x.relname HAVING bool_and(a.attnotnull) ORDER BY x.relname LIMIT 1
        ) u ON true
        LEFT JOIN LATERAL (
            SELECT s.histogram_bounds::text::bigint[]::text[] AS bounds FROM pg_stats s JOIN pg_attribute a
            ON a.attrelid = c.oid AND a.attname = s.attname AND a.atttypid IN ('int4'::regtype, 'int8'::regtype)
            WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited
            AND k.columns = ARRAY[s.attname::text] AND c.relkind = 'r'
        ) s ON true
        WHERE {TABLES} ORDER BY n.nspname, c.relname""",
        FOREIGN,
    )
    return Relations(tuple(_relation(*row) for row in found))


def _relation(schema: str, name: str, *values: Any) -> Relation:
    (
        kind,
        unlogged,
        identity,
        key,
        deferrable,
        candidate,
        secured,
        forced,
        partition,
        inherits,
        *numbers,
        owner,
        bounds,
    ) = values
    rows, size, changes = (int(number) for number in numbers)
    return Relation(
        table=Table(schema, name),
        kind=kind,
        unlogged=unlogged,
        identity=identity,
        key=tuple(key),
        key_deferrable=deferrable,
        candidate=candidate,
        row_security=secured,
        forced=forced,
        partition=partition,
        inherits=inherits,
        rows=rows,
        bytes=size,
        changes=changes,
        owner=owner,
        bounds=tuple(bounds),
    )


def fields(database: Database) -> Fields:
    """Return every column. Widths and infinite dates are as of the last ANALYZE, of columns the role may read."""
    found = database.rows(
        f"""WITH RECURSIVE bases AS (
            SELECT t.oid, t.oid AS base, -1 AS modifier FROM pg_type t WHERE t.typtype <> 'd'
            UNION ALL
            SELECT t.oid, b.base, greatest(t.typtypmod, b.modifier) FROM pg_type t JOIN bases b ON b.oid = t.typbasetype
            WHERE t.typtype = 'd'
        )
        SELECT n.nspname, c.relname, a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text,
        t.typcategory = 'A', t.typtype = 'c', a.atttypmod <> -1 OR b.modifier <> -1,
        a.attgenerated::text, a.attidentity::text, coalesce(l.collname::text, ''),
        coalesce(s.avg_width, 0), coalesce(t.typname IN ('date', 'timestamp', 'timestamptz') AND
            (s.histogram_bounds::text ~ 'infinity' OR s.most_common_vals::text ~ 'infinity'), false)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN bases b ON b.oid = a.atttypid JOIN pg_type t ON t.oid = b.base
        LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.collname <> 'default'
        LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
            AND NOT s.inherited
        WHERE {TABLES} ORDER BY n.nspname, c.relname, a.attnum""",
        FOREIGN,
    )
    return Fields(tuple(Field(Table(schema, table), *values) for schema, table, *values in found))


def counters(database: Database) -> Counters:
    """Return every sequence. Raises Hidden where the role may not read how far one is."""
    found = database.rows(
        f"""SELECT n.nspname, c.relname, q.last_value, q.increment_by, q.min_value,
        least(q.max_value, CASE t.typname WHEN 'int2' THEN 32767 WHEN 'int4' THEN 2147483647 ELSE q.max_value END),
        CASE WHEN a.attname IS NULL THEN '' ELSE format('%%I.%%I.%%I', ns.nspname, tc.relname, a.attname) END,
        has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT, USAGE')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_sequences q ON q.schemaname = n.nspname AND q.sequencename = c.relname
        LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
            AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
        LEFT JOIN pg_class tc ON tc.oid = d.refobjid LEFT JOIN pg_namespace ns ON ns.oid = tc.relnamespace
        LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        LEFT JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {USER_SCHEMAS} AND {OURS} AND {NOT_OF_AN_EXTENSION}
        ORDER BY 1, 2""",
        FOREIGN,
    )
    hidden = [sql.name(schema, name) for schema, name, *_, readable in found if not readable]
    if hidden:
        raise Hidden(
            f"{database.role} may not read the sequences {', '.join(hidden)}",
            f"GRANT SELECT ON SEQUENCE {', '.join(hidden)} TO {sql.name(database.role)};",
        )
    return Counters(tuple(Counter(*row[:7]) for row in found))


def is_lob(column: Field) -> bool:
    """Say whether DMS takes a column for a large object."""
    if column.array or column.composite:
        return True
    if column.base in ("varchar", "bpchar"):
        return not column.bounded
    return column.base in WIDE | NARROW | {"bytea"}


def lobs(database: Database, columns: Fields, seconds: float) -> Lobs:
    """Return how large large objects get: measured for so many seconds, small tables first, then by the average."""
    by_table: dict[Table, list[Field]] = defaultdict(list)
    for column in columns.all:
        if is_lob(column) and not column.generated:
            by_table[column.table].append(column)
    with database.reading():
        sizes = database.rows(
            """SELECT w.schema, w.name, pg_total_relation_size(c.oid), has_schema_privilege(n.oid, 'USAGE')
            AND has_table_privilege(c.oid, 'SELECT')
            FROM unnest(%(schemas)s::text[], %(names)s::text[]) w (schema, name)
            JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
            WHERE c.relkind = 'r'""",
            {"schemas": [t.schema for t in by_table], "names": [t.name for t in by_table]},
        )
    until = time.monotonic() + seconds
    found: list[Lob] = []
    for schema, name, _, readable in sorted(sizes, key=lambda row: row[2]):
        table = Table(schema, name)
        left = until - time.monotonic()
        found += _measured(database, table, by_table[table], left) if readable else _unread(table, by_table[table])
    return Lobs(tuple(sorted(found, key=lambda lob: (lob.table, lob.column))))


def _unread(table: Table, columns: Sequence[Field]) -> list[Lob]:
    return [Lob(table, column.name, 0, "unread") for column in columns]


def _measured(database: Database, table: Table, columns: Sequence[Field], seconds: float) -> list[Lob]:
    """Return the largest values of a table in one scan, or the averages where there is no time for one."""
    largest = ", ".join(f"coalesce(max({_bytes(column)}), 0)" for column in columns)
    try:
        if seconds <= 0:
            raise psycopg2.errors.QueryCanceled
        with database.reading(seconds):
            [sizes] = database.rows(f"SELECT {largest} FROM ONLY {sql.name(table.schema, table.name)}")
    except psycopg2.errors.QueryCanceled:
        return [Lob(table, column.name, 2 * column.width, "average") for column in columns]
    return [Lob(table, column.name, int(size)) for column, size in zip(columns, sizes, strict=True)]


def _bytes(column: Field) -> str:
    """Return the expression for how many bytes DMS needs for a value."""
    value = sql.name(column.name)
    if column.base == "bytea" and not column.array:
        return f"octet_length({value})"
    text = f"{value}::text"
    if column.base in NARROW and not column.array:
        return f"octet_length({text})"
    return (
        f"char_length({text}) * CASE WHEN octet_length({text}) = char_length({text}) THEN 2 "
        f"WHEN char_length({text}) <= {SHORT} OR {text} ~ '[\\U00010000-\\U0010FFFF]' THEN 4 ELSE 2 END"
    )
