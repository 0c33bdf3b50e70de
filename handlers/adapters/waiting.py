"""Waits for a PostgreSQL server that end: one that is there and silent would hold a function as long as it may run.

A server enforces its own limit per statement only while it works, and the network's limits hold only while it is gone.
"""

import select
import time
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, connection, set_wait_callback

CONNECT_SECONDS = 10
GRACE_SECONDS = 2.0
"""How much longer than the server's own limit an answer is waited for."""


class TimedOut(psycopg2.OperationalError):
    """The server did not answer in time. The connection is of no more use; what it was asked may yet be done."""


class Limited(connection):
    """A connection that knows how many seconds an answer is waited for; while it is made, CONNECT_SECONDS."""

    seconds: float = CONNECT_SECONDS


def limit_waits() -> None:
    """Make every wait of psycopg2 in this process end, by TimedOut, when a connection's time is over."""
    set_wait_callback(_wait)


def _wait(waiting: Any) -> None:
    until = time.monotonic() + getattr(waiting, "seconds", CONNECT_SECONDS)
    poll = select.poll()
    while (state := waiting.poll()) != POLL_OK:
        descriptor = waiting.fileno()
        poll.register(descriptor, select.POLLIN if state == POLL_READ else select.POLLOUT)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimedOut("the database did not answer in time")
        poll.unregister(descriptor)
