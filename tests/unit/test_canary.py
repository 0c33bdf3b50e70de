"""Readers ahead of the switchover and the question before it, on a migration in memory."""

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from handlers.core import access, samples
from handlers.core.access import PUBLIC, Access
from handlers.core.approval import commands
from handlers.core.comparison import Column, Table
from handlers.core.record import Phase, Refused, Step, Superseded
from handlers.core.samples import Doubt, Key, KeyPart
from handlers.functions import announce, ask, canary, gate, settle, switch, undo
from tests.support.fakes import APPLICATION, DMS, OPERATOR, REPORT, Killed, World

EVENT = {"execution": "run-1"}
SECONDS = 60.0
WRITER, READER = "writer.db.example", "reader.db.example"
BLUE, GREEN = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}


def call(world: World, function: Any, **event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = function.step(world.migration(), {**EVENT, **event}, SECONDS)
    return answer


def announced() -> World:
    """Return a migration with readers, about to have its canary."""
    world = World()
    world.config["canary"] = {"roles": [REPORT], "seconds": 20}
    for side in (world.source, world.target):
        side.roles[REPORT] = False
        side.rows = [f"row {number}" for number in range(5)]
    call(world, gate)
    call(world, announce)
    return world


def reading(percent: int = 5) -> World:
    world = announced()
    call(world, canary, percent=percent)
    world.target.sessions_of.append(REPORT)
    return world


def all_as_before(world: World) -> None:
    assert world.router.found == {WRITER: BLUE, READER: BLUE}
    assert world.router.seconds == 60
    assert world.target.grantees == {OPERATOR, DMS}
    assert REPORT not in world.target.sessions_of
    assert world.source.access().grantees == (PUBLIC,)
    assert world.tracking.record.phase is Phase.UNDONE
    assert world.violations == []


# The canary


def test_a_share_of_the_readers_is_led_to_a_target_open_to_them_alone() -> None:
    world = announced()
    answer = call(world, canary, percent=5)
    assert answer == {"outcome": "reading", "percent": 5, "wait_seconds": 20}
    assert world.router.found == {WRITER: BLUE, READER: {"blue": 95, "green": 5}}
    assert world.target.grantees == {OPERATOR, DMS, REPORT}
    assert world.target.read_only == "on"
    assert world.notices.shown[-1]["reader_weights"] == {"blue": 95, "green": 5}
    assert world.open_side() == "blue"


def test_the_shares_rise_and_what_was_found_at_each_is_kept() -> None:
    world = announced()
    for percent in (5, 100):
        call(world, canary, percent=percent)
        assert call(world, canary, percent=percent, check=True)["outcome"] == "healthy"
    assert world.router.found[READER] == GREEN
    assert list(world.tracking.record.evidence["canary"]) == ["5", "100"]
    found = world.tracking.record.evidence["canary"]["100"]
    assert (found["tables"], found["of_tables"], found["rows"], found["still_changing"]) == (1, 1, 5, 0)


def test_a_role_that_may_write_is_refused_by_the_gate_and_by_the_canary() -> None:
    world = announced()
    world.target.may_write[REPORT] = "public.orders"
    with pytest.raises(Refused, match=r"report may write to public\.orders"):
        call(world, canary, percent=5)
    assert REPORT not in world.target.grantees
    assert Step.CANARY not in world.tracking.record.begun
    call(world, undo)
    answer = call(world, gate, execution="run-2")
    assert answer["outcome"] == "refused"
    assert "there could be no canary (or leave switchover.canary out): report may write" in answer["reason"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: w.alarms.found.append("alarm cpu is ALARM, not OK: see what it watches"), "alarm cpu is ALARM"),
        (lambda w: setattr(w.task, "found", replace(w.task.found, status="failed")), "the replication task is failed"),
        (
            lambda w: setattr(w.task, "found", replace(w.task.found, latency={"CDCLatencyTarget": 99.0})),
            "CDCLatencyTarget is 99 s, above 30 s",
        ),
        (lambda w: setattr(w.task, "broken", True), "a probe row did not get through in 30 s"),
        (lambda w: w.target.damaged.update({"row 3": "rotten"}), "of a sample on both sides 1 rows of public.orders"),
        (lambda w: w.target.rows.remove("row 1"), "1 rows of public.orders differ"),
        (lambda w: w.target.rows.append("nobody wrote this"), "1 rows of public.orders differ"),
    ],
)
def test_a_target_that_is_not_fit_takes_the_attempt_back(spoil: Any, said: str) -> None:
    world = reading()
    spoil(world)
    with pytest.raises(canary.Unhealthy) as caught:
        call(world, canary, percent=5, check=True)
    assert said in str(caught.value)
    assert call(world, undo, reason=str(caught.value))["outcome"] == "undone"
    all_as_before(world)


