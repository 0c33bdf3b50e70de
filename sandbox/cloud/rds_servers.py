"""The database servers that RDS gives out in the sandbox: made a customer's, given another password, taken back."""

import json
import subprocess
import threading
from pathlib import Path
from typing import Any, ClassVar

from moto.rds.exceptions import RDSClientError

ADMINISTRATORS, REPLICATORS = "rds_superuser", "rds_replication"
DATABASES = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres';"
ROLES = "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_';"
NO_SERVER = "InsufficientDBClusterCapacityFault"


class Postgres:
    """A PostgreSQL server, by its superuser."""

    engines: ClassVar = ("postgres", "aurora-postgresql")

    def __init__(self, known: dict[str, Any]) -> None:
        self.address, self.port = str(known["address"]), int(known["port"])
        self.title = f"PostgreSQL {known['version']}"
        self._known = known
        self._foreign: set[str] = set()

    def serves(self, engine: str, version: str, port: int) -> bool:
        """Say whether it can stand for this version of an engine on a port."""
        major = version.split(".", maxsplit=1)[0]
        return engine in self.engines and (self._known["version"], self.port) == (major, port)

    def hand_over(self, user: str, password: str, database: str | None) -> None:
        """Make RDS's administrators and the master user, no superuser, as on RDS; and the database."""
        self._foreign = {*self._lines(DATABASES), *self._lines(ROLES)}
        self._sql(
            "postgres",
            f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ADMINISTRATORS}') THEN
                    CREATE ROLE {ADMINISTRATORS} NOLOGIN;
                    CREATE ROLE {REPLICATORS} NOLOGIN;
                    GRANT {REPLICATORS} TO {ADMINISTRATORS} WITH ADMIN OPTION;
                    GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_read_all_data, pg_write_all_data
                        TO {ADMINISTRATORS} WITH ADMIN OPTION;
                    GRANT SET ON PARAMETER session_replication_role TO {ADMINISTRATORS} WITH GRANT OPTION;
                END IF;
            END $$;
            CREATE ROLE {_name(user)} LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD {_literal(password)};
            GRANT {ADMINISTRATORS} TO {_name(user)} WITH ADMIN OPTION;
            """,
        )
        if database:
            self._sql("postgres", f"CREATE DATABASE {_name(database)} OWNER {_name(user)};")

    def change_password(self, user: str, password: str) -> None:
        """Give the master user another password."""
        self._sql("postgres", f"ALTER ROLE {_name(user)} PASSWORD {_literal(password)};")

    def clean(self) -> None:
        """Take everything of the customer off the server, and leave what was there before."""
        for database in set(self._lines(DATABASES)) - self._foreign:
            for subscription in self._sql(database, "SELECT subname FROM pg_subscription;").splitlines():
                name = _name(subscription)
                detach = f"ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE);"
                self._sql(database, f"{detach} DROP SUBSCRIPTION {name};")
            self._sql("postgres", f"DROP DATABASE {_name(database)} WITH (FORCE);")
        for role in set(self._lines(ROLES)) - self._foreign:
            self._sql("postgres", f"DROP OWNED BY {_name(role)}; DROP ROLE {_name(role)};")

    def _lines(self, query: str) -> list[str]:
        return self._sql("postgres", query).splitlines()

    def _sql(self, database: str, text: str) -> str:
        known = self._known
        command = [f"{known['binaries']}/bin/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        env = {
            "PGHOST": self.address,
            "PGPORT": str(self.port),
            "PGUSER": "sandbox",
            "PGPASSFILE": known["passfile"],
            "PGDATABASE": database,
        }
        return _run(command, f"SET log_statement = 'none';\n{text}", env, self.address)


class MariaDb:
    """A MariaDB server, by its superuser. It stands for MySQL, which Debian does not have, in any version."""

    engines: ClassVar = ("mysql", "aurora-mysql")
    # What RDS gives its master user of MySQL, as far as MariaDB knows it under the same name.
    RIGHTS = (
        "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, "
        "CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, REPLICA MONITOR, "
        "CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"
    )
    OWN = "'sandbox', 'mariadb.sys'"

    def __init__(self, known: dict[str, Any]) -> None:
        self.address, self.port = str(known["address"]), int(known["port"])
        self.title = f"MariaDB {known['version']}"
        self._known = known

    def serves(self, engine: str, version: str, port: int) -> bool:  # noqa: ARG002
        """Say whether it can stand for an engine on a port."""
        return engine in self.engines and self.port == port

    def hand_over(self, user: str, password: str, database: str | None) -> None:
        """Make the master user, no superuser, as on RDS; and the database."""
        who = f"{_quoted(user)}@'%'"
        made = f"CREATE DATABASE `{database}`;" if database else ""
        self._sql(f"""
            CREATE USER {who} IDENTIFIED BY {_quoted(password)};
            GRANT {self.RIGHTS} ON *.* TO {who} WITH GRANT OPTION;
            {made}
        """)

    def change_password(self, user: str, password: str) -> None:
        """Give the master user another password."""
        self._sql(f"ALTER USER {_quoted(user)}@'%' IDENTIFIED BY {_quoted(password)};")

    def clean(self) -> None:
        """Take everything of the customer off the server."""
        system = "'information_schema', 'mysql', 'performance_schema', 'sys'"
        databases = self._sql(
            f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({system});"  # noqa: S608
        )
        users = self._sql(
            f"SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user NOT IN ({self.OWN});"  # noqa: S608
        )
        drops = [f"DROP DATABASE `{name}`;" for name in databases.splitlines()]
        drops += [f"DROP USER {who};" for who in users.splitlines()]
        self._sql("STOP ALL SLAVES; " + " ".join(drops))

    def _sql(self, text: str) -> str:
        known = self._known
        where = [f"--host={self.address}", f"--port={self.port}", "--user=sandbox", f"--ssl-ca={known['certificate']}"]
        command = [known["client"], "--no-defaults", *where, "--batch", "--skip-column-names"]
        env = {"MYSQL_PWD": known["password"], "LD_LIBRARY_PATH": known["libraries"]}
        return _run(command, text, env, self.address)


class Servers:
    """The servers that clusters and instances stand on, each given to one at a time."""

    def __init__(self, postgres: Path, mariadb: Path) -> None:
        self._free: list[Postgres | MariaDb] = [Postgres(server) for server in _read(postgres)]
        self._free += [MariaDb(server) for server in _read(mariadb)]
        self._taken: dict[str, Postgres | MariaDb] = {}
        self._lock = threading.Lock()

    def has(self, engine: str) -> bool:
        """Say whether an engine is one that gets a server here."""
        return engine in (*Postgres.engines, *MariaDb.engines)

    def take(self, arn: str, given: Any, database: str | None, password: str) -> str:
        """Give a server to a cluster or an instance: its administrator and database are made. Returns its address."""
        version, port = str(given.engine_version), int(given.port)
        with self._lock:
            server = next((s for s in self._free if s.serves(given.engine, version, port)), None)
            if server is None:
                have = ", ".join(f"{s.title} on port {s.port}" for s in self._free) or "none left"
                raise RDSClientError(
                    NO_SERVER, f"no server for {given.engine} {version} on port {port} in the sandbox: it has {have}"
                )
            self._free.remove(server)
            self._taken[arn] = server
        server.hand_over(given.master_username, password, database)
        return server.address

    def change_password(self, arn: str, user: str, password: str) -> None:
        """Give the administrator of a cluster or an instance another password, where it has a server."""
        server = self._taken.get(arn)
        if server is not None:
            server.change_password(user, password)

    def give_back(self, arn: str) -> None:
        """Take the data of a cluster or an instance off its server and free it."""
        with self._lock:
            server = self._taken.pop(arn, None)
        if server is None:
            return
        server.clean()
        with self._lock:
            self._free.append(server)


def _read(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return found


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _run(command: list[str], text: str, env: dict[str, str], address: str) -> str:
    """Run SQL on a server; it goes in by standard input, so that no password is seen."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise RDSClientError("InternalFailure", f"the server on {address}: {done.stderr.strip()[-300:]}")
    return done.stdout
