"""Following a task that runs: look at both servers, judge errors, steer the subscription, tell how far it is."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sandbox.dms import control_tables, watch
from sandbox.dms.carriers import Carrier
from sandbox.dms.control_tables import Position
from sandbox.dms.faults import Faults
from sandbox.dms.metrics import OF_TASKS_ALONE, Meter, Reading
from sandbox.dms.plan import Plan, Work, read
from sandbox.dms.progress import Counts, Lag
from sandbox.dms.protocol import Fault
from sandbox.dms.region import Region
from sandbox.dms.run import TableState
from sandbox.dms.sides import Session, Sessions, SideError
from sandbox.dms.store import ACCOUNT, Kind, Record

TICK_SECONDS = 0.5
LOADING_TICK_SECONDS = 0.1
STATUS_SECONDS = 5.0
REFRESH_SECONDS = 2.0
"""How long a subscription may be without a worker before its login is read anew: the secret may have been rotated."""
CALM_SECONDS = 2.0
"""A worker at work so long after an error has got over it."""
STRIKES = 2
"""So many errors in a row, the second after an immediate retry, are no accident."""
LOADING, FOLLOWING, IDLE = "FULL LOAD", "CHANGE PROCESSING", "NOT RUNNING"
FINISHED = "FULL_LOAD_ONLY_FINISHED"
ASKED = "NORMAL"

Answer = TypeVar("Answer")


class Line:
    """A session that is kept, and opened again when it broke."""

    def __init__(self, dial: Callable[[], Session]) -> None:
        self._dial = dial
        self._session: Session | None = None

    def ask(self, question: Callable[[Session], Answer]) -> Answer | None:
        """Return the answer, None where there is no getting through."""
        try:
            self._session = self._session or self._dial()
            return question(self._session)
        except SideError:
            self.close()
            return None

    def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            self._session.close()
            self._session = None


@dataclass(frozen=True)
class View:
    """What one look saw; None where a server did not answer."""

    log: watch.Log | None
    subscription: watch.Subscription | None

    @property
    def caught_up(self) -> bool:
        """Whether everything in the source's log is applied."""
        return self.log is not None and self.log.applied >= self.log.end

    @property
    def working(self) -> bool:
        """Whether changes can flow at this moment."""
        return self.subscription is not None and self.subscription.working


