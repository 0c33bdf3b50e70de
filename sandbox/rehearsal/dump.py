"""A user's own database as the source: loads what pg_dump wrote, whichever format and version it is of."""

import gzip
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from psycopg2.extensions import encrypt_password

from handlers.core import sql
from sandbox.databases import ServerInfo
from sandbox.databases.binaries import newest
from sandbox.databases.server import new_password, write_passfile
from sandbox.errors import SandboxError
from sandbox.rehearsal.script import (
    ARCHIVE,
    GZIP,
    HEAD_BYTES,
    Complaint,
    Complaints,
    lines_for_psql,
    recognise,
    remedy,
)
from sandbox.rehearsal.shop import count_rows

OWNER = "guest_owner"
"""Who owns what a dump brings, unless another name is given."""
ARCHIVE_ITEMS = ("--no-owner", "--no-privileges", "--no-tablespaces", "--no-publications", "--no-subscriptions")
"""What of an archive stays out: it belongs to the server that the dump is from."""


def restore(server: ServerInfo, dump: Path, database: str, owner: str = OWNER) -> int:
    """Load `dump` into `database` and return its number of rows.

    Takes plain SQL, gzip'd or not, and pg_dump's custom, tar and directory formats. The database is created if need be;
    one that was created here is dropped if the dump fails. What is made belongs to the role `owner`, which is made as
    well and is no superuser in the end. Raises SandboxError, one line: the file, the first error and the remedy.
    """
    created = _create_database(server, database)
    try:
        with _script(dump) as (lines, numbered), _loader(server, database, owner) as login:
            complaint = _feed(server, login, lines)
            if complaint is not None:
                where = f"line {complaint.line - 1}: " if numbered and complaint.line else ""
                raise SandboxError(f"can't be restored: {where}{complaint.text}: {remedy(complaint, server.version)}")
        with server.superuser(database) as connection, connection.cursor() as cursor:
            if created:
                cursor.execute(f"ALTER DATABASE {sql.name(database)} OWNER TO {sql.name(owner)}")
            cursor.execute("ANALYZE")
            return count_rows(connection)
    except BaseException as error:
        if created:
            _drop_database(server, database)
        if isinstance(error, SandboxError):
            raise SandboxError(f"{dump} {error}") from None
        raise


def check(dump: Path) -> None:
    """Raise SandboxError where the name and the first bytes alone show that `dump` can't be restored."""
    try:
        with _readable():
            if dump.is_dir():
                _check_folder(dump)
            elif recognise(_head(dump)) == GZIP:
                with gzip.open(dump) as plain:
                    recognise(plain.read(HEAD_BYTES))
    except SandboxError as error:
        raise SandboxError(f"{dump} {error}") from None


def _create_database(server: ServerInfo, database: str) -> bool:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
        if cursor.fetchone():
            return False
        cursor.execute(f"CREATE DATABASE {sql.name(database)} TEMPLATE template0")
        return True


@contextmanager
def _loader(server: ServerInfo, database: str, owner: str) -> Iterator[dict[str, str]]:
    """Make `owner` a superuser that can log in, for as long as a dump is loaded, and yield libpq's variables for it.

    The dump's own roles are not here. What the sandbox's superuser owned instead, no administrator on RDS could be
    given, and extensions, languages and C functions need a superuser.
    """
    password = new_password()
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (owner,))
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE {sql.name(owner)}")
        verifier = encrypt_password(password, owner, connection, "scram-sha-256")
        cursor.execute(f"ALTER ROLE {sql.name(owner)} SUPERUSER LOGIN PASSWORD {sql.literal(verifier)}")
        try:
            with tempfile.TemporaryDirectory() as folder:
                passfile = Path(folder) / "passfile"
                write_passfile(passfile, owner, password)
                yield {**server.environment(database), "PGUSER": owner, "PGPASSFILE": str(passfile)}
        finally:
            cursor.execute(f"ALTER ROLE {sql.name(owner)} NOSUPERUSER NOLOGIN PASSWORD NULL")


def _drop_database(server: ServerInfo, database: str) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
        cursor.execute(f"DROP DATABASE IF EXISTS {sql.name(database)}")


