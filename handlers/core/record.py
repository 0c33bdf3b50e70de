"""The record of a switchover: what has begun, what is done, and what follows from that."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Where a migration stands."""

    IDLE = "idle"
    SWITCHING = "switching"
    OPEN = "open"
    COMPLETED = "completed"
    UNDONE = "undone"
    NEEDS_A_PERSON = "needs a person"


class Step(StrEnum):
    """Steps in their order. Each is recorded before and after its side effect, and each can be repeated."""

    GATE = "gate"
    ANNOUNCE = "announce"
    FENCE = "fence"
    DRAIN = "drain"
    SEQUENCES = "sequences"
    COMPARE = "compare"
    FLIP = "flip"
    OPEN = "open"
    FINISH = "finish"


POINT_OF_NO_RETURN = Step.OPEN
"""Once this step has begun the target may hold writes the source lacks: from here on only forward."""
BUSY = frozenset({Phase.SWITCHING, Phase.OPEN})


class Undo(StrEnum):
    """What takes a step back."""

    CLOSE_TARGET = "close target"
    WEIGHTS_BACK = "weights back"
    UNFENCE_SOURCE = "unfence source"
    RESTORE_TTL = "restore ttl"


class Refused(Exception):
    """The step may not be taken. Nothing was changed. The message says why and what to do."""


class Superseded(Exception):
    """Another execution has taken over: this one must stop at once and touch nothing."""


@dataclass(frozen=True)
class Record:
    """One migration's state, as stored.

    `owner` is the execution that holds the lock until `lease_until` (seconds since the epoch). `token` grows with every
    new owner, `version` with every change. `saved` holds what undo restores, `evidence` what each step found, `times`
    when each step began and ended.
    """

    migration_id: str
    phase: Phase = Phase.IDLE
    owner: str = ""
    token: int = 0
    lease_until: float = 0.0
    version: int = 0
    begun: tuple[Step, ...] = ()
    done: tuple[Step, ...] = ()
    saved: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    reason: str = ""

    @property
    def past_no_return(self) -> bool:
        """Whether the target may have been opened."""
        return POINT_OF_NO_RETURN in self.begun


def claim(record: Record, owner: str, now: float, lease_seconds: float) -> Record:
    """Return the record as `owner` takes it over for a new attempt. Raises Refused where that may not be."""
    if record.phase is Phase.COMPLETED:
        raise Refused(f"migration {record.migration_id} is completed: there is nothing to switch")
    if record.phase is Phase.NEEDS_A_PERSON:
        raise Refused(f"migration {record.migration_id} needs a person first: {record.reason}")
    if record.phase in BUSY and record.owner == owner:
        return replace(record, lease_until=now + lease_seconds)
    if record.phase in BUSY:
        state = "is at work" if record.lease_until > now else "was left unfinished: run the undo function for it"
        raise Refused(f"execution {record.owner} {state} ({record.phase}); {owner} may not start")
    return Record(
        migration_id=record.migration_id,
        phase=Phase.SWITCHING,
        owner=owner,
        token=record.token + 1,
        lease_until=now + lease_seconds,
        version=record.version,
    )


def begin(record: Record, step: Step, now: float, saved: dict[str, Any] | None = None) -> Record:
    """Return the record as `step` is about to act. What was `saved` before stays: the first look is the true one."""
    return replace(
        record,
        begun=record.begun if step in record.begun else (*record.begun, step),
        saved={**(saved or {}), **record.saved},
        times={**record.times, step.value: [now]},
    )


def end(record: Record, step: Step, now: float, evidence: Any) -> Record:
    """Return the record after `step` has acted and read back."""
    phase = Phase.OPEN if step is Step.OPEN else Phase.COMPLETED if step is Step.FINISH else record.phase
    return replace(
        record,
        phase=phase,
        done=record.done if step in record.done else (*record.done, step),
        evidence={**record.evidence, step.value: evidence},
        times={**record.times, step.value: [*record.times.get(step.value, [now])[:1], now]},
        lease_until=0.0 if phase is Phase.COMPLETED else record.lease_until,
    )


def undo_plan(record: Record) -> tuple[Undo, ...]:
    """Return what takes this attempt back. Raises Refused past the point of no return."""
    if record.past_no_return:
        raise Refused("the target has been opened: going back is fail-back now, not undo")
    plan = [Undo.CLOSE_TARGET]
    for step, undo in (
        (Step.FENCE, Undo.UNFENCE_SOURCE),
        (Step.FLIP, Undo.WEIGHTS_BACK),
        (Step.ANNOUNCE, Undo.RESTORE_TTL),
    ):
        if step in record.begun:
            plan.append(undo)
    return tuple(plan)


def undone(record: Record, reason: str) -> Record:
    """Return the record of an attempt that was taken back whole: the old side is open, the lock is free."""
    return replace(record, phase=Phase.UNDONE, reason=reason, lease_until=0.0)


def needs_a_person(record: Record, reason: str) -> Record:
    """Return the record of an attempt that could be neither finished nor undone."""
    return replace(record, phase=Phase.NEEDS_A_PERSON, reason=reason, lease_until=0.0)


def fence_to_open_seconds(record: Record) -> float | None:
    """Return how long nobody could write, by our own clock, or None where the attempt did not get that far."""
    fence, opened = record.times.get(Step.FENCE.value), record.times.get(Step.OPEN.value)
    if not fence or not opened or len(opened) < 2:
        return None
    return opened[1] - fence[0]
