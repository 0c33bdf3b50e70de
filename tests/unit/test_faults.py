"""The list of faults: complete by what the functions record, and told as it went."""

import pytest

from handlers.core.direction import Direction
from handlers.functions import announce, gate, settle, switch
from sandbox.errors import SandboxError
from sandbox.faults import catalogue, kills
from sandbox.faults.fault import NEW, OLD
from sandbox.faults.run import table
from sandbox.faults.stage import End
from sandbox.faults.suite import Outcome
from tests.support.fakes import World
from tests.unit.test_functions import until


def numbered(events: list[str]) -> list[kills.Point]:
    """Return events with how many of the same name come before each."""
    return [(event, events[:index].count(event)) for index, event in enumerate(events)]


def test_functions_are_killed_at_everything_they_record_both_ways() -> None:
    world = World()
    until(world, gate, announce, switch, settle)
    forward = list(world.tracking.events)
    assert kills.points(Direction.FORWARD) == numbered(forward)
    until(world, gate, announce, switch, settle, execution="run-2", input={"direction": "back"})
    assert kills.points(Direction.BACK) == numbered(world.tracking.events[len(forward) :])


def test_who_dies_once_the_opening_is_recorded_leads_to_the_new_side() -> None:
    [before] = catalogue.named(["kill-before-compare-done-open-begins"])
    [after] = catalogue.named(["kill-after-compare-done-open-begins"])
    assert (before.expected, after.expected) == (OLD, NEW)


def test_faults_are_found_by_name_by_family_and_all_together() -> None:
    every = catalogue.named([catalogue.EVERY])
    assert len({fault.name for fault in every}) == sum(len(family) for family in catalogue.FAMILIES.values())
    assert catalogue.named(["undo"]) == list(catalogue.FAMILIES["undo"])
    assert [fault.name for fault in catalogue.named(["lag-spike", "lag-spike"])] == ["lag-spike"]
    with pytest.raises(SandboxError, match="no fault is called flood: name one of abort-at-announce"):
        catalogue.named(["flood"])


def test_what_needs_a_canary_strikes_a_stack_of_its_own() -> None:
    plain, canary = catalogue.by_stack(catalogue.named([catalogue.EVERY]))
    assert not any(fault.canary for fault in plain)
    assert [fault.name for fault in canary] == ["canary-alarm"]
    assert catalogue.by_stack(canary) == [canary]


def test_every_fault_says_what_it_is_and_may_end_in_some_way() -> None:
    for fault in catalogue.named([catalogue.EVERY]):
        assert fault.what and fault.expected <= set(End)


def test_the_table_says_what_is_wrong() -> None:
    good = Outcome("lag-spike", "replication", "x", "forward", [End.OLD], end=End.OLD, acknowledged=1200, gap_seconds=1)
    bad = Outcome("target-full", "databases", "x", "forward", [End.OLD], end="both open", lost=1, wrong=["1 lost"])
    _, _, first, second = table([good, bad]).splitlines()
    assert first == "| lag-spike | old side open | 1,200 | 0 | 0 | 1.00 | 0 |  | ok |"
    assert second == "| target-full | both open | 0 | 1 | 0 |  | 0 |  | WRONG |"
    assert good.to_dict()["passed"] and not bad.to_dict()["passed"]