@contextmanager
def _script(dump: Path) -> Iterator[tuple[Iterable[bytes], bool]]:
    """Open a dump as lines of SQL, and say whether their numbers are those of the file."""
    with _readable():
        if dump.is_dir():
            _check_folder(dump)
            with _unpacked(dump) as lines:
                yield lines, False
            return
        head = _head(dump)
        zipped = recognise(head) == GZIP
        with gzip.open(dump) if zipped else dump.open("rb") as plain:
            if zipped:
                head = plain.read(HEAD_BYTES)
                plain.seek(0)
            match recognise(head):
                case kind if kind == GZIP:
                    raise SandboxError("is compressed twice: unpack it once")
                case kind if kind != ARCHIVE:
                    yield plain, True
                case _ if not zipped:
                    with _unpacked(dump) as lines:
                        yield lines, False
                case _:
                    with tempfile.NamedTemporaryFile() as archive:
                        shutil.copyfileobj(plain, archive)
                        archive.flush()
                        with _unpacked(Path(archive.name)) as lines:
                            yield lines, False


@contextmanager
def _readable() -> Iterator[None]:
    """Say of a file that can't be read what is the matter with it."""
    try:
        yield
    except FileNotFoundError:
        raise SandboxError("does not exist: check the path") from None
    except EOFError:
        raise SandboxError("is cut off: its end is missing; dump or copy it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise SandboxError("is damaged: gzip can't unpack it; dump or copy it again") from None
    except PermissionError:
        raise SandboxError("can't be read: change its permissions") from None


def _check_folder(dump: Path) -> None:
    if not any((dump / name).exists() for name in ("toc.dat", "toc.dat.gz")):
        raise SandboxError("is a folder without toc.dat: name a file, or what pg_dump --format=directory wrote")


def _head(dump: Path) -> bytes:
    with dump.open("rb") as handle:
        return handle.read(HEAD_BYTES)


@contextmanager
def _unpacked(archive: Path) -> Iterator[Iterable[bytes]]:
    """Let pg_restore turn an archive into SQL. The newest one reads what any pg_dump wrote; psql needs no other."""
    program = newest() / "bin" / "pg_restore"
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [program, *ARCHIVE_ITEMS, "--file=-", str(archive.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={"PATH": os.defpath},
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe

        def lines(output: IO[bytes]) -> Iterator[bytes]:
            yield from output
            if process.wait():  # known before the last line has been judged: a cut-off archive is told by its cause
                complaints.seek(0)
                raise _archive_error(complaints.read().decode(errors="replace"))

        try:
            yield lines(process.stdout)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _archive_error(output: str) -> SandboxError:
    first = next((line for line in output.splitlines() if "error:" in line), output.strip() or "pg_restore failed")
    text = first.split("error: ", 1)[-1]
    if "end of file" in text or "could not read" in text:
        return SandboxError(f"is cut off: {text}; dump or copy it again")
    if "unsupported version" in text:
        return SandboxError(f"is from a newer pg_dump than the sandbox's pg_restore: {text}; dump it as plain SQL")
    return SandboxError(f"is no archive that pg_restore can read: {text}; dump it again with pg_dump")


def _feed(server: ServerInfo, login: dict[str, str], lines: Iterable[bytes]) -> Complaint | None:
    """Run lines of SQL through psql, with libpq's variables `login`. Returns the error that stopped it, if any did."""
    psql = subprocess.Popen(
        [
            *(server.program("psql"), "--no-psqlrc", "--quiet", "--output=/dev/null", "--file=-"),
            *("--set=VERBOSITY=verbose", "--set=ECHO=errors"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # ON_ERROR_STOP would stop at the errors that are overlooked, too: the reader below stops at all others.
        env={"PATH": os.defpath, **login},
    )
    assert psql.stdin is not None and psql.stderr is not None  # noqa: S101 - they are pipes
    complaints = Complaints()

    def listen(stderr: IO[bytes]) -> None:
        for line in stderr:
            if complaints.read(line.decode(errors="replace").rstrip()):
                psql.kill()
        complaints.end()

    listener = threading.Thread(target=listen, args=(psql.stderr,))
    listener.start()
    try:
        with psql.stdin as sink:
            # A dump is data: no line of it may make psql run a program or read a file.
            sink.write(f"\\restrict {secrets.token_hex(16)}\n".encode())
            for line in lines_for_psql(lines):
                sink.write(line)
    except BrokenPipeError:
        pass
    except BaseException:
        psql.kill()  # what has been read so far must not look like a whole dump
        raise
    finally:
        psql.wait()
        listener.join()
        psql.stderr.close()
    if complaints.fatal is None and psql.returncode:
        return Complaint(0, "", f"psql ended with {psql.returncode}")
    return complaints.fatal
