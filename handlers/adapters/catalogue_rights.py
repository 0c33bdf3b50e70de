"""Facts of roles, and of what the migration's own two roles may do."""

# ruff: noqa: S608 - what is put into queries are constants and quoted names

from handlers.adapters.catalogue_server import Hidden
from handlers.adapters.catalogue_tables import FOREIGN, OURS, TABLES
from handlers.adapters.postgres import Database
from handlers.adapters.postgres_contents import NOT_OF_AN_EXTENSION, USER_SCHEMAS
from handlers.core import sql
from handlers.preflight.facts import Rights, Role, Roles

NOT_THE_SERVER_S = "!~ '^(pg_|rds)'"
Lacking = tuple[tuple[str, str], ...]

GRANTS = f"""
    SELECT c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END AS kind, c.relowner AS owner,
        CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || format('%%I.%%I', n.nspname, c.relname) AS what
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relpersistence <> 't' AND {USER_SCHEMAS} AND {OURS}
    AND {NOT_OF_AN_EXTENSION}
    UNION ALL
    SELECT p.proacl, 'f', p.proowner, CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END
        || format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE {USER_SCHEMAS} AND p.proname !~ '^awsdms_'
    AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
    UNION ALL
    SELECT n.nspacl, 'n', n.nspowner, 'SCHEMA ' || quote_ident(n.nspname) FROM pg_namespace n WHERE {USER_SCHEMAS}
"""
DEFAULTS = """
    SELECT pg_get_userbyid(a.defaclrole)::text, coalesce(r.rolname::text, ''),
        'ALTER DEFAULT PRIVILEGES FOR ROLE ' || quote_ident(pg_get_userbyid(a.defaclrole))
            || coalesce(' IN SCHEMA ' || quote_ident(n.nspname), '') || ' GRANT ' || e.privilege_type || ' ON '
            || CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END
            || ' TO ' || coalesce(quote_ident(r.rolname), 'PUBLIC') || ';'
    FROM pg_default_acl a CROSS JOIN aclexplode(a.defaclacl) e LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace
    LEFT JOIN pg_roles r ON r.oid = e.grantee WHERE e.grantee <> a.defaclrole
"""


def roles(database: Database) -> Roles:
    """Return the roles, what is set for them, and what they were granted."""
    found = database.rows(
        f"""SELECT rolname::text, rolcanlogin, rolsuper, rolreplication, rolbypassrls FROM pg_roles
        WHERE rolname {NOT_THE_SERVER_S} ORDER BY 1"""
    )
    members = database.rows(
        f"""SELECT g.rolname::text, m.rolname::text FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid
        JOIN pg_roles m ON m.oid = a.member WHERE m.rolname {NOT_THE_SERVER_S} AND g.rolname !~ '^rds'"""
    )
    settings = database.rows(
        f"""SELECT coalesce(r.rolname::text, ''), split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
        FROM pg_db_role_setting d CROSS JOIN unnest(d.setconfig) s LEFT JOIN pg_roles r ON r.oid = d.setrole
        WHERE d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND coalesce(r.rolname, '') {NOT_THE_SERVER_S} AND (d.setrole <> 0 OR d.setdatabase <> 0)"""
    )
    grants = database.rows(
        f"""SELECT DISTINCT coalesce(r.rolname::text, ''), e.privilege_type, g.what FROM ({GRANTS}) g
        CROSS JOIN aclexplode(coalesce(g.relacl, acldefault(g.kind::"char", g.owner))) e
        LEFT JOIN pg_roles r ON r.oid = e.grantee
        WHERE e.grantee <> g.owner AND coalesce(r.rolname, '') {NOT_THE_SERVER_S}""",
        FOREIGN,
    )
    defaults = database.rows(DEFAULTS)
    return Roles(
        all=tuple(Role(*row) for row in found),
        members=frozenset(members),
        settings=frozenset(settings),
        grants=frozenset(grants),
        defaults=frozenset(defaults),
    )


def rights(database: Database, replication: str) -> Rights:
    """Return what the operator, who is connected, and DMS's role lack here. Raises Hidden where DMS's is missing."""
    if not database.rows("SELECT 1 FROM pg_roles WHERE rolname = %(role)s", {"role": replication}):
        raise Hidden(f"there is no role {replication}: run the prepare function", "")
    return Rights(
        operator=database.role,
        replication=replication,
        to_fence=_to_fence(database),
        to_read_log=_to_read_log(database, replication),
        to_read_rows=_on_tables(database, replication, ("SELECT",)),
        to_write_rows=(
            *_on_tables(database, replication, ("INSERT", "UPDATE", "DELETE")),
            *_to_write(database, replication),
        ),
        to_set_sequences=_to_set_sequences(database),
        to_see_all_rows=(*_to_see_all_rows(database, database.role), *_to_see_all_rows(database, replication)),
    )


def _to_fence(database: Database) -> Lacking:
    me = sql.name(database.role)
    [(owner, owns, creates)] = database.rows(
        """SELECT pg_get_userbyid(datdba)::text, pg_has_role(datdba, 'USAGE'),
        has_database_privilege(current_database(), 'CREATE') FROM pg_database WHERE datname = current_database()"""
    )
    found = database.rows(
        """SELECT g FROM unnest(ARRAY['pg_signal_backend', 'pg_read_all_stats']) g WHERE NOT pg_has_role(g, 'USAGE')"""
    )
    lacking = []
    if not owns:
        lacking.append((f"to close the database, which belongs to {owner}", f"GRANT {sql.name(owner)} TO {me};"))
    if not creates:
        where = sql.name(database.name)
        lacking.append(("to make the schema migration_control", f"GRANT CREATE ON DATABASE {where} TO {me};"))
    return (*lacking, *((f"membership in {group}", f"GRANT {group} TO {me};") for (group,) in found))