def test_a_row_on_its_way_is_waited_for() -> None:
    world, slept = reading(), []
    world.target.damaged["row 2"] = "not yet"

    def arrives(seconds: float) -> None:
        slept.append(seconds)
        world.clock.time += seconds
        if len(slept) == 5:
            world.target.damaged.clear()

    world.clock.sleep = arrives  # type: ignore[method-assign]
    assert call(world, canary, percent=5, check=True)["still_changing"] == 0
    assert len(slept) == 5


def test_a_row_that_never_rests_is_left_to_the_comparison_behind_the_fence() -> None:
    world = reading()
    turns = iter(range(10**6))
    hashes = world.source.hashes
    world.source.hashes = lambda *a, **k: {  # type: ignore[method-assign]
        place: f"{found} {next(turns)}" if found == "row 0" else found for place, found in hashes(*a, **k).items()
    }
    assert call(world, canary, percent=5, check=True)["still_changing"] == 1


def test_the_lock_is_held_while_a_share_is_watched() -> None:
    world = reading()
    world.clock.sleep(910)
    with pytest.raises(Refused, match="execution run-1 is at work"):
        call(world, gate, execution="run-2")


def test_readers_keep_their_sessions_and_the_opening_opens_to_all() -> None:
    world = reading(100)
    assert call(world, canary, percent=100, check=True)["outcome"] == "healthy"
    assert call(world, switch)["outcome"] == "open"
    assert REPORT in world.target.sessions_of
    assert {PUBLIC, OPERATOR} <= world.target.grantees
    assert world.router.found == {WRITER: GREEN, READER: GREEN}
    assert world.violations == []


def test_a_switch_that_is_taken_back_sends_the_readers_back_too() -> None:
    world = reading(100)
    world.target.suspended.append("s.t")
    assert call(world, switch)["outcome"] == "undone"
    all_as_before(world)


def test_readers_are_sent_away_though_the_config_names_them_no_more() -> None:
    world = reading()
    world.config["canary"] = {"roles": [], "seconds": 0}
    assert call(world, undo)["outcome"] == "undone"
    all_as_before(world)


def test_an_aborted_canary_lets_nobody_in_any_more() -> None:
    world = reading()
    act = world.target.act

    def aborted(*args: Any) -> None:
        world.target.act = act  # type: ignore[method-assign]
        call(world, undo, abort="the phone rang")
        act(*args)

    world.target.act = aborted  # type: ignore[method-assign]
    with pytest.raises(Superseded, match="later token"):
        call(world, canary, percent=100)
    all_as_before(world)


@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
def test_a_canary_killed_anywhere_can_be_taken_back(when: str) -> None:
    whole = announced()
    before = len(whole.watcher.calls)
    call(whole, canary, percent=5)
    for number in range(len(whole.watcher.calls) - before):
        world = announced()
        setattr(world.watcher, when, len(world.watcher.calls) + number)
        with pytest.raises(Killed):
            call(world, canary, percent=5)
        assert call(world, undo)["outcome"] == "undone"
        all_as_before(world)


def test_there_is_no_canary_on_the_way_back() -> None:
    world = announced()
    call(world, switch)
    call(world, settle)
    back = {"execution": "back-1", "input": {"direction": "back"}}
    assert call(world, gate, **back)["outcome"] == "ready"
    assert call(world, announce, **back)["direction"] == "back"
    with pytest.raises(Refused, match="there is no canary on the way back"):
        call(world, canary, percent=5, **back)
    assert call(world, switch, **back)["outcome"] == "open"


# The question


