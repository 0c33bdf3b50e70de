"""What carries a task's rows: PostgreSQL's own subscription, or a translator where names change on the way."""

from typing import Protocol

from sandbox.dms import stream, watch
from sandbox.dms.plan import Plan, Work
from sandbox.dms.sides import Session, Sessions, SideError


class Carrier(Protocol):
    """Carries one task from its slot on the source to its target. All of it raises SideError."""

    def open(self, plan: Plan, work: Work, *, filtered: bool, start: str | None) -> None:
        """Make what carries, not yet at work. `filtered` leaves out what came to the source by replication itself."""

    def exists(self, plan: Plan) -> bool:
        """Say whether it is there to be resumed."""

    def look(self, plan: Plan, work: Work, user: Session) -> watch.Subscription:
        """Return how it is doing; `user` is the endpoint's on the target."""

    def switch(self, plan: Plan, *, on: bool) -> None:
        """Let it apply, or not. Once it is off nothing is applied any more."""

    def aim(self, plan: Plan, *, lost: bool, enabled: bool) -> None:
        """Point it to the source as `plan` knows it, or to nowhere while that is to be unreachable."""

    def close(self, plan: Plan) -> int | None:
        """Drop it, without touching the source. Returns the subscription's oid: slots there carry it in their name."""


class Native:
    """PostgreSQL's own workers, which apply rows under the names they had."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def open(self, plan: Plan, work: Work, *, filtered: bool, start: str | None) -> None:  # noqa: ARG002
        """Make the subscription."""
        with self._sessions.superuser(plan.target) as superuser:
            stream.subscribe(superuser, plan.names, plan.source, copy=plan.loads, filtered=filtered, start=start)

    def exists(self, plan: Plan) -> bool:
        """Look for the subscription."""
        with self._sessions.superuser(plan.target) as superuser:
            return stream.exists(superuser, plan.names)

    def look(self, plan: Plan, work: Work, user: Session) -> watch.Subscription:
        """Read the subscription's state."""
        return watch.subscription(user, plan.names, plan.limit_names, work.there)

    def switch(self, plan: Plan, *, on: bool) -> None:
        """Enable the subscription, or disable it and wait for its workers' end."""
        with self._sessions.superuser(plan.target) as superuser:
            stream.enable(superuser, plan.names, on=on)
            if not on:
                stream.await_end(superuser, plan.names)

    def aim(self, plan: Plan, *, lost: bool, enabled: bool) -> None:
        """Change the subscription's connection."""
        with self._sessions.superuser(plan.target) as superuser:
            stream.connect(superuser, plan.names, None if lost else plan.source.login)
            if enabled:  # a worker that waits to try again begins anew
                stream.enable(superuser, plan.names, on=False)
                stream.enable(superuser, plan.names, on=True)

    def close(self, plan: Plan) -> int | None:
        """Drop the subscription."""
        with self._sessions.superuser(plan.target) as superuser:
            return stream.unsubscribe(superuser, plan.names)


def open_stream(
    plan: Plan, sessions: Sessions, work: Work, carrier: Carrier, position: str | None, published: int
) -> int:
    """Make the stream from the source's log as it is from now on, or from a position. It is not at work yet.

    `published` is since when the tables have been published; returns it brought up to date.
    """
    with sessions.superuser(plan.source) as superuser:
        published = stream.publish(superuser, plan.names, work.tables) or published
        filtered = superuser.version >= stream.ORIGIN_SINCE
    with sessions.user(plan.source) as source:
        work.ledger.base_source = watch.counts(source, work.tables)
        seconds = plan.settings.consistency_seconds if plan.loads else plan.source.execute_seconds
        try:
            with sessions.patience(source, seconds):
                slot = "" if plan.loads else plan.source.slot
                start = stream.make_slot(source, plan.names, slot, position, published)
        except SideError as error:
            if "statement timeout" in str(error):
                raise SideError(f"transactions stayed open on the source for too long: {error}") from None
            raise
    with sessions.superuser(plan.target) as superuser:
        filtered = filtered and superuser.version >= stream.ORIGIN_SINCE
    carrier.open(plan, work, filtered=filtered, start=start)
    return published


def close_stream(plan: Plan, sessions: Sessions, carrier: Carrier, *, for_good: bool) -> list[str]:
    """Drop the stream on whichever side can be reached, and return what could not be dropped.

    Only `for_good` are the publications dropped and the limits lifted.
    """
    problems, oid = [], None
    try:
        oid = carrier.close(plan)
        if for_good:
            with sessions.superuser(plan.target) as superuser:
                stream.lift(superuser, plan.limit_names)
    except SideError as error:
        problems.append(str(error))
    try:
        with sessions.superuser(plan.source) as superuser:
            stream.drop_slots(superuser, plan.names, oid)
            if for_good:
                stream.unpublish(superuser, plan.names)
    except SideError as error:
        problems.append(str(error))
    return problems
