"""PostgreSQL's own programs: found in a fitting version, and run with a password that no process list shows."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from handlers.adapters.postgres_session import SSL_MODES
from migrate.errors import MigrateError
from migrate.stack import Login

NEEDED = ("pg_dump", "pg_restore")
WRITABLE = "-c default_transaction_read_only=off"
"""For a target that is closed already."""
VERSION = re.compile(r"\) (\d+)")


@dataclass(frozen=True)
class Programs:
    """Where the programs are, and of which major version of PostgreSQL."""

    paths: Mapping[str, str]
    major: int

    def run(self, name: str, arguments: Sequence[str | Path], environment: Mapping[str, str]) -> str:
        """Run a program and return what it printed. Raises MigrateError with its first error."""
        command = [self.paths[name], *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, env={**os.environ, **environment}
        )
        if done.returncode:
            raise MigrateError(f"{name} failed: {first_error(done.stderr)}")
        return done.stdout


def find(folder: Path | None, at_least: int) -> Programs:
    """Return the programs in `folder`, else on PATH. Raises MigrateError for none, or older ones than `at_least`.

    A pg_dump reads every older server, and a newer one not at all.
    """
    paths, path = {}, str(folder) if folder else None
    for name in NEEDED:
        found = shutil.which(name, path=path)
        if found is None:
            where = str(folder) if folder else "PATH"
            raise MigrateError(
                f"{name} is not in {where}: install PostgreSQL's client programs, version {at_least} or later, or name "
                "their folder with --bin"
            )
        paths[name] = found
    said = subprocess.run([paths["pg_dump"], "--version"], capture_output=True, text=True, check=False)
    version = VERSION.search(said.stdout)
    if version is None:
        raise MigrateError(f"{paths['pg_dump']} does not run: {first_error(said.stderr)}")
    if int(version[1]) < at_least:
        raise MigrateError(
            f"{paths['pg_dump']} is of version {version[1]}: the newer of both databases is of version {at_least}; "
            "name the folder of newer programs with --bin"
        )
    return Programs(paths, int(version[1]))


@contextmanager
def environment(login: Login, address: str | None) -> Iterator[dict[str, str]]:
    """Yield libpq's variables for a login. `address` is where its host was found, so that every program goes there.

    The password lies in a file that is this user's alone and goes in the end.
    """
    side = login.side
    fields = ("*", "*", "*", login.username, login.password)
    line = ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields)
    with tempfile.NamedTemporaryFile("w", prefix="pgpass-") as file:  # its mode is 0600
        file.write(line + "\n")
        file.flush()
        yield {
            "PGHOST": side.host,
            "PGPORT": str(side.port),
            "PGDATABASE": side.database,
            "PGUSER": login.username,
            "PGPASSFILE": file.name,
            "PGSSLMODE": SSL_MODES[side.ssl_mode],
            "PGOPTIONS": " ".join(part for part in (os.environ.get("PGOPTIONS", ""), WRITABLE) if part),
            "PGAPPNAME": "migrate",
            **({"PGSSLROOTCERT": str(login.authority)} if login.authority else {}),
            **({"PGHOSTADDR": address} if address else {}),
        }


def first_error(text: str) -> str:
    """Return the first error among what a program said, on one line."""
    lines = [line for line in text.splitlines() if "error" in line.lower()]
    return " ".join((lines or text.splitlines() or ["no reason given"])[0].split())[:500]
