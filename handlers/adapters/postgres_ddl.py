"""A PostgreSQL database described from its catalogs, for comparing it with another.

Needs PostgreSQL 12 or later, and no right but to log in. Every query yields the fields of a Thing, its table as schema
and name. The server has to write names with their schema: `handlers.adapters.postgres_session` opens such sessions.
"""
# ruff: noqa: S608 - constants alone make up the queries

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from handlers.adapters.postgres_ddl_rest import REST
from handlers.core.catalogue import Thing
from handlers.core.comparison import Table

CONTROL_SCHEMAS = ("information_schema", "migration_control", "awsdms_control")
"""Schemas that hold nothing of the application."""
EXTENSION = "SELECT FROM pg_depend d WHERE d.classid = '{0}'::regclass AND d.objid = {1}.oid AND d.deptype = 'e'"
SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname <> ALL(%(foreign)s)"
# DMS puts tables, a function and an event trigger of its own beside the application's.
RELATIONS = f"""pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {SCHEMAS}
    AND c.relpersistence <> 't' AND c.relname !~ '^awsdms_' AND NOT EXISTS ({EXTENSION.format("pg_class", "c")})"""
NAME = "format('%%I.%%I', n.nspname, c.relname)"

_TABLES = f"""SELECT CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END, '', {NAME},
    concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
        (SELECT CASE WHEN c.relispartition THEN 'PARTITION OF ' ELSE 'INHERITS ' END || string_agg(
            format('%%I.%%I', pn.nspname, p.relname), ', ' ORDER BY i.inhseqno)
            FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
            WHERE i.inhrelid = c.oid),
        pg_get_expr(c.relpartbound, c.oid),
        'PARTITION BY ' || pg_get_partkeydef(c.oid),
        (SELECT 'WITH (' || string_agg(o, ', ' ORDER BY o) || ')' FROM unnest(c.reloptions) o)),
    n.nspname, c.relname, 'pg_class'::regclass::oid, c.oid
    FROM {RELATIONS} WHERE c.relkind IN ('r', 'p', 'f')"""

_COLUMNS = f"""SELECT v.kind, {NAME}, quote_ident(a.attname), v.text, n.nspname, c.relname, 0::oid, 0::oid
    FROM {RELATIONS} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef e ON e.adrelid = c.oid AND e.adnum = a.attnum
    CROSS JOIN LATERAL (VALUES
        ('column', format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> t.typcollation
            THEN (SELECT format(' COLLATE %%I.%%I', cn.nspname, l.collname) FROM pg_collation l
                JOIN pg_namespace cn ON cn.oid = l.collnamespace WHERE l.oid = a.attcollation) ELSE '' END),
        ('not null', CASE WHEN a.attnotnull THEN '' END),
        ('storage', CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN'
            WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
        ('identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END),
        ('default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(e.adbin, e.adrelid) END),
        ('generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(e.adbin, e.adrelid)
            || CASE a.attgenerated WHEN 's' THEN ' STORED' ELSE ' VIRTUAL' END END)
    ) AS v (kind, text) WHERE v.text IS NOT NULL AND c.relkind IN ('r', 'p', 'f')"""

# A partition's part of a foreign key has a name that its server gives; newer servers list what is not null as well.
_CONSTRAINTS = f"""SELECT CASE o.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, {NAME},
    quote_ident(o.conname), pg_get_constraintdef(o.oid), n.nspname, c.relname, 'pg_constraint'::regclass::oid, o.oid
    FROM {RELATIONS} JOIN pg_constraint o ON o.conrelid = c.oid
    WHERE o.contype IN ('c', 'p', 'u', 'x', 'f') AND NOT (o.contype = 'f' AND o.conparentid <> 0)"""

_INDEXES = f"""SELECT 'index', {NAME}, format('%%I.%%I', n.nspname, x.relname), pg_get_indexdef(x.oid)
    || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
    || (SELECT coalesce(string_agg(format(' STATISTICS %%s %%s', s.attnum, s.attstattarget), '' ORDER BY s.attnum), '')
        FROM pg_attribute s WHERE s.attrelid = x.oid AND s.attstattarget > 0),
    n.nspname, c.relname, 'pg_class'::regclass::oid, x.oid
    FROM {RELATIONS} JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
    WHERE c.relkind IN ('r', 'p', 'm')
    AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = x.oid AND o.contype IN ('p', 'u', 'x'))"""

