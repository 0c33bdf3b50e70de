"""Facts of the server, of what reads its log, and of who is connected."""

from handlers.adapters.postgres import Database
from handlers.adapters.postgres_access import OF_AWS
from handlers.preflight.facts import Client, Clients, Extensions, Server, Slot, Stream

SETTINGS = (
    *("wal_level", "max_replication_slots", "max_wal_senders", "wal_sender_timeout", "max_slot_wal_keep_size"),
    *("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout", "max_connections"),
    *("max_prepared_transactions", "max_locks_per_transaction", "TimeZone", "DateStyle", "IntervalStyle"),
    *("bytea_output", "standard_conforming_strings", "array_nulls", "default_transaction_isolation", "search_path"),
    *("xmloption", "transform_null_equals", "extra_float_digits", "lc_monetary", "lc_numeric", "lc_time"),
    *("default_text_search_config", "check_function_bodies"),
)
OURS = ("statement_timeout",)
"""Settings that our own session changes: what is set for all stands in the catalogue of roles' settings."""


class Hidden(Exception):
    """The role would be shown less than there is. The message says what it lacks, `remedy` is the SQL that gives it."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


def server(database: Database) -> Server:
    """Return the server and this database on it."""
    [(version, name, identity, owner, encoding, row, size, rds)] = database.rows(
        """SELECT current_setting('server_version_num')::int, d.datname,
        CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
            THEN (SELECT system_identifier::text FROM pg_control_system()) ELSE '' END,
        pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), to_jsonb(d), pg_database_size(d.oid),
        EXISTS (SELECT FROM pg_roles WHERE rolname = 'rdsadmin')
        FROM pg_database d WHERE d.datname = current_database()"""
    )
    provider = row.get("datlocprovider", "c")
    now = ""
    if version >= 150000:
        [(now,)] = database.rows(
            "SELECT coalesce(pg_database_collation_actual_version(oid), '') FROM pg_database "
            "WHERE datname = current_database()"
        )
    settings = database.rows(
        "SELECT name, reset_val FROM pg_settings WHERE name = ANY(%(names)s) AND name <> ALL(%(ours)s)",
        {"names": list(SETTINGS), "ours": list(OURS)},
    )
    locale = row.get("datlocale") or row.get("daticulocale") or row["datcollate"]
    return Server(
        version=version,
        database=name,
        identity=identity,
        owner=owner,
        encoding=encoding,
        collation=locale,
        character_type=locale if provider != "c" else row["datctype"],
        provider=provider,
        collation_version=row.get("datcollversion") or "",
        collation_now=now,
        bytes=int(size),
        rds=rds,
        settings=dict(settings),
    )


def extensions(database: Database) -> Extensions:
    """Return what is installed here and what could be."""
    installed = database.rows(
        "SELECT e.extname, e.extversion, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
    )
    available = dict(database.rows("SELECT name, default_version FROM pg_available_extensions"))
    schemas = frozenset(name for (name,) in database.rows("SELECT nspname FROM pg_namespace"))
    versions = {name: version for name, version, _ in installed}
    return Extensions(versions, available, {name: place for name, _, place in installed}, schemas)


def see_everybody(database: Database) -> None:
    """Raise Hidden unless the role sees what others do: without the right their columns are null, without an error."""
    if not database.rows("SELECT pg_has_role('pg_read_all_stats', 'USAGE')")[0][0]:
        raise Hidden(
            f"{database.role} is not a member of pg_read_all_stats: it sees its own sessions only",
            f"GRANT pg_read_all_stats TO {database.role};",
        )


def stream(database: Database) -> Stream:
    """Return what reads the log and what holds it up."""
    see_everybody(database)
    slots = database.rows(
        """SELECT slot_name::text, slot_type = 'logical', active,
        coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint,
        coalesce(database = current_database(), false) FROM pg_replication_slots ORDER BY 1"""
    )
    prepared = database.rows(
        "SELECT gid, owner::text FROM pg_prepared_xacts WHERE database = current_database() ORDER BY 1"
    )
    long = database.rows(
        """SELECT pid, usename::text, extract(epoch FROM clock_timestamp() - xact_start)::int FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        AND xact_start IS NOT NULL ORDER BY xact_start"""
    )
    # DMS has none; what stands in for it elsewhere names its own as DMS names its tables.
    subscriptions = database.rows(
        """SELECT subname::text FROM pg_subscription WHERE subenabled AND subname !~ '^awsdms'
        AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1"""
    )
    return Stream(
        slots=tuple(Slot(*row) for row in slots),
        senders=int(database.rows("SELECT count(*) FROM pg_stat_replication")[0][0]),
        prepared=tuple(prepared),
        long=tuple(long),
        subscriptions=tuple(row[0] for row in subscriptions),
    )


def clients(database: Database) -> Clients:
    """Return who is connected, alike sessions in one line."""
    see_everybody(database)
    found = database.rows(
        """SELECT a.usename::text, coalesce(host(a.client_addr), 'a local socket'), a.application_name, r.rolsuper,
        count(*)::int FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
        WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
        AND a.usename <> ALL(%(of_aws)s) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3""",
        {"of_aws": list(OF_AWS)},
    )
    return Clients(tuple(Client(*row) for row in found))
