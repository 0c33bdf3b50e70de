"""Fault after fault on one stack under load, and what came of each."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from handlers.core.direction import Direction
from sandbox.errors import SandboxError
from sandbox.faults import catalogue
from sandbox.faults.fault import Fault
from sandbox.faults.interception import Interception
from sandbox.faults.stage import PERSON, Attempt, End, Stage
from sandbox.rehearsal.application import Application
from sandbox.rehearsal.ledger import Ledger, write_gap
from sandbox.rehearsal.probe import Probe
from sandbox.rehearsal.verify import Verification, verify

BEFORE_SECONDS, AFTER_SECONDS = 1.0, 1.5
"""How long the load writes around an attempt. Afterwards longer than a client may keep a name."""
MOST_EXECUTIONS = 3
"""How many further executions may be needed to bring what needs a person to an end."""


@dataclass
class Outcome:
    """What came of a fault. Numbers of writes are those of its own time."""

    fault: str
    family: str
    what: str
    direction: str
    expected: list[str]
    end: str = ""
    reason: str = ""
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    both_instants: int = 0
    """Tries to write that were accepted while the other side was open as well."""
    gap_seconds: float | None = None
    afterwards: str = ""
    """What a person's next execution came to, or the second attempt."""
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.wrong

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "passed": self.passed}


class Suite:
    """Faults on a stage, one after the other. The ledger holds every write of all of them."""

    def __init__(self, stage: Stage, folder: Path, rate: float, seed: int) -> None:
        self._stage, self._rate, self._seed = stage, rate, seed
        self._ledger = Ledger(folder / "ledger.jsonl")
        self._before = Verification()

    def run(self, faults: Sequence[Fault], tell: Callable[[Outcome], None]) -> list[Outcome]:
        """Strike with every fault and return what came of them. The last undone one of a family gets its proof.

        Raises SandboxError where the stage can't be brought back to where a fault can strike.
        """
        outcomes, left = [], list(faults)
        while left:
            fault = self._next(left)
            left.remove(fault)
            family = catalogue.family_of(fault)
            last = not any(catalogue.family_of(one) == family for one in left)
            outcome = self.strike(fault, prove=last or fault.expected == {End.PERSON})
            outcomes.append(outcome)
            tell(outcome)
        return outcomes

    def strike(self, fault: Fault, *, prove: bool) -> Outcome:
        """Have one fault strike under load. To `prove` means to attempt the same again without it, unless it opened."""
        outcome = Outcome(
            fault.name, catalogue.family_of(fault), fault.what, str(fault.direction), sorted(map(str, fault.expected))
        )
        stage, began = self._stage, time.time()
        stage.make_ready(fault.direction)
        instance, source = stage.instance, stage.source
        name = stage.operator.outputs["writer_name"]
        load = Application(
            instance, source, name=name, rate=self._rate, seed=self._seed + stage.attempts, ledger=self._ledger.path
        )
        with Probe(instance.source, instance.target, source) as probe, load:
            stage.operator.pause(BEFORE_SECONDS)
            self._attempt(fault, outcome)
            self._afterwards(fault, outcome, prove=prove)
            stage.operator.pause(AFTER_SECONDS)
            load.check()
        outcome.both_instants = probe.verdict().both_instants
        self._count(outcome, began)
        outcome.seconds = round(time.time() - began, 1)
        return outcome

    def _attempt(self, fault: Fault, outcome: Outcome) -> None:
        stage = self._stage
        with Interception(stage.instance.ports.ministack, fault.rules) as interception:
            attempt = Attempt(stage, fault.direction, interception)
            with ExitStack() as struck:
                if not fault.holds:
                    struck.enter_context(fault.strike(attempt))
                attempt.executions.append(fault.begin(stage, fault.direction))
                if fault.holds and interception.await_held(lambda: not any(map(stage.running, attempt.executions))):
                    struck.enter_context(fault.strike(attempt))
                    interception.release()
                stage.await_rest(attempt.executions)
                outcome.reason = str(stage.record().get("reason", ""))
            outcome.wrong += [f"it never struck: {r.act} {r.where} {r.text}" for r in interception.unstruck()]
        outcome.wrong += attempt.wrong
        ended = stage.end(fault.direction)
        outcome.end = str(ended)
        if ended not in fault.expected:
            outcome.wrong.append(f"ended with {ended}, not with {' or '.join(outcome.expected)}")

    def _afterwards(self, fault: Fault, outcome: Outcome, *, prove: bool) -> None:
        """Have a person go on where one is needed, and prove that an attempt can be made again."""
        stage = self._stage
        for _ in range(MOST_EXECUTIONS):
            if stage.record().get("phase") != PERSON:
                break
            stage.await_rest([stage.begin(fault.direction)])
            outcome.afterwards = str(stage.end(fault.direction))
        ended = stage.end(fault.direction)
        if ended not in (End.OLD, End.NEW) or stage.record().get("phase") == PERSON:
            raise SandboxError(f"{fault.name} left what no further execution can mend: {ended}")
        if prove and ended is End.OLD and not fault.last:
            stage.attempt(fault.direction)
            outcome.afterwards = "second attempt: " + End.NEW

    def _count(self, outcome: Outcome, began: float) -> None:
        stage = self._stage
        opened = stage.open_side()
        if opened is None:
            outcome.wrong.append("no side is open")
            return
        with opened.superuser(stage.source.database) as connection:
            found = verify(self._ledger, connection, stage.source.mode)
        outcome.acknowledged = found.acknowledged_writes - self._before.acknowledged_writes
        outcome.lost = found.lost_writes - self._before.lost_writes
        outcome.doubled = found.duplicated_writes - self._before.duplicated_writes
        self._before = found
        gap = write_gap(record for record in self._ledger.read() if record.epoch >= began)
        outcome.gap_seconds = round(gap.seconds, 2) if gap else None
        for number, what in (
            (outcome.lost, f"writes were lost: {'; '.join(found.lost[:3])}"),
            (outcome.doubled, f"writes were doubled: {'; '.join(found.duplicated[:3])}"),
            (outcome.both_instants, "tries to write found both sides open"),
            (not outcome.acknowledged, "nothing was written, which shows nothing"),
        ):
            if number:
                outcome.wrong.append(f"{number} {what}" if number is not True else what)

    def _next(self, left: Sequence[Fault]) -> Fault:
        """Return the fault to strike next: one that can where the migration stands, rather one that leaves it there."""
        direction = Direction.BACK if self._stage.record().get("phase") == "open" else Direction.FORWARD
        left = [fault for fault in left if not fault.last] or left
        fitting = [fault for fault in left if fault.direction is direction]
        return next((fault for fault in fitting if End.NEW not in fault.expected), (fitting or left)[0])
