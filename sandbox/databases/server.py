"""One PostgreSQL server on a loopback address of its own."""

import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg2

from handlers.redaction import hide
from sandbox.databases.binaries import binaries
from sandbox.errors import SandboxError
from sandbox.ports import is_free, listens
from sandbox.processes import NOBODY, Process, Processes

SUPERUSER = "sandbox"
"""Owner of every server. It belongs to the sandbox alone: neither the migration nor an application uses it."""
ROOM_NEEDED = 1 * 2**30
SETTINGS: Mapping[str, str] = {
    "wal_level": "logical",
    "max_wal_senders": "32",
    "max_replication_slots": "32",
    "max_logical_replication_workers": "24",
    "max_sync_workers_per_subscription": "4",
    "max_worker_processes": "40",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u@%d ",
    # The machine is not what is tested: a power cut may take the sandbox's data.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_receiver_status_interval": "1s",
    "max_prepared_transactions": "8",  # for applications that use them, and the fault that leaves one behind
}


@dataclass(frozen=True)
class ServerInfo:
    """How to reach a server as its superuser."""

    name: str
    version: str
    address: str
    port: int
    password: str
    binaries: str
    passfile: str = ""
    """A file with the superuser's password, for PostgreSQL's programs: a process's environment can be read."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @contextmanager
    def superuser(self, database: str = "postgres") -> Iterator[Any]:
        """Open an autocommit connection as the superuser."""
        with self.session(database, SUPERUSER, self.password) as connection:
            yield connection

    @contextmanager
    def session(self, database: str, user: str, password: str, options: str = "") -> Iterator[Any]:
        """Open an autocommit connection as any role, with libpq's `options`."""
        connection = psycopg2.connect(
            host=self.address,
            port=self.port,
            user=user,
            password=password,
            dbname=database,
            connect_timeout=10,
            application_name="sandbox",
            options=options,
        )
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def program(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's client programs."""
        return Path(self.binaries) / "bin" / name

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """Return libpq's variables for the superuser. The password stays in a file, off argv and environment."""
        return {
            "PGHOST": self.address,
            "PGPORT": str(self.port),
            "PGUSER": SUPERUSER,
            "PGPASSFILE": self.passfile,
            "PGDATABASE": database,
        }


def new_password() -> str:
    """Return a password for a role of the sandbox, which is never shown."""
    password = secrets.token_urlsafe(24)
    hide([password])
    return password


def write_passfile(path: Path, role: str, password: str) -> None:
    """Write a file that libpq takes the password of a role from, wherever it connects to."""
    secret = password.replace("\\", "\\\\").replace(":", "\\:")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(f"*:*:*:{role}:{secret}\n")


class Server:
    """A server to start. Its data lies under `folder`, which other users must be able to enter if we are root."""

    def __init__(self, name: str, version: str, address: str, port: int, folder: Path) -> None:
        self.folder = folder / name
        self._root = os.geteuid() == 0
        passfile = str(self.folder / "passfile")
        self.info = ServerInfo(name, version, address, port, new_password(), str(binaries(version, folder)), passfile)

    def start(self, processes: Processes) -> Process:
        """Initialise and start the server. Raises SandboxError where port, disk or binaries do not allow it."""
        info = self.info
        if not is_free(info.port, info.address):
            raise SandboxError(f"port {info.port} on {info.address} is taken: end what listens there or choose another")
        self.folder.mkdir(parents=True)
        if os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize < ROOM_NEEDED:
            raise SandboxError(f"a database server needs 1 GB free in {self.folder}: make room or set TMPDIR")
        if self._root:
            os.chown(self.folder, NOBODY, NOBODY)
        write_passfile(Path(info.passfile), SUPERUSER, info.password)
        self._initialise()
        return self.run(processes)

    def run(self, processes: Processes) -> Process:
        """Start a server whose data is there."""
        info = self.info
        return processes.start(
            f"postgres-{info.name}",
            [info.program("postgres"), "-D", self.folder / "data"],
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            ready=lambda: listens(info.port, info.address) and self._answers(),
            as_nobody=self._root,
            stop_signal=signal.SIGINT,  # the fast shutdown: sessions are ended, not awaited
        )

    def _initialise(self) -> None:
        info, data = self.info, self.folder / "data"
        identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if self._root else {}
        with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as password:
            password.write(info.password)
        if self._root:
            os.chown(password.name, NOBODY, NOBODY)
        command: list[str | Path] = [
            info.program("initdb"),
            "-D",
            data,
            "-U",
            SUPERUSER,
            "--pwfile",
            password.name,
            "--no-sync",
        ]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"PATH": os.defpath}, check=False, **identity
        )
        Path(password.name).unlink()
        if done.returncode:
            reason = " ".join(done.stderr.split())[-300:]
            raise SandboxError(
                f"initdb of PostgreSQL {info.version} in {self.folder} failed: {reason}; make room there or set TMPDIR"
            )
        settings = {
            **SETTINGS,
            "listen_addresses": info.address,
            "port": str(info.port),
            "unix_socket_directories": "",
        }
        with (data / "postgresql.conf").open("a") as handle:
            handle.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        with (data / "pg_hba.conf").open("a") as handle:
            handle.write("host all all 127.0.0.0/8 scram-sha-256\nhost replication all 127.0.0.0/8 scram-sha-256\n")

    def _answers(self) -> bool:
        try:
            with self.info.superuser():
                return True
        except psycopg2.OperationalError:
            return False
