"""Step Functions and Lambda in memory: the machine's definition interpreted, its functions called on a World.

An invocation runs in a thread of its own, but only while it is told to, and stops before any of its calls: so others
can act in between, and it can go on late, fail at any call, or die there. One runs at a time.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.switchover_machine import SECONDS, STEPS, definition
from handlers.core.record import Refused
from handlers.functions import announce, finish, gate, prepare, settle, switch, undo
from tests.support.fakes import Killed, Watcher, World

FUNCTIONS = {"gate": gate, "announce": announce, "switch": switch, "settle": settle, "finish": finish, "undo": undo}
TIMEOUTS = {**SECONDS, "prepare": 600}
MARGIN_SECONDS = 30
ENDLESS = 10**9
CHANGES = frozenset(
    {
        *("act", "end_sessions", "write_token", "make_slot", "drop_slot", "drop_control", "make_control_schema"),
        *("empty", "make_role", "shift", "write", "stop", "start_from", "tell", "show", "begin_tests"),
    }
)
"""Calls that leave something behind."""

PAUSE, FAIL, FAIL_AFTER, DIE, DIE_AFTER = "pause", "fail", "fail after it acted", "die", "die after it acted"


@dataclass
class Order:
    """How far an invocation may run: up to so many calls, to all of `counted` or to any; what becomes of it there."""

    calls: int = ENDLESS
    counted: frozenset[str] | None = None
    then: str = PAUSE

    def counts(self, name: str) -> bool:
        """Say whether a call of this method is one to count."""
        return self.counted is None or name.split(".")[1] in self.counted


class Invocation(Watcher):
    """One call of a function. It is `ended` with an answer or an error, or it waits before a call."""

    def __init__(self, world: World, step: str, payload: dict[str, Any]) -> None:
        super().__init__(check=world.both_writable)
        self.step, self.payload = step, payload
        self.answer: dict[str, Any] | None = None
        self.error: BaseException | None = None
        self.ended = self.broke = False
        self._world = world
        self._order = Order(0)
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._until = world.clock.time + TIMEOUTS[step]
        self._dead = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"{self.step} {self.payload}"

    def advance(self, order: Order) -> None:
        """Let it run as far as `order` says."""
        if not self.ended:
            self._order = order
            self._go.release()
            self._back.acquire()
        if self.ended:
            self._thread.join()

    def die(self) -> None:
        """End it where it is."""
        self.advance(Order(0, then=DIE))

    def called(self, name: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Make a call, once the order allows it."""
        while not self._dead and self._order.calls <= 0 and self._order.then == PAUSE and self._order.counts(name):
            self._hand_over()
        if self._world.clock.time > self._until:
            self._dead = True  # Lambda ends what runs for too long
        counts = self._order.counts(name)
        then = self._order.then if counts and self._order.calls <= 1 else PAUSE
        self.broke |= then != PAUSE
        if self._dead or then == DIE:
            self._dead = True
            raise Killed(f"before {name}")
        self._order.calls -= counts
        if then == FAIL:
            self._order = Order()
            raise OSError(f"{name} failed")
        self.calls.append(name)
        result = method(*args, **kwargs)
        if name.split(".")[1] in CHANGES:
            self._world.meanwhile()
        wrong = self.check()
        if wrong:
            self._world.watcher.violations.append(f"{wrong} after {name} of {self}")
        if then == FAIL_AFTER:
            self._order = Order()
            raise OSError(f"{name} failed after it acted")
        if then == DIE_AFTER:
            self._dead = True
            raise Killed(f"after {name}")
        return result

    def _hand_over(self) -> None:
        self._back.release()
        self._go.acquire()

    def _run(self) -> None:
        self._go.acquire()
        try:
            function = FUNCTIONS.get(self.step, prepare)
            seconds = float(TIMEOUTS[self.step] - MARGIN_SECONDS)
            self.answer = function.step(self._world.migration(self), self.payload, seconds)
        except BaseException as error:  # all of them are the caller's to see
            self.error = error
        self.ended = True
        self._back.release()


