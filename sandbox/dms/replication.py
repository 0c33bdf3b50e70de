"""One task's data plane: a thread that starts it, follows it and ends it."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Sequence

from sandbox.dms import events, stream, translator
from sandbox.dms.carriers import Carrier, close_stream, open_stream
from sandbox.dms.faults import Faults
from sandbox.dms.follower import ASKED, FINISHED, Follower
from sandbox.dms.plan import Plan, Work, announce, begin, impose, opposite, read
from sandbox.dms.protocol import Fault
from sandbox.dms.region import Region
from sandbox.dms.sides import Sessions, SideError
from sandbox.dms.store import Record

START, RESUME, RELOAD = "start-replication", "resume-processing", "reload-target"
FLAGS = {START: "fresh start", RESUME: "resume", RELOAD: "reload"}
JOIN_SECONDS = 15.0
INJECT_SECONDS = 5.0
PAUSE_SECONDS = 0.02
FATAL = "Stop Reason FATAL_ERROR"


class Replication:
    """A task over all its runs.

    `others` returns the plans of the tasks that run besides; `news` is called when this one runs and when it loaded.
    """

    def __init__(
        self, region: Region, record: Record, others: Callable[[], Sequence[Plan]], news: Callable[[], None]
    ) -> None:
        self.faults = Faults()
        self.plan: Plan | None = None
        self._region = region
        self._record = record
        self._others = others
        self._news = news
        self._making = threading.Lock()
        self._work: Work | None = None
        self._carrier: Carrier | None = None
        self._published = sys.maxsize  # nothing is, up to now
        self._sessions = Sessions(f"awsdms_{record.resource_id.lower()}")
        self._halt = threading.Event()
        self._wake = threading.Event()
        self._follower: Follower | None = None
        self._thread: threading.Thread | None = None

    def start(self, kind: str, position: str) -> None:
        """Start in the background; the record tells what comes of it."""
        self._halt.clear()
        self.faults = Faults()
        self._thread = threading.Thread(target=self._run, args=(kind, position), name=self._record.name, daemon=True)
        self._thread.start()

    def announce(self) -> None:
        """Publish a resting task's tables, should they be there by now, so that an older slot can be read later."""
        with self._making, contextlib.suppress(SideError, Fault):
            plan = read(self._region, self._record)
            if not plan.loads and not self._record.run.ever:
                self._published = announce(plan, self._sessions) or self._published
                self.plan = self.plan or plan

    def halt(self) -> None:
        """Ask the thread to end. Returns at once."""
        self._halt.set()
        self._wake.set()
        threading.Thread(target=self._hurry, daemon=True).start()

    def inject(self, fault: str, seconds: float | None) -> dict[str, object]:
        """Make something go wrong, wait until it does, and return what is wrong now. Raises ValueError for no fault."""
        self.faults.set(fault, seconds, self._region.store.now())
        follower, until = self._follower, time.monotonic() + INJECT_SECONDS
        # A whole look and what follows from it, begun after the fault was set.
        wanted = follower.rounds + 2 if follower is not None else 0
        while follower is not None and follower.rounds < wanted and time.monotonic() < until and self._busy():
            self._wake.set()
            time.sleep(PAUSE_SECONDS)
        return self.faults.shape(self._region.store.now())

    def remove(self) -> list[str]:
        """Drop everything the task has made in the databases, and return what could not be dropped."""
        self.halt()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
        return self._close(self.plan, for_good=True) if self.plan is not None else []

    def _hurry(self) -> None:
        until = time.monotonic() + JOIN_SECONDS
        while self._busy() and time.monotonic() < until:
            self._sessions.hurry()
            time.sleep(PAUSE_SECONDS)

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # The thread

    def _run(self, kind: str, position: str) -> None:
        self._follower = follower = None
        try:
            with self._making:
                plan, work = self._make_ready(kind)
                carrier = self._carrier = self._carrier or translator.choose(plan, self._sessions)
                follower = Follower(
                    self._region, self._record, plan, work, carrier, self._sessions, self.faults, self._news
                )
                self._follower = follower
                self._open(kind, position, plan, work, carrier)
            self._news()
            ended = follower.follow(self._halt, self._wake)
            self._rest(follower)
            if ended == FINISHED:
                self._close(plan, for_good=True)
            self._stopped(ended)
        except (SideError, Fault) as error:
            self._rest(follower)
            if self._halt.is_set():
                self._stopped(ASKED)
            else:
                note_failure(self._region, self._record, str(error))

    def _make_ready(self, kind: str) -> tuple[Plan, Work]:
        self.plan = plan = read(self._region, self._record)
        if opposite(plan, self._others()):
            raise SideError(
                "a task that carries changes the other way is running: unless both prevent loopback, DMS would send "
                "every change round and round; stop it first"
            )
        if kind != RESUME:
            self._work = None
            problems = self._close(plan, for_good=False)
            if problems:
                raise SideError("; ".join(problems))
            self._work = begin(plan, self._sessions, reload=kind == RELOAD)
        elif self._work is None:
            raise SideError("there is nothing to resume: the task never began to replicate; reload the target")
        else:
            impose(plan, self._sessions, self._work.mapped)
        return plan, self._work

    def _close(self, plan: Plan, *, for_good: bool) -> list[str]:
        """Drop what the task has made; a mapping that was changed since may ask for another carrier from now on."""
        carrier, self._carrier = self._carrier or translator.choose(plan, self._sessions), None
        problems = close_stream(plan, self._sessions, carrier, for_good=for_good)
        self._carrier = carrier if problems else None
        return problems

    def _open(self, kind: str, position: str, plan: Plan, work: Work, carrier: Carrier) -> None:
        """Open the stream. A task that loads runs while it waits for a slot; one for changes alone once it has it."""
        if kind == RESUME:
            if not carrier.exists(plan):
                raise SideError("there is nothing to resume: the task's stream was dropped; reload the target")
            carrier.aim(plan, lost=False, enabled=False)
        elif not plan.loads:
            begin_at = start_position(position)
            self._published = open_stream(plan, self._sessions, work, carrier, begin_at, self._published)
        self._running(kind, loads=plan.loads and kind != RESUME)
        if kind != RESUME and plan.loads:
            self._published = open_stream(plan, self._sessions, work, carrier, None, self._published)

    # What the record says

    def _running(self, kind: str, *, loads: bool) -> None:
        store, run = self._region.store, self._record.run
        with store.lock:
            if loads:
                run.load_started = store.today()
            self._record.lifecycle.set("running")
        self._region.tell(events.TASK_STARTED, self._record, f"Replication task started, with flag = {FLAGS[kind]}")

    def _rest(self, follower: Follower | None) -> None:
        with contextlib.suppress(SideError):
            if follower is not None:
                follower.rest()

    def _stopped(self, reason: str) -> None:
        store, run = self._region.store, self._record.run
        with store.lock:
            run.stop_reason = f"Stop Reason {reason}"
            run.stopped = store.today()
            self._record.lifecycle.set("stopped")
        self._region.tell(events.TASK_STOPPED, self._record, run.stop_reason)


def note_failure(region: Region, record: Record, why: str) -> None:
    """Note that a task, or a serverless replication, has failed, and tell it."""
    store, run = region.store, record.run
    with store.lock:
        run.failure = f"Last Error  {why} {FATAL} Error Level FATAL"
        run.stop_reason = FATAL
        run.stopped = store.today()
        record.lifecycle.set("failed")
    region.tell(events.TASK_FAILED, record, run.failure)


def start_position(position: str) -> str | None:
    """Return the log position that a CdcStartPosition names, None for none. Raises SideError for what names none."""
    found = stream.lsn(position)
    if position and found is None:
        raise SideError(f"CdcStartPosition {position!r} is no log position: PostgreSQL knows no start from a time")
    return found
