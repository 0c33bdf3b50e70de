"""What a fault is: when it strikes, what it does, how it ends, and in which states it may leave a migration."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from handlers.core.direction import Direction
from sandbox.faults.interception import Rule
from sandbox.faults.stage import Attempt, End, Stage

OLD, NEW, PERSON = frozenset({End.OLD}), frozenset({End.NEW}), frozenset({End.PERSON})

Strike = Callable[[Attempt], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """One fault. `what` says what goes wrong, `expected` names the ends that are right.

    `rules` strike requests from the attempt's start on. Where the first of them holds one, `strike` is entered while
    it is held, else before the attempt begins; it is left, which mends what has to be mended, once all is at rest.
    """

    name: str
    what: str
    expected: frozenset[End]
    rules: tuple[Rule, ...] = ()
    strike: Strike = lambda _: nullcontext()
    direction: Direction = Direction.FORWARD
    begin: Callable[[Stage, Direction], str] = lambda stage, direction: stage.begin(direction)
    """Begins the attempt and returns the name of its execution."""
    last: bool = False
    """Whether nothing can follow it on the same stack."""
    canary: bool = False
    """Whether it strikes a stack whose readers go ahead of the writers."""

    @property
    def holds(self) -> bool:
        """Whether the attempt is held while the fault strikes."""
        return bool(self.rules) and self.rules[0].act == "hold"
