from typing import Any

import pytest

from handlers.core import record as records
from handlers.core.direction import Direction
from handlers.core.record import Phase, Record, Refused, Step, Superseded, Undo

IDLE = Record("m")
FORWARD, BACK = Direction.FORWARD, Direction.BACK
FORWARD_STEPS = tuple(step for step in Step if step is not Step.FINISH)


def claimed(owner: str = "run-1", now: float = 100.0) -> Record:
    return records.claim(IDLE, owner, now, 10, FORWARD)


def walked(record: Record, *steps: Step) -> Record:
    for step in steps:
        record = records.end(records.begin(record, step, 1.0), step, 2.0, None)
    return record


def through(*steps: Step) -> Record:
    return walked(claimed(), *steps)


def opened(until: float = 1000.0) -> Record:
    """Return the record of a switchover whose window for going back is open."""
    return records.settled(through(*FORWARD_STEPS), until)


def going_back(now: float = 500.0) -> Record:
    return records.claim(opened(), "back-1", now, 10, BACK)


def test_a_claim_takes_the_lock_and_a_new_token() -> None:
    record = claimed()
    assert (record.phase, record.owner, record.attempt, record.token, record.lease_until) == (
        Phase.SWITCHING,
        "run-1",
        1,
        1,
        110.0,
    )


def test_the_same_execution_may_claim_again_until_it_is_past_its_gate() -> None:
    record = records.begin(claimed(), Step.GATE, 1.0)
    again = records.claim(record, "run-1", 200.0, 10, FORWARD)
    assert (again.attempt, again.token, again.begun, again.lease_until) == (1, 2, (Step.GATE,), 210.0)
    with pytest.raises(Superseded, match="past its gate"):
        records.claim(walked(record, Step.ANNOUNCE), "run-1", 200.0, 10, FORWARD)


def test_another_execution_is_refused_while_one_is_at_work() -> None:
    for direction in Direction:
        with pytest.raises(Refused, match="execution run-1 is at work"):
            records.claim(claimed(), "run-2", 105.0, 10, direction)


@pytest.mark.parametrize(
    ("left", "what"),
    [
        (through(Step.GATE, Step.FENCE), "undo"),
        (records.begin(through(Step.FLIP, Step.FENCE), Step.OPEN, 3.0), "forward"),
        (records.given_up(through(Step.FENCE), "why"), "undo"),
        (records.given_up(records.begin(through(Step.FENCE), Step.OPEN, 3.0), "why"), "forward"),
        (records.given_up(through(Step.FENCE, Step.OPEN), "why"), "settle"),
        (opened(until=50.0), "finish"),
    ],
)
def test_what_was_left_unfinished_is_taken_over_as_it_stands(left: Record, what: str) -> None:
    record = records.claim(left, "run-2", 200.0, 10, FORWARD)
    assert record.left_off == what
    assert (record.owner, record.attempt, record.token) == ("run-2", 1, left.token + 1)
    assert (record.begun, record.saved) == (left.begun, left.saved)


def test_a_new_attempt_has_nothing_left_off() -> None:
    assert claimed().left_off is None
    assert going_back().left_off is None


def test_an_undone_attempt_can_be_followed_by_another_that_starts_clean() -> None:
    first = records.undone(records.begin(claimed(), Step.ANNOUNCE, 1.0, {"ttl": 60}), "why")
    second = records.claim(first, "run-2", 200.0, 10, FORWARD)
    assert (second.attempt, second.token, second.saved, second.begun) == (2, 2, {}, ())
    assert second.version == first.version


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record("m", phase=Phase.COMPLETED), "is completed: there is nothing to switch"),
        (opened(), "is open: there is nothing to switch"),
        (walked(going_back(), Step.OPEN, Step.SETTLE), "was failed back: the target is behind"),
    ],
)
def test_some_states_lead_nowhere_forward(record: Record, said: str) -> None:
    with pytest.raises(Refused, match=said):
        records.claim(record, "run-2", 300.0, 10, FORWARD)


@pytest.mark.parametrize(
    ("record", "now", "said"),
    [
        (IDLE, 1.0, "is idle: there is no switchover to go back from"),
        (Record("m", phase=Phase.COMPLETED), 1.0, "is completed: there is no switchover"),
        (records.given_up(through(Step.OPEN), "x"), 1.0, "has no way back yet"),
        (opened(), 1001.0, "its window is over"),
        (records.begin(opened(), Step.FINISH, 1.0), 1.0, "its window is over"),
    ],
)
def test_there_is_not_always_a_way_back(record: Record, now: float, said: str) -> None:
    with pytest.raises(Refused, match=said):
        records.claim(record, "back-1", now, 10, BACK)


