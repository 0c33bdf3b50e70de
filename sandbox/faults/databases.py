"""Faults of the two databases: out of reach, full, with sequences that can't follow, with transactions left over."""

import os
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg2

from handlers.core.direction import Direction
from sandbox.databases import ServerInfo
from sandbox.faults.fault import NEW, OLD, Fault
from sandbox.faults.interception import stored
from sandbox.faults.replication import FORWARD, await_status, go_on
from sandbox.faults.stage import Attempt, Stage
from sandbox.faults.undoing import SOON

AT_THE_FENCE = stored("fence begins", "hold", after=False)
IN_THE_FENCE = stored("fence begins", "hold", after=True)
SHORT_SECONDS = 6.0
REFUSED_SECONDS = 1.0
SESSIONS = 5


def processes(stage: Stage, server: ServerInfo) -> list[int]:
    """Return a server's processes, the postmaster's first."""
    postmaster = dict(stage.instance.processes)[f"postgres-{server.name}"]
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


def signal_all(stage: Stage, server: ServerInfo, number: signal.Signals) -> None:
    """Send a signal to all of a server's processes. The postmaster comes first, so that it starts no other."""
    for process in processes(stage, server):
        with suppress(ProcessLookupError):
            os.kill(process, number)


@contextmanager
def silent(attempt: Attempt, side: str, seconds: float | None = None) -> Iterator[None]:
    """Have a side, old or new, answer nobody: for so many seconds, or until the attempt has ended."""
    stage, server = attempt.stage, {"old": attempt.old, "new": attempt.new}[side]
    go_on = partial(signal_all, stage, server, signal.SIGCONT)
    timer = threading.Timer(seconds or 0.0, go_on)
    signal_all(stage, server, signal.SIGSTOP)
    try:
        if seconds:
            timer.start()
        else:
            attempt.interception.pace(SOON)
        yield
    finally:
        timer.cancel()
        go_on()


@contextmanager
def full(attempt: Attempt) -> Iterator[None]:
    """Have the new side refuse every row of a table as a full disk has it refuse them."""
    attempt.stage.sql(
        attempt.new,
        """CREATE FUNCTION migration_control.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$""",
        """CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON public.orders FOR EACH ROW
        EXECUTE FUNCTION migration_control.full()""",
        "ALTER TABLE public.orders ENABLE ALWAYS TRIGGER fault",
    )
    attempt.stage.operator.pause(REFUSED_SECONDS)  # until a row has come that is refused
    yield
    await_status(attempt.stage, FORWARD, "failed")
    attempt.stage.sql(attempt.new, "DROP TRIGGER fault ON public.orders", "DROP FUNCTION migration_control.full")
    go_on(attempt)


@contextmanager
def narrow_sequence(attempt: Attempt) -> Iterator[None]:
    """Give a sequence of the new side an end that the old one's is past."""
    [(sequence,)] = attempt.stage.sql(attempt.new, "SELECT pg_get_serial_sequence('public.orders', 'id')")
    attempt.stage.sql(attempt.new, f"ALTER SEQUENCE {sequence} MAXVALUE 10 START 1 RESTART 1")
    yield
    attempt.stage.sql(attempt.new, f"ALTER SEQUENCE {sequence} NO MAXVALUE")


@contextmanager
def long_transaction(attempt: Attempt) -> Iterator[None]:
    """Leave a transaction of the application open, with a write in it that nobody was ever told was done."""
    identity = str(uuid.uuid4())
    connection = attempt.stage.connect(attempt.old)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO writability.probe (id) VALUES (%s)", (identity,))
    yield
    if _can_write(connection):
        attempt.wrong.append("a transaction from before the fence could go on behind it")
    connection.close()
    for server in (attempt.old, attempt.new):
        if attempt.stage.sql(server, f"SELECT 1 FROM writability.probe WHERE id = '{identity}'"):  # noqa: S608
            attempt.wrong.append(f"what was never committed is there on {server.name}")


@contextmanager
def prepared_transaction(attempt: Attempt) -> Iterator[None]:
    """Leave a prepared transaction behind: it could be committed when every session has ended."""
    stage = attempt.stage
    connection = stage.connect(attempt.old)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN; INSERT INTO writability.probe (id) VALUES ('{uuid.uuid4()}')")  # noqa: S608
        cursor.execute("PREPARE TRANSACTION 'fault'")
    connection.close()
    yield
    with attempt.old.superuser(stage.source.database) as superuser, superuser.cursor() as cursor:
        cursor.execute("ROLLBACK PREPARED 'fault'")


@contextmanager
def old_connections(attempt: Attempt) -> Iterator[None]:
    """Hold connections to the old side, idle and in a transaction, and go on using them and its address afterwards."""
    held = [attempt.stage.connect(attempt.old) for _ in range(SESSIONS)]
    for connection in held[::2]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    yield
    wrote = sum(_can_write(connection) for connection in held)
    for connection in held:
        connection.close()
    if wrote:
        attempt.wrong.append(f"{wrote} of {SESSIONS} connections from before could write to the side that is left")
    if attempt.stage.lets_in(attempt.old):
        attempt.wrong.append("who kept the old address was let in")


def _can_write(connection: psycopg2.extensions.connection) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO writability.probe (id) VALUES (%s)", (str(uuid.uuid4()),))
        connection.commit()
    except psycopg2.Error:
        return False
    return True


FAULTS = (
    Fault(
        "target-silent",
        "the target's server stops answering as the fence closes, and goes on when the attempt has ended",
        OLD,
        (IN_THE_FENCE,),
        partial(silent, side="new"),
    ),
    Fault(
        "target-silent-shortly",
        f"the target's server answers nobody for {SHORT_SECONDS:.0f} s as the fence closes",
        OLD | NEW,
        (IN_THE_FENCE,),
        partial(silent, side="new", seconds=SHORT_SECONDS),
    ),
    Fault("target-full", "the target has no room for another row", OLD, (AT_THE_FENCE,), full),
    Fault(
        "source-silent",
        f"the source's server answers nobody for {SHORT_SECONDS:.0f} s in the middle of the fence",
        OLD | NEW,
        (IN_THE_FENCE,),
        partial(silent, side="old", seconds=SHORT_SECONDS),
    ),
    Fault(
        "sequences-behind",
        "a sequence of the target can't be set as far as the source's",
        OLD,
        (AT_THE_FENCE,),
        narrow_sequence,
    ),
    Fault(
        "long-transaction",
        "a transaction of the application is open when the fence closes",
        NEW,
        strike=long_transaction,
    ),
    Fault(
        "prepared-transaction",
        "a transaction is prepared between the look at them and the fence",
        OLD,
        (AT_THE_FENCE,),
        prepared_transaction,
    ),
    Fault(
        "old-connections",
        "clients hold on to old connections and to the address they once looked up",
        NEW,
        strike=old_connections,
    ),
    Fault(
        "back-old-connections",
        "the same on the way back",
        NEW,
        strike=old_connections,
        direction=Direction.BACK,
    ),
)