class Follower:
    """Follows one run of a task until it is done or halted. `loaded` is called when its full load is over."""

    def __init__(
        self,
        region: Region,
        record: Record,
        plan: Plan,
        work: Work,
        carrier: Carrier,
        sessions: Sessions,
        faults: Faults,
        loaded: Callable[[], None],
    ) -> None:
        now = region.store.now()
        self.plan = plan
        self.rounds = 0
        self._region = region
        self._record = record
        self._work = work
        self._carrier = carrier
        self._sessions = sessions
        self._faults = faults
        self._loaded = loaded
        # The target is written to as DMS writes: where its user can't log in any more, nothing is applied.
        self._target = Line(lambda: sessions.user(self.plan.target))
        self._source = Line(lambda: sessions.user(self.plan.source))
        self._log = Line(lambda: sessions.superuser(self.plan.source, "postgres"))
        self._lines = (self._target, self._source, self._log)
        self._received, self._applied = Lag(now), Lag(now)
        self._latency = (0.0, 0.0)
        self._meter = meter(region, record)
        self._enabled = self._lost = False
        self._errors: int | None = None
        self._strikes, self._struck_at = 0, now
        self._worked_at, self._beaten_at, self._noted_at, self._slot_at = now, 0.0, 0.0, now
        self._slot_applied = work.ledger.applied
        self._phase = ""

    def follow(self, halt: threading.Event, wake: threading.Event) -> str:
        """Look and steer until the task is done or halted; return why it ended. Raises SideError where it failed.

        `wake` cuts the wait for the next look short.
        """
        while True:
            view = self._look()
            self._judge(view)
            self._note(view)
            if self._loading_ended():
                reason = self.plan.settings.stops_after_load if self.plan.follows else FINISHED
                if reason:
                    return reason
            self._steer(view)
            self.rounds += 1
            wake.wait(TICK_SECONDS if self._work.ledger.loaded else LOADING_TICK_SECONDS)
            wake.clear()
            if halt.is_set():
                return ASKED

    def rest(self) -> None:
        """Stop applying and tell it. To be called when the run is over, however it ended."""
        with contextlib.suppress(SideError):
            if self._carrier.exists(self.plan):
                self._carrier.switch(self.plan, on=False)
        self._enabled = False
        view = self._look()
        self._phase = IDLE
        self._write(view, IDLE)
        for line in self._lines:
            line.close()

    def except_(self, schema: str, table: str, error: str) -> None:
        """Note on the target that a change could not be applied."""
        self._target.ask(lambda user: self.plan.control.exception(user, schema, table, error))

    # Looking

    def _look(self) -> View:
        plan, work, store = self.plan, self._work, self._region.store
        subscription = self._target.ask(lambda user: self._carrier.look(plan, work, user))
        there = self._target.ask(lambda user: watch.counts(user, work.there))
        here = None if self._lost else self._source.ask(lambda user: watch.counts(user, work.tables))
        log = None if self._lost else self._log.ask(lambda superuser: watch.log(superuser, plan.names))
        view = View(log, subscription)
        self._measure(log)
        if there is not None and subscription is not None:
            work.ledger.update(store.today(), Counts(here or {}, there, subscription.states, view.caught_up))
        with store.lock:
            self._record.run.tables = work.ledger.figures
            if log is not None and plan.follows:
                self._record.run.checkpoint = checkpoint(log.confirmed_text)
        return view

    def _measure(self, log: watch.Log | None) -> None:
        now = self._region.store.now()
        end = log.end if log else None
        # What stands still on the target does not keep DMS from reading the source.
        received = None if log is None else log.received if self._enabled else log.end
        source = self._received.observe(now, end, received)
        target = self._applied.observe(now, end, log.applied if log else None)
        self._latency = (source, max(source, target))

    # Judging

    def _judge(self, view: View) -> None:
        """Raise SideError where the task can't go on."""
        if self._faults.failing:
            raise SideError("a failure that a rehearsal asked for")
        if view.log is not None and (view.log.slot_lost or not view.log.has_slot):
            raise SideError(f"the replication slot {self.plan.names.base} is gone from the source: reload the target")
        subscription = view.subscription
        if subscription is None:
            return
        if not subscription.exists:
            raise SideError(f"the subscription {self.plan.names.base} is gone from the target: reload it")
        if subscription.breach:
            breach = self._work.breaches[subscription.breach - 1]
            self._work.ledger.fail([breach.table.id])
            raise SideError(f"{breach.table}, column {breach.column}: {breach.reason}")
        self._count_errors(subscription)

    def _count_errors(self, subscription: watch.Subscription) -> None:
        now = self._region.store.now()
        new = subscription.errors - (subscription.errors if self._errors is None else self._errors)
        self._errors = subscription.errors
        if new <= 0:
            if subscription.working and now - self._struck_at > CALM_SECONDS:
                self._strikes = 0
            return
        self._strikes, self._struck_at = self._strikes + new, now
        if self._strikes < STRIKES:
            # A lost connection counts as an error too. Try again at once: what is wrong with a row fails again.
            self._switch(on=False)
            return
        ledger = self._work.ledger
        if not ledger.loaded:
            stuck = [figures for figures in ledger.figures if figures.state is TableState.LOADING]
            ledger.fail([(figures.schema, figures.name) for figures in stuck])
            names = ", ".join(f"{figures.schema}.{figures.name}" for figures in stuck)
            raise SideError(f"rows can't be loaded into {names or 'the target'}: its server's log says why")
        self.except_("", "", "a change could not be applied")
        raise SideError("a change can't be applied on the target: its server's log says which and why")

    # Telling

    def _loading_ended(self) -> bool:
        """Note the end of the load, and say whether this is the moment."""
        run, store = self._record.run, self._region.store
        if not self.plan.loads or run.load_ended is not None or not self._work.ledger.loaded:
            return False
        with store.lock:
            run.load_ended = store.today()
        self._loaded()
        return True

    def _note(self, view: View) -> None:
        ledger, store = self._work.ledger, self._region.store
        now, phase = store.now(), FOLLOWING if ledger.loaded else LOADING
        reading = Reading(not ledger.loaded, ledger.load_rows, ledger.applied, ledger.pending, *self._latency)
        data = self._meter.data(now, store.today(), reading)
        if data:
            self._region.cloud.put_metrics(data)
        if self.plan.follows and (phase != self._phase or now - self._noted_at >= STATUS_SECONDS):
            self._phase, self._noted_at = phase, now
            self._write(view, phase)
        source = self.plan.source
        if source.heartbeat_schema and not self._lost and now - self._beaten_at >= source.heartbeat_minutes * 60:
            self._beaten_at = now
            self._source.ask(lambda user: control_tables.heartbeat(user, source.heartbeat_schema, source.login.user))

    def _write(self, view: View, phase: str) -> None:
        """Write the control tables: the status, and a line of history where a time slot ended."""
        if not self.plan.follows:
            return
        end, tail = (view.log.end_text, view.log.confirmed_text) if view.log else ("", "")
        at = Position(phase, self._work.ledger.pending, end, tail, self._latency[1])
        control, now = self.plan.control, self._region.store.now()
        self._target.ask(lambda user: control.status(user, at))
        if phase == IDLE or now - self._slot_at >= self.plan.settings.history_minutes * 60:
            records = self._work.ledger.applied - self._slot_applied
            self._slot_at, self._slot_applied = now, self._work.ledger.applied
            self._target.ask(lambda user: control.history(user, at, records))

    # Steering

    def _steer(self, view: View) -> None:
        now = self._region.store.now()
        lost = self._faults.source_lost(now)
        if lost != self._lost:
            self._redirect(lost=lost)
        on = view.subscription is not None and self._faults.applies(now, caught_up=view.caught_up)
        if on != self._enabled:
            self._switch(on=on)
        if not on or lost or view.working:
            self._worked_at = now
        elif now - self._worked_at > REFRESH_SECONDS:
            self._worked_at = now
            self._read_again()

    def _switch(self, *, on: bool) -> None:
        with contextlib.suppress(SideError):
            self._carrier.switch(self.plan, on=on)
            self._enabled = on

    def _redirect(self, *, lost: bool) -> None:
        with contextlib.suppress(SideError):
            self._carrier.aim(self.plan, lost=lost, enabled=self._enabled)
            self._lost = lost
            self._source.close()
            self._log.close()

    def _read_again(self) -> None:
        """Read the endpoints' secrets again, as DMS does when it connects."""
        with contextlib.suppress(SideError, Fault):
            plan = read(self._region, self._record)
            if plan.source.login != self.plan.source.login:
                self.plan = plan
                self._redirect(lost=False)
            self.plan = plan


def meter(region: Region, record: Record) -> Meter:
    """Return what measures a task, or a serverless replication, as CloudWatch is to know it."""
    if record.kind is Kind.REPLICATION:
        return Meter({"ReplicationConfigId": f"{ACCOUNT}:{record.resource_id}"}, OF_TASKS_ALONE)
    instance = region.store.get(Kind.INSTANCE, record.body["ReplicationInstanceArn"]).name
    return Meter({"ReplicationInstanceIdentifier": instance, "ReplicationTaskIdentifier": record.resource_id})


def checkpoint(position: str) -> str:
    """Return a log position as DMS writes a RecoveryCheckpoint."""
    high, _, low = position.partition("/")
    return f"checkpoint:V1#1#{int(high, 16):08X}/{int(low, 16):08X}#0#0#*#0#0"
