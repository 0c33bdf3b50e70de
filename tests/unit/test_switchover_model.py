"""The switchover against all that can go wrong at once: executions, late and doubled invocations, deaths, aborts.

The real functions and the real machine's definition run on a migration in memory while hypothesis decides who goes on,
how far, and what fails there. `MODEL_EXAMPLES=20000 pytest tests/unit/test_switchover_model.py` looks for longer.
"""

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from handlers.core.record import BUSY, Phase, Step
from handlers.functions import observe
from tests.support.fakes import World
from tests.support.step_functions import (
    CHANGES,
    DIE,
    DIE_AFTER,
    FAIL,
    FAIL_AFTER,
    PAUSE,
    Execution,
    Invocation,
    Order,
    invoke,
)

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "250"))
MOST_EXECUTIONS = 6
WINDOW_SECONDS, LEASE_SECONDS, TTL_SECONDS = 300, 900, 60
REST = (Phase.IDLE, Phase.UNDONE, Phase.COMPLETED)
LOST = {"doubled": "Lambda.SdkClientException", "timed out": "States.Timeout"}
"""What the machine hears where it loses an answer: it calls again, or goes on without it."""
HOW = (*LOST, "aborted", "stopped")
ENDS = st.sampled_from([PAUSE, PAUSE, PAUSE, FAIL, FAIL_AFTER, DIE, DIE_AFTER])
KINDS = st.sampled_from(
    [
        frozenset(kind)
        for kind in (
            *({"shift"}, {"make_slot", "drop_slot"}, {"write_token"}, {"act"}, {"write"}, {"stop", "start_from"}),
            {"empty", "make_control_schema"},
        )
    ]
)
ORDERS = st.one_of(
    st.just(Order()),
    st.tuples(st.integers(0, 25), st.just(CHANGES), ENDS).map(lambda parts: Order(*parts)),
    st.tuples(st.integers(0, 3), KINDS, ENDS).map(lambda parts: Order(*parts)),
    st.tuples(st.integers(0, 120), st.none(), ENDS).map(lambda parts: Order(*parts)),
)
"""To the end, to a change, to a change of one kind, to any call."""


