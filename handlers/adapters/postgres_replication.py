"""What replication needs of a PostgreSQL database and leaves in it: control schema, drain tokens, slots, exceptions."""

from collections.abc import Sequence
from typing import Any

from handlers.adapters.postgres_session import FENCE, Session
from handlers.core import sql
from handlers.core.comparison import Table
from handlers.core.names import CONTROL_SCHEMA, DMS_CONTROL_SCHEMA

TOKENS = sql.name(CONTROL_SCHEMA, "drain_token")
DECODER = "test_decoding"
"""The output plugin of the slot: DMS reads it on every PostgreSQL that RDS and Aurora offer."""


class Replication(Session):
    """The part of a database that belongs to the migration, and what may be done with it."""

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

    def write_token(self, mark: str, token: int) -> None:
        """Write a row whose arrival on the other side shows that everything before it has arrived.

        Raises Superseded as `act` does: one that comes late could be carried round.
        """
        self.act(token, [f"INSERT INTO {TOKENS} (id) VALUES ({sql.literal(mark)})"])  # noqa: S608 - a constant name

    def has_token(self, mark: str) -> bool:
        """Say whether the row has arrived."""
        return bool(self.rows(f"SELECT 1 FROM {TOKENS} WHERE id = %(id)s", {"id": mark}))  # noqa: S608

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

    def drop_slot(self, name: str, token: int) -> bool:
        """Drop a slot that nobody reads from and say whether there was one. Raises psycopg2's error if it is read.

        Raises Superseded as `act` does.
        """
        slot = "FROM pg_replication_slots WHERE slot_name = %(name)s"
        if not self.rows(f"SELECT 1 {slot}", {"name": name}):
            return False  # also where the control tables are gone already
        with self._turn(token):
            return bool(self.rows(f"SELECT pg_drop_replication_slot(slot_name) {slot}", {"name": name}))

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
