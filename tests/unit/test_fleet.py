"""A database of a fleet: its phases, its names, and the steps killed before and after every call."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import fleet_edge
from handlers.adapters.fleet_tracking import Superseded, moment
from handlers.core import fleet as core
from handlers.core.fleet import FOLLOWS, Phase, Record, Refused
from handlers.core.names import NamesError
from handlers.functions import advance, rollback
from tests.support.fakes import Killed, Watcher
from tests.support.fleet_fakes import CONFIG, World

STEPS: list[dict[str, Any]] = [
    {"phase": "replicating"},
    {"phase": "validated"},
    {"phase": "shifting", "reader_percent": 25},
    {"phase": "switched", "writers_stopped": True},
    {"phase": "finished"},
]


def moved_on(to: str, world: World | None = None) -> World:
    world = world or World()
    for step in STEPS:
        if world.fleet().tracking.read("orders").phase == to:
            break
        advance.step(world.fleet(), {"database": "orders", **step})
    assert world.fleet().tracking.read("orders").phase == to
    return world


def test_a_database_goes_through_its_phases_and_its_names_with_it() -> None:
    world = World()
    greens = []
    for step in STEPS:
        answer = advance.step(world.fleet(), {"database": "orders", **step})
        assert answer["outcome"] == step["phase"]
        greens.append(world.route53.green("orders"))
    assert greens == [(0, 0), (0, 0), (0, 25), (100, 100), (100, 100)]
    assert world.route53.green("billing") == (0, 0)
    assert world.dynamodb.events("orders") == [
        *("replicating", "validated", "shifting", "shifting confirmed", "switched", "switched confirmed", "finished"),
    ]


@pytest.mark.parametrize("phase", [p for p in Phase if p not in (Phase.FINISHED, Phase.ROLLED_BACK)])
def test_a_rollback_sends_both_names_back_in_one_batch_records_and_tells(phase: Phase) -> None:
    world = moved_on(phase)
    answer = rollback.step(world.fleet(), {"database": "orders", "reason": "checksums differ"})
    assert answer == {
        "outcome": "rolled_back",
        "database": "orders",
        "phase": "rolled_back",
        "weights": {f"orders-{role}.fleet.example": {"blue": 100, "green": 0} for role in ("writer", "reader")},
    }
    assert world.route53.green("orders") == (0, 0)
    assert world.route53.batches[-1:] in ([], [4])
    assert world.dynamodb.events("orders")[-2:] == ["rolled_back", "rolled_back confirmed"]
    assert world.sns.subjects[-1] == "Database orders is rolled_back"
    line = next(i for i in world.dynamodb.items.values() if i.get("event", {}).get("S") == "rolled_back")
    assert line["reason"]["S"] == "checksums differ"


def test_names_moved_by_hand_come_back_as_well() -> None:
    world = moved_on("rolled_back", _rolled_back())
    world.route53.records["orders-writer.fleet.example", "green"]["Weight"] = 100
    answer = rollback.step(world.fleet(), {"database": "orders"})
    assert answer["outcome"] == "rolled_back"
    assert world.route53.green("orders") == (0, 0)


def _rolled_back() -> World:
    world = moved_on("switched")
    rollback.step(world.fleet(), {"database": "orders"})
    return world


def test_a_repeated_rollback_does_nothing_and_says_so() -> None:
    world = _rolled_back()
    before = (dict(world.dynamodb.items), list(world.route53.batches), list(world.sns.subjects))
    answer = rollback.step(world.fleet(), {"database": "orders", "reason": "another"})
    assert answer["outcome"] == "nothing to do"
    assert (world.dynamodb.items, world.route53.batches, world.sns.subjects) == before


def test_past_the_point_of_no_return_it_is_refused_and_nothing_moves() -> None:
    world = moved_on("finished")
    batches = list(world.route53.batches)
    with pytest.raises(Refused, match="orders is finished, past the point of no return"):
        rollback.step(world.fleet(), {"database": "orders"})
    assert world.route53.green("orders") == (100, 100)
    assert world.route53.batches == batches


def test_what_was_rolled_back_can_be_tried_again() -> None:
    world = _rolled_back()
    for step in STEPS[:4]:
        advance.step(world.fleet(), {"database": "orders", **step})
    assert world.route53.green("orders") == (100, 100)


@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
@pytest.mark.parametrize("act", ["rollback", "switch"])
def test_a_step_killed_at_any_call_is_completed_by_its_repetition(when: str, act: str) -> None:
    for number in range(30):
        world = moved_on("switched" if act == "rollback" else "shifting")
        world.watcher = Watcher(**{when: number})

        def step(world: World = world) -> dict[str, Any]:
            if act == "rollback":
                return rollback.step(world.fleet(), {"database": "orders"})
            return advance.step(world.fleet(), {"database": "orders", "phase": "switched", "writers_stopped": True})

        try:
            step()
            killed = False
        except Killed:
            killed = True
        world.watcher = Watcher()
        step()
        record = world.fleet().tracking.read("orders")
        assert record.settled and world.route53.green("orders") == ((0, 0) if act == "rollback" else (100, 100))
        if not killed:
            assert number > 5
            return
    raise AssertionError("the step never ran through")


def test_between_noting_and_confirming_nobody_can_finish() -> None:
    world = moved_on("switched")
    world.watcher = Watcher(fail={"route53.change_resource_record_sets": [RuntimeError("throttled")]})
    with pytest.raises(RuntimeError):
        rollback.step(world.fleet(), {"database": "orders"})
    with pytest.raises(Refused, match="orders is rolled_back: what may follow is replicating, not finished"):
        advance.step(world.fleet(), {"database": "orders", "phase": "finished"})
    with pytest.raises(Refused, match="became rolled_back but its names were not confirmed: repeat that step first"):
        advance.step(world.fleet(), {"database": "orders", "phase": "replicating"})
    rollback.step(world.fleet(), {"database": "orders"})
    assert world.route53.green("orders") == (0, 0)


def test_a_step_that_was_overtaken_does_not_have_the_last_word() -> None:
    """A switch pauses before it moves the names; a rollback comes and goes; then the switch wakes up."""
    world = moved_on("shifting")
    slow = world.fleet()
    tell = world.sns.publish

    def overtaken(**message: Any) -> None:
        world.sns.publish = tell  # type: ignore[method-assign]
        rollback.step(world.fleet(), {"database": "orders", "reason": "overtakes"})
        world.route53.records["orders-writer.fleet.example", "green"]["Weight"] = 100  # the late change arrives
        tell(**message)

    world.sns.publish = overtaken  # type: ignore[method-assign]
    with pytest.raises(Superseded):
        advance.step(slow, {"database": "orders", "phase": "switched", "writers_stopped": True})
    assert world.fleet().tracking.read("orders").phase == "rolled_back"
    assert world.route53.green("orders") == (0, 0)


def test_two_writers_of_one_version_are_told_apart() -> None:
    world = World()
    tracking = world.fleet().tracking
    record = tracking.read("orders")
    tracking.write(core.advanced(record, Phase.REPLICATING), "replicating", 1.0)
    with pytest.raises(Superseded, match="orders was changed by somebody else"):
        tracking.write(core.advanced(record, Phase.REPLICATING), "replicating", 2.0)


def test_names_that_read_back_otherwise_are_an_error() -> None:
    world = moved_on("switched")
    world.route53.change_resource_record_sets = (  # type: ignore[method-assign]
        lambda **_: {"ChangeInfo": {"Id": "lost"}}
    )
    with pytest.raises(NamesError, match="read back"):
        rollback.step(world.fleet(), {"database": "orders"})
    assert not world.fleet().tracking.read("orders").settled


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({}, "database is None"),
        ({"database": "nobody"}, "'nobody' is no database of this fleet: it has orders, billing"),
        ({"database": "orders", "force": True}, "force: no such key; known are database, reason"),
    ],
)
def test_a_bad_rollback_is_refused(event: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        rollback.step(World().fleet(), event)


@pytest.mark.parametrize(
    ("start", "event", "said"),
    [
        ("planned", {"phase": "gone"}, "phase is 'gone': write one of planned, replicating"),
        ("planned", {"phase": "switched"}, "orders is planned: what may follow is replicating, not switched"),
        ("switched", {"phase": "rolled_back"}, "call the rollback function"),
        ("validated", {"phase": "shifting", "reader_percent": 101}, "reader_percent is 101"),
        ("validated", {"phase": "shifting", "reader_percent": "half"}, "reader_percent is 'half'"),
        ("planned", {"phase": "replicating", "reader_percent": 5}, "reader_percent belongs to shifting"),
        ("shifting", {"phase": "switched"}, "stop its writers, wait until the lag is 0, and say writers_stopped"),
        ("finished", {"phase": "shifting"}, "what may follow is nothing: it is at its end"),
    ],
)
def test_a_bad_advance_is_refused_and_changes_nothing(start: str, event: dict[str, Any], said: str) -> None:
    world = moved_on(start)
    items = dict(world.dynamodb.items)
    with pytest.raises(Refused, match=said):
        advance.step(world.fleet(), {"database": "orders", **event})
    assert world.dynamodb.items == items


@given(st.lists(st.sampled_from(list(Phase)), max_size=12))
def test_whatever_is_asked_for_only_allowed_steps_are_taken(wishes: list[Phase]) -> None:
    record = Record("orders")
    for wish in wishes:
        try:
            after = (
                core.rolled_back(record, "why")
                if wish is Phase.ROLLED_BACK
                else core.advanced(record, wish, writers_stopped=True)
            )
        except Refused:
            continue
        assert record.phase is not Phase.FINISHED or after.phase is Phase.FINISHED
        assert after.phase in (record.phase, Phase.ROLLED_BACK, *FOLLOWS[record.phase])
        asked = core.weights(after)
        assert asked is None or all(sum(sides.values()) == 100 for sides in asked.values())
        record = after


def test_moments_sort_as_text_and_before_the_state() -> None:
    moments = [moment(now) for now in (0.0, 1.5, 1_800_000_000.000001, 4_000_000_000.0)]
    assert moments == sorted(moments)
    assert max(moments) < "current"


class Ssm:
    def get_parameter(self, *, Name: str) -> dict[str, Any]:
        assert Name == "/fleet/config"
        return {"Parameter": {"Value": json.dumps({**vars(CONFIG), "databases": list(CONFIG.databases)})}}


def test_the_edge_answers_refusals_and_lets_failures_through(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    clients = {"ssm": Ssm(), "dynamodb": world.dynamodb, "route53": world.route53, "sns": world.sns}
    monkeypatch.setenv(fleet_edge.CONFIG_PARAMETER, "/fleet/config")
    monkeypatch.setattr(fleet_edge, "client", clients.__getitem__)
    assert rollback.handler({"database": "orders"}, None)["outcome"] == "rolled_back"
    refused = advance.handler({"database": "orders", "phase": "finished"}, None)
    assert refused["outcome"] == "refused" and "what may follow is replicating" in refused["reason"]
    monkeypatch.setattr(world.dynamodb, "get_item", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rollback.handler({"database": "orders"}, None)