def test_an_attempt_back_puts_the_one_forward_aside_and_gives_it_back_when_undone() -> None:
    back = walked(going_back(), Step.GATE, Step.FENCE)
    assert (back.phase, back.direction, back.attempt) == (Phase.SWITCHING, BACK, 2)
    again = records.undone(back, "compare")
    assert (again.phase, again.direction, again.owner, again.reason) == (Phase.OPEN, FORWARD, "run-1", "compare")
    assert (again.begun, again.done) == (FORWARD_STEPS, FORWARD_STEPS)
    assert (again.attempt, again.forward) == (2, None)
    assert records.claim(again, "back-2", 600.0, 10, BACK).attempt == 3


def test_what_was_put_aside_survives_being_stored() -> None:
    import json
    from dataclasses import asdict

    stored: dict[str, Any] = json.loads(json.dumps(asdict(going_back())))
    record = records.undone(Record(**{**stored, "direction": BACK, "begun": (), "done": ()}), "why")
    assert record.begun == FORWARD_STEPS
    assert all(isinstance(step, Step) for step in record.begun)


def test_what_was_saved_first_stays() -> None:
    record = records.begin(claimed(), Step.FENCE, 1.0, {"access": "before"})
    assert records.begin(record, Step.FENCE, 2.0, {"access": "fenced already"}).saved == {"access": "before"}


def test_a_repeated_step_is_noted_once_with_its_last_times() -> None:
    record = through(Step.FENCE, Step.FENCE)
    assert (record.begun, record.done) == ((Step.FENCE,), (Step.FENCE,))
    assert record.times == {"fence": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("steps", "plan"),
    [
        ((), (Undo.CLOSE_NEW,)),
        ((Step.GATE, Step.ANNOUNCE), (Undo.CLOSE_NEW, Undo.NAMES_BACK)),
        ((Step.ANNOUNCE, Step.FENCE), (Undo.CLOSE_NEW, Undo.REOPEN_OLD, Undo.NAMES_BACK)),
        ((Step.ANNOUNCE, Step.CANARY), (Undo.CLOSE_NEW, Undo.NAMES_BACK, Undo.END_READERS)),
        (
            (Step.ANNOUNCE, Step.FLIP, Step.FENCE, Step.DRAIN, Step.REVERSE),
            (Undo.CLOSE_NEW, Undo.REOPEN_OLD, Undo.NAMES_BACK, Undo.DROP_SLOT),
        ),
    ],
)
def test_undo_takes_back_what_began_and_nothing_else(steps: tuple[Step, ...], plan: tuple[Undo, ...]) -> None:
    assert records.undo_plan(through(*steps)) == plan


def test_there_is_no_undo_once_opening_has_begun() -> None:
    record = records.begin(through(Step.FLIP, Step.FENCE), Step.OPEN, 3.0)
    assert record.past_no_return
    with pytest.raises(Refused, match="fail-back"):
        records.undo_plan(record)


def test_phases_follow_the_steps() -> None:
    assert through(Step.FENCE).phase is Phase.SWITCHING
    assert through(Step.OPEN).phase is Phase.OPEN
    assert through(Step.OPEN, Step.FINISH).phase is Phase.COMPLETED
    assert walked(going_back(), Step.OPEN).phase is Phase.FAILED_BACK


def test_an_undo_keeps_its_first_reason_and_takes_a_token() -> None:
    first = records.undoing(through(Step.FENCE), 1.0, 10, "a row differs")
    second = records.undoing(first, 2.0, 10, "the undo failed")
    assert (second.phase, second.reason, second.token) == (Phase.UNDOING, "a row differs", first.token + 1)


def test_fence_to_open_is_measured_from_the_fence_s_begin_to_the_opening_s_end() -> None:
    record = records.begin(claimed(), Step.FENCE, 10.0)
    assert records.fence_to_open_seconds(record) is None
    record = records.end(
        records.begin(records.end(record, Step.FENCE, 10.2, None), Step.OPEN, 11.0), Step.OPEN, 11.5, None
    )
    assert records.fence_to_open_seconds(record) == pytest.approx(1.5)


def test_giving_up_frees_the_lock_and_says_why() -> None:
    record = records.given_up(claimed(), "undo failed")
    assert (record.phase, record.reason, record.lease_until) == (Phase.NEEDS_A_PERSON, "undo failed", 0.0)
    assert records.given_up(through(Step.OPEN), "settling failed").phase is Phase.OPEN


def test_after_a_fail_back_a_migration_can_be_prepared_anew() -> None:
    record = records.renewed(walked(going_back(), Step.OPEN, Step.SETTLE))
    assert (record.phase, record.attempt, record.begun, record.saved) == (Phase.UNDONE, 2, (), {})
    assert records.claim(record, "run-2", 1.0, 10, FORWARD).attempt == 3