# A partition's copy of its table's trigger passes for an internal one before 15.
_ASKED_FOR = """(NOT t.tgisinternal OR t.tgconstraint = 0 AND EXISTS (SELECT FROM pg_depend d
    WHERE (d.classid, d.objid) = ('pg_trigger'::regclass, t.oid) AND d.refclassid = 'pg_trigger'::regclass
    AND d.deptype = 'P'))"""
_TRIGGERS = f"""SELECT v.kind, {NAME}, quote_ident(t.tgname), v.text, n.nspname, c.relname,
    CASE v.kind WHEN 'trigger' THEN 'pg_trigger'::regclass::oid ELSE 0 END,
    CASE v.kind WHEN 'trigger' THEN t.oid ELSE 0 END
    FROM {RELATIONS} JOIN pg_trigger t ON t.tgrelid = c.oid AND {_ASKED_FOR} AND t.tgname !~ '^awsdms_'
    CROSS JOIN LATERAL (VALUES ('trigger', pg_get_triggerdef(t.oid)), ('firing', CASE t.tgenabled
        WHEN 'O' THEN 'ENABLE' WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END)
    ) AS v (kind, text)"""

_ROW_SECURITY = f"""SELECT v.kind, {NAME}, v.name, v.text, n.nspname, c.relname, v.catalog::oid, v.oid::oid
    FROM {RELATIONS}
    CROSS JOIN LATERAL (
        SELECT 'row security', '', CASE WHEN c.relforcerowsecurity THEN 'FORCE' ELSE 'ENABLE' END, 0::oid, 0::oid
            WHERE c.relrowsecurity
        UNION ALL SELECT 'policy', quote_ident(p.polname), concat_ws(' ',
            CASE WHEN p.polpermissive THEN 'AS PERMISSIVE' ELSE 'AS RESTRICTIVE' END,
            'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
            'TO ' || (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', '
                ORDER BY pg_get_userbyid(r)) FROM unnest(p.polroles) r),
            'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
            'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), 'pg_policy'::regclass::oid, p.oid
            FROM pg_policy p WHERE p.polrelid = c.oid
    ) AS v (kind, name, text, catalog, oid) WHERE c.relkind IN ('r', 'p')"""

_REPLICA_IDENTITY = f"""SELECT 'replica identity', {NAME}, '', CASE c.relreplident WHEN 'f' THEN 'FULL'
    WHEN 'n' THEN 'NOTHING' ELSE 'USING INDEX ' || (SELECT quote_ident(x.relname) FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) END,
    n.nspname, c.relname, 0::oid, 0::oid FROM {RELATIONS} WHERE c.relkind IN ('r', 'p') AND c.relreplident <> 'd'"""

_RULES = f"""SELECT 'rule', {NAME}, quote_ident(r.rulename), pg_get_ruledef(r.oid)
    || CASE r.ev_enabled WHEN 'O' THEN '' ELSE ' (' || r.ev_enabled::text || ')' END,
    n.nspname, c.relname, 'pg_rewrite'::regclass::oid, r.oid
    FROM {RELATIONS} JOIN pg_rewrite r ON r.ev_class = c.oid AND r.rulename <> '_RETURN'"""

_STATISTICS = f"""SELECT 'statistics', {NAME}, s.stxoid::text, pg_get_statisticsobjdef(s.oid), n.nspname, c.relname,
    'pg_statistic_ext'::regclass::oid, s.oid
    FROM {RELATIONS} JOIN (SELECT oid, stxrelid, format('%%s.%%I', stxnamespace::regnamespace, stxname) AS stxoid
    FROM pg_statistic_ext) s ON s.stxrelid = c.oid"""

_OWNED = """o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refclassid = 'pg_class'::regclass
    AND o.deptype IN ('a', 'i')"""
