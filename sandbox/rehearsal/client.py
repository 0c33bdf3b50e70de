"""How the application talks to its database: with time limits that hold even if the server stops answering."""

import re
import select
import time
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, STATUS_SETUP, set_wait_callback

CONNECT_SECONDS = 3.0
STATEMENT_SECONDS = 5.0
"""What the server is told; the client itself gives up one second later."""

_CONNECT_FAILURES = (
    ("permission denied", "connect: permission denied"),
    ("Connection refused", "connect: refused"),
    ("too many connections", "connect: too many"),
    ("remaining connection slots", "connect: too many"),
    ("starting up", "connect: starting up"),
    ("shutting down", "connect: shutting down"),
    ("authentication failed", "connect: wrong password"),
    ("timed out", "timeout"),
    ("closed the connection", "connection lost"),
    ("terminating connection", "connection lost"),
)


class TimedOut(psycopg2.OperationalError):
    """The server did not answer in time. The connection is of no more use."""


def connect(*, address: str, port: int, database: str, user: str, password: str, name: str = "rehearsal-load") -> Any:
    """Open an autocommit connection: transactions are begun and ended by statements, so that each outcome is seen.

    The server shows its users `name` as the application's.
    """
    connection = psycopg2.connect(
        host=address,
        port=port,
        dbname=database,
        user=user,
        password=password,
        connect_timeout=int(CONNECT_SECONDS),
        gssencmode="disable",
        application_name=name,
        options=f"-c statement_timeout={int(STATEMENT_SECONDS * 1000)}",
    )
    connection.autocommit = True
    return connection


def limit_waiting() -> None:
    """Make every wait of psycopg2 in this process end, by TimedOut, if a server no longer answers.

    libpq's own limits cover the connect and a dead network, not a server that is alive and silent.
    """
    set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    limit = CONNECT_SECONDS if connection.status == STATUS_SETUP else STATEMENT_SECONDS + 1.0
    until = time.monotonic() + limit
    poll = select.poll()
    while (state := connection.poll()) != POLL_OK:
        events = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}[state]
        descriptor = connection.fileno()
        poll.register(descriptor, events)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimedOut("timed out")
        poll.unregister(descriptor)


def error_class(error: BaseException) -> str:
    """Return a short name for an error, by which it is counted: PostgreSQL's own where there is one."""
    if isinstance(error, TimedOut):
        return "timeout"
    if isinstance(error, psycopg2.Error) and error.pgcode:
        return _words(error)
    text = str(error)
    for part, name in _CONNECT_FAILURES:
        if part in text:
            return name
    return "connection lost" if isinstance(error, psycopg2.Error) else _words(error)


def _words(error: BaseException) -> str:
    """Return the class's name as words for people: AdminShutdown reads "admin shutdown"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()


def breaks_connection(error: BaseException) -> bool:
    """Say whether a sane application would throw away the connection after this error and look the name up again."""
    return not isinstance(error, psycopg2.Error) or isinstance(
        error,
        psycopg2.OperationalError
        | psycopg2.InterfaceError
        | errors.ReadOnlySqlTransaction
        | errors.InsufficientPrivilege,
    )
