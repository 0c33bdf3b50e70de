"""A PostgreSQL database as the migration needs it: catalogs read, access closed and opened, rows hashed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from handlers.adapters.postgres_readers import Readers
from handlers.adapters.waiting import CONNECT_SECONDS, GRACE_SECONDS, Limited
from handlers.config import Side
from handlers.core import sql
from handlers.core.access import Access, Role
from handlers.core.comparison import Column, Table
from handlers.core.names import CONTROL_SCHEMA, DMS_CONTROL_SCHEMA, FOREIGN_SCHEMAS
from handlers.core.record import Superseded
from handlers.core.sequences import Sequence as NumberSequence

TOKENS = sql.name(CONTROL_SCHEMA, "drain_token")
FENCE = sql.name(CONTROL_SCHEMA, "fence")
OF_AWS = ("rdsadmin",)
"""Superusers that RDS itself works with: nobody else can end their sessions, and they write nothing of ours."""
TURN = 0x6D6967
"""Key of the advisory lock under which one acts at a time."""
DECODER = "test_decoding"
"""The output plugin of the slot: DMS reads it on every PostgreSQL that RDS and Aurora offer."""
SSL_MODES = {"none": "disable", "require": "require", "verify-full": "verify-full"}

# Text must come out the same on both servers, and the operator must be able to write to a fenced database.
SESSION = {
    "default_transaction_read_only": "off",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "jit": "off",
    "row_security": "off",  # an error rather than rows that are hidden from us
}
USER_SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname <> ALL(%(foreign)s)"
NOT_OF_AN_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"


class Database(Readers):
    """An open connection of the operator's role. It commits each statement, except where a method says otherwise."""

    def __init__(self, connection: Any, name: str, role: str) -> None:
        self._connection = connection
        self.name = name
        self.role = role

    @classmethod
    def connect(
        cls,
        side: Side,
        credentials: Mapping[str, str],
        statement_seconds: float,
        authority: Path | None = None,
        session: Mapping[str, str] = SESSION,
    ) -> "Database":
        """Connect to `side`. `credentials` holds username and password; no statement may take longer than given.

        `authority` is the file with the certificates that verify-full trusts, libpq's own where it is not given.
        `session` are its settings, those that make text the same everywhere where none are given.
        """
        settings = {**session, "statement_timeout": str(int(statement_seconds * 1000))}
        connection = psycopg2.connect(
            host=side.host,
            port=side.port,
            dbname=side.database,
            user=credentials["username"],
            password=credentials["password"],
            sslmode=SSL_MODES[side.ssl_mode],
            sslrootcert=str(authority) if authority and side.ssl_mode == "verify-full" else None,
            connect_timeout=CONNECT_SECONDS,
            application_name="migration",
            connection_factory=Limited,
            options=" ".join(f"-c {key}={_escape(value)}" for key, value in settings.items()),
        )
        connection.autocommit = True
        connection.seconds = statement_seconds + GRACE_SECONDS
        return cls(connection, side.database, credentials["username"])

    @property
    def address(self) -> str | None:
        """The address that the connection was given beside the name of the host, if it was given one."""
        found: str | None = self._connection.info.dsn_parameters.get("hostaddr")
        return found

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def limit(self, seconds: float) -> None:
        """Let no statement take longer from here on, whether the server answers or not."""
        self.rows("SELECT set_config('statement_timeout', %(limit)s, false)", {"limit": f"{int(seconds * 1000)}ms"})
        self._connection.seconds = seconds + GRACE_SECONDS

    def rows(self, query: str, args: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, args)
            return list(cursor.fetchall()) if cursor.description else []

    def run(self, statements: Iterable[str]) -> None:
        """Run statements in one transaction: all of them or none."""
        with self._transaction():
            for statement in statements:
                self.rows(statement)

    def act(self, token: int, statements: Iterable[str]) -> None:
        """Run statements as `run` does, unless somebody with a later token has acted here: then raise Superseded.

        The token is kept by the same transaction: who was overtaken can't act late, however long it slept.
        """
        with self._transaction(f"SELECT pg_advisory_xact_lock({TURN})"):
            kept = self.rows(
                f"UPDATE {FENCE} SET token = %(token)s WHERE token <= %(token)s RETURNING token",  # noqa: S608
                {"token": token},
            )
            if not kept:
                raise Superseded(f"database {self.name} was acted on with a later token than {token}")
            for statement in statements:
                self.rows(statement)

    @contextmanager
    def _turn(self, token: int) -> Iterator[None]:
        """Keep everybody else from acting, for what no transaction can hold. Raises Superseded as `act` does."""
        self.rows(f"SELECT pg_advisory_lock({TURN})")
        try:
            self.act(token, [])
            yield
        finally:
            if not self._connection.closed:  # else the server has let go of it
                self.rows(f"SELECT pg_advisory_unlock({TURN})")

    @contextmanager
    def reading(self, seconds: float | None = None) -> Iterator[None]:
        """Read in one transaction that can write nothing, and in which no statement takes longer than `seconds`."""
        limit = "" if seconds is None else f"; SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}"
        waits = self._connection.seconds
        if seconds is not None:
            self._connection.seconds = seconds + GRACE_SECONDS
        try:
            with self._transaction(f"SET TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog{limit}"):
                yield
        finally:
            self._connection.seconds = waits

    @contextmanager
    def _transaction(self, first: str = "") -> Iterator[None]:
        self.rows(f"BEGIN; {first}")  # one round trip
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            if not self._connection.closed:
                self.rows("ROLLBACK")
            raise

    # Access

    def access(self) -> Access:
        """Return who holds CONNECT here and the read-only default of this database."""
        grantees = self.rows(
            """SELECT DISTINCT coalesce(r.rolname, '') FROM pg_database d,
            aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
            WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'"""
        )
        setting = self.rows(
            """SELECT split_part(s, '=', 2) FROM pg_db_role_setting r, unnest(r.setconfig) s
            WHERE r.setrole = 0 AND r.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND split_part(s, '=', 1) = 'default_transaction_read_only'"""
        )
        read_only = setting[0][0] if setting else None
        return Access(self.name, tuple(sorted(row[0] for row in grantees)), read_only)

    def login_roles(self) -> list[Role]:
        """Return every role that can log in, with whether it can connect to this database."""
        found = self.rows(
            """SELECT rolname, has_database_privilege(oid, current_database(), 'CONNECT'), rolsuper FROM pg_roles
            WHERE rolcanlogin ORDER BY rolname"""
        )
        return [Role(*row) for row in found]

    def sessions(self, spared: Sequence[str], *, superusers_only: bool = False) -> list[str]:
        """Return who is connected here but not spared, as `role from address (application)`."""
        found = self.rows(
            """SELECT a.usename, coalesce(host(a.client_addr), 'a local socket'), a.application_name
            FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
            WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
            AND a.usename <> ALL(%(spared)s) AND (r.rolsuper OR NOT %(superusers_only)s)""",
            {"spared": [*spared, *OF_AWS], "superusers_only": superusers_only},
        )
        return sorted({f"{user} from {address} ({name})" for user, address, name in found})

    def end_sessions(self, spared: Sequence[str]) -> int:
        """End every session here that is not spared and return how many there were."""
        found = self.rows(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
            AND usename <> ALL(%(spared)s)""",
            {"spared": [*spared, *OF_AWS]},
        )
        return len(found)

    def prepared_transactions(self) -> list[str]:
        """Return the global ids of transactions prepared here: they can still commit after every session has ended."""
        found = self.rows("SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY gid")
        return [row[0] for row in found]

    def long_transactions(self, seconds: float) -> list[str]:
        """Return who has held a transaction open for more than `seconds`."""
        found = self.rows(
            """SELECT format('%%s (pid %%s, %%s s)', usename, pid, extract(epoch FROM now() - xact_start)::int)
            FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
            AND pid <> pg_backend_pid() AND xact_start < now() - make_interval(secs => %(seconds)s)
            ORDER BY xact_start""",
            {"seconds": seconds},
        )
        return [row[0] for row in found]

    # Control schema and drain token

    def make_control_schema(self, readers: Sequence[str]) -> None:
        """Make the schema of the drain token and of the fence's, if it is not there.

        Both can read drain tokens; `readers` replicate them. The fence's token is the operator's alone.
        """
        grants = ", ".join(sql.name(reader) for reader in readers)
        schema = sql.name(CONTROL_SCHEMA)
        self.run(
            [
                f"CREATE SCHEMA IF NOT EXISTS {schema}",
                f"CREATE TABLE IF NOT EXISTS {TOKENS} (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())",
                f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {grants}",
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TOKENS} TO {grants}",
                f"CREATE TABLE IF NOT EXISTS {FENCE} (one boolean PRIMARY KEY CHECK (one), token bigint NOT NULL)",
                f"INSERT INTO {FENCE} VALUES (true, 0) ON CONFLICT DO NOTHING",  # noqa: S608 - constant names
            ]
        )

    def last_token(self) -> int:
        """Return the token of who acted here last, also that of a migration that was here before; 0 if nobody did."""
        return int(self.rows(f"SELECT token FROM {FENCE}")[0][0])  # noqa: S608 - a constant name

    def drop_control(self) -> None:
        """Drop what `make_control_schema` made. The schema stays while DMS keeps something of its own in it."""
        self.run([f"DROP TABLE IF EXISTS {TOKENS}", f"DROP TABLE IF EXISTS {FENCE}"])
        used = self.rows(
            """SELECT 1 FROM pg_namespace n JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass
            AND d.refobjid = n.oid WHERE n.nspname = %(schema)s""",
            {"schema": CONTROL_SCHEMA},
        )
        if not used:
            self.rows(f"DROP SCHEMA IF EXISTS {sql.name(CONTROL_SCHEMA)}")

    # The slot of the way back

    def make_slot(self, name: str, token: int) -> str:
        """Make a logical slot that DMS can read from and return the position in the log from which it keeps changes.

        Raises Superseded as `act` does.
        """
        with self._turn(token):
            found = self.rows(
                "SELECT lsn::text FROM pg_create_logical_replication_slot(%(name)s, %(plugin)s)",
                {"name": name, "plugin": DECODER},
            )
        return str(found[0][0])

    def lacks_to_keep_changes(self) -> list[str]:
        """Return what speaks against making a logical slot here: settings, rights, or no slot left."""
        [(level, used, most, allowed)] = self.rows(
            """SELECT current_setting('wal_level'), (SELECT count(*) FROM pg_replication_slots),
            current_setting('max_replication_slots')::int, (SELECT bool_or(rolsuper OR rolreplication
            OR rolname = 'rds_replication') FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')
            AND (rolname IN (current_user, 'rds_replication')))"""
        )
        problems = [] if level == "logical" else [f"wal_level is {level} where the slot has to be: set it to logical"]
        if not allowed:
            problems.append(f"{self.role} may not make a replication slot: grant it rds_replication or REPLICATION")
        if used >= most:
            problems.append(f"all {most} replication slots are taken where one more has to be: drop one that is unused")
        return problems

    def lacks_to_write(self, role: str, tables: Sequence[Table]) -> list[str]:
        """Return what `role` lacks to write to these tables as DMS does: rights, and to keep triggers from firing."""
        found = self.rows(
            """SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[]))
            AND NOT (has_schema_privilege(%(role)s, n.oid, 'USAGE')
            AND has_table_privilege(%(role)s, c.oid, 'INSERT') AND has_table_privilege(%(role)s, c.oid, 'UPDATE')
            AND has_table_privilege(%(role)s, c.oid, 'DELETE')) ORDER BY 1""",
            {"role": role, "schemas": [t.schema for t in tables], "names": [t.name for t in tables]},
        )
        problems = (
            [f"{role} may not insert, update and delete in {', '.join(row[0] for row in found)}"] if found else []
        )
        may_create = "SELECT has_database_privilege(%(role)s, current_database(), 'CREATE')"
        if not self.rows(may_create, {"role": role})[0][0]:
            problems.append(f"{role} may not make DMS's control schema: run the prepare function")
        if not self._may_silence_triggers(role):
            problems.append(f"{role} may not set session_replication_role: GRANT SET ON PARAMETER it")
        return problems

    def lacks_to_set_sequences(self) -> list[str]:
        """Return which of the application's sequences we could not set here."""
        found = self.rows(
            f"""SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND {USER_SCHEMAS}
            AND {NOT_OF_AN_EXTENSION} AND NOT (has_schema_privilege(n.oid, 'USAGE')
            AND has_sequence_privilege(c.oid, 'UPDATE')) ORDER BY 1""",  # noqa: S608 - constants only
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        return [f"{self.role} may not set the sequences {', '.join(row[0] for row in found)}"] if found else []

    def _may_silence_triggers(self, role: str) -> bool:
        [(version, superuser)] = self.rows(
            """SELECT current_setting('server_version_num')::int, bool_or(rolsuper) FROM pg_roles
            WHERE rolname IN (%(role)s, 'rds_superuser') AND pg_has_role(%(role)s, oid, 'MEMBER')
            AND (rolsuper OR rolname = 'rds_superuser' OR rolname = %(role)s)""",
            {"role": role},
        )
        if superuser or version < 150000:
            return bool(superuser)
        granted = "SELECT has_parameter_privilege(%(role)s, 'session_replication_role', 'SET')"
        return bool(self.rows(granted, {"role": role})[0][0])

    def drop_slot(self, name: str, token: int) -> bool:
        """Drop a slot that nobody reads from and say whether there was one. Raises psycopg2's error if it is read.

        Raises Superseded as `act` does.
        """
        slot = "FROM pg_replication_slots WHERE slot_name = %(name)s"
        if not self.rows(f"SELECT 1 {slot}", {"name": name}):
            return False  # also where the control tables are gone already
        with self._turn(token):
            return bool(self.rows(f"SELECT pg_drop_replication_slot(slot_name) {slot}", {"name": name}))

    def write_token(self, mark: str, token: int) -> None:
        """Write a row whose arrival on the other side shows that everything before it has arrived.

        Raises Superseded as `act` does: one that comes late could be carried round.
        """
        self.act(token, [f"INSERT INTO {TOKENS} (id) VALUES ({sql.literal(mark)})"])  # noqa: S608 - a constant name

    def has_token(self, mark: str) -> bool:
        """Say whether the row has arrived."""
        return bool(self.rows(f"SELECT 1 FROM {TOKENS} WHERE id = %(id)s", {"id": mark}))  # noqa: S608

    # What DMS leaves on the target

    def suspended_tables(self) -> list[str]:
        """Return the tables that DMS has stopped replicating."""
        return [f"{row[0]}.{row[1]}" for row in self._dms("awsdms_suspended_tables", "table_owner, table_name")]

    def apply_exceptions(self) -> int:
        """Return how many changes DMS could not apply."""
        found = self._dms("awsdms_apply_exceptions", "count(*)")
        return int(found[0][0]) if found else 0

    def _dms(self, table: str, what: str) -> list[tuple[Any, ...]]:
        name = sql.name(DMS_CONTROL_SCHEMA, table)
        if not self.rows("SELECT to_regclass(%(name)s)", {"name": name})[0][0]:
            return []
        return self.rows(f"SELECT {what} FROM {name}")  # noqa: S608 - constant names

    # Data

    def tables(self) -> dict[Table, list[Column]]:
        """Return every table that holds rows of the application, with its columns."""
        found = self.rows(
            f"""SELECT n.nspname, c.relname, a.attname,
            CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace THEN format('%%s.', t.typnamespace::regnamespace)
            ELSE '' END || t.typname || CASE o.collisdeterministic WHEN false THEN ' (nondeterministic)' ELSE '' END
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation o ON o.oid = a.attcollation
            WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {USER_SCHEMAS} AND {NOT_OF_AN_EXTENSION}
            ORDER BY n.nspname, c.relname, a.attname""",  # noqa: S608 - constants only
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        tables: dict[Table, list[Column]] = {}
        for schema, table, column, type_name in found:
            columns = tables.setdefault(Table(schema, table), [])
            if column is not None:
                columns.append(Column(column, type_name))
        return tables

    def empty(self, tables: Sequence[Table], token: int) -> None:
        """Take all rows out of these tables and all drain tokens. Raises Superseded as `act` does.

        It is one statement, so that what refers to one another goes together. Partitions go with the table they are
        part of: that is what foreign keys name.
        """
        roots = self.rows(
            """SELECT DISTINCT n.nspname, c.relname
            FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS wanted (schema, name),
            coalesce(pg_partition_root(format('%%I.%%I', wanted.schema, wanted.name)::regclass),
            format('%%I.%%I', wanted.schema, wanted.name)::regclass) AS root
            JOIN pg_class c ON c.oid = root JOIN pg_namespace n ON n.oid = c.relnamespace""",
            {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]},
        )
        self.act(token, [f"TRUNCATE {', '.join([TOKENS, *(sql.name(*root) for root in roots)])}"])

    def marks(self) -> dict[Table, str]:
        """Return, by table, its file and the counts of rows ever changed, the same as long as no row has changed.

        Empty where the server does not keep them exactly: before PostgreSQL 15, or with track_counts off.
        """
        found = self.rows(
            """SELECT schemaname, relname, pg_relation_filenode(relid), n_tup_ins, n_tup_upd, n_tup_del
            FROM pg_stat_all_tables WHERE current_setting('track_counts')::bool
            AND current_setting('server_version_num')::int >= 150000"""
        )
        return {Table(schema, name): "/".join(map(str, counts)) for schema, name, *counts in found}

    def sequences(self) -> list[NumberSequence]:
        """Return the application's sequences that have given out a value, identity columns' included."""
        found = self.rows(
            f"""SELECT n.nspname, c.relname, s.last_value, s.increment_by, s.min_value, s.max_value
            FROM pg_sequences s JOIN pg_namespace n ON n.nspname = s.schemaname
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename
            WHERE s.last_value IS NOT NULL AND {USER_SCHEMAS} AND {NOT_OF_AN_EXTENSION}""",  # noqa: S608
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        return [NumberSequence(*row) for row in found]

    def sequence_names(self) -> set[tuple[str, str]]:
        """Return the schema and name of every sequence, used or not."""
        return {(row[0], row[1]) for row in self.rows("SELECT schemaname, sequencename FROM pg_sequences")}

    def refresh_materialized_views(self) -> list[str]:
        """Refresh the application's materialized views, each after those it reads from, and return their names.

        One that is filled and has a unique index stays readable meanwhile.
        """
        found = self.rows(
            f"""WITH RECURSIVE needs AS (SELECT DISTINCT r.ev_class AS view, d.refobjid AS source FROM pg_rewrite r
            JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class),
            depth AS (SELECT oid, 0 AS level FROM pg_class WHERE relkind IN ('m', 'v')
            UNION SELECT needs.view, level + 1 FROM depth JOIN needs ON needs.source = depth.oid)
            SELECT n.nspname, c.relname, c.relispopulated AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
            AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'm' AND {USER_SCHEMAS} AND {NOT_OF_AN_EXTENSION}
            ORDER BY (SELECT max(level) FROM depth WHERE depth.oid = c.oid), 1, 2""",  # noqa: S608
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        for schema, view, keyed in found:
            how = "CONCURRENTLY " if keyed else ""
            self.rows(f"REFRESH MATERIALIZED VIEW {how}{sql.name(schema, view)}")
        return [f"{schema}.{view}" for schema, view, _ in found]

    # Roles

    def make_role(self, role: str, password: str) -> None:
        """Make a login role, or give it the password."""
        verb = "ALTER" if self.has_role(role) else "CREATE"
        self.rows(f"{verb} ROLE {sql.name(role)} LOGIN PASSWORD {self.verifier(role, password)}")

    def verifier(self, role: str, password: str) -> str:
        """Return a password as the server keeps it, a literal: what is sent is SCRAM's, and no log holds a password."""
        return sql.literal(psycopg2.extensions.encrypt_password(password, role, self._connection, "scram-sha-256"))

    def has_role(self, role: str) -> bool:
        """Say whether there is such a role, one that logs in or another."""
        return bool(self.rows("SELECT 1 FROM pg_roles WHERE rolname = %(role)s", {"role": role}))

    def grant_role(self, group: str, member: str) -> None:
        """Make `member` a member of `group`, where there is such a group."""
        if self.has_role(group):
            self.rows(f"GRANT {sql.name(group)} TO {sql.name(member)}")

    def allow_schemas(self, role: str) -> None:
        """Let `role` make schemas here: DMS keeps its control tables in one of its own."""
        self.rows(f"GRANT CREATE ON DATABASE {sql.name(self.name)} TO {sql.name(role)}")

    def allow_writes(self, role: str) -> None:
        """Let `role` write in spite of the read-only default of a closed database."""
        where = sql.name(self.name)
        self.rows(f"ALTER ROLE {sql.name(role)} IN DATABASE {where} SET default_transaction_read_only = off")


def _escape(value: str) -> str:
    """Escape a setting for libpq's options, where blanks separate."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