@dataclass
class Execution:
    """One execution of the machine: where it is, what it holds, and the invocation it waits for."""

    world: World
    name: str
    given: dict[str, Any]
    machine: Mapping[str, Any] = field(default_factory=lambda: definition({step: step for step in STEPS}))
    state: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    invocation: Invocation | None = None
    path: list[str] = field(default_factory=list)
    stopped: bool = False
    invocations: list[Invocation] = field(default_factory=list)
    _tried: dict[int, int] = field(default_factory=dict)
    _wakes: float = 0.0

    def __post_init__(self) -> None:
        self._enter(self.machine["StartAt"])

    @property
    def ended(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.stopped or self.machine["States"][self.state]["Type"] in ("Succeed", "Fail")

    @property
    def waits(self) -> bool:
        """Whether it sleeps, and time has to pass first."""
        return self.machine["States"][self.state]["Type"] == "Wait" and self.world.clock.time < self._wakes

    def advance(self, order: Order) -> None:
        """Go on: run the invocation of a task as far as `order` says, or take the next transition."""
        if self.ended or self.waits:
            return
        state = self.machine["States"][self.state]
        if state["Type"] == "Wait":
            self._enter(state["Next"])
            return
        if self.invocation is None:
            self.invocation = Invocation(self.world, *self._call(state))
            self.invocations.append(self.invocation)
        self.invocation.advance(order)
        if not self.invocation.ended:
            return
        done, self.invocation = self.invocation, None
        if done.error is None:
            self._answered(state, done.answer)
        else:
            self._failed(state, "Lambda.Unknown" if isinstance(done.error, Killed) else type(done.error).__name__)

    def lose(self, error: str) -> Invocation | None:
        """Give an invocation up, which goes on by itself, as on a timeout or a lost answer. Returns it."""
        lost, self.invocation = self.invocation, None
        if lost is not None:
            self._failed(self.machine["States"][self.state], error)
        return lost

    def stop(self) -> Invocation | None:
        """Stop it as an operator does: nobody is told. Returns the invocation, which goes on by itself."""
        self.stopped, left, self.invocation = True, self.invocation, None
        return left

    def _enter(self, state: str) -> None:
        self.state, self._tried = state, {}
        self.path.append(state)
        found = self.machine["States"][state]
        if found["Type"] == "Choice":
            self._enter(self._chosen(found))
        elif found["Type"] == "Wait":
            self._wakes = self.world.clock.time + self._value(found["SecondsPath"])

    def _chosen(self, state: Mapping[str, Any]) -> str:
        for choice in state["Choices"]:
            if self._value(choice["Variable"]) == choice["StringEquals"]:
                return str(choice["Next"])
        return str(state["Default"])

    def _call(self, state: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        parameters = state["Parameters"]
        payload = {
            name.removesuffix(".$"): self._value(value) if name.endswith(".$") else value
            for name, value in parameters["Payload"].items()
        }
        return parameters["FunctionName"], payload

    def _value(self, path: str) -> Any:
        if path.startswith("States.JsonToString("):
            return str(self._value(path[len("States.JsonToString(") : -1]))
        given = {"$$.Execution.Name": self.name, "$$.Execution.Input": self.given}
        if path in given:
            return given[path]
        found: Any = self.data
        for part in path.removeprefix("$.").split("."):
            found = found[part]  # a KeyError is States.Runtime: the definition is wrong
        return found

    def _answered(self, state: Mapping[str, Any], answer: Any) -> None:
        assert (state["ResultSelector"], state["ResultPath"]) == ({"said.$": "$.Payload"}, "$")
        self.data = {"said": answer}
        self._enter(state["Next"])

    def _failed(self, state: Mapping[str, Any], error: str) -> None:
        for number, retry in enumerate(state["Retry"]):
            if _matches(retry, error):
                tried = self._tried.get(number, 0)
                if tried < retry["MaxAttempts"]:
                    self._tried[number] = tried + 1
                    self.world.clock.sleep(retry["IntervalSeconds"] * retry["BackoffRate"] ** tried)
                    return
                break
        for catch in state.get("Catch", []):
            if _matches(catch, error):
                self.data["error"] = {"Error": error}
                self._enter(catch["Next"])
                return
        self.stopped = True  # as Step Functions does where nothing catches


def _matches(rule: Mapping[str, Any], error: str) -> bool:
    return "States.ALL" in rule["ErrorEquals"] or error in rule["ErrorEquals"]


def invoke(world: World, step: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Call a function as a person does, without trouble. What it refuses is its answer."""
    invocation = Invocation(world, step, payload)
    invocation.advance(Order())
    if isinstance(invocation.error, Refused):
        return {"outcome": "refused"}
    if invocation.error is not None:
        raise invocation.error
    assert invocation.answer is not None
    return invocation.answer
