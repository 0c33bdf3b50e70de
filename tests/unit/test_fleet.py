"""A database of a fleet: its phases, its names, and the steps killed before and after every call."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
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
    batches = list(world.route53.batches)
    moves = world.route53.green("orders") != (0, 0)
    answer = rollback.step(world.fleet(), {"database": "orders", "reason": "checksums differ", "writers_stopped": True})
    assert answer == {
        "outcome": "rolled_back",
        "database": "orders",
        "phase": "rolled_back",
        "weights": {f"orders-{role}.fleet.example": {"blue": 100, "green": 0} for role in ("writer", "reader")},
    }
    assert world.route53.green("orders") == (0, 0)
    assert world.route53.batches == [*batches, *([4] if moves else [])]
    events = world.dynamodb.events("orders")
    assert events[-2:] == ["rolled_back", "rolled_back confirmed"] if moves else events[-1] == "rolled_back"
    assert world.sns.subjects[-1] == "Database orders is rolled_back"
    line = next(i for i in world.dynamodb.items.values() if i.get("event", {}).get("S") == "rolled_back")
    assert line["reason"]["S"] == "checksums differ"


def test_names_moved_by_hand_come_back_as_well() -> None:
    world = moved_on("rolled_back", _rolled_back())
    world.route53.point("orders", 100)
    with pytest.raises(Refused, match="its writer's name reads .*'green': 100.*say accept_loss"):
        rollback.step(world.fleet(), {"database": "orders"})
    answer = rollback.step(world.fleet(), {"database": "orders", "writers_stopped": True})
    assert answer["outcome"] == "rolled_back"
    assert world.route53.green("orders") == (0, 0)


def _rolled_back() -> World:
    world = moved_on("switched")
    rollback.step(world.fleet(), {"database": "orders", "writers_stopped": True})
    return world


def test_a_rollback_after_the_switch_wants_a_word_and_notes_a_loss() -> None:
    world = moved_on("switched")
    world.route53.point("orders", 0)  # wherever the name points: green has been written to
    items = dict(world.dynamodb.items)
    with pytest.raises(Refused, match="what green took and blue has not would be lost"):
        rollback.step(world.fleet(), {"database": "orders"})
    assert world.dynamodb.items == items
    rollback.step(world.fleet(), {"database": "orders", "reason": "on fire", "accept_loss": True})
    assert world.fleet().tracking.read("orders").reason == "on fire (loss accepted)"


@pytest.mark.parametrize("phase", ["planned", "replicating", "validated", "shifting"])
def test_before_the_switch_a_rollback_wants_no_word(phase: str) -> None:
    assert rollback.step(moved_on(phase).fleet(), {"database": "orders"})["outcome"] == "rolled_back"


@pytest.mark.parametrize(
    ("phase", "green"), [("replicating", 100), ("validated", 100), ("shifting", 100), ("switched", 0), ("finished", 0)]
)
def test_whatever_moves_the_writer_wants_a_word_also_in_a_repetition(phase: str, green: int) -> None:
    world = moved_on(phase)
    world.route53.point("orders", green)
    with pytest.raises(Refused, match="the writer's name would move .* say writers_stopped"):
        advance.step(world.fleet(), {"database": "orders", "phase": phase})
    assert world.route53.green("orders") == (green, green)
    answer = advance.step(world.fleet(), {"database": "orders", "phase": phase, "writers_stopped": True})
    assert answer["outcome"] == phase
    assert world.route53.green("orders")[0] == 100 - green


def test_a_repeated_switch_whose_writer_is_there_wants_no_word() -> None:
    world = moved_on("switched")
    world.route53.records["orders-reader.fleet.example", "green"]["Weight"] = 30
    assert advance.step(world.fleet(), {"database": "orders", "phase": "switched"})["outcome"] == "switched"
    assert world.route53.green("orders") == (100, 100)


@pytest.mark.parametrize("role", ["writer", "reader"])
def test_nothing_finishes_unless_both_names_are_green(role: str) -> None:
    world = moved_on("switched")
    world.route53.records[f"orders-{role}.fleet.example", "green"]["Weight"] = 0
    with pytest.raises(Refused, match="finished is for names that are green whole: repeat switched first"):
        advance.step(world.fleet(), {"database": "orders", "phase": "finished", "writers_stopped": True})
    assert world.fleet().tracking.read("orders").phase == "switched"


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
                return rollback.step(world.fleet(), {"database": "orders", "writers_stopped": True})
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
        rollback.step(world.fleet(), {"database": "orders", "writers_stopped": True})
    with pytest.raises(Refused, match="orders is rolled_back: what may follow is replicating, not finished"):
        advance.step(world.fleet(), {"database": "orders", "phase": "finished"})
    with pytest.raises(Refused, match="became rolled_back but its names were not confirmed: repeat that step first"):
        advance.step(world.fleet(), {"database": "orders", "phase": "replicating"})
    rollback.step(world.fleet(), {"database": "orders", "writers_stopped": True})
    assert world.route53.green("orders") == (0, 0)


SWITCH = {"database": "orders", "phase": "switched", "writers_stopped": True}
RETRIES: list[list[str]] = [[], ["replicating"], ["replicating", "validated"], ["replicating", "validated", "shifting"]]


def overtake(world: World, later: list[str]) -> None:
    """Roll orders back, and begin again as far as the last of `later`."""
    rollback.step(world.fleet(), {"database": "orders", "writers_stopped": True})
    for phase in later:
        advance.step(world.fleet(), {"database": "orders", "phase": phase})


@pytest.mark.parametrize("later", RETRIES)
def test_a_step_that_was_overtaken_before_its_names_moved_moves_none(later: list[str]) -> None:
    """A switch pauses after it was noted; a rollback comes and goes; then the switch wakes up."""
    world = moved_on("shifting")
    slow = world.fleet()
    write = slow.tracking.write

    def paused(*args: Any) -> Record:
        noted = write(*args)
        overtake(world, later)
        batches.extend(world.route53.batches)
        return noted

    slow.tracking.write = paused  # type: ignore[method-assign]
    batches: list[int] = []
    with pytest.raises(Superseded, match="before its names moved"):
        advance.step(slow, SWITCH)
    assert world.fleet().tracking.read("orders").phase == (later or ["rolled_back"])[-1]
    assert world.route53.green("orders") == (0, 0)
    assert world.route53.batches == batches


@pytest.mark.parametrize("later", RETRIES)
def test_a_step_that_was_overtaken_does_not_have_the_last_word(later: list[str]) -> None:
    """A switch pauses when its change is on its way; a rollback comes and goes; then the change arrives."""
    world = moved_on("shifting")
    world.route53.interruptions = [lambda: overtake(world, later)]
    with pytest.raises(Superseded):
        advance.step(world.fleet(), SWITCH)
    record = world.fleet().tracking.read("orders")
    assert (record.phase, record.settled) == ((later or ["rolled_back"])[-1], True)
    assert world.route53.green("orders") == (0, 0)
    assert "Database orders is switched" not in world.sns.subjects


def test_who_mends_after_being_overtaken_looks_whether_the_record_changed_again() -> None:
    """While the overtaken switch sends the names back to blue, another switch is made: it wins."""
    world = moved_on("shifting")
    world.route53.interruptions = [
        lambda: overtake(world, RETRIES[-1]),
        lambda: advance.step(world.fleet(), SWITCH),
    ]
    with pytest.raises(Superseded):
        advance.step(world.fleet(), SWITCH)
    assert world.fleet().tracking.read("orders").phase == "switched"
    assert world.route53.green("orders") == (100, 100)


@pytest.mark.parametrize("step", STEPS[2:4])
def test_a_message_that_can_t_be_sent_leaves_the_step_done(step: dict[str, Any]) -> None:
    world = moved_on("validated" if step["phase"] == "shifting" else "shifting")
    world.watcher = Watcher(fail={"sns.publish": [RuntimeError("throttled")]})
    assert advance.step(world.fleet(), {"database": "orders", **step})["outcome"] == step["phase"]
    assert world.fleet().tracking.read("orders").settled
    assert world.sns.subjects[-1:] != [f"Database orders is {step['phase']}"]


def test_two_writers_of_one_version_are_told_apart() -> None:
    world = World()
    tracking = world.fleet().tracking
    record = tracking.read("orders")
    tracking.write(replace(record, phase=Phase.REPLICATING), "replicating", 1.0)
    with pytest.raises(Superseded, match="orders was changed by somebody else"):
        tracking.write(replace(record, phase=Phase.REPLICATING), "replicating", 2.0)


@pytest.mark.parametrize(
    "reasons",
    [
        [{"Code": "TransactionConflict"}, {"Code": "None"}],
        [{"Code": "ThrottlingError"}, {"Code": "None"}],
        [{"Code": "None"}, {"Code": "ConditionalCheckFailed"}],
        [],
    ],
)
def test_what_cancels_a_write_but_is_no_other_version_is_an_error(reasons: list[dict[str, str]]) -> None:
    world = World()
    answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    world.watcher = Watcher(fail={"dynamodb.transact_write_items": [ClientError(answer, "TransactWriteItems")]})
    with pytest.raises(ClientError):
        advance.step(world.fleet(), {"database": "orders", "phase": "replicating"})


def test_names_that_read_back_otherwise_are_an_error() -> None:
    world = moved_on("switched")
    world.route53.change_resource_record_sets = (  # type: ignore[method-assign]
        lambda **_: {"ChangeInfo": {"Id": "lost"}}
    )
    with pytest.raises(NamesError, match="reads back"):
        rollback.step(world.fleet(), {"database": "orders", "writers_stopped": True})
    assert not world.fleet().tracking.read("orders").settled


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({}, "database is None"),
        ({"database": "nobody"}, "'nobody' is no database of this fleet: it has orders, billing"),
        ({"database": "orders", "force": True}, "force: no such key; known are accept_loss, database, reason, writers"),
        ({"database": "orders", "accept_loss": "yes"}, "accept_loss is 'yes': write true or false"),
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
        ("shifting", {"phase": "switched", "writers_stopped": 1}, "writers_stopped is 1: write true or false"),
        ("shifting", {"phase": "switched", "accept_loss": True}, "accept_loss: no such key"),
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
                core.rolled_back(record, core.weights(record), "why", writers_stopped=True)
                if wish is Phase.ROLLED_BACK
                else core.advanced(record, wish, core.weights(record), writers_stopped=True)
            )
        except Refused:
            continue
        assert record.phase is not Phase.FINISHED or after.phase is Phase.FINISHED
        assert after.phase in (record.phase, Phase.ROLLED_BACK, *FOLLOWS[record.phase])
        assert all(sum(sides.values()) == 100 for sides in core.weights(after).values())
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
    write = world.dynamodb.transact_write_items
    monkeypatch.setattr(world.dynamodb, "transact_write_items", lambda **puts: (write(**puts), write(**puts)))
    overtaken = advance.handler({"database": "billing", "phase": "replicating"}, None)
    assert overtaken["outcome"] == "overtaken" and "changed by somebody else" in overtaken["reason"]
    monkeypatch.setattr(world.dynamodb, "get_item", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rollback.handler({"database": "orders"}, None)
