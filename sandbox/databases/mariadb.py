"""One MariaDB server on a loopback address of its own, with TLS: what stands for MySQL, which Debian does not have."""

import os
import secrets
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.databases import mariadb_programs
from sandbox.errors import SandboxError
from sandbox.ports import is_free, listens
from sandbox.processes import NOBODY, Process, Processes

SUPERUSER = "sandbox"
TABLES = ("system_tables", "performance_tables", "system_tables_data", "sys_schema")
SETTINGS = {
    "character-set-server": "utf8mb4",  # as MySQL 8 has it
    "collation-server": "utf8mb4_unicode_ci",
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "max-connections": "100",
    "innodb-buffer-pool-size": "64M",
    "innodb-flush-log-at-trx-commit": "0",  # the machine is not what is tested
}
CERTIFICATE_DAYS = "30"


@dataclass(frozen=True)
class MariaDbInfo:
    """How to reach a server as its superuser. `certificate` is the file to verify it by."""

    name: str
    version: str
    address: str
    port: int
    password: str
    client: str
    libraries: str
    certificate: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def run(self, text: str) -> str:
        """Run SQL as the superuser and return what it prints. Raises SandboxError where the server refuses."""
        where = [f"--host={self.address}", f"--port={self.port}", f"--user={SUPERUSER}", f"--ssl-ca={self.certificate}"]
        env = {"PATH": os.defpath, "LD_LIBRARY_PATH": self.libraries, "MYSQL_PWD": self.password}
        command = [self.client, "--no-defaults", *where, "--batch", "--skip-column-names"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=env)
        if done.returncode:
            raise SandboxError(f"MariaDB on {self.address}: {done.stderr.strip()[-300:]}")
        return done.stdout


class MariaDbServer:
    """A server to start. Its data lies under `folder`, which other users must be able to enter if we are root."""

    def __init__(self, name: str, address: str, port: int, folder: Path) -> None:
        self.folder = folder / name
        self._root = os.geteuid() == 0
        self._programs = mariadb_programs.find(folder)
        self.info = MariaDbInfo(
            name=name,
            version=self._programs.version(),
            address=address,
            port=port,
            password=secrets.token_urlsafe(18),
            client=str(self._programs.client),
            libraries=self._programs.libraries,
            certificate=str(self.folder / "certificate.pem"),
        )

    def start(self, processes: Processes) -> Process:
        """Initialise and start the server. Raises SandboxError where port, disk or programs do not allow it."""
        info = self.info
        if not is_free(info.port, info.address):
            raise SandboxError(f"port {info.port} on {info.address} is taken: end what listens there or choose another")
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "tmp").mkdir()
        self._certify()
        if self._root:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        self._initialise()
        settings = {
            **SETTINGS,
            "bind-address": info.address,
            "port": str(info.port),
            "socket": str(self.folder / "socket"),
            "pid-file": str(self.folder / "pid"),
            "ssl-cert": info.certificate,
            "ssl-key": str(self._key),
        }
        return processes.start(
            f"mariadb-{info.name}",
            [*self._command(), "--skip-name-resolve", *(f"--{key}={value}" for key, value in settings.items())],
            env=self._programs.environment(),
            ready=lambda: listens(info.port, info.address) and self._answers(),
            as_nobody=self._root,
            stop_signal=signal.SIGTERM,
        )

    @property
    def _key(self) -> Path:
        return self.folder / "key.pem"

    def _command(self) -> list[str]:
        programs = self._programs
        own = [f"--basedir={programs.server.parent.parent}", f"--lc-messages-dir={programs.share}"]
        # A server that starts removes every temporary table it finds, another's as well: each has a folder of its own.
        own += [f"--datadir={self.folder / 'data'}", f"--tmpdir={self.folder / 'tmp'}"]
        return [str(programs.server), "--no-defaults", *own]

    def _certify(self) -> None:
        """Make a certificate for the names RDS gives an instance and a cluster, so that clients can verify it."""
        address = self.info.address.replace(".", "-")
        hosts = [f"DNS:*.{kind}{address}.us-east-1.rds.amazonaws.com" for kind in ("", "cluster-", "cluster-ro-")]
        names = ",".join([*hosts, f"IP:{self.info.address}"])
        command = [str(self._programs.openssl), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sandbox"]
        command += ["-days", CERTIFICATE_DAYS, "-addext", f"subjectAltName={names}"]
        command += ["-keyout", str(self._key), "-out", self.info.certificate]
        env = self._programs.environment()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        if done.returncode:
            raise SandboxError(f"openssl can't make a certificate: {' '.join(done.stderr.split())[-200:]}")

    def _initialise(self) -> None:
        """Make the system tables and the superuser, the only account beside MariaDB's own."""
        share = self._programs.share
        files = [next(share.glob(f"m*_{table}.sql"), None) for table in TABLES]
        missing = [table for table, file in zip(TABLES, files, strict=True) if file is None]
        if missing:
            raise SandboxError(f"{share} holds no {', '.join(missing)}: install the whole of MariaDB's server")
        own = [
            "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';",
            "FLUSH PRIVILEGES;",
            f"CREATE USER {SUPERUSER}@'%' IDENTIFIED BY '{self.info.password}';",
            f"GRANT ALL ON *.* TO {SUPERUSER}@'%' WITH GRANT OPTION;",
        ]
        text = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
        text += "".join(file.read_text() for file in files if file is not None) + "\n".join(own)
        identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if self._root else {}
        done = subprocess.run(
            [*self._command(), "--bootstrap", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=self._programs.environment(),
            **identity,
        )
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "ERROR" in line.upper()]
            reason = " ".join(errors)[-300:]
            raise SandboxError(
                f"MariaDB can't be initialised in {self.folder}: {reason}; make room there or set TMPDIR"
            )

    def _answers(self) -> bool:
        try:
            return self.info.run("SELECT 1;").strip() == "1"
        except SandboxError:
            return False
