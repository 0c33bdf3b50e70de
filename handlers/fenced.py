"""The fenced section: from the moment nobody can write on the old side to the moment everybody can on the new one.

It runs in one invocation. Every step is recorded before and after its side effect and can be repeated, so that an
invocation that takes over after a crash simply runs them all again. What fails before the new side opens is taken back.
Whatever changes a side carries the record's token: a database refuses one older than it has seen. The names lead to the
new side already.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from handlers.clock import DeadlineExceeded, wait_for
from handlers.core import access, mapping, sequences
from handlers.core.direction import Direction
from handlers.core.record import Record, Step
from handlers.migration import Door, Migration
from handlers.routing import lead_ahead
from handlers.survey import Survey

FENCE_SECONDS = 15.0
"""How long sessions may take to end, and how long any statement may behind the fence but for the comparison's."""
POLL_SECONDS = 0.01
QUIET_POLLS = 2
"""A session that was connecting during the revoke appears late: so many polls in a row must find nobody."""


class FenceBroken(Exception):
    """Somebody can still write on the old side. The message says who."""


class DrainFailed(Exception):
    """Not everything arrived on the new side. The message says what is missing."""


class Mismatch(Exception):
    """The two sides hold different data. The message lists the tables."""


@dataclass
class FencedSection:
    """The steps between fence and open over two open databases, each a method that acts and returns evidence.

    `flip` comes ahead of them, and `run` takes them.
    """

    migration: Migration
    survey: Survey
    record: Record
    old: Door = field(init=False)
    new: Door = field(init=False)
    spared: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.old, self.new = self.survey.old, self.survey.new

    def flip(self) -> None:
        """Send the names to the new side while the old one is still written to."""
        self.record = self.migration.begin(self.record, Step.FLIP)
        evidence = lead_ahead(self.migration, self.record)
        self.record = self.migration.end(self.record, Step.FLIP, evidence)

    def run(self) -> Record:
        """Take every step in order and return the record with the new side open.

        Once the opening has begun it is the only step left: those before it are done, and would be wrong now.
        """
        steps = [(Step.OPEN, self.open)] if self.record.past_no_return else self._steps()
        self._limit(FENCE_SECONDS)
        self.spared = self.old.fenced_for(self.migration.config.application_roles)
        before = {access_key(self.old): self.old.database.access().to_dict()}
        self.record = self.migration.begin(self.record, steps[0][0], before)
        for (step, act), following in zip(steps, [*steps[1:], None], strict=True):
            evidence = act()
            if following is None:
                self.record = self.migration.end(self.record, step, evidence)
            else:
                self.record = self.migration.pass_on(self.record, step, evidence, following[0])
        return self.record

    def _steps(self) -> list[tuple[Step, Callable[[], Any]]]:
        way_back = self.record.direction is Direction.FORWARD and self.migration.config.replication.failback_slot
        reverse: list[tuple[Step, Callable[[], Any]]] = [(Step.REVERSE, self.reverse)] if way_back else []
        return [
            (Step.FENCE, self.fence),
            (Step.DRAIN, self.drain),
            (Step.SEQUENCES, self.sequences),
            *reverse,
            (Step.COMPARE, self.compare),
            (Step.OPEN, self.open),
        ]

    def fence(self) -> dict[str, Any]:
        """Take the right to connect from the application, end its sessions, and see that nobody is left."""
        old, clock = self.old.database, self.migration.clock
        old.act(self.record.token, access.close(old.access(), self.spared))
        ended, quiet = 0, 0

        def nobody_left() -> bool:
            nonlocal ended, quiet
            ended += old.end_sessions(self.spared)
            quiet = 0 if old.sessions(self.spared) else quiet + 1
            return quiet >= QUIET_POLLS

        until = clock.now() + FENCE_SECONDS
        try:
            wait_for(nobody_left, clock=clock, until=until, pause=POLL_SECONDS, what="the end of all sessions")
        except DeadlineExceeded:
            raise FenceBroken(f"sessions that do not end: {', '.join(old.sessions(self.spared))}") from None
        self.assert_fenced()
        return {"sessions_ended": ended, "spared": list(self.spared)}

    def assert_fenced(self) -> None:
        """Raise FenceBroken if anybody but us is connected, could connect, or has a transaction left to commit."""
        old = self.old.database
        for found, what in (
            (old.sessions(self.spared), "sessions on the side that is left"),
            (access.intruders(old.login_roles(), self.spared), "roles that can still connect to the side that is left"),
            (old.prepared_transactions(), "prepared transactions on the side that is left"),
        ):
            if found:
                raise FenceBroken(f"{what}: {', '.join(found)}")

    def drain(self) -> dict[str, Any]:
        """Write a token after the last write and wait until it comes out on the new side."""
        old, new, clock = self.old.database, self.new.database, self.migration.clock
        mark, began = str(uuid.uuid4()), clock.now()
        old.write_token(mark, self.record.token)
        limit = self.migration.config.limits.drain_seconds
        try:
            wait_for(
                lambda: new.has_token(mark), clock=clock, until=began + limit, pause=POLL_SECONDS, what="the token"
            )
        except DeadlineExceeded:
            raise DrainFailed(f"the token written after the fence did not reach the new side in {limit} s") from None
        suspended, exceptions = new.suspended_tables(), new.apply_exceptions()
        if suspended or exceptions:
            raise DrainFailed(f"DMS suspended {suspended or 'no table'} and could not apply {exceptions} changes")
        return {"token": mark, "seconds": clock.now() - began}

    def sequences(self) -> dict[str, Any]:
        """Set every sequence of the new side ahead of the old one's, in one statement, and read back."""
        wanted = mapping.sequences(self.old.database.sequences(), self.survey.rules)
        statement = sequences.set_all(wanted)
        if statement:
            self.new.database.act(self.record.token, [statement])
        late = sequences.behind(wanted, self.new.database.sequences())
        if late:
            raise Mismatch(f"sequences behind the side that is left: {', '.join(late)}")
        return {"sequences": len(wanted)}

    def reverse(self) -> dict[str, Any]:
        """Keep, from here on, every change of the target for the way back: nobody can have written to it yet.

        The task that carries them back is started once the target is open: DMS needs a minute for that, and the slot
        loses nothing meanwhile.
        """
        slot = self.migration.config.replication.failback_slot
        self.new.database.drop_slot(slot, self.record.token)
        return {"slot": slot, "position": self.new.database.make_slot(slot, self.record.token)}

    def compare(self) -> dict[str, Any]:
        """Compare, on both sides at once, what may have changed since the survey saw it.

        A batch that DMS is still applying gets until the deadline. That the old side is shut is looked at once more,
        for after this step there is no way back but fail-back.
        """
        survey, clock = self.survey, self.migration.clock
        until = clock.now() + self.migration.config.limits.drain_seconds
        survey.forget_changed()
        self._limit(float(self.migration.config.limits.compare_seconds))
        again = [table for table in survey.tables if table not in survey.equal]
        compared = len(again)
        while again:
            wrong = survey.differences(again)
            again = list(wrong)
            if again and clock.now() >= until:
                raise Mismatch("; ".join(wrong.values()))
            if again:
                clock.sleep(POLL_SECONDS)
        self._limit(FENCE_SECONDS)
        self.assert_fenced()
        return {
            "tables": len(survey.tables),
            "rows": sum(survey.rows.values()),
            "mismatches": 0,
            "tables_in_fence": compared,
            "hash": survey.comparison.method.value,
        }

    def open(self) -> dict[str, Any]:
        """Let the application into the new side: as into the old one, or as it was before where it was open once."""
        new = self.new.database
        known = self.record.saved.get(access_key(self.new))
        wanted = access.Access.from_dict(known) if known else self._as_on_the_old_side()
        new.act(self.record.token, access.open_again(wanted, new.access()))
        allowed = sorted(role.name for role in new.login_roles() if role.can_connect and not role.superuser)
        return {"open_to": [name for name in allowed if name not in self.new.ours]}

    def _limit(self, seconds: float) -> None:
        for door in (self.old, self.new):
            door.database.limit(seconds)

    def _as_on_the_old_side(self) -> access.Access:
        before = access.Access.from_dict(self.record.saved[access_key(self.old)])
        new = self.new.database
        there = {who for who in before.grantees if who == access.PUBLIC or new.has_role(who)}  # groups as well
        return access.Access(new.name, tuple(sorted(there | set(self.new.ours))), before.read_only)


def access_key(door: Door) -> str:
    """Return under what name the record keeps who could connect to a side before it was fenced."""
    return f"access_{door.side}"