_SEQUENCES = f"""SELECT 'sequence', '', {NAME},
    format('AS %%s INCREMENT %%s MINVALUE %%s MAXVALUE %%s START %%s CACHE %%s%%s',
    format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
    CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
    || CASE WHEN t.oid IS NULL THEN '' ELSE format(' OWNED BY %%I.%%I.%%I', tn.nspname, t.relname, a.attname) END,
    tn.nspname, t.relname, 'pg_class'::regclass::oid, c.oid FROM {RELATIONS} JOIN pg_sequence s ON s.seqrelid = c.oid
    LEFT JOIN pg_depend o ON {_OWNED} LEFT JOIN pg_class t ON t.oid = o.refobjid
    LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.refobjsubid"""

_VIEWS = f"""SELECT CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, '', {NAME},
    (SELECT coalesce('WITH (' || string_agg(o, ', ' ORDER BY o) || ') ', '') FROM unnest(c.reloptions) o)
    || pg_get_viewdef(c.oid), NULL, NULL, 'pg_class'::regclass::oid, c.oid
    FROM {RELATIONS} WHERE c.relkind IN ('v', 'm')"""

_PRIVILEGES = """string_agg(g.privilege_type || {column}
    || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
    ', ' ORDER BY g.privilege_type, {column})"""
_GRANTEE = "CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END"
_KIND = "CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END"
_TABLE = "CASE WHEN c.relkind IN ('r', 'p', 'f') THEN {} END"

_GRANTS = f"""SELECT 'grant', {_KIND} || {NAME}, {_GRANTEE}, {_PRIVILEGES.format(column="''")},
    {_TABLE.format("n.nspname")}, {_TABLE.format("c.relname")}, 0::oid, 0::oid
    FROM {RELATIONS} CROSS JOIN LATERAL aclexplode(c.relacl) g
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND g.grantee <> c.relowner AND {{others}}
    GROUP BY c.oid, c.relkind, n.nspname, c.relname, g.grantee
    UNION ALL SELECT 'column grant', 'TABLE ' || {NAME}, {_GRANTEE},
    {_PRIVILEGES.format(column="' (' || quote_ident(a.attname) || ')'")},
    {_TABLE.format("n.nspname")}, {_TABLE.format("c.relname")}, 0::oid, 0::oid
    FROM {RELATIONS} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    CROSS JOIN LATERAL aclexplode(a.attacl) g WHERE g.grantee <> c.relowner AND {{others}}
    GROUP BY c.oid, c.relkind, n.nspname, c.relname, g.grantee"""
_OTHERS = "pg_get_userbyid(g.grantee) <> ALL(%(ours)s)"

_OWNERS = f"""SELECT 'owner', CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' WHEN 'v' THEN 'VIEW '
    WHEN 'f' THEN 'FOREIGN TABLE '
    WHEN 'm' THEN 'MATERIALIZED VIEW ' ELSE 'TABLE ' END || {NAME}, '', quote_ident(pg_get_userbyid(c.relowner)),
    {_TABLE.format("n.nspname")}, {_TABLE.format("c.relname")}, 0::oid, 0::oid
    FROM {RELATIONS} WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
    OR c.relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend o WHERE {_OWNED})"""

QUERIES = (
    *(_TABLES, _COLUMNS, _CONSTRAINTS, _INDEXES, _TRIGGERS, _ROW_SECURITY, _REPLICA_IDENTITY, _RULES, _STATISTICS),
    *(_SEQUENCES, _VIEWS, _GRANTS.format(others=_OTHERS), _OWNERS, *REST),
)


class Asked(Protocol):
    """What is asked of a database."""

    def rows(self, query: str, args: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""


def describe(database: Asked, ours: Sequence[str] = ()) -> list[Thing]:
    """Return everything that the application's part of a database is made of, in no order.

    What is granted to the roles `ours`, the migration's own, is left out.
    """
    return list(_things(database, QUERIES, {"foreign": list(CONTROL_SCHEMAS), "ours": list(ours)}))


def _things(database: Asked, queries: Iterable[str], args: Mapping[str, Any]) -> Iterator[Thing]:
    for query in queries:
        for kind, on, name, text, schema, table, catalog, oid in database.rows(query, args):
            yield Thing(kind, on, name, text, Table(schema, table) if table else None, (catalog, oid))
