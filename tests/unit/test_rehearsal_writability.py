"""What tries to write prove: overlaps beyond doubt and nothing else, and the time when nobody could write."""

from collections.abc import Iterable

import pytest

from sandbox.rehearsal import outcome
from sandbox.rehearsal.writability import BLUE, GREEN, HELD, NEW, Try, Verdict, judge


def tries(side: str, marks: str, *, at: float = 0.0, way: str = NEW) -> list[Try]:
    """Return a try a second, each 0.1 s long: `+` accepted, `-` not, and none where there is a space."""
    return [
        Try(side, way, at + second, at + second + 0.1, mark == "+") for second, mark in enumerate(marks) if mark != " "
    ]


def judged(*some: Iterable[Try]) -> Verdict:
    return judge([one for every in some for one in every])


def test_a_switchover_has_a_time_when_neither_is_open_and_none_when_both_are() -> None:
    found = judged(tries(BLUE, "++++------"), tries(GREEN, "------++++"))
    assert found.both_instants == 0
    assert found.neither_seconds == pytest.approx(6.0 - 3.1)
    assert (found.tries, found.accepted) == (20, {BLUE: 4, GREEN: 4})


def test_the_way_back_counts_as_well() -> None:
    found = judged(tries(BLUE, "+++------+++"), tries(GREEN, "-----++-----"))
    assert found.both_instants == 0
    assert found.neither_seconds == pytest.approx((5.0 - 2.1) + (9.0 - 6.1))


def test_two_open_sides_are_counted_try_by_try() -> None:
    found = judged(tries(BLUE, "+++++-----"), tries(GREEN, "---+++++++", at=0.3))
    assert found.both_instants == 2, "green's try at 3.3 and blue's at 4: what lies between is proven"
    assert found.neither_seconds == 0


def test_sides_that_are_open_all_the_time_are_so_at_nearly_every_try() -> None:
    found = judged(tries(BLUE, "++++++"), tries(GREEN, "++++++"))
    assert (found.both_instants, found.neither_seconds) == (12, 0)


def test_an_old_session_that_can_still_write_keeps_a_side_open() -> None:
    fenced = judged(tries(BLUE, "+++-------"), tries(GREEN, "-----+++++"))
    assert fenced.both_instants == 0
    with_session = judged(
        tries(BLUE, "+++-------"), tries(BLUE, "++++++++  ", at=0.5, way=HELD), tries(GREEN, "-----+++++")
    )
    assert with_session.both_instants > 0 and with_session.neither_seconds == 0


def test_a_session_that_is_ended_hides_nothing_of_what_new_ones_may() -> None:
    found = judged(tries(BLUE, "++-", way=HELD), tries(BLUE, "+++++++"), tries(GREEN, "----+++", at=0.2))
    assert found.both_instants > 0


def test_one_try_that_was_accepted_inside_the_other_side_s_time_is_enough() -> None:
    assert judged(tries(BLUE, "+++++++"), tries(GREEN, "---+---", at=0.4)).both_instants == 1


@pytest.mark.parametrize("side", [(BLUE, GREEN), (GREEN, BLUE)])
def test_tries_that_only_touch_prove_nothing(side: tuple[str, str]) -> None:
    """A slow try was accepted somewhere between its begin and its end: perhaps before the other side opened."""
    last = Try(side[0], NEW, 1.0, 6.0, accepted=True)
    found = judged(tries(side[0], "+"), [last], tries(side[1], "+++", at=2.0))
    assert found.both_instants == 0


def test_a_try_without_an_answer_is_none_that_was_accepted() -> None:
    """Blue may have opened and closed unseen around green's time, and was open at neither end of it for certain."""
    found = judged(tries(BLUE, "+-----+"), tries(GREEN, "--+++--"))
    assert found.both_instants == 0


def test_no_tries_prove_nothing() -> None:
    assert judge([]) == Verdict(0, 0.0, 0, {BLUE: 0, GREEN: 0})
    assert judge(tries(BLUE, "---")) == Verdict(0, 0.0, 3, {BLUE: 0, GREEN: 0})


def test_the_order_in_which_tries_are_told_does_not_matter() -> None:
    every = [*tries(BLUE, "+++++-----"), *tries(GREEN, "---+++++++", at=0.3)]
    assert judge(reversed(every)) == judge(every)


def test_what_is_printed_names_it() -> None:
    attempt = {"write_gap_seconds": 0.5, "fence_to_open_seconds": 0.4}
    report = {
        "switchover": attempt,
        "fail_back": {**attempt, "write_gap_seconds": 0.6},
        **{"acknowledged_writes": 9, "lost_writes": 0, "duplicated_writes": 0, "write_gap_seconds": 0.5},
        **{"fence_to_open_seconds": 0.4, "dns_propagation_seconds": 10.0},
        "validation": {"tables": 1, "rows": 1, "mismatches": 0, "differences": [], "left_out": []},
        "verification": {"lost": [], "duplicated": []},
        "writable_sides": Verdict(0, 0.61, 1_234, {BLUE: 5, GREEN: 5}).to_dict(),
    }
    said = outcome.line(report).splitlines()
    assert said[1] == "switchover: write gap 0.5 s, fence to open 0.4 s"
    assert said[2] == "fail-back: write gap 0.6 s, fence to open 0.4 s"
    assert said[3:] == ["both sides open in 0 of 1,234 tries, neither for 0.61 s; DNS propagation 10 s"]
    report["writable_sides"] = Verdict(3, 0.0, 1_234, {BLUE: 5, GREEN: 5}).to_dict()
    assert "wrong: both sides took writes at the same time, in 3 tries" in outcome.line(report).splitlines()
