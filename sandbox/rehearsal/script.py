"""What can be told about a user's dump without a server: its format, its lines fit for psql, the errors to overlook."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sandbox.errors import SandboxError

HEAD_BYTES = 512
"""How much of a file `recognise` wants to see."""
PLAIN, ARCHIVE, GZIP = "plain", "archive", "gzip"

_FOREIGN = (
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first"),
    (b"BZh", "is compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "is compressed with xz: unpack it first"),
    (b"PK\x03\x04", "is a zip file: unpack it first"),
    (b"\xff\xfe", "is UTF-16, as a Windows shell writes it: let pg_dump write the file itself (pg_dump --file)"),
    (b"SQLite format 3", "is an SQLite database, not a PostgreSQL dump"),
    (b"-- MySQL dump", "is a MySQL dump: the rehearsal's servers are PostgreSQL"),
    (b"-- MariaDB dump", "is a MariaDB dump: the rehearsal's servers are PostgreSQL"),
)
_CLUSTER = b"-- PostgreSQL database cluster dump"
_HEADER, _TRAILER = b"-- PostgreSQL database dump", b"-- PostgreSQL database dump complete"
_CUT_OFF = "is cut off: its end is missing; dump or copy it again"

_COPY = re.compile(rb"COPY .+ FROM stdin;\s*$")
_ABOUT_DATABASE = re.compile(rb"(CREATE|DROP|ALTER|COMMENT ON|SECURITY LABEL .*ON|GRANT .* ON|REVOKE .* ON) DATABASE ")
_TRANSPORT = re.compile(rb"\\(restrict|unrestrict|connect)\b")
_OPENING = re.compile(rb"--|/\*|'|\"|(?<![\w$])\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$")
_QUOTING = re.compile(rb"['\"$]|/\*")


def recognise(head: bytes) -> str:
    """Return PLAIN, ARCHIVE (pg_restore's formats) or GZIP from a file's first bytes. Raises SandboxError otherwise.

    The error's text lacks the name of the file: it is to be put in front.
    """
    for magic, complaint in _FOREIGN:
        if head.startswith(magic):
            raise SandboxError(complaint)
    if not head.strip():
        raise SandboxError("is empty: dump it again")
    if head.startswith(b"\x1f\x8b"):
        return GZIP
    if head.startswith(b"PGDMP") or head[257:262] == b"ustar":
        return ARCHIVE
    if b"\0" in head:
        raise SandboxError("is no dump that psql or pg_restore could read: make one with pg_dump")
    return PLAIN


def lines_for_psql(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield as many lines as come in, blank in place of what belongs to another server or session.

    Blanked: the switch to another database, statements about databases, and the dump's own restriction of psql (the
    caller sets one). Lines of data and of quoted text pass untouched. Raises SandboxError, its text to be put after the
    file's name, where the dump holds a whole cluster or lacks its end.
    """
    copying = skipping = begun = complete = False
    quote = b""
    for number, raw in enumerate(lines):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 0 else raw
        if copying:
            copying = line.rstrip(b"\r\n") != b"\\."
            yield line
            continue
        if not quote and not skipping:
            begun = begun or line.startswith(_HEADER)
            complete = complete or line.startswith(_TRAILER)
            if line.startswith(_CLUSTER):
                raise SandboxError("holds a whole cluster (pg_dumpall): dump one database with pg_dump")
            copying = bool(_COPY.match(line))
            skipping = bool(_ABOUT_DATABASE.match(line))
            if _TRANSPORT.match(line):
                yield b"\n"
                continue
        quote = _quote_after(line, quote)
        yield b"\n" if skipping else line
        skipping = skipping and not (not quote and line.rstrip().endswith(b";"))
    if copying or quote or (begun and not complete):
        raise SandboxError(_CUT_OFF)


def _quote_after(line: bytes, quote: bytes) -> bytes:
    """Return what text is open after `line`: nothing, a quotation mark, a dollar quote's tag, or a comment's end."""
    if not quote and not _QUOTING.search(line):
        return b""
    position = 0
    while True:
        if quote:
            end = line.find(quote, position)
            if end < 0:
                return quote
            position, quote = end + len(quote), b""
        opening = _OPENING.search(line, position)
        if opening is None or opening.group() == b"--":
            return b""
        position = opening.end()
        quote = b"*/" if opening.group() == b"/*" else opening.group()


_ERROR = re.compile(r"psql:<stdin>:(\d+): (?:ERROR|FATAL|PANIC): +([0-9A-Z]{5}): (.*)")
_COMPLAINT = re.compile(r"psql(?::<stdin>:(\d+))?: (?:error|fatal): (.*)")
_STATEMENT = re.compile(r"(?:psql:<stdin>:\d+: )?STATEMENT: +(.*)")
_NO_ROLE = re.compile(r'role ".*" does not exist')
_RIGHTS = re.compile(
    r"GRANT |REVOKE |ALTER DEFAULT PRIVILEGES |ALTER .* OWNER TO |SET SESSION AUTHORIZATION ", re.IGNORECASE
)
_DROP = re.compile(r"DROP |ALTER .* DROP ", re.IGNORECASE)
_PRESENT = ('extension "plpgsql" already exists', 'schema "public" already exists')


@dataclass(frozen=True)
class Complaint:
    """One error of psql's: the line it read (0 where unknown), the SQLSTATE ("" if psql's own), the text."""

    line: int
    sqlstate: str
    text: str


def overlooked(complaint: Complaint, statement: str) -> bool:
    """Say whether the dump is whole in spite of an error.

    It is where rights are for roles that are not here, where settings are another version's, and where something is
    there already or, in a dump made with --clean, is to be dropped though it is not there.
    """
    text = complaint.text
    if _NO_ROLE.search(text):
        return bool(_RIGHTS.match(statement))
    if statement.upper().startswith("SET "):
        return text.startswith(("unrecognized configuration parameter", "invalid value for parameter"))
    return text in _PRESENT or (text.endswith("does not exist") and bool(_DROP.match(statement)))


@dataclass
class Complaints:
    """Reads what psql says (VERBOSITY=verbose, ECHO=errors) line by line, until an error that can't be overlooked."""

    fatal: Complaint | None = None
    overlooked: list[Complaint] = field(default_factory=list)
    _pending: Complaint | None = None

    def read(self, line: str) -> bool:
        """Take in a line and say whether psql should be stopped."""
        if self.fatal is None:
            if statement := _STATEMENT.match(line):
                self._judge(statement[1])
            elif error := _ERROR.match(line):
                self._judge("")
                self._pending = Complaint(int(error[1]), error[2], error[3])
            elif own := _COMPLAINT.match(line):
                self.fatal = Complaint(int(own[1] or 0), "", own[2])
        return self.fatal is not None

    def end(self) -> None:
        """Judge an error whose statement never came."""
        self._judge("")

    def _judge(self, statement: str) -> None:
        if self._pending is None or self.fatal is not None:
            return
        if overlooked(self._pending, statement):
            self.overlooked.append(self._pending)
        else:
            self.fatal = self._pending
        self._pending = None


_ONLY = (
    "the sandbox's PostgreSQL 16 and 18 have the extensions plpgsql and vector only, its 17 most that PostgreSQL comes "
    "with (--source-version 17 --target-version 17)"
)
_REMEDIES = (
    (
        r'extension "(?P<what>[^"]*)" is not available|/(?P<file>[\w-]+)\.control"',
        f"{_ONLY}; take that, or dump without what needs {{what}}",
    ),
    (r"could not (access|load) (file|library)", f"{_ONLY}; take that, or dump without what needs another"),
    (r'role "(?P<what>[^"]*)" does not exist', "leave what names the role {what} out of the dump"),
    (r"commands are restricted", "it holds commands for psql, which no pg_dump writes; remove them"),
    (r"already exists", "load it into a database that is empty"),
    (r"syntax error", "no dump, or one from a newer PostgreSQL? Dump it with pg_dump {version}"),
    (r"could not (extend|write)|No space left|out of memory", "make room on this machine"),
    (r"invalid byte sequence|has no equivalent in encoding", "dump it with pg_dump --encoding=UTF8"),
    (r"", "dump the whole database with pg_dump {version} and see that it can be restored"),
)


def remedy(complaint: Complaint, version: str) -> str:
    """Return what a person should do about an error, on a server of this major version."""
    found = ((text, match) for pattern, text in _REMEDIES if (match := re.search(pattern, complaint.text)))
    text, match = next(found)
    named = match.groupdict()
    return text.format(what=named.get("what") or named.get("file"), version=version)
