import pytest

from handlers.core import record as records
from handlers.core.record import Phase, Record, Refused, Step, Undo

IDLE = Record("m")


def claimed(owner: str = "run-1", now: float = 100.0) -> Record:
    return records.claim(IDLE, owner, now, 10)


def through(*steps: Step) -> Record:
    record = claimed()
    for step in steps:
        record = records.end(records.begin(record, step, 1.0), step, 2.0, None)
    return record


def test_a_claim_takes_the_lock_and_a_new_token() -> None:
    record = claimed()
    assert (record.phase, record.owner, record.token, record.lease_until) == (Phase.SWITCHING, "run-1", 1, 110.0)


def test_the_same_execution_may_claim_again_and_keeps_its_token_and_progress() -> None:
    record = records.begin(claimed(), Step.GATE, 1.0)
    again = records.claim(record, "run-1", 200.0, 10)
    assert (again.token, again.begun, again.lease_until) == (1, (Step.GATE,), 210.0)


@pytest.mark.parametrize(
    ("now", "said"), [(105.0, "is at work"), (200.0, "was left unfinished: run the undo function")]
)
def test_another_execution_is_refused_while_one_is_open(now: float, said: str) -> None:
    with pytest.raises(Refused, match=f"execution run-1 {said}"):
        records.claim(claimed(), "run-2", now, 10)


def test_an_undone_attempt_can_be_followed_by_another_that_starts_clean() -> None:
    first = records.undone(records.begin(claimed(), Step.ANNOUNCE, 1.0, {"ttl": 60}), "why")
    second = records.claim(first, "run-2", 200.0, 10)
    assert (second.token, second.saved, second.begun) == (2, {}, ())
    assert second.version == first.version


@pytest.mark.parametrize(
    ("phase", "said"), [(Phase.COMPLETED, "nothing to switch"), (Phase.NEEDS_A_PERSON, "needs a person first: broke")]
)
def test_some_ends_are_final(phase: Phase, said: str) -> None:
    with pytest.raises(Refused, match=said):
        records.claim(Record("m", phase=phase, reason="broke"), "run", 1.0, 10)


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
        ((), (Undo.CLOSE_TARGET,)),
        ((Step.GATE, Step.ANNOUNCE), (Undo.CLOSE_TARGET, Undo.RESTORE_TTL)),
        ((Step.ANNOUNCE, Step.FENCE), (Undo.CLOSE_TARGET, Undo.UNFENCE_SOURCE, Undo.RESTORE_TTL)),
        (
            (Step.ANNOUNCE, Step.FENCE, Step.DRAIN, Step.FLIP),
            (Undo.CLOSE_TARGET, Undo.UNFENCE_SOURCE, Undo.WEIGHTS_BACK, Undo.RESTORE_TTL),
        ),
    ],
)
def test_undo_takes_back_what_began_and_nothing_else(steps: tuple[Step, ...], plan: tuple[Undo, ...]) -> None:
    assert records.undo_plan(through(*steps)) == plan


def test_there_is_no_undo_once_opening_has_begun() -> None:
    record = records.begin(through(Step.FENCE, Step.FLIP), Step.OPEN, 3.0)
    assert record.past_no_return
    with pytest.raises(Refused, match="fail-back"):
        records.undo_plan(record)


def test_phases_follow_the_steps() -> None:
    assert through(Step.FENCE).phase is Phase.SWITCHING
    assert through(Step.OPEN).phase is Phase.OPEN
    finished = through(Step.OPEN, Step.FINISH)
    assert finished.phase is Phase.COMPLETED
    assert finished.lease_until == 0.0


def test_fence_to_open_is_measured_from_the_fence_s_begin_to_the_opening_s_end() -> None:
    record = records.begin(claimed(), Step.FENCE, 10.0)
    assert records.fence_to_open_seconds(record) is None
    record = records.end(
        records.begin(records.end(record, Step.FENCE, 10.2, None), Step.OPEN, 11.0), Step.OPEN, 11.5, None
    )
    assert records.fence_to_open_seconds(record) == pytest.approx(1.5)


def test_giving_up_says_why() -> None:
    record = records.needs_a_person(claimed(), "undo failed")
    assert (record.phase, record.reason, record.lease_until) == (Phase.NEEDS_A_PERSON, "undo failed", 0.0)
