"""Facts of what hangs on tables: triggers, constraints, indexes, views, functions and types."""

# ruff: noqa: S608 - what is put into queries are constants and quoted names

from handlers.adapters.catalogue_tables import FOREIGN, OURS, TABLES
from handlers.adapters.postgres import Database
from handlers.adapters.postgres_contents import USER_SCHEMAS
from handlers.core.comparison import Table
from handlers.preflight.facts import Objects, Structure, Trigger

OF_TABLES = f"JOIN pg_class c ON c.oid = {{}} JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {TABLES}"


def _free(catalogue: str, alias: str) -> str:
    """Return the condition that an object is no extension's."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalogue}'::regclass "
        f"AND d.objid = {alias}.oid AND d.deptype = 'e')"
    )


KINDS = {
    "table": f"""SELECT format('%%s.%%s', n.nspname, c.relname), concat(c.relkind, c.relpersistence, c.relreplident,
        c.relrowsecurity, c.relforcerowsecurity, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
        (SELECT string_agg(concat(a.attname, ' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attgenerated, pg_get_expr(v.adbin, v.adrelid), l.collname), ',' ORDER BY a.attnum)
            FROM pg_attribute a LEFT JOIN pg_attrdef v ON v.adrelid = a.attrelid AND v.adnum = a.attnum
            LEFT JOIN pg_collation l ON l.oid = a.attcollation
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {TABLES}""",
    "sequence": f"""SELECT format('%%s.%%s', n.nspname, c.relname), concat_ws(' ', s.seqtypid::regtype, s.seqincrement,
        s.seqmin, s.seqmax, s.seqcycle) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_sequence s ON s.seqrelid = c.oid
        WHERE c.relpersistence <> 't' AND {USER_SCHEMAS} AND {OURS} AND {_free("pg_class", "c")}""",
    "index": f"""SELECT format('%%s.%%s', n.nspname, x.relname), pg_get_indexdef(x.oid) FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid {OF_TABLES.format("i.indrelid")}""",
    "constraint": f"""SELECT format('%%s.%%s.%%s', n.nspname, c.relname, o.conname), pg_get_constraintdef(o.oid)
        FROM pg_constraint o {OF_TABLES.format("o.conrelid")} AND o.contype <> 'n'""",
    "trigger": f"""SELECT format('%%s.%%s.%%s', n.nspname, c.relname, t.tgname),
        concat(t.tgenabled, pg_get_triggerdef(t.oid))
        FROM pg_trigger t {OF_TABLES.format("t.tgrelid")} AND NOT t.tgisinternal AND t.tgname !~ '^awsdms_'""",
    "policy": f"""SELECT format('%%s.%%s.%%s', n.nspname, c.relname, p.polname), concat(p.polcmd, p.polpermissive,
        p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
        FROM pg_policy p {OF_TABLES.format("p.polrelid")}""",
    "statistics": f"""SELECT format('%%s.%%s', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
        FROM pg_statistic_ext s {OF_TABLES.format("s.stxrelid")}""",
    "view": f"""SELECT format('%%s.%%s', n.nspname, c.relname), pg_get_viewdef(c.oid) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND {USER_SCHEMAS} AND {_free("pg_class", "c")}""",
    "function": f"""SELECT format('%%s.%%s(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
        concat(p.prosrc, p.prokind, p.provolatile, p.proisstrict, p.prosecdef, p.proconfig, p.prorettype::regtype)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {USER_SCHEMAS} AND p.proname !~ '^awsdms_' AND {_free("pg_proc", "p")}""",
    "type": f"""SELECT format('%%s.%%s', n.nspname, t.typname), concat(t.typtype,
        (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
        format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
        (SELECT string_agg(pg_get_constraintdef(o.oid), ',' ORDER BY o.conname) FROM pg_constraint o
            WHERE o.contypid = t.oid),
        (SELECT string_agg(concat(a.attname, format_type(a.atttypid, a.atttypmod)), ',' ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_class r ON r.oid = t.typrelid
        WHERE {USER_SCHEMAS} AND (t.typtype IN ('e', 'd', 'r') OR r.relkind = 'c') AND {_free("pg_type", "t")}""",
}
"""By kind, the query for names and definitions. Not-null constraints are the columns': only 18 gives them names."""


def objects(database: Database) -> Objects:
    """Return every object of the application's schemas with a hash of its definition, in one round trip."""
    parts = [
        f"SELECT '{kind} ' || name, left(md5(definition), 8) FROM ({query}) AS {kind}_ (name, definition)"
        for kind, query in KINDS.items()
    ]
    return Objects(dict(database.rows(" UNION ALL ".join(parts), FOREIGN)))


def structure(database: Database) -> Structure:
    """Return what hangs on tables and is not as it seems."""
    triggers = database.rows(
        f"""SELECT n.nspname, c.relname, t.tgname::text, t.tgenabled::text FROM pg_trigger t
        {OF_TABLES.format("t.tgrelid")} AND NOT t.tgisinternal AND t.tgname !~ '^awsdms_' ORDER BY 1, 2, 3""",
        FOREIGN,
    )
    events = database.rows(
        f"""SELECT evtname::text FROM pg_event_trigger t WHERE evtenabled <> 'D' AND evtname !~ '^awsdms_'
        AND {_free("pg_event_trigger", "t")} ORDER BY 1"""
    )
    unvalidated = database.rows(
        f"""SELECT n.nspname, c.relname, o.conname::text FROM pg_constraint o {OF_TABLES.format("o.conrelid")}
        AND NOT o.convalidated AND coalesce(to_jsonb(o) ->> 'conenforced', 'true') = 'true' ORDER BY 1, 2, 3""",
        FOREIGN,
    )
    broken = database.rows(
        f"""SELECT format('%%I.%%I', n.nspname, x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        {OF_TABLES.format("i.indrelid")} AND NOT i.indisvalid AND x.relkind = 'i' ORDER BY 1""",
        FOREIGN,
    )
    coalesced = database.rows(
        f"""SELECT format('%%s.%%s', n.nspname, x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        {OF_TABLES.format("i.indrelid")} AND i.indisunique AND i.indexprs IS NOT NULL
        AND pg_get_indexdef(x.oid) ~* 'coalesce\\(' ORDER BY 1""",
        FOREIGN,
    )
    maintain = "OR has_table_privilege(c.oid, 'MAINTAIN')" if database.version >= 170000 else ""
    not_ours = database.rows(
        f"""SELECT format('%%s.%%s', n.nspname, c.relname), pg_get_userbyid(c.relowner)::text FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND {USER_SCHEMAS}
        AND {_free("pg_class", "c")} AND NOT (pg_has_role(c.relowner, 'USAGE') {maintain}) ORDER BY 1""",
        FOREIGN,
    )
    rules = database.rows(
        f"""SELECT n.nspname, c.relname, w.rulename::text FROM pg_rewrite w {OF_TABLES.format("w.ev_class")}
        AND w.ev_enabled IN ('A', 'R') ORDER BY 1, 2, 3""",
        FOREIGN,
    )
    [(large,)] = database.rows("SELECT count(*) FROM pg_largeobject_metadata")
    return Structure(
        triggers=tuple(Trigger(Table(schema, table), name, enabled) for schema, table, name, enabled in triggers),
        event_triggers=tuple(row[0] for row in events),
        unvalidated=tuple((Table(schema, table), name) for schema, table, name in unvalidated),
        broken_indexes=tuple(row[0] for row in broken),
        coalesce_indexes=tuple(row[0] for row in coalesced),
        not_ours_to_refresh=tuple(not_ours),
        large_objects=int(large),
        rules_always=tuple((Table(schema, table), name) for schema, table, name in rules),
    )
