"""The part of a server that a database needs though it lies outside: roles, memberships, settings, its own grants.

Described as `handlers.adapters.postgres_ddl` describes the rest. PostgreSQL's and RDS's own roles are on every server,
and superusers stay where they are.
"""

from collections.abc import Sequence

from handlers.adapters.postgres import Database
from handlers.core.catalogue import Thing

APPLICATION = "rolname !~ '^(pg|rds)_' AND rolname <> 'rdsadmin' AND NOT rolsuper AND rolname <> ALL(%(ours)s)"
MEMBERS = "x.rolname !~ '^(pg|rds)_' AND x.rolname <> 'rdsadmin' AND NOT x.rolsuper AND x.rolname <> ALL(%(ours)s)"
LISTS = "'search_path', 'session_preload_libraries', 'local_preload_libraries', 'temp_tablespaces'"
"""Settings that hold names which are quoted one by one already."""

_ROLES = f"""SELECT v.kind, v.owner, v.name, v.text FROM pg_roles
    CROSS JOIN LATERAL (
        SELECT 'role', '', quote_ident(rolname), concat_ws(' ',
            CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
            CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
            CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
            CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
            'CONNECTION LIMIT ' || rolconnlimit,
            'VALID UNTIL ' || quote_literal(coalesce(rolvaliduntil, 'infinity')::text))
        UNION ALL SELECT 'role attribute', quote_ident(rolname), a, '' FROM unnest(ARRAY[
            CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN rolreplication THEN 'REPLICATION' END]) a
            WHERE a IS NOT NULL
    ) AS v (kind, owner, name, text) WHERE {APPLICATION}"""  # noqa: S608 - constants alone

_MEMBERSHIPS = f"""SELECT 'membership', quote_ident(g.rolname), quote_ident(x.rolname),
    CASE WHEN bool_or(a.admin_option) THEN ' WITH ADMIN OPTION' ELSE '' END
    FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles x ON x.oid = a.member
    WHERE {MEMBERS} AND g.rolname !~ '^rds_' AND NOT g.rolsuper AND g.rolname <> ALL(%(ours)s)
    GROUP BY g.rolname, x.rolname"""  # noqa: S608

# The fence's own setting is the switchover's.
_SETTINGS = f"""SELECT 'setting', CASE WHEN x.oid IS NULL THEN 'DATABASE ' || quote_ident(%(database)s)
        WHEN d.oid IS NULL THEN 'ROLE ' || quote_ident(x.rolname)
        ELSE format('ROLE %%I IN DATABASE %%I', x.rolname, %(database)s) END, s.name,
    CASE WHEN s.name IN ({LISTS}) THEN s.value ELSE quote_literal(s.value) END
    FROM pg_db_role_setting r
    CROSS JOIN LATERAL (SELECT split_part(c, '=', 1), substr(c, strpos(c, '=') + 1) FROM unnest(r.setconfig) c)
        AS s (name, value)
    LEFT JOIN pg_roles x ON x.oid = r.setrole LEFT JOIN pg_database d ON d.oid = r.setdatabase
    WHERE (r.setdatabase = 0 OR d.datname = current_database()) AND (r.setrole = 0 OR {MEMBERS})
    AND NOT (r.setrole = 0 AND s.name = 'default_transaction_read_only')"""  # noqa: S608

# Who may connect is the fence's as well. The owner of the database may do what others are granted, and belongs to whom
# PostgreSQL 15 and later give the schema public to; on the target the administrator owns it.
_DATABASE = f"""SELECT 'grant', 'DATABASE ' || quote_ident(%(database)s),
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(x.rolname) END,
    string_agg(g.privilege_type || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', '
    ORDER BY g.privilege_type)
    FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g
    LEFT JOIN pg_roles x ON x.oid = g.grantee
    WHERE d.datname = current_database() AND g.privilege_type <> 'CONNECT'
    AND (g.grantee = 0 OR {MEMBERS}) GROUP BY g.grantee, x.rolname"""  # noqa: S608

_PUBLIC = f"""SELECT 'grant', 'SCHEMA public', quote_ident(x.rolname), 'CREATE, USAGE'
    FROM pg_database d JOIN pg_roles x ON x.oid = d.datdba
    JOIN pg_namespace n ON n.nspname = 'public'
    JOIN pg_roles o ON o.oid = n.nspowner AND o.rolname = 'pg_database_owner'
    WHERE d.datname = current_database() AND {MEMBERS}"""  # noqa: S608

_OWNERS = """SELECT DISTINCT quote_ident(n.nspname), quote_ident(o.rolname) FROM pg_namespace n JOIN (
    SELECT relnamespace AS schema, relowner AS owner FROM pg_class
    UNION SELECT pronamespace, proowner FROM pg_proc UNION SELECT typnamespace, typowner FROM pg_type
    UNION SELECT oprnamespace, oprowner FROM pg_operator UNION SELECT collnamespace, collowner FROM pg_collation
    UNION SELECT cfgnamespace, cfgowner FROM pg_ts_config UNION SELECT dictnamespace, dictowner FROM pg_ts_dict
    UNION SELECT stxnamespace, stxowner FROM pg_statistic_ext UNION SELECT opcnamespace, opcowner FROM pg_opclass
    ) AS held ON held.schema = n.oid JOIN pg_roles o ON o.oid = held.owner
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT o.rolsuper AND o.oid <> n.nspowner
    AND o.rolname <> ALL(%(ours)s) ORDER BY 1, 2"""


def describe(database: Database, ours: Sequence[str], called: str) -> list[Thing]:
    """Return the roles of the application with all that is theirs outside the database's schemas.

    `called` is the name that the database goes by: the target's on both sides.
    """
    args = {"ours": list(ours), "database": called}
    queries = (_ROLES, _MEMBERSHIPS, _SETTINGS, _DATABASE, _PUBLIC)
    return [Thing(*row) for query in queries for row in database.rows(query, args)]


def superusers(database: Database) -> list[str]:
    """Return the superusers, quoted: on RDS nobody can be one."""
    return [row[0] for row in database.rows("SELECT quote_ident(rolname) FROM pg_roles WHERE rolsuper")]


def guests(database: Database, ours: Sequence[str]) -> list[tuple[str, str]]:
    """Return schema and role of those who own something in a schema that is another's, both quoted."""
    return [(schema, role) for schema, role in database.rows(_OWNERS, {"ours": list(ours)})]


def verifiers(database: Database, ours: Sequence[str]) -> dict[str, str]:
    """Return the password verifiers of the application's roles, by quoted name. Empty but for a superuser."""
    [(superuser,)] = database.rows("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if not superuser:
        return {}
    query = f"SELECT quote_ident(rolname), rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL AND {APPLICATION}"  # noqa: S608
    return dict(database.rows(query, {"ours": list(ours)}))