def test_people_are_asked_with_forecast_evidence_and_the_commands_that_answer() -> None:
    world = announced()
    answer = call(world, ask, token="TOKEN")
    assert answer["outcome"] == "asked"
    assert world.tracking.question is not None
    assert world.tracking.question[:2] == ("run-1", "TOKEN")
    assert world.notices.told == ["Migration migration-unit asks for approval"]
    [detail] = world.notices.details
    assert detail["forecast"]["write_gap_seconds"] > 61
    assert set(detail["evidence"]) == {"gate", "announce"}
    assert "TOKEN" not in json.dumps(detail)
    assert world.notices.shown[-1]["asked"]["until"] == answer["until"] == "1970-01-02T00:16:40Z"
    assert (world.open_side(), world.source.sessions_of.count(APPLICATION)) == ("blue", 2)
    world.clock.sleep(86400)
    with pytest.raises(Refused, match="execution run-1 is at work"):
        call(world, gate, execution="run-2")


def test_nobody_is_asked_about_a_switchover_over_the_budget() -> None:
    world = announced()
    world.config["limits"].update(write_gap_seconds=61)
    with pytest.raises(Refused, match="could not write for 61"):
        call(world, ask, token="TOKEN")
    assert world.tracking.question is None
    call(world, undo)
    all_as_before(world)


def test_an_answer_to_an_attempt_that_was_aborted_comes_too_late() -> None:
    world = announced()
    call(world, ask, token="TOKEN")
    call(world, undo, abort="the phone rang")
    with pytest.raises(Superseded):
        call(world, switch)
    all_as_before(world)


def test_the_commands_survive_json_and_name_table_region_and_question() -> None:
    for name, verb in (("approve", "send-task-success"), ("refuse", "send-task-failure")):
        command = commands("migration-dev", "tracking", "eu-west-1")[name]
        assert json.dumps(command) == f'"{command}"'
        words = shlex.split(command.replace("$(", "").replace(")", ""))
        assert words[:3] == ["aws", "stepfunctions", verb]
        assert words[words.index("--key") + 1] == "migration_id={S=migration-dev},entry={S=approval}"
        assert words.count("eu-west-1") == 2


# The pure parts

TABLE = Table("public", "50%")
KEY = Key((KeyPart("id", "bigint"), KeyPart("at", "timestamp with time zone")), 4000)


def test_letting_readers_in_touches_nobody_else_and_no_default() -> None:
    assert access.admit(Access("shop", ("app",), "on"), ["report", "bi"]) == [
        'GRANT CONNECT ON DATABASE "shop" TO "report", "bi"'
    ]


def test_keys_are_drawn_from_pages_chosen_by_chance() -> None:
    assert samples.draw_query(TABLE, KEY, 10) == (
        'SELECT "id"::text, "at"::text FROM ONLY "public"."50%" '
        "TABLESAMPLE SYSTEM (5.000000) ORDER BY random() LIMIT 10"
    )
    assert "SYSTEM (100.000000)" in samples.draw_query(TABLE, replace(KEY, pages=0), 10)


def test_rows_are_looked_up_by_their_keys() -> None:
    query = samples.hashes_query(TABLE, KEY, [Column("id", "int8"), Column("mood", "mood")], by_value=True)
    assert 'hashint8extended("row"."id"::int8, "row"."id"::int8 # 1)' in query
    assert 'hashtextextended("row"."mood"::text COLLATE "C", 2)' in query
    assert 'ON "row"."id" = wanted.key0::bigint AND "row"."at" = wanted.key1::timestamp with time zone' in query
    assert '"public"."50%%"' in query


def test_a_row_is_in_doubt_since_the_source_last_changed_it() -> None:
    first = samples.doubts([1, 2, 3], {1: "a", 2: "b"}, {1: "a", 2: "x", 3: "c"}, {}, 10.0)
    assert first == {2: Doubt("b", 10.0), 3: Doubt(None, 10.0)}
    second = samples.doubts(first, {2: "changed"}, {2: "b", 3: "c"}, first, 20.0)
    assert second == {2: Doubt("changed", 20.0), 3: Doubt(None, 10.0)}
    assert samples.overdue(second, 25.0, 10.0) == [3]
    assert samples.doubts(second, {2: "changed"}, {2: "changed"}, second, 30.0) == {}