def _to_read_log(database: Database, role: str) -> Lacking:
    [(allowed, rds)] = database.rows(
        """SELECT bool_or(rolsuper OR rolreplication OR rolname = 'rds_replication'),
        EXISTS (SELECT FROM pg_roles WHERE rolname = 'rdsadmin') FROM pg_roles
        WHERE rolname IN (%(role)s, 'rds_replication') AND pg_has_role(%(role)s, oid, 'MEMBER')""",
        {"role": role},
    )
    if allowed:
        return ()
    name = sql.name(role)
    return (
        (f"REPLICATION for {role}", f"GRANT rds_replication TO {name};" if rds else f"ALTER ROLE {name} REPLICATION;"),
    )


def _on_tables(database: Database, role: str, wanted: tuple[str, ...]) -> Lacking:
    """Return which of the rights `wanted` a role lacks on which tables, and on their schemas."""
    args = {**FOREIGN, "role": role, "wanted": list(wanted)}
    schemas = database.rows(
        f"""SELECT DISTINCT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {TABLES} AND NOT has_schema_privilege(%(role)s, n.oid, 'USAGE') ORDER BY 1""",
        args,
    )
    tables = database.rows(
        f"""SELECT format('%%I.%%I', n.nspname, c.relname), string_agg(w, ', ') FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN unnest(%(wanted)s::text[]) w
        WHERE {TABLES} AND c.relkind = 'r' AND NOT has_table_privilege(%(role)s, c.oid, w) GROUP BY 1 ORDER BY 1""",
        args,
    )
    name = sql.name(role)
    return (
        *((f"USAGE on schema {schema}", f"GRANT USAGE ON SCHEMA {schema} TO {name};") for (schema,) in schemas),
        *((f"{rights} on {table}", f"GRANT {rights} ON {table} TO {name};") for table, rights in tables),
    )


def _to_write(database: Database, role: str) -> Lacking:
    """Return what a role lacks to write as DMS does, beside rights on tables."""
    name, where = sql.name(role), sql.name(database.name)
    [(version, superuser, creates, read_only)] = database.rows(
        """SELECT current_setting('server_version_num')::int,
        (SELECT coalesce(bool_or(rolsuper OR rolname = 'rds_superuser'), false) FROM pg_roles
            WHERE rolname IN (%(role)s, 'rds_superuser') AND pg_has_role(%(role)s, oid, 'MEMBER')),
        has_database_privilege(%(role)s, current_database(), 'CREATE'),
        EXISTS (SELECT FROM pg_db_role_setting s, pg_database d WHERE d.datname = current_database()
            AND s.setdatabase = d.oid AND s.setrole = 0 AND 'default_transaction_read_only=on' = ANY(s.setconfig))
        AND NOT EXISTS (SELECT FROM pg_db_role_setting s, pg_roles r WHERE r.rolname = %(role)s AND s.setrole = r.oid
            AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
            AND 'default_transaction_read_only=off' = ANY(s.setconfig))""",
        {"role": role},
    )
    silences = superuser
    if not silences and version >= 150000:
        [(silences,)] = database.rows(
            "SELECT has_parameter_privilege(%(role)s, 'session_replication_role', 'SET')", {"role": role}
        )
    lacking = []
    if not silences:
        silence = f"GRANT SET ON PARAMETER session_replication_role TO {name};"
        lacking.append(
            ("to set session_replication_role", silence if version >= 150000 else f"ALTER ROLE {name} SUPERUSER;")
        )
    if not creates:
        lacking.append(("to make DMS's control schema", f"GRANT CREATE ON DATABASE {where} TO {name};"))
    if read_only:
        statement = f"ALTER ROLE {name} IN DATABASE {where} SET default_transaction_read_only = off;"
        lacking.append(("to write to a database that is closed", statement))
    return tuple(lacking)


def _to_set_sequences(database: Database) -> Lacking:
    found = database.rows(
        f"""SELECT format('%%I.%%I', n.nspname, c.relname), quote_ident(n.nspname),
        has_schema_privilege(n.oid, 'USAGE') FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND {USER_SCHEMAS} AND {OURS}
        AND {NOT_OF_AN_EXTENSION} AND NOT (has_schema_privilege(n.oid, 'USAGE')
        AND has_sequence_privilege(c.oid, 'UPDATE')) ORDER BY 1""",
        FOREIGN,
    )
    me = sql.name(database.role)
    return tuple(
        (
            f"UPDATE on sequence {name}",
            ("" if usage else f"GRANT USAGE ON SCHEMA {schema} TO {me}; ")
            + f"GRANT UPDATE ON SEQUENCE {name} TO {me};",
        )
        for name, schema, usage in found
    )


def _to_see_all_rows(database: Database, role: str) -> Lacking:
    found = database.rows(
        f"""SELECT format('%%s.%%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {TABLES} AND c.relrowsecurity
        AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %(role)s)
        AND (c.relforcerowsecurity OR NOT pg_has_role(%(role)s, c.relowner, 'USAGE')) ORDER BY 1""",
        {**FOREIGN, "role": role},
    )
    return tuple((f"all rows of {table} for {role}", f"ALTER ROLE {sql.name(role)} BYPASSRLS;") for (table,) in found)