class Switchovers(RuleBasedStateMachine):
    """What may happen, and what must hold all the while."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.executions: list[Execution] = []
        self.loose: list[Invocation] = []
        self.late = self.broke = False
        self.acknowledged: list[str] = []

    # What may happen

    @initialize(first=st.integers(0, 9), back=st.integers(0, 10), late=st.booleans(), busy=st.booleans())
    def begin(self, first: int, back: int, late: bool, busy: bool) -> None:
        """Begin anywhere between a fresh migration and the end of a fail-back, all having gone well so far.

        A `busy` application writes after every change by an invocation, any other when hypothesis says so.
        """
        self.late = late
        if busy:
            self.world.meanwhile = self._write
        if first:
            self._smoothly(self._start(back=False), first)
        if first == 9 and back:
            self._smoothly(self._start(back=True), back)

    @precondition(lambda self: len(self.executions) < MOST_EXECUTIONS)
    @rule(back=st.booleans())
    def start(self, back: bool) -> None:
        self._start(back=back)

    @precondition(lambda self: self._going())
    @rule(who=st.integers(0, 7), order=ORDERS)
    def go_on(self, who: int, order: Order) -> None:
        going = self._going()
        going[who % len(going)].advance(replace(order))

    @precondition(lambda self: self._going())
    @rule(who=st.integers(0, 7), order=ORDERS)
    def go_on_as_well(self, who: int, order: Order) -> None:
        self.go_on(who, order)

    @precondition(lambda self: self._running())
    @rule(who=st.integers(0, 3), transitions=st.integers(1, 8))
    def go_on_smoothly(self, who: int, transitions: int) -> None:
        going = self._running()
        self._smoothly(going[who % len(going)], transitions)

    @precondition(lambda self: any(e.invocation for e in self._running()))
    @rule(who=st.integers(0, 3), error=st.sampled_from(sorted(LOST.values())))
    def lose(self, who: int, error: str) -> None:
        at_work = [e for e in self._running() if e.invocation]
        self._loose(at_work[who % len(at_work)].lose(error))

    @precondition(lambda self: self._running())
    @rule(
        who=st.integers(0, 3),
        order=st.tuples(st.integers(0, 9), KINDS),
        how=st.sampled_from(HOW),
        transitions=st.integers(0, 8),
        goes_on=st.booleans(),
    )
    def overtake(self, who: int, order: tuple[int, frozenset[str]], how: str, transitions: int, goes_on: bool) -> None:
        going = self._running()
        held_up = self._overtaken(going[who % len(going)], Order(*order), how, transitions)
        if goes_on and held_up:
            held_up.advance(Order())

    @precondition(lambda self: self._running())
    @rule(who=st.integers(0, 3))
    def stop(self, who: int) -> None:
        going = self._running()
        self._loose(going[who % len(going)].stop())

    @precondition(lambda self: self.world.tracking.record.phase in BUSY | {Phase.NEEDS_A_PERSON})
    @rule()
    def abort(self) -> None:
        self._loose(Invocation(self.world, "undo", {"abort": "the phone rang"}))

    @precondition(lambda self: self.world.tracking.record.phase is Phase.OPEN)
    @rule()
    def finish_early(self) -> None:
        self._loose(Invocation(self.world, "finish", {"execution": self.world.tracking.record.owner}))

    @precondition(lambda self: self.world.tracking.record.phase in (*REST, Phase.FAILED_BACK))
    @rule(before=KINDS, nth=st.integers(0, 2))
    def prepare(self, before: frozenset[str], nth: int) -> None:
        """Prepare; if that is held up, once more; and load what was emptied."""
        for order in (Order(nth, before), Order()):
            self.loose.append(Invocation(self.world, "prepare", {"empty_target": True}))
            self.loose[-1].advance(order)
        if self._behind():
            self._reload()

    @rule()
    def look(self) -> None:
        observe.step(self.world.migration(), {}, 30.0)

    @rule()
    def write(self) -> None:
        self._write()

    @rule(seconds=st.sampled_from([1, TTL_SECONDS + 1, WINDOW_SECONDS + 1, LEASE_SECONDS + 1]))
    def wait(self, seconds: int) -> None:
        self.world.clock.sleep(seconds)

    @rule(forward=st.booleans(), broken=st.booleans())
    def stream(self, forward: bool, broken: bool) -> None:
        """A stream lags, or catches up."""
        (self.world.task if forward else self.world.failback_task).broken = broken

    @rule(follow=st.booleans())
    def names(self, follow: bool) -> None:
        """Route 53 takes longer than anybody waits, or follows again."""
        self.world.router.synced = follow

    # What must hold all the while

    @invariant()
    def never_two_sides_and_nothing_doubled(self) -> None:
        world = self.world
        assert world.violations == []
        assert world.both_writable() is None
        assert (world.source.exceptions, world.target.exceptions) == (0, 0)

    @invariant()
    def nothing_acknowledged_is_missing(self) -> None:
        """An open side has every row from the moment it is opened on. While both are closed, one of them has."""
        world, wanted = self.world, set(self.acknowledged)
        sides = [side for side in (world.source, world.target) if side.writable()] or [world.source, world.target]
        assert any(wanted <= set(side.rows) for side in sides), [sorted(wanted - set(side.rows)) for side in sides]

    # Where it must end

    def teardown(self) -> None:
        try:
            self._to_an_end()
            self._once_more()
        finally:
            for invocation in [*self.loose, *(e.invocation for e in self.executions if e.invocation)]:
                invocation.die()

    def _to_an_end(self) -> None:
        """Let what is late come, all work again, and executions go on: new ones, if those there are not enough."""
        if not self.late:
            self._let_loose()
        self.world.task.broken = self.world.failback_task.broken = False
        self.world.router.synced = True
        for _ in range(MOST_EXECUTIONS):
            self._run()
            if self._rests():
                break
            self.world.clock.sleep(LEASE_SECONDS + WINDOW_SECONDS + 1)
            self._start(back=False)
        self._let_loose()
        self._holds()
        assert self._rests(), self._story()

    def _overtaken(self, execution: Execution, order: Order, how: str, transitions: int) -> Invocation | None:
        """Hold an invocation up, let others go past it, and return it; None if it ended before."""
        begun = len(execution.invocations) - (execution.invocation is not None)
        execution.advance(order)
        held_up = execution.invocation
        self.broke = held_up is not None or any(i.broke for i in execution.invocations[begun:])
        self._write()
        if how == "aborted":
            self._loose(Invocation(self.world, "undo", {"abort": "the phone rang"}))
            self.loose[-1].advance(Order())
            return held_up
        if how in LOST:
            self._loose(execution.lose(LOST[how]))
        else:
            self._loose(execution.stop())
            self.world.clock.sleep(LEASE_SECONDS / 2)
            execution = self._start(back=False)
        self._smoothly(execution, transitions)
        self._write()
        return held_up

    def _let_loose(self) -> None:
        """Let every late invocation come to its end, or to the one that Lambda makes of it."""
        for invocation in self.loose:
            invocation.advance(Order())

    def _once_more(self) -> None:
        """A fresh attempt must lead to the end."""
        if self.world.tracking.record.phase is Phase.FAILED_BACK:
            assert invoke(self.world, "prepare", {"empty_target": True})["outcome"] == "prepared"
        if self._behind():
            self._reload()
        if self.world.tracking.record.phase is not Phase.COMPLETED:
            self._start(back=False)
            self._run()
        self._holds()
        assert self.world.tracking.record.phase is Phase.COMPLETED, self._story()
        assert not self._running(), self._story()

    def _holds(self) -> None:
        self.never_two_sides_and_nothing_doubled()
        self.nothing_acknowledged_is_missing()
        world, phase = self.world, self.world.tracking.record.phase
        here = "green" if phase is Phase.COMPLETED else "blue"
        assert world.open_side() == here, self._story()
        assert world.router.leads_to() == here, self._story()
        assert world.router.seconds == TTL_SECONDS, self._story()
        assert world.target.slots == {}, self._story()
        assert world.failback_task.at_rest(), self._story()
        assert sorted(getattr(world, "target" if here == "green" else "source").rows) == sorted(self.acknowledged)

    def _rests(self) -> bool:
        record = self.world.tracking.record
        return record.phase in REST or (record.phase is Phase.FAILED_BACK and Step.SETTLE in record.done)

    def _run(self) -> None:
        """Run every execution as far as it gets, in turns, time passing where all of them wait."""
        for _ in range(60):
            if not self._running():
                return
            for execution in self._running():
                execution.advance(Order())
            if all(execution.waits for execution in self._running()):
                self.world.clock.sleep(30)

    def _write(self) -> None:
        """Write one row wherever that is allowed."""
        row = f"row {len(self.acknowledged)}"
        if self.world.source.write(row) or self.world.target.write(row):
            self.acknowledged.append(row)

    def _start(self, *, back: bool) -> Execution:
        name = f"run-{len(self.executions) + 1}"
        self.executions.append(Execution(self.world, name, {"direction": "back"} if back else {}))
        return self.executions[-1]

    def _smoothly(self, execution: Execution, transitions: int) -> None:
        """Take an execution some transitions further, without trouble."""
        for _ in range(transitions):
            if execution.waits and execution.state != "Bake":
                self.world.clock.sleep(TTL_SECONDS)
            execution.advance(Order())

    def _running(self) -> list[Execution]:
        return [e for e in self.executions if not e.ended]

    def _going(self) -> list[Execution | Invocation]:
        return [*self._running(), *(i for i in self.loose if not i.ended)]

    def _loose(self, invocation: Invocation | None) -> None:
        if invocation is not None:
            self.loose.append(invocation)

    def _behind(self) -> bool:
        """Whether the target was emptied after a fail-back, and waits to be loaded anew."""
        record, world = self.world.tracking.record, self.world
        return record.phase is Phase.UNDONE and world.task.at_rest() and world.failback_task.at_rest()

    def _reload(self) -> None:
        world = self.world
        world.target.rows = list(world.source.rows)
        world.task.position = len(world.source.log)
        world.task.found = replace(world.task.found, status="running")

    def _story(self) -> str:
        paths = [f"{e.name}: {' '.join(e.path)}" for e in self.executions]
        return "\n".join([*paths, f"{self.world.tracking.record}", *self.world.tracking.events])


Switchovers.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Stage.explicit, Stage.reuse, Stage.generate, Stage.shrink],
)
TestSwitchovers = Switchovers.TestCase


STAGES = [(first, 0) for first in range(9)] + [(9, back) for back in range(1, 7)]
"""How far a switchover is, and a fail-back after it, before an invocation is held up."""


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("fate", "transitions"), [(PAUSE, 1), *((fate, 8) for fate in (PAUSE, FAIL, FAIL_AFTER, DIE_AFTER))]
)
def test_whoever_is_held_up_fails_or_dies_at_any_change_does_no_harm(how: str, fate: str, transitions: int) -> None:
    """Every place there is, without luck: others go past it, so many transitions, then it goes on."""
    places = 0
    for first, back in STAGES:
        for nth in range(100):
            model = Switchovers()
            model.begin(first, back, late=False, busy=True)
            execution = model.executions[-1] if model.executions else model._start(back=False)
            held_up = model._overtaken(execution, Order(nth, CHANGES, fate), how, transitions)
            if held_up:
                held_up.advance(Order())
            model.never_two_sides_and_nothing_doubled()
            model.nothing_acknowledged_is_missing()
            model.teardown()
            if not model.broke:
                break
            places += 1
    assert places > 50


def test_a_prepare_that_is_held_up_anywhere_does_no_harm() -> None:
    for first, back in ((0, 0), (9, 8)):
        for nth in range(100):
            model = Switchovers()
            model.begin(first, back, late=False, busy=True)
            model.prepare(CHANGES, nth)
            model._smoothly(model._start(back=False), 8)
            model._write()
            late = not model.loose[0].ended
            model.loose[0].advance(Order())
            model.teardown()
            if not late:
                break
