"""The databases alone: a script with the same SQL, on the same servers under the same load, without a call of AWS's.

What it takes is the limit: no product that fences, drains and compares on these servers can be faster. It keeps no
record, reads nothing back, moves no name; afterwards it puts all back as it was.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.switchover.stage import Stage
from handlers.clock import Clock
from handlers.core import access, mapping, sequences
from handlers.core.access import Access
from handlers.core.direction import Direction
from handlers.migration import Door
from handlers.streams import CAUGHT_UP_SECONDS
from handlers.survey import Survey
from handlers.validation import subjects

LOOK_SECONDS = 30.0
LIMIT_SECONDS = 30.0
PAUSE_SECONDS = 0.01


def switch(stage: Stage, direction: Direction) -> dict[str, Any]:
    """Go from fence to open and back again; return the seconds in all and of each step."""
    stream = {
        Direction.FORWARD: stage.operator.outputs["replication_task_arn"],
        Direction.BACK: stage.operator.outputs["failback_task_arn"],
    }[direction]
    token = int(stage.operator.record().get("token", 0))
    with ExitStack() as doors:
        old, new = (doors.enter_context(stage.database(side)) for side in (direction.old, direction.new))
        rules = stage.rules(stream)
        survey = Survey.begin(old, new, rules, subjects.watch)
        survey.look(Clock(), time.time() + LOOK_SECONDS)
        let_catch_up(old, new, token)
        survey.keep_up(Clock(), time.time() + LOOK_SECONDS)
        before, closed = old.database.access(), new.database.access()
        spared = old.fenced_for(())
        times = Times()

        with taken_back(lambda: old.database.act(token, access.open_again(before, old.database.access()))):
            old.database.act(token, access.close(before, spared))
            while old.database.end_sessions(spared) or old.database.sessions(spared):
                time.sleep(PAUSE_SECONDS)
            times.done("fence")

            pass_through(old, new, token)
            times.done("drain")

            statement = sequences.set_all(mapping.sequences(old.database.sequences(), rules))
            if statement:
                new.database.act(token, [statement])
            times.done("sequences")

            slot = stage.config.replication.failback_slot
            with taken_back(lambda: direction is Direction.FORWARD and new.database.drop_slot(slot, token)):
                if direction is Direction.FORWARD:
                    new.database.make_slot(slot, token)
                    times.done("reverse")

                survey.forget_changed()
                again = [table for table in survey.tables if table not in survey.equal]
                wait(lambda: not survey.differences(again))
                times.done("compare")

                with taken_back(lambda: new.database.act(token, access.open_again(closed, new.database.access()))):
                    there = {role.name for role in new.database.login_roles()} | {access.PUBLIC}
                    grantees = tuple(sorted((set(before.grantees) & there) | set(new.ours)))
                    wanted = Access(new.database.name, grantees, before.read_only)
                    new.database.act(token, access.open_again(wanted, closed))
                    times.done("open")
    return {"fence_to_open": sum(times.steps.values()), "steps": times.steps}


class Times:
    """What each step takes, in seconds: from the end of the one before."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._last = time.perf_counter()

    def done(self, step: str) -> None:
        """Note that a step has ended."""
        now = time.perf_counter()
        self.steps[step], self._last = now - self._last, now


def let_catch_up(old: Door, new: Door, token: int) -> None:
    """Wait as the product does before its fence: as long as each row comes through faster than the one before."""
    best = float("inf")
    while CAUGHT_UP_SECONDS < (took := pass_through(old, new, token)) < best:
        best = took


def pass_through(old: Door, new: Door, token: int) -> float:
    """Return how many seconds a row takes from one side to the other."""
    began, mark = time.perf_counter(), str(uuid.uuid4())
    old.database.write_token(mark, token)
    wait(lambda: new.database.has_token(mark))
    return time.perf_counter() - began


@contextmanager
def taken_back(undo: Callable[[], object]) -> Iterator[None]:
    """Undo in the end, come what may."""
    try:
        yield
    finally:
        undo()


def wait(done: Callable[[], bool]) -> None:
    """Wait until `done`. Raises TimeoutError."""
    until = time.monotonic() + LIMIT_SECONDS
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(f"the databases alone: not done in {LIMIT_SECONDS:.0f} s")
        time.sleep(PAUSE_SECONDS)
