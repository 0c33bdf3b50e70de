"""The application: writes at a steady rate, survives what a switchover does to it, and records what it was told.

Run as `python -m sandbox.rehearsal.load`, with `Settings` as JSON on standard input. It ends when its time is up or on
SIGTERM or SIGINT, finishes the transactions that are under way, and prints a summary in one line of JSON.
"""

import json
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import psycopg2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import SandboxError
from sandbox.processes import end_with_parent
from sandbox.rehearsal.client import breaks_connection, connect, error_class, limit_waiting
from sandbox.rehearsal.ledger import Ledger, Record
from sandbox.rehearsal.progress import BUCKET_SECONDS, Progress, progress_path
from sandbox.rehearsal.resolver import NameFailure, Resolver
from sandbox.rehearsal.writes import MODES, Chooser, Write

START_SECONDS = 15.0
"""How long the first connection may take."""
BURST_SECONDS = 0.2
"""Writes that came due while all workers were busy are caught up on for so long, older ones are dropped."""
LONGEST_PAUSE = 0.2


class Settings(BaseModel):
    """What the load is told on standard input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """DNS name of the writer."""
    port: int = Field(gt=0, lt=65536)
    resolver: tuple[str, int]
    """Address and port of the nameserver."""
    database: str
    user: str
    password: str = Field(repr=False)
    rate: float = Field(gt=0, le=10_000)
    """Writes per second."""
    seconds: float = Field(gt=0)
    """When to end at the latest."""
    workers: int = Field(default=8, gt=0, le=100)
    """Connections, and writes at the same time."""
    ledger: Path
    seed: int = 0
    mode: Literal["shop", "own_table"]


class NotCommitted(Exception):
    """The server answered COMMIT by rolling back: certainly not done."""


class Pacer:
    """An open-loop schedule: writes come due at a steady rate, whether or not the earlier ones are done."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._clock, self._lock = 1.0 / rate, clock, threading.Lock()
        self._due = clock()

    def next_due(self) -> float:
        """Return the moment of the next write; it may be past, by BURST_SECONDS at most."""
        with self._lock:
            due = max(self._due, self._clock() - BURST_SECONDS)
            self._due = due + self._interval
            return due


def pause_before_retry(attempt: int, rng: random.Random) -> float:
    """Return how many seconds to wait after a failed attempt, counted from 0: 10 to 50 ms, later up to 200."""
    return rng.uniform(0.01, min(0.05 * 2 ** min(attempt, 10), LONGEST_PAUSE))


