"""The record of a migration: which attempt is under way, what has begun, what is done, and what follows from that."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from handlers.core.direction import Direction


class Phase(StrEnum):
    """Where a migration stands."""

    IDLE = "idle"
    SWITCHING = "switching"
    UNDOING = "undoing"
    OPEN = "open"
    COMPLETED = "completed"
    UNDONE = "undone"
    FAILED_BACK = "failed back"
    NEEDS_A_PERSON = "needs a person"


class Step(StrEnum):
    """Steps in their order. Each is recorded before and after its side effect, and each can be repeated."""

    GATE = "gate"
    ANNOUNCE = "announce"
    CANARY = "canary"
    FLIP = "flip"
    FENCE = "fence"
    DRAIN = "drain"
    SEQUENCES = "sequences"
    REVERSE = "reverse"
    COMPARE = "compare"
    OPEN = "open"
    SETTLE = "settle"
    FINISH = "finish"


POINT_OF_NO_RETURN = Step.OPEN
"""Once this step has begun the new side may hold writes the old one lacks: from here on only forward."""
BUSY = frozenset({Phase.SWITCHING, Phase.UNDOING})
"""An attempt is between its sides: nobody else may act."""
HELD = BUSY | {Phase.OPEN, Phase.FAILED_BACK}
"""An execution that made it here has something left to do."""


class Undo(StrEnum):
    """What takes a step back."""

    CLOSE_NEW = "close the new side"
    DROP_SLOT = "drop the slot"
    NAMES_BACK = "names back"
    REOPEN_OLD = "reopen the old side"
    END_READERS = "end the readers' sessions"


class Refused(Exception):
    """The step may not be taken. Nothing was changed. The message says why and what to do."""


class Superseded(Exception):
    """Somebody else has taken over since: this invocation must stop at once and touch nothing."""


@dataclass(frozen=True)
class Record:
    """One migration's state, as stored.

    `owner` is the execution that holds the lock until `lease_until` (seconds since the epoch). `attempt` grows with
    every claim, `token` with every invocation that is about to act (databases refuse an older one), `version` with
    every change. `saved` holds what undo restores, `evidence` what each step found, `times` when each step began and
    ended. `forward` is the attempt that led to the target, while one that leads back is under way.
    """

    migration_id: str
    phase: Phase = Phase.IDLE
    direction: Direction = Direction.FORWARD
    owner: str = ""
    attempt: int = 0
    token: int = 0
    lease_until: float = 0.0
    version: int = 0
    begun: tuple[Step, ...] = ()
    done: tuple[Step, ...] = ()
    saved: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    reason: str = ""
    forward: dict[str, Any] | None = None

    @property
    def past_no_return(self) -> bool:
        """Whether the new side may have been opened."""
        return POINT_OF_NO_RETURN in self.begun

    @property
    def left_off(self) -> str | None:
        """What has to be done first where an attempt was taken over: undo, forward, settle or finish; None if new."""
        if self.phase in BUSY and self.begun:
            return "forward" if self.past_no_return else "undo"
        if self.phase in (Phase.OPEN, Phase.FAILED_BACK):
            return "finish" if Step.SETTLE in self.done else "settle"
        return None


OF_FORWARD = ("owner", "begun", "done", "evidence", "times", "attempt")
"""What of an attempt is put aside while one the other way is under way."""


def claim(record: Record, owner: str, now: float, lease_seconds: float, direction: Direction) -> Record:
    """Return the record as `owner` takes it for a new attempt. Raises Refused where that may not be.

    An attempt that was left unfinished, or needs a person, is taken over as it is: `left_off` says where it stands.
    """
    held = record.lease_until > now and record.owner != owner
    if record.phase in BUSY and held:
        raise Refused(f"execution {record.owner} is at work ({record.phase}); {owner} may not start")
    if record.owner == owner and record.phase is not Phase.IDLE:
        if record.phase is Phase.SWITCHING and set(record.begun) <= {Step.GATE}:
            return replace(record, token=record.token + 1, lease_until=now + lease_seconds)
        raise Superseded(f"execution {owner} is past its gate ({record.phase})")
    if record.phase in BUSY or record.phase is Phase.NEEDS_A_PERSON:
        return _taken_over(record, owner, now, lease_seconds)
    if direction is Direction.BACK:
        return _back(record, owner, now, lease_seconds)
    if not held and _left_alone(record, now - lease_seconds):
        return _taken_over(record, owner, now, lease_seconds)
    if record.phase in (Phase.OPEN, Phase.COMPLETED):
        raise Refused(f"migration {record.migration_id} is {record.phase}: there is nothing to switch")
    if record.phase is Phase.FAILED_BACK:
        raise Refused(
            f"migration {record.migration_id} was failed back: the target is behind; replicate anew, then run the "
            "prepare function"
        )
    return Record(
        migration_id=record.migration_id,
        phase=Phase.SWITCHING,
        owner=owner,
        attempt=record.attempt + 1,
        token=record.token + 1,
        lease_until=now + lease_seconds,
        version=record.version,
    )


def _left_alone(record: Record, now: float) -> bool:
    """Say whether nobody sees to a side that was opened: it was never settled, or its window is long over."""
    if record.phase not in (Phase.OPEN, Phase.FAILED_BACK):
        return False
    over = record.phase is Phase.OPEN and now > float(record.saved.get("way_back_until", 0))
    return Step.SETTLE not in record.done or over


def _taken_over(record: Record, owner: str, now: float, lease_seconds: float) -> Record:
    phase = record.phase
    if phase is Phase.NEEDS_A_PERSON:
        phase = Phase.SWITCHING if record.past_no_return else Phase.UNDOING
    return replace(record, phase=phase, owner=owner, token=record.token + 1, lease_until=now + lease_seconds)


def _back(record: Record, owner: str, now: float, lease_seconds: float) -> Record:
    if record.phase is not Phase.OPEN:
        raise Refused(f"migration {record.migration_id} is {record.phase}: there is no switchover to go back from")
    if Step.SETTLE not in record.done:
        raise Refused(f"migration {record.migration_id} has no way back yet: wait until the reverse stream is verified")
    until = float(record.saved.get("way_back_until", 0))
    if now > until or Step.FINISH in record.begun:
        raise Refused(f"the way back of migration {record.migration_id} has ended: its window is over")
    return Record(
        migration_id=record.migration_id,
        phase=Phase.SWITCHING,
        direction=Direction.BACK,
        owner=owner,
        attempt=record.attempt + 1,
        token=record.token + 1,
        lease_until=now + lease_seconds,
        version=record.version,
        saved=dict(record.saved),
        forward={name: getattr(record, name) for name in OF_FORWARD},
    )


def take(record: Record, now: float, lease_seconds: float) -> Record:
    """Return the record as another invocation of its owner is about to act: whoever acted before is too late now."""
    return replace(record, token=record.token + 1, lease_until=now + lease_seconds)


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
    phase = record.phase
    if step is Step.OPEN:
        phase = Phase.OPEN if record.direction is Direction.FORWARD else Phase.FAILED_BACK
    elif step is Step.FINISH:
        phase = Phase.COMPLETED
    return replace(
        record,
        phase=phase,
        done=record.done if step in record.done else (*record.done, step),
        evidence={**record.evidence, step.value: evidence},
        times={**record.times, step.value: [*record.times.get(step.value, [now])[:1], now]},
    )


def undo_plan(record: Record) -> tuple[Undo, ...]:
    """Return what takes this attempt back, in order. Raises Refused past the point of no return.

    What the application waits for does not wait for the new side, which may be out of reach: it is closed, and nobody
    can open it any more, for that needs a record of the opening that is refused once the undo has begun. Readers that
    were let in are sent away last, once their name leads back.
    """
    if record.past_no_return:
        raise Refused("the new side has been opened: going back is fail-back now, not undo")
    plan = [Undo.CLOSE_NEW]
    for step, undo in (
        (Step.FENCE, Undo.REOPEN_OLD),
        (Step.ANNOUNCE, Undo.NAMES_BACK),
        (Step.REVERSE, Undo.DROP_SLOT),
        (Step.CANARY, Undo.END_READERS),
    ):
        if step in record.begun:
            plan.append(undo)
    return tuple(plan)


def undoing(record: Record, now: float, lease_seconds: float, reason: str) -> Record:
    """Return the record as an undo is about to act. The first reason is the true one."""
    kept = record.reason if record.phase is Phase.UNDOING else reason
    return replace(take(record, now, lease_seconds), phase=Phase.UNDOING, reason=kept)


def undone(record: Record, reason: str) -> Record:
    """Return the record of an attempt that was taken back whole: the old side is open, the lock is free."""
    if record.direction is Direction.BACK:
        before = {name: _tuples(name, value) for name, value in (record.forward or {}).items()}
        before["attempt"] = record.attempt
        return replace(
            record,
            phase=Phase.OPEN,
            direction=Direction.FORWARD,
            reason=reason,
            lease_until=0.0,
            forward=None,
            **before,
        )
    return replace(record, phase=Phase.UNDONE, reason=reason, lease_until=0.0)


def _tuples(name: str, value: Any) -> Any:
    return tuple(Step(step) for step in value) if name in ("begun", "done") else value


def given_up(record: Record, reason: str) -> Record:
    """Return the record of an attempt that could not go on: its lock is free, a new execution takes it up again.

    Once the new side was seen open it stays what it is; before, a person has to look: the old one may be closed still.
    """
    phase = record.phase if Step.OPEN in record.done else Phase.NEEDS_A_PERSON
    return replace(record, phase=phase, reason=reason, lease_until=0.0)


def settled(record: Record, way_back_until: float) -> Record:
    """Return the record with the end of the window in which fail-back is possible; the lock is free meanwhile."""
    return replace(record, saved={**record.saved, "way_back_until": way_back_until}, lease_until=0.0)


def prepared(record: Record, seen: int) -> Record:
    """Return the record with a token above what databases and router have `seen`, be it an earlier migration's."""
    return replace(record, token=max(record.token, seen) + 1)


def renewed(record: Record) -> Record:
    """Return the record of a migration that was failed back and is prepared to be tried again."""
    return Record(record.migration_id, Phase.UNDONE, attempt=record.attempt, token=record.token, version=record.version)


def fence_to_open_seconds(record: Record) -> float | None:
    """Return how long nobody could write, by our own clock, or None where the attempt did not get that far."""
    fence, opened = record.times.get(Step.FENCE.value), record.times.get(Step.OPEN.value)
    if not fence or not opened or len(opened) < 2:
        return None
    return opened[1] - fence[0]
