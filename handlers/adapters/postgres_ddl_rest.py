"""The part of a database's description that belongs to no table. The queries yield what those of `postgres_ddl` do."""
# ruff: noqa: S608 - constants alone make up the queries

SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname <> ALL(%(foreign)s)"
FIRST_OF_USERS = 16384
"""Objects below it were there before anybody could make one."""
_GRANTEE = "CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END"
_PRIVILEGES = """string_agg(g.privilege_type || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', '
    ORDER BY g.privilege_type)"""


def _own(catalog: str, alias: str) -> str:
    """Return the condition that an object is no extension's."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalog}'::regclass "
        f"AND d.objid = {alias}.oid AND d.deptype = 'e')"
    )


def _none(catalog: str, alias: str) -> str:
    """Return the end of the fields of what goes with no table."""
    return f"NULL, NULL, '{catalog}'::regclass::oid, {alias}.oid"


_SCHEMAS = f"""SELECT 'schema', '', quote_ident(n.nspname), '', {_none("pg_namespace", "n")}
    FROM pg_namespace n WHERE {SCHEMAS} AND {_own("pg_namespace", "n")}
    UNION ALL SELECT 'owner', 'SCHEMA ' || quote_ident(n.nspname), '', quote_ident(pg_get_userbyid(n.nspowner)),
    NULL, NULL, 0::oid, 0::oid FROM pg_namespace n WHERE {SCHEMAS} AND {_own("pg_namespace", "n")}
    AND n.nspname <> 'public'
    UNION ALL SELECT 'grant', 'SCHEMA ' || quote_ident(n.nspname), {_GRANTEE}, {_PRIVILEGES}, NULL, NULL, 0::oid, 0::oid
    FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) g
    WHERE {SCHEMAS} AND {_own("pg_namespace", "n")} AND g.grantee <> n.nspowner
    AND pg_get_userbyid(g.grantee) <> ALL(%(ours)s) GROUP BY n.nspname, g.grantee"""

_EXTENSIONS = f"""SELECT v.kind, '', quote_ident(e.extname), v.text, {_none("pg_extension", "e")} FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    CROSS JOIN LATERAL (VALUES ('extension', quote_ident(n.nspname)), ('extension version', e.extversion))
        AS v (kind, text)
    WHERE e.oid >= {FIRST_OF_USERS}"""

_TYPES = f"""SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, '', format('%%I.%%I', n.nspname, t.typname),
    CASE t.typtype
    WHEN 'e' THEN 'ENUM (' || coalesce((SELECT string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
        FROM pg_enum l WHERE l.enumtypid = t.oid), '') || ')'
    WHEN 'c' THEN '(' || coalesce((SELECT string_agg(quote_ident(a.attname) || ' '
        || format_type(a.atttypid, a.atttypmod), ', '
        ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
        AND NOT a.attisdropped), '') || ')'
    WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod), 'DEFAULT ' || t.typdefault,
        CASE WHEN t.typnotnull THEN 'NOT NULL' END, (SELECT string_agg(format('CONSTRAINT %%I %%s', o.conname,
        pg_get_constraintdef(o.oid)), ' ' ORDER BY o.conname) FROM pg_constraint o
        WHERE o.contypid = t.oid AND o.contype = 'c'))
    WHEN 'r' THEN (SELECT 'RANGE OF ' || format_type(r.rngsubtype, NULL)
        || coalesce(' CANONICAL ' || nullif(r.rngcanonical, 0)::regprocedure::text, '')
        || coalesce(' DIFFERENCE ' || nullif(r.rngsubdiff, 0)::regprocedure::text, '')
        FROM pg_range r WHERE r.rngtypid = t.oid)
    ELSE 'BASE ' || t.typinput::regprocedure::text END, {_none("pg_type", "t")}
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE {SCHEMAS} AND {_own("pg_type", "t")} AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c'
    OR t.typtype = 'b' AND t.typcategory <> 'A')
    UNION ALL SELECT 'owner', 'TYPE ' || format('%%I.%%I', n.nspname, t.typname), '',
    quote_ident(pg_get_userbyid(t.typowner)), NULL, NULL, 0::oid, 0::oid
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE {SCHEMAS} AND {_own("pg_type", "t")} AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
    UNION ALL SELECT 'grant', 'TYPE ' || format('%%I.%%I', n.nspname, t.typname), {_GRANTEE}, {_PRIVILEGES},
    NULL, NULL, 0::oid, 0::oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    CROSS JOIN LATERAL aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) g
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE {SCHEMAS} AND {_own("pg_type", "t")} AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
    AND g.grantee <> t.typowner AND pg_get_userbyid(g.grantee) <> ALL(%(ours)s)
    GROUP BY n.nspname, t.typname, g.grantee"""

_PROC = "CASE p.prokind WHEN 'a' THEN 'AGGREGATE ' WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END"
_FUNCTIONS_OF = f"""pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND {SCHEMAS} AND p.proname !~ '^awsdms_'
    AND {_own("pg_proc", "p")}
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
        AND d.deptype = 'i')"""
# A range type makes functions by itself: they are internal to it, and so are those of its multirange.
_FUNCTIONS = f"""SELECT CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END, '',
    p.oid::regprocedure::text, CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
    (SELECT concat_ws(' ', 'RETURNS', format_type(p.prorettype, NULL), 'SFUNC', a.aggtransfn::regprocedure, 'STYPE',
        format_type(a.aggtranstype, NULL), 'FINALFUNC', nullif(a.aggfinalfn, 0)::regprocedure, 'COMBINEFUNC',
        nullif(a.aggcombinefn, 0)::regprocedure, 'INITCOND', quote_literal(a.agginitval), 'SORTOP',
        nullif(a.aggsortop, 0)::regoperator, 'MSFUNC', nullif(a.aggmtransfn, 0)::regprocedure, a.aggkind, p.proparallel)
        FROM pg_aggregate a WHERE a.aggfnoid = p.oid) END, {_none("pg_proc", "p")} FROM {_FUNCTIONS_OF}
    UNION ALL SELECT 'owner', {_PROC} || p.oid::regprocedure::text, '', quote_ident(pg_get_userbyid(p.proowner)),
    NULL, NULL, 0::oid, 0::oid FROM {_FUNCTIONS_OF}
    UNION ALL SELECT 'grant', CASE p.prokind
    WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::regprocedure::text,
    {_GRANTEE}, {_PRIVILEGES}, NULL, NULL, 0::oid, 0::oid FROM {_FUNCTIONS_OF}
    CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
    WHERE g.grantee <> p.proowner AND pg_get_userbyid(g.grantee) <> ALL(%(ours)s)
    GROUP BY p.oid, p.prokind, g.grantee"""

_DEFAULT_PRIVILEGES = f"""SELECT 'default privileges', 'FOR ROLE ' || quote_ident(pg_get_userbyid(a.defaclrole))
    || coalesce(' IN SCHEMA ' || quote_ident(n.nspname), ''), CASE a.defaclobjtype WHEN 'r' THEN 'TABLES'
    WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'OTHERS' END,
    (SELECT coalesce(string_agg(line, '; ' ORDER BY line), 'nobody') FROM (SELECT {_PRIVILEGES} || ' TO ' || {_GRANTEE}
        AS line FROM aclexplode(a.defaclacl) g WHERE g.grantee <> a.defaclrole
        AND pg_get_userbyid(g.grantee) <> ALL(%(ours)s) GROUP BY g.grantee) lines),
    {_none("pg_default_acl", "a")} FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace
    WHERE (n.oid IS NULL OR {SCHEMAS}) AND pg_get_userbyid(a.defaclrole) <> ALL(%(ours)s)"""

_EVENT_TRIGGERS = f"""SELECT 'event trigger', '', quote_ident(t.evtname), concat_ws(' ', 'ON', t.evtevent,
    'WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag) FROM unnest(t.evttags) tag) || ')',
    'EXECUTE FUNCTION ' || t.evtfoid::regprocedure::text,
    CASE t.evtenabled WHEN 'O' THEN NULL WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA'
        ELSE 'ENABLE ALWAYS' END),
    {_none("pg_event_trigger", "t")} FROM pg_event_trigger t
    WHERE {_own("pg_event_trigger", "t")} AND t.evtname !~ '^awsdms_'"""

_OPERATORS = f"""SELECT 'operator', '', o.oid::regoperator::text, concat_ws(' ', o.oprcode::regprocedure, 'COMMUTATOR',
    nullif(o.oprcom, 0)::regoperator, 'NEGATOR', nullif(o.oprnegate, 0)::regoperator, 'RESTRICT',
    nullif(o.oprrest::oid, 0)::regprocedure, 'JOIN', nullif(o.oprjoin::oid, 0)::regprocedure,
    CASE WHEN o.oprcanmerge THEN 'MERGES' END, CASE WHEN o.oprcanhash THEN 'HASHES' END), {_none("pg_operator", "o")}
    FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {SCHEMAS} AND {_own("pg_operator", "o")}"""

_TEXT_SEARCH = f"""SELECT 'text search configuration', '', format('%%I.%%I', n.nspname, c.cfgname), (SELECT p.prsname
    || coalesce(' ' || (SELECT string_agg(format('%%s: %%s', m.maptokentype, m.mapdict::regdictionary), ', '
        ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = c.oid), '')
    FROM pg_ts_parser p WHERE p.oid = c.cfgparser), {_none("pg_ts_config", "c")}
    FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace WHERE {SCHEMAS} AND {_own("pg_ts_config", "c")}
    UNION ALL SELECT 'text search dictionary', '', format('%%I.%%I', n.nspname, c.dictname),
    concat_ws(' ', (SELECT tmplname FROM pg_ts_template t WHERE t.oid = c.dicttemplate), c.dictinitoption),
    {_none("pg_ts_dict", "c")}
    FROM pg_ts_dict c JOIN pg_namespace n ON n.oid = c.dictnamespace WHERE {SCHEMAS} AND {_own("pg_ts_dict", "c")}"""

# What is rare is known by its name alone: collations, conversions, casts, operator classes and families, languages,
# wrappers, servers. What a range type makes by itself, from 14 on a cast to its multirange, is no object of its own.
_RARE = " UNION ALL ".join(
    f"""SELECT i.type, '', i.identity, '', {_none(catalog, "o")} FROM {catalog} o
    CROSS JOIN LATERAL pg_identify_object('{catalog}'::regclass, o.oid, 0) i
    WHERE o.oid >= {FIRST_OF_USERS} AND {_own(catalog, "o")} AND i.schema IS DISTINCT FROM 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid) = ('{catalog}'::regclass, o.oid)
        AND d.deptype = 'i')"""
    for catalog in (
        *("pg_collation", "pg_conversion", "pg_cast", "pg_opclass", "pg_opfamily", "pg_language"),
        *("pg_foreign_data_wrapper", "pg_foreign_server"),
    )
)

_RARE_OWNERS = " UNION ALL ".join(
    f"""SELECT 'owner', replace(upper(i.type), 'STATISTICS OBJECT', 'STATISTICS') || ' ' || i.identity, '',
    quote_ident(pg_get_userbyid(o.{owner})), NULL, NULL, 0::oid, 0::oid FROM {catalog} o
    CROSS JOIN LATERAL pg_identify_object('{catalog}'::regclass, o.oid, 0) i
    WHERE o.oid >= {FIRST_OF_USERS} AND {_own(catalog, "o")} AND i.schema IS DISTINCT FROM 'information_schema'"""
    for catalog, owner in {
        "pg_operator": "oprowner",
        "pg_collation": "collowner",
        "pg_conversion": "conowner",
        "pg_opclass": "opcowner",
        "pg_opfamily": "opfowner",
        "pg_ts_config": "cfgowner",
        "pg_ts_dict": "dictowner",
        "pg_statistic_ext": "stxowner",
        "pg_foreign_server": "srvowner",
    }.items()
)

_COMMENTS = f"""SELECT 'comment', CASE i.type WHEN 'table column' THEN 'COLUMN'
    WHEN 'table constraint' THEN 'CONSTRAINT'
    WHEN 'domain constraint' THEN 'CONSTRAINT' ELSE upper(i.type) END
    || ' ' || CASE i.type WHEN 'domain constraint' THEN replace(i.identity, ' on ', ' ON DOMAIN ') ELSE i.identity END,
    '', quote_literal(d.description), n.nspname, c.relname, 0::oid, 0::oid FROM pg_description d
    CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    LEFT JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid AND c.relkind IN ('r', 'p', 'f')
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE d.objoid >= {FIRST_OF_USERS} AND i.type <> 'extension'
    AND i.identity !~ '(^|[ .])("?awsdms_|migration_control\\.)'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')"""

REST = (
    *(_SCHEMAS, _EXTENSIONS, _TYPES, _FUNCTIONS, _DEFAULT_PRIVILEGES, _EVENT_TRIGGERS, _OPERATORS, _TEXT_SEARCH),
    *(_RARE, _RARE_OWNERS, _COMMENTS),
)
"""One query for each kind of what belongs to no table."""