class Application:
    """What the workers share."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings, self.progress = settings, progress
        self.resolver = Resolver(settings.name, *settings.resolver)
        self.ledger = Ledger(settings.ledger)
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self.tally: Counter[str] = Counter()
        self._mode = MODES[settings.mode]()
        self._chooser, self._pacer = Chooser(self._mode), Pacer(settings.rate)
        self._lock = threading.Lock()

    def run(self) -> None:
        """Write until told to stop or until the time is up. Raises SandboxError if the database can't be used."""
        until = time.monotonic() + self.settings.seconds
        self.ledger.open()
        self._prepare()
        self._pacer = Pacer(self.settings.rate)
        workers = [threading.Thread(target=Worker(self, number).run) for number in range(self.settings.workers)]
        for worker in workers:
            worker.start()
        try:
            while not self.stop.wait(BUCKET_SECONDS) and time.monotonic() < until:
                self.progress.flush()
        finally:
            self.stop.set()
            for worker in workers:
                worker.join()
            self.ledger.close()
        if isinstance(self.failure, OSError):
            raise SandboxError(_unwritable(self.settings.ledger, self.failure)) from self.failure
        if self.failure is not None:
            raise SandboxError(f"the load failed: {type(self.failure).__name__}: {self.failure}") from self.failure

    def connect(self) -> tuple[Any, str]:
        """Connect to where the name leads now; return connection and address. Raises NameFailure, psycopg2.Error."""
        settings = self.settings
        address = self.progress.address = self.resolver.address()
        return connect(
            address=address,
            port=settings.port,
            database=settings.database,
            user=settings.user,
            password=settings.password,
        ), address

    def next_write(self, rng: random.Random) -> Write | None:
        """Wait until a write is due and return it, or None if it is time to stop."""
        if self.stop.wait(max(0.0, self._pacer.next_due() - time.monotonic())):
            return None
        return self._chooser.next(rng)

    def record(self, write: Write, side: str, rows: int, *, acknowledged: bool) -> None:
        """Write down what became of a write, and only then count it."""
        self.ledger.append(
            Record(
                id=write.id,
                kind=write.kind,
                acknowledged=acknowledged,
                at=time.monotonic(),
                epoch=time.time(),
                side=side,
                items=write.items,
                counters=write.counters,
                of=write.of,
                rows=rows,
            )
        )
        if acknowledged:
            self.progress.acknowledged(side)
            self._chooser.acknowledged(write)
        self.count("acknowledged" if acknowledged else "ambiguous")

    def count(self, what: str) -> None:
        """Count for the summary."""
        with self._lock:
            self.tally[what] += 1

    def fail(self, error: BaseException) -> None:
        """End everything: a worker can't go on."""
        self.failure = error
        self.stop.set()

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return what is printed in the end."""
        return {
            **{what: self.tally[what] for what in ("acknowledged", "ambiguous", "unfinished")},
            "sides": dict(self.progress.sides),
            "errors": dict(self.progress.errors),
            "seconds": round(seconds, 3),
        }

    def _prepare(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self.stop.is_set():
            try:
                connection, _ = self.connect()
                try:
                    with connection.cursor() as cursor:
                        return self._mode.prepare(cursor)
                finally:
                    connection.close()
            except (psycopg2.Error, NameFailure) as error:
                self.progress.error(error_class(error))
                if time.monotonic() > until:
                    raise SandboxError(f"the load can't begin: {' '.join(str(error).split())}") from None
                self.stop.wait(LONGEST_PAUSE)
        return None


class Worker:
    """One connection, and one write at a time."""

    def __init__(self, application: Application, number: int) -> None:
        self._application = application
        self._rng = random.Random(f"{application.settings.seed} {number}")
        self._connection: Any = None
        self._side = ""

    def run(self) -> None:
        """Write until it is time to stop."""
        try:
            while write := self._application.next_write(self._rng):
                self._perform(write)
        except BaseException as error:
            self._application.fail(error)
        finally:
            self._drop()

    def _perform(self, write: Write) -> None:
        """Try until the write is done, or may be done, or it is time to stop."""
        attempt = 0
        while not self._application.stop.is_set():
            try:
                return self._attempt(write)
            except (psycopg2.Error, NameFailure, NotCommitted) as error:
                self._failed(error)
            self._application.stop.wait(pause_before_retry(attempt, self._rng))
            attempt += 1
        return self._application.count("unfinished")

    def _attempt(self, write: Write) -> None:
        """Carry out a write. Whatever it raises, the write was certainly not done: COMMIT was not sent, or refused."""
        if self._connection is None:
            self._connection, self._side = self._application.connect()
        with self._connection.cursor() as cursor:
            rows = write.carry_out(cursor)
            try:
                cursor.execute("COMMIT")
            except psycopg2.Error as error:
                # Perhaps done, perhaps not: never again under this id.
                self._application.record(write, self._side, rows, acknowledged=False)
                self._failed(error)
                return
            if cursor.statusmessage != "COMMIT":
                raise NotCommitted
            self._application.record(write, self._side, rows, acknowledged=True)

    def _failed(self, error: Exception) -> None:
        self._application.progress.error(error_class(error))
        if not breaks_connection(error) and self._connection is not None:
            try:
                with self._connection.cursor() as cursor:
                    cursor.execute("ROLLBACK")
                return
            except psycopg2.Error:
                pass
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _unwritable(ledger: Path, error: OSError) -> str:
    return f"{ledger} can't be written: {error.strerror or error}; make room in its folder, or name another"


def main() -> int:
    """Run the load as its settings on standard input say, and return the exit code."""
    try:
        settings = Settings.model_validate_json(sys.stdin.buffer.read())
    except ValidationError as error:
        # Without the input: the password is in it.
        wrong = [f"{'.'.join(map(str, e['loc'])) or 'JSON'}: {e['msg']}" for e in error.errors(include_input=False)]
        print(f"the load's settings are wrong: {'; '.join(wrong)}", file=sys.stderr)
        return 1
    end_with_parent()
    limit_waiting()
    began = time.monotonic()
    try:
        with Progress(progress_path(settings.ledger)) as progress:
            application = Application(settings, progress)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: application.stop.set())
            application.run()
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(_unwritable(settings.ledger, error), file=sys.stderr)
        return 1
    print(json.dumps(application.summary(time.monotonic() - began)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
