"""The functions, step by step, on a migration in memory."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from handlers import compensation, fenced, outlook, streams
from handlers.clock import DeadlineExceeded
from handlers.core.access import PUBLIC
from handlers.core.comparison import Digest, Table
from handlers.core.readiness import TaskState
from handlers.core.record import Phase, Record, Refused, Step, Superseded
from handlers.functions import announce, finish, gate, observe, prepare, settle, switch, undo
from handlers.preflight.facts import Counter, Counters, Field, Fields, Relation, Relations
from tests.support.facts import clean_facts
from tests.support.fakes import APPLICATION, DMS, OPERATOR, ORDERS, Killed, World

EVENT = {"execution": "run-1"}
SECONDS = 60.0


def call(world: World, function: Any, **event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = function.step(world.migration(), {**EVENT, **event}, SECONDS)
    return answer


def until(world: World, *functions: Any, **event: Any) -> dict[str, Any]:
    """Run functions in order and return the last answer."""
    answer: dict[str, Any] = {}
    for function in functions:
        answer = call(world, function, **event)
    return answer


# Prepare


def test_prepare_makes_roles_and_control_schemas_and_shuts_the_target() -> None:
    world = World()
    world.target.grantees = {PUBLIC}
    answer = call(world, prepare)
    assert (answer["outcome"], answer["connections"]) == ("prepared", "tested by DMS")
    assert world.target.passwords == {DMS: "dms's password", APPLICATION: "app's password"}
    assert world.source.control == [[DMS], ["schemas", DMS]]
    assert [DMS] in world.target.control
    for group in ("rds_replication", "rds_superuser", "pg_read_all_data", "pg_write_all_data"):
        assert [group, DMS] in world.target.control
    assert world.source.passwords == {}
    assert ["writes", DMS] in world.target.control
    assert world.target.grantees == {OPERATOR, DMS}
    assert world.endpoints.tested
    assert world.endpoints.looks == 0
    assert world.source.writable()


def test_prepare_says_that_nothing_is_tested_where_dms_is_serverless() -> None:
    world = World(endpoints=None)
    answer = call(world, prepare)
    assert answer["outcome"] == "prepared"
    assert answer["connections"].startswith("not tested: DMS Serverless tests them itself")


def test_prepare_makes_the_roles_of_a_source_that_the_stack_has_made() -> None:
    world = World()
    world.config["source_application_secret_arn"] = "old_app"
    call(world, prepare)
    assert world.source.passwords == {DMS: "dms's password", "old_app": "old_app's password"}
    assert ["rds_replication", DMS] in world.source.control
    assert ["writes", DMS] not in world.source.control


@pytest.mark.parametrize("phase", [Phase.SWITCHING, Phase.OPEN, Phase.COMPLETED])
def test_prepare_is_refused_once_a_switchover_has_begun(phase: Phase) -> None:
    world = World()
    world.tracking.record = Record("migration-unit", phase=phase)
    with pytest.raises(Refused, match="preparing would shut the application out"):
        call(world, prepare)


# Gate


def test_the_gate_claims_and_measures_and_touches_nothing_the_application_sees() -> None:
    world = World()
    answer = call(world, gate)
    assert answer["outcome"] == "ready"
    assert answer["attempt"] == 1
    assert answer["probe_seconds"] < 1
    assert world.tracking.record.phase is Phase.SWITCHING
    assert world.source.access().grantees == (PUBLIC,)
    assert world.router.leads_to() == "blue"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: setattr(w.task, "found", TaskState("stopped", 100, 0)), "the replication task is stopped"),
        (lambda w: setattr(w.task, "broken", True), "a probe row did not get through"),
        (lambda w: setattr(w.target, "grantees", {PUBLIC}), "roles that can connect to the closed side already"),
        (
            lambda w: setattr(w.source, "prepared", ["tx1"]),
            "prepared transactions on the open side: commit or roll back tx1",
        ),
        (lambda w: setattr(w.source, "long", ["bob (pid 1, 99 s)"]), "transactions over 60 s on the open side"),
        (lambda w: setattr(w.target, "exceptions", 2), "DMS logged 2 apply exceptions"),
        (
            lambda w: w.source.digests.update({Table("public", "new"): Digest(0, "0")}),
            "carry the schema for public.new",
        ),
        (lambda w: setattr(w.task, "schema", "other"), "tables that no rule selects"),
        (lambda w: w.source.numbers.update(other=1), "sequences missing on the closed side"),
        (lambda w: w.source.roles.update(jobs=False), "roles of the open side missing on the closed one: create jobs"),
        (
            lambda w: (w.source.roles.update(root=True), w.source.sessions_of.append("root")),
            "superuser sessions on the open side, whom no fence stops: end root",
        ),
        (
            lambda w: w.source.may_not_write.append("public.orders"),
            "there would be no way back (or set switchover.failBack to false): dms may not write public.orders",
        ),
        (
            lambda w: w.source.may_not_set.append("operator may not set ids"),
            "there would be no way back (or set switchover.failBack to false): operator may not set ids",
        ),
        (
            lambda w: w.target.may_not_set.append("operator may not set ids"),
            "the closed side's sequences could not be set: operator may not set ids",
        ),
        (lambda w: setattr(w.target, "slots_left", False), "all 10 replication slots are taken"),
        (lambda w: w.secrets.rotating.add("dms"), "whose rotation is half done: let it end, or take"),
    ],
)
def test_the_gate_refuses_with_the_reason_and_frees_the_lock(spoil: Any, said: str) -> None:
    world = World()
    spoil(world)
    answer = call(world, gate)
    assert answer["outcome"] == "refused"
    assert said in answer["reason"]
    assert world.tracking.record.phase is Phase.UNDONE
    assert world.notices.shown[-1]["reason"] == answer["reason"]
    assert world.source.writable()
    assert world.source.sessions_of.count(APPLICATION) == 2


def renamed(world: World) -> None:
    """Let the task call table orders `purchases` in a schema `shop`, and the target have it so."""
    world.task.transformations = [("schema", "rename", "shop"), ("table", "rename", "purchases")]
    world.target.digests = {Table("shop", "purchases"): world.source.digests[ORDERS]}
    world.target.sequence_schema = "shop"
    there = Table("shop", "purchases")
    world.facts["new"] = clean_facts(
        Relations((Relation(there, key=("id",)),)),
        Fields((Field(there, "id", "bigint", "int8"),)),
        Counters((Counter("shop", "ids", 100, 1, 1, 10**9),)),
    )


def test_the_gate_and_the_comparison_know_a_renamed_table_and_its_schema_s_sequences() -> None:
    world = World()
    renamed(world)
    assert call(world, gate)["outcome"] == "ready"
    answer = call(world, switch)
    assert answer["outcome"] == "open"
    assert answer["evidence"]["compare"]["tables"] == 1


def test_a_renamed_table_that_differs_is_told_by_its_name_on_the_source() -> None:
    world = World()
    renamed(world)
    call(world, gate)
    world.target.digests = {Table("shop", "purchases"): Digest(2, "41")}
    answer = call(world, switch)
    assert answer["outcome"] == "undone"
    assert "public.orders has 3 rows on the source, 2 on the target" in answer["reason"]


def test_two_executions_cannot_hold_one_migration() -> None:
    world = World()
    call(world, gate)
    with pytest.raises(Refused, match="execution run-1 is at work"):
        call(world, gate, execution="run-2")
    with pytest.raises(Superseded, match="run-2 does not hold"):
        call(world, announce, execution="run-2")
    assert call(world, undo, execution="run-2") == {"outcome": "nothing", "phase": Phase.SWITCHING}


# Announce


def test_who_waits_for_the_old_time_to_live_keeps_the_lock_meanwhile() -> None:
    world = World()
    world.router.seconds = 86400
    until(world, gate, announce)
    world.clock.sleep(86400)
    with pytest.raises(Refused, match="execution run-1 is at work"):
        call(world, gate, execution="run-2")


def test_announcing_lowers_the_time_to_live_and_says_how_long_to_wait() -> None:
    world = World()
    assert until(world, gate, announce) == {"outcome": "announced", "wait_seconds": 60, "direction": "forward"}
    assert (world.router.seconds, world.router.leads_to()) == (1, "blue")
    assert call(world, announce)["wait_seconds"] == 60  # repeated, it still knows the time there was before


# Switch


def switched() -> World:
    world = World()
    until(world, gate, announce, switch)
    return world


def test_the_switch_flips_fences_drains_compares_and_opens() -> None:
    world = World()
    answer = until(world, gate, announce, switch)
    assert answer["outcome"] == "open"
    assert answer["fence_to_open_seconds"] > 0
    assert list(answer["evidence"]) == [
        *("gate", "announce", "flip", "fence", "drain", "sequences", "reverse", "compare", "open")
    ]
    assert answer["evidence"]["fence"]["sessions_ended"] == 2
    assert answer["evidence"]["compare"] == {
        **{"tables": 1, "rows": 3, "mismatches": 0, "hash": "value"},
        "tables_in_fence": 0,  # nobody wrote since the survey
    }
    assert answer["evidence"]["reverse"]["slot"] == "migration_failback" in world.target.slots
    assert answer["evidence"]["open"] == {"open_to": [APPLICATION]}
    assert not world.source.writable()
    assert world.source.sessions_of == [DMS]
    assert world.target.writable()
    assert world.target.read_only is None
    assert OPERATOR in world.target.grantees
    assert world.router.leads_to() == "green"
    assert world.target.numbers == {"ids": 132}
    assert world.violations == []
    assert world.source.closed == world.target.closed > 0


def test_every_step_is_recorded_before_and_after() -> None:
    events = switched().tracking.events
    steps = ("fence", "drain", "sequences", "reverse", "compare", "open")
    for step, following in itertools.pairwise(steps):
        assert f"{step} done, {following} begins" in events
    assert [event for event in events if event in ("flip begins", "flip done", "fence begins", "open done")] == [
        *("flip begins", "flip done", "fence begins", "open done")
    ]


def undone(spoil: Any, after: Any = None) -> tuple[World, str]:
    """Run a switch that must fail and return the world and the reason, having checked that all is as before."""
    world = World()
    until(world, gate, announce)
    spoil(world)
    answer = call(world, switch)
    assert answer["outcome"] == "undone", answer
    assert world.source.access().grantees == (PUBLIC,)
    assert world.source.read_only is None
    assert not world.target.writable()
    assert world.router.leads_to() == "blue"
    assert world.router.seconds == 60
    assert world.target.slots == {}
    assert world.tracking.record.phase is Phase.UNDONE
    assert world.violations == []
    return world, str(answer["reason"])


def breaks_behind_the_fence(world: World) -> None:
    act = world.source.act

    def acts(token: int, statements: list[str]) -> None:
        act(token, statements)
        world.task.broken = world.task.broken or any("REVOKE" in statement for statement in statements)

    world.source.act = acts  # type: ignore[method-assign]


def breaks_while_dns_follows(world: World) -> None:
    in_sync = world.router.in_sync

    def follows(change: str) -> bool:
        world.task.broken = True
        return in_sync(change)

    world.router.in_sync = follows  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: w.source.stubborn.add(APPLICATION), "FenceBroken: sessions that do not end: app, app"),
        (lambda w: w.source.prepared.append("tx1"), "FenceBroken: prepared transactions on the side that is left: tx1"),
        (lambda w: setattr(w.task, "broken", True), "StreamBroken: no row came through in 30 s"),
        (breaks_behind_the_fence, "DrainFailed: the token written after the fence"),
        (lambda w: w.target.suspended.append("s.t"), "DrainFailed: DMS suspended"),
        (lambda w: setattr(w.target, "exceptions", 1), "could not apply 1 changes"),
        (lambda w: setattr(w.target, "sets_sequences", False) or w.target.numbers.update(ids=5), "Mismatch: sequences"),
        (lambda w: w.target.digests.update({ORDERS: Digest(2, "1")}), "has 3 rows on the source, 2 on the target"),
        (lambda w: w.target.digests.update({ORDERS: Digest(3, "1")}), "the same 3 rows by number, not by content"),
        (lambda w: w.target.digests.clear(), "public.orders is missing on the target"),
        (lambda w: w.config["limits"].update(write_gap_seconds=61), "who connects anew could not write for 61.5 s"),
        (lambda w: w.watcher.fail.update({"router.shift": [OSError("throttled")]}), "OSError: throttled"),
        (lambda w: setattr(w.router, "synced", False), "DeadlineExceeded: Route 53 INSYNC"),
        (breaks_while_dns_follows, "StreamBroken: no row came through in 30 s"),
    ],
)
def test_what_fails_before_opening_is_taken_back_in_the_same_invocation(spoil: Any, said: str) -> None:
    world, reason = undone(spoil)
    assert said in reason
    assert world.notices.shown[-1]["phase"] == Phase.UNDONE


@pytest.mark.parametrize(
    ("took", "left"),
    [([3.0, 1.0, 0.05], 0.05), ([3.0, 3.2], 3.2), ([0.05], 0.05), ([20.0, 15.0, 5.0], 15.0)],
)
def test_a_stream_that_catches_up_is_waited_for_before_the_fence(
    took: list[float], left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, rows = World(), itertools.chain(took, [0.07])  # the last is of who looks again once the names are flipped
    until(world, gate, announce)

    def probe(*_: Any) -> float:
        assert world.source.write("still open")
        world.clock.sleep(seconds := next(rows))
        return seconds

    monkeypatch.setattr(streams, "probe", probe)
    forecasts = []
    monkeypatch.setattr(outlook, "reasons_against", lambda forecast, _: forecasts.append(forecast.drain_seconds) or [])
    assert call(world, switch)["outcome"] == "open"
    assert forecasts == [left, 0.07]


def test_a_second_attempt_succeeds_once_the_cause_is_gone() -> None:
    world, _ = undone(lambda w: w.target.digests.update({ORDERS: Digest(3, "1")}))
    world.target.digests[ORDERS] = Digest(3, "42")
    event = {"execution": "run-2"}
    for function in (gate, announce, switch):
        answer = call(world, function, **event)
    assert answer["outcome"] == "open"
    assert world.tracking.record.attempt == 2


def test_only_what_changed_since_the_survey_is_compared_behind_the_fence() -> None:
    world = World()
    quiet = Table("public", "quiet")
    for side in (world.source, world.target):
        side.digests[quiet] = Digest(9, "9")
        side.digest = lambda table, side=side: (  # type: ignore[misc,method-assign]
            Digest(3 + len(side.rows), str(side.rows)) if table == ORDERS else side.digests[table]
        )
    until(world, gate, announce)
    act, late = world.source.act, ["a row"]

    def busy(*args: Any) -> None:
        if late:  # a last write, before the fence closes
            assert world.source.write(late.pop())
        act(*args)

    world.source.act = busy  # type: ignore[method-assign]
    for side in (world.source, world.target):
        side.marks = lambda side=side: {ORDERS: str(len(side.rows)), quiet: "the same"}  # type: ignore[misc,method-assign]
    compared = call(world, switch)["evidence"]["compare"]
    assert (compared["tables"], compared["tables_in_fence"], compared["rows"]) == (2, 1, 4 + 9)
    assert world.target.rows == ["a row"]


def test_without_exact_marks_everything_is_compared_behind_the_fence() -> None:
    world = World()
    world.target.keeps_marks = False
    assert until(world, gate, announce, switch)["evidence"]["compare"]["tables_in_fence"] == 1


def test_a_batch_that_is_still_being_applied_is_waited_for() -> None:
    world = World()
    world.target.late_digests = [Digest(2, "7"), Digest(2, "7")]
    assert until(world, gate, announce, switch)["evidence"]["compare"]["mismatches"] == 0


def test_servers_that_hash_differently_are_compared_as_text() -> None:
    world = World()
    world.target.test = "2"
    assert until(world, gate, announce, switch)["evidence"]["compare"]["hash"] == "text"


def test_listed_application_roles_alone_are_fenced() -> None:
    world = World()
    world.config["application_roles"] = [APPLICATION]
    world.source.roles["report"] = world.target.roles["report"] = False
    world.source.sessions_of.append("report")
    until(world, gate, announce, switch)
    assert "report" in world.source.sessions_of
    assert APPLICATION not in world.source.sessions_of


def test_an_intruder_during_the_section_stops_the_opening() -> None:
    world = World()
    until(world, gate, announce)
    make_slot = world.target.make_slot

    def late(*args: Any) -> str:
        world.source.grantees.add(APPLICATION)
        return make_slot(*args)

    world.target.make_slot = late  # type: ignore[method-assign]
    answer = call(world, switch)
    assert answer["outcome"] == "undone"
    assert "roles that can still connect to the side that is left: app" in answer["reason"]


def test_a_group_that_held_connect_on_the_old_side_holds_it_on_the_new_one() -> None:
    world = World()
    world.source.grantees = {"members", "elsewhere", APPLICATION, OPERATOR, DMS}
    world.source.groups, world.target.groups = {"members", "elsewhere"}, {"members"}
    until(world, gate, announce)
    assert call(world, switch)["outcome"] == "open"
    assert world.target.access().grantees == (APPLICATION, DMS, "members", OPERATOR)


def test_a_superseded_execution_stops_and_undoes_nothing() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["tracking.write"] = [Superseded("another")]
    with pytest.raises(Superseded):
        call(world, switch)
    assert not [call for call in world.watcher.calls if call.endswith(".act")]


def test_a_failure_while_opening_goes_forward_not_back() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.act"] = [None, OSError("connection lost")]  # type: ignore[list-item]
    with pytest.raises(OSError, match="connection lost"):
        call(world, switch)
    assert not world.source.writable()
    assert call(world, undo) == {"outcome": "forward"}
    slots = dict(world.target.slots)
    assert call(world, switch)["outcome"] == "open"
    assert world.target.slots == slots  # made anew it would have lost what was written since
    assert call(world, undo) == {"outcome": "settle"}


# Undo


def test_the_undo_function_takes_back_what_a_dead_invocation_left() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.kill_before = len(world.watcher.calls) + calls_of_a_switch().index("target.suspended_tables")
    with pytest.raises(Killed):
        call(world, switch)
    assert not world.source.writable()
    answer = call(world, undo, reason="the function died")
    assert answer == {"outcome": "undone", "reason": "the function died"}
    assert world.router.seconds == 60
    assert world.source.writable()
    assert call(world, undo)["outcome"] == "nothing"


def test_undo_tries_every_part_and_says_what_failed() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.has_token"] = [None, None, OSError("lost")]  # type: ignore[list-item]
    world.watcher.fail["router.shift"] = [None, OSError("throttled")]  # type: ignore[list-item]
    with pytest.raises(compensation.UndoFailed, match="names back: throttled"):
        call(world, switch)
    assert world.source.writable()
    assert call(world, undo)["outcome"] == "undone"
    assert world.router.seconds == 60


def test_undo_opens_the_old_side_though_the_new_one_is_out_of_reach() -> None:
    """Nobody can open the new side: that would have to be recorded first, and the record has moved on."""
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.has_token"] = [None, None, OSError("lost")]  # type: ignore[list-item]
    world.watcher.fail["target.act"] = [OSError("unreachable")]
    with pytest.raises(compensation.UndoFailed, match="close the new side: unreachable"):
        call(world, switch)
    assert world.open_side() == "blue"
    assert world.router.leads_to() == "blue"
    with pytest.raises(Superseded, match="is undoing: run-1 comes too late"):
        call(world, switch)  # a retry of the step must not go on with what is being taken back
    assert call(world, undo)["outcome"] == "undone"
    assert world.violations == []


def test_what_can_be_neither_undone_nor_finished_is_handed_to_a_person() -> None:
    world = World()
    call(world, gate)
    answer = call(world, undo, give_up=True, reason="everything failed")
    assert answer["outcome"] == "needs a person"
    assert world.tracking.record.phase is Phase.NEEDS_A_PERSON
    assert world.notices.told == ["Migration migration-unit needs a person"]
    assert call(world, undo, give_up=True)["outcome"] == "nothing"


# Settle


def settled(world: World) -> dict[str, Any]:
    return until(world, gate, announce, switch, settle)


def test_settling_turns_the_stream_round_and_sees_a_row_go_through_it() -> None:
    world = World()
    world.target.views = ["public.sales"]
    until(world, gate, announce, switch)
    assert world.target.write("on green, before the stream runs")
    answer = call(world, settle)
    assert (answer["outcome"], answer["wait_seconds"]) == ("window", 300)
    assert answer["way_back"]["safe"]
    assert (world.task.found.status, world.failback_task.found.status) == ("stopped", "running")
    assert "on green, before the stream runs" in world.source.rows
    assert world.tracking.record.evidence["settle"]["refreshed"] == ["public.sales"]
    assert world.router.seconds == 1  # low until the window is over
    assert world.notices.told == ["Migration migration-unit switched over"]
    assert world.violations == []


def test_a_way_back_that_does_not_flow_is_told_and_takes_nobody_down() -> None:
    world = World()
    world.failback_task.broken = True
    until(world, gate, announce, switch)
    answer = call(world, settle)
    assert answer["outcome"] == "window"
    assert not answer["way_back"]["safe"]
    assert "no row came back in time" in answer["way_back"]["reason"]
    assert world.open_side() == "green"


def test_names_that_come_into_force_late_after_a_fail_back_are_told_and_stop_nothing() -> None:
    world = World()
    settled(world)
    until(world, gate, announce, switch, **BACK)
    world.router.synced = False
    assert call(world, settle, **BACK)["outcome"] == "failed back"
    assert world.tracking.record.evidence["settle"]["names_in_force"] is False


def test_while_dns_follows_the_flip_who_has_a_session_writes_on_the_old_side() -> None:
    world, in_sync, seen = World(), None, []
    until(world, gate, announce)
    in_sync = world.router.in_sync

    def follows(change: str) -> bool:
        seen.append((world.router.leads_to(), world.open_side(), world.source.write(f"row {len(seen)}")))
        world.router.synced = len(seen) > 3
        return in_sync(change)

    world.router.in_sync = follows  # type: ignore[method-assign]
    assert call(world, switch)["outcome"] == "open"
    assert seen == [("green", "blue", True)] * 4
    assert world.target.rows[-4:] == [f"row {number}" for number in range(4)]
    assert world.violations == []


def test_without_a_way_back_none_is_made() -> None:
    world = World()
    world.config["replication"] = {**world.config["replication"], "failback_slot": ""}
    answer = settled(world)
    assert answer["way_back"] == {"safe": False, "reason": "switchover.failBack is false: none was made"}
    assert world.target.slots == {}
    assert world.failback_task.found.status == "ready"


def test_settling_can_be_repeated_after_a_failure() -> None:
    world = World()
    until(world, gate, announce, switch)
    world.watcher.fail["failback_task.start_from"] = [OSError("lost")]
    with pytest.raises(OSError, match="lost"):
        call(world, settle)
    assert call(world, settle)["way_back"]["safe"]


# Finish


def test_finishing_restores_the_time_to_live_takes_down_what_was_made_and_tells_people() -> None:
    world = World()
    settled(world)
    answer = call(world, finish)
    assert answer["outcome"] == "completed"
    assert answer["evidence"]["finish"] == {
        "change": "/change/C1",
        "counters": {"read": 5, "applied": 5},
        "slot_dropped": True,
    }
    assert (world.router.seconds, world.router.leads_to()) == (60, "green")
    assert world.failback_task.found.status == "stopped"
    assert world.target.slots == {}
    assert world.source.control[-1] == world.target.control[-1] == ["dropped"]
    assert world.tracking.record.phase is Phase.COMPLETED
    assert world.notices.told[-1] == "Migration migration-unit completed"


def test_finishing_waits_for_what_has_to_come_before_it() -> None:
    world = World()
    until(world, gate, announce, switch)
    with pytest.raises(Superseded, match="is not settled"):
        call(world, finish)
    call(world, settle)
    world.router.synced = False
    with pytest.raises(DeadlineExceeded, match="INSYNC"):
        call(world, finish)
    world.router.synced = True
    assert call(world, finish)["outcome"] == "completed"


# Fail-back

BACK = {"execution": "back-1", "input": {"direction": "back"}}


def test_fail_back_is_the_same_steps_mirrored() -> None:
    world = World()
    settled(world)
    assert world.target.write("on green")
    world.target.numbers["ids"] = 500
    answer = until(world, gate, announce, switch, **BACK)
    assert answer["outcome"] == "open"
    assert list(answer["evidence"]) == ["gate", "announce", "flip", "fence", "drain", "sequences", "compare", "open"]
    assert (world.open_side(), world.router.leads_to()) == ("blue", "blue")
    assert world.source.access().grantees == (PUBLIC,)
    assert world.source.read_only is None
    assert world.source.rows == ["on green"]
    assert world.source.numbers == {"ids": 532}
    assert call(world, settle, **BACK) == {"outcome": "failed back"}
    assert (world.failback_task.found.status, world.target.slots, world.router.seconds) == ("stopped", {}, 60)
    assert call(world, finish) == {"outcome": "failed back"}  # the first execution hears of it
    assert world.tracking.record.phase is Phase.FAILED_BACK
    assert world.violations == []


def test_a_fail_back_that_is_refused_or_taken_back_leaves_the_target_open_and_the_way_back_there() -> None:
    world = World()
    settled(world)
    world.failback_task.broken = True
    assert until(world, gate, **BACK)["outcome"] == "refused"
    world.failback_task.broken = False
    again = {**BACK, "execution": "back-2"}
    until(world, gate, announce, **again)
    world.source.suspended.append("s.t")
    assert call(world, switch, **again)["outcome"] == "undone"
    assert (world.open_side(), world.router.leads_to(), world.router.seconds) == ("green", "green", 1)
    assert world.target.access().grantees == (PUBLIC, DMS, OPERATOR)
    assert world.tracking.record.phase is Phase.OPEN
    world.source.suspended.clear()
    assert until(world, gate, announce, switch, **{**BACK, "execution": "back-3"})["outcome"] == "open"
    assert world.violations == []


def test_finishing_waits_while_a_fail_back_is_under_way_and_goes_on_if_it_is_taken_back() -> None:
    world = World()
    settled(world)
    until(world, gate, announce, **BACK)
    assert call(world, finish) == {"outcome": "waiting", "wait_seconds": 60}
    call(world, undo, **BACK)
    assert call(world, finish)["outcome"] == "completed"


def test_after_the_window_there_is_no_way_back() -> None:
    world = World()
    settled(world)
    world.clock.sleep(301)
    with pytest.raises(Refused, match="its window is over"):
        until(world, gate, **BACK)


def test_after_a_fail_back_the_target_is_emptied_and_the_whole_can_be_done_again() -> None:
    world = World()
    settled(world)
    world.target.write("on green")
    until(world, gate, announce, switch, settle, **BACK)
    with pytest.raises(Refused, match="the target is behind: call with"):
        call(world, prepare)
    call(world, prepare, empty_target=True)
    assert (world.target.emptied, world.target.rows) == ([ORDERS], [])
    world.target.rows = list(world.source.rows)  # the full load
    world.task.found = replace(world.task.found, status="running")
    world.task.position = len(world.source.log)
    assert call(world, finish) == {"outcome": "overtaken"}  # the first execution's window is over only now
    assert until(world, gate, announce, switch, **{"execution": "run-2"})["outcome"] == "open"
    assert call(world, finish) == {"outcome": "overtaken"}
    assert world.open_side() == "green"


def test_a_direction_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused, match="direction is 'sideways': write forward or back"):
        call(World(), gate, input={"direction": "sideways"})


# Who comes too late


def test_an_abort_takes_the_attempt_from_who_is_at_work_on_it() -> None:
    world = World()
    until(world, gate, announce)
    act = world.target.act

    def aborted(*args: Any) -> None:
        world.target.act = act  # type: ignore[method-assign]
        assert call(world, undo, abort="the phone rang")["outcome"] == "undone"
        act(*args)

    world.target.act = aborted  # type: ignore[method-assign]
    with pytest.raises(Superseded, match="acted on with a later token"):
        call(world, switch)
    assert world.open_side() == "blue"
    assert world.tracking.record.reason == "aborted: the phone rang"
    assert call(world, undo)["outcome"] == "nothing"
    assert world.violations == []


def test_names_are_not_flipped_too_late() -> None:
    world = World()
    until(world, gate, announce)
    shift = world.router.shift

    def throttled(*args: Any, **kwargs: Any) -> str:
        world.router.shift = shift  # type: ignore[method-assign]
        assert call(world, undo, abort="it takes too long")["outcome"] == "undone"
        return str(shift(*args, **kwargs))

    world.router.shift = throttled  # type: ignore[method-assign]
    with pytest.raises(Superseded, match="moved with a later token"):
        call(world, switch)
    assert world.open_side() == world.router.leads_to() == "blue"
    assert world.router.seconds == 60
    assert world.violations == []


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.UNDONE, Phase.OPEN, Phase.COMPLETED])
def test_there_is_nothing_to_abort_outside_an_attempt(phase: Phase) -> None:
    world = World()
    world.tracking.record = Record("migration-unit", phase=phase)
    with pytest.raises(Refused, match="no attempt is under way to abort"):
        call(world, undo, abort="why")


def test_an_attempt_past_the_point_of_no_return_is_not_aborted() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.act"] = [None, OSError("lost")]  # type: ignore[list-item]
    with pytest.raises(OSError, match="lost"):
        call(world, switch)
    with pytest.raises(Refused, match="fail-back now, not undo"):
        call(world, undo, abort="why")


def test_two_invocations_of_one_execution_do_not_both_act() -> None:
    """Step Functions calls again where it lost the answer: the first may still be at work."""
    world = World()
    until(world, gate, announce)
    act, second = world.target.act, []

    def overtaken(*args: Any) -> None:
        world.target.act = act  # type: ignore[method-assign]
        second.append(call(world, switch)["outcome"])
        act(*args)

    world.target.act = overtaken  # type: ignore[method-assign]
    with pytest.raises(Superseded):
        call(world, switch)
    assert (second, world.open_side()) == (["open"], "green")
    assert world.violations == []


def overtaken(world: World, part: Any, method: str, *others: Any) -> None:
    """Switch, and let others do what they do right before `method` is called, as if the call had come late."""
    late = getattr(part, method)

    def come_late(*args: Any, **more: Any) -> Any:
        setattr(part, method, late)
        for other in others:
            other()
        return late(*args, **more)

    setattr(part, method, come_late)
    with pytest.raises(Superseded):
        call(world, switch)


def test_a_late_drain_leaves_no_row_that_would_be_carried_round() -> None:
    world = World()
    until(world, gate, announce)
    overtaken(world, world.source, "write_token", lambda: call(world, switch))
    assert call(world, settle)["way_back"]["safe"]
    assert world.violations == []
    assert world.source.exceptions == 0


@pytest.mark.parametrize("method", ["drop_slot", "make_slot"])
def test_a_late_slot_does_not_take_the_place_of_the_one_that_keeps_the_writes(method: str) -> None:
    world = World()
    until(world, gate, announce)
    overtaken(
        world,
        world.target,
        method,
        lambda: call(world, switch),
        lambda: world.target.write("on green, kept by the slot"),
    )
    assert call(world, settle)["way_back"]["safe"]
    assert world.source.rows == ["on green, kept by the slot"]


def test_a_late_flip_does_not_lead_the_names_away_from_the_open_side() -> None:
    world = World()
    until(world, gate, announce)
    overtaken(world, world.router, "shift", lambda: call(world, undo, abort="the phone rang"))
    assert (world.open_side(), world.router.leads_to(), world.router.seconds) == ("blue", "blue", 60)


def test_a_late_announcement_does_not_lead_the_names_back() -> None:
    world = World()
    call(world, gate)
    shift, wait = world.router.shift, []

    def come_late(*args: Any, **more: Any) -> str:
        world.router.shift = shift  # type: ignore[method-assign]
        wait.append(until(world, announce, switch)["outcome"])
        return shift(*args, **more)

    world.router.shift = come_late  # type: ignore[method-assign]
    with pytest.raises(Superseded):
        call(world, announce)
    assert wait == ["open"]
    assert (world.open_side(), world.router.leads_to()) == ("green", "green")


def test_a_late_prepare_empties_nothing_that_was_loaded_since() -> None:
    world = World()
    settled(world)
    until(world, gate, announce, switch, settle, **BACK)
    empty = world.target.empty

    def come_late(*args: Any) -> None:
        world.target.empty = empty  # type: ignore[method-assign]
        call(world, prepare, empty_target=True)
        world.target.rows.append("loaded anew")
        empty(*args)

    world.target.empty = come_late  # type: ignore[method-assign]
    with pytest.raises(Superseded):
        call(world, prepare, empty_target=True)
    assert world.target.rows == ["loaded anew"]


def test_a_new_migration_begins_above_the_tokens_of_one_that_was_here_before() -> None:
    world = World()
    world.source.token, world.target.token, world.router.token = 40, 50, 60
    until(world, prepare, gate, announce, switch)
    assert world.open_side() == "green"
    assert world.source.token == world.target.token == world.router.token > 60


def test_a_new_execution_goes_on_where_one_gave_up() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.has_token"] = [None, None, OSError("lost")]  # type: ignore[list-item]
    world.watcher.fail["source.act"] = [None, OSError("unreachable")]  # type: ignore[list-item]
    with pytest.raises(compensation.UndoFailed, match="reopen the old side: unreachable"):
        call(world, switch)
    call(world, undo, give_up=True, reason="unreachable")
    assert world.open_side() is None
    assert call(world, gate, execution="run-2") == {"outcome": "undo", "wait_seconds": 0}
    assert call(world, undo, execution="run-2")["outcome"] == "undone"
    assert world.open_side() == "blue"


# Observe


def test_the_observer_shows_where_the_migration_stands() -> None:
    world = World()
    assert call(world, observe) == {"outcome": "ready", "reasons": []}
    world.task.found = TaskState("running", 40, 0)
    assert call(world, observe)["outcome"] == "loading"
    world.task.found = TaskState("running", 100, 0, (), {"CDCLatencySource": 99.0})
    assert call(world, observe)["outcome"] == "replicating"
    assert world.notices.shown[-1]["reasons"] == [
        "CDCLatencySource is 99 s, above 30 s: wait, or find what holds it up"
    ]
    assert world.machine.started == []


def test_the_observer_keeps_out_of_a_switchover() -> None:
    world = World()
    call(world, gate)
    shown = len(world.notices.shown)
    assert call(world, observe) == {"outcome": Phase.SWITCHING}
    assert len(world.notices.shown) == shown


def test_while_the_target_is_open_the_observer_says_whether_the_way_back_is_safe_and_until_when() -> None:
    world = World()
    until(world, gate, announce, switch)
    assert call(world, observe)["way_back"]["reasons"] == ["the reverse stream is not verified yet"]
    call(world, settle)
    way_back = call(world, observe)["way_back"]
    assert (way_back["safe"], way_back["until"]) == (True, "1970-01-01T00:21:41Z")
    assert world.notices.shown[-1]["way_back"] == way_back
    world.failback_task.found = replace(world.failback_task.found, status="failed")
    assert call(world, observe)["way_back"]["reasons"] == [
        "the replication task is failed: start it and wait for its full load"
    ]
    world.clock.sleep(400)
    assert call(world, observe)["way_back"]["reasons"] == ["the window is over"]


def test_in_automatic_mode_the_first_attempt_starts_once_the_lag_is_known_and_small() -> None:
    world = World()
    world.config["mode"] = "automatic"
    world.task.found = replace(world.task.found, latency={"CDCLatencySource": None, "CDCLatencyTarget": 0.0})
    call(world, observe)
    assert world.machine.started == []
    world.task.found = replace(world.task.found, latency={"CDCLatencySource": 0.0, "CDCLatencyTarget": 0.0})
    assert call(world, observe) == {"outcome": "ready", "started": "migration-unit-1"}
    assert world.machine.started == ["migration-unit-1"]


def test_in_automatic_mode_it_has_to_have_been_safe_for_long_enough() -> None:
    world = World()
    world.config["mode"] = "automatic"
    for since in (None, world.clock.time - 200):
        world.alarms.since = since
        assert call(world, observe) == {"outcome": "ready", "reasons": []}
    assert world.notices.shown[-1]["safe_since"] == "1970-01-01T00:13:20Z"
    world.clock.sleep(100)
    assert call(world, observe)["started"] == "migration-unit-1"


@pytest.mark.parametrize("mode", ["manual", "approved"])
def test_in_no_other_mode_it_starts_on_its_own(mode: str) -> None:
    world = World()
    world.config["mode"] = mode
    call(world, observe)
    assert world.machine.started == []


def test_after_an_undone_attempt_a_person_decides() -> None:
    world, _ = undone(lambda w: w.target.suspended.append("s.t"))
    world.config["mode"] = "automatic"
    call(world, observe)
    assert world.machine.started == []


# Crashes


def calls_of_a_switch() -> list[str]:
    """Return every call that a switch without trouble makes, in order."""
    world = World()
    until(world, gate, announce)
    before = len(world.watcher.calls)
    call(world, switch)
    return world.watcher.calls[before:]


def before_a_switch(direction: str) -> tuple[World, dict[str, Any]]:
    """Return a world about to switch, forward or back, and the event of the execution that does."""
    world = World()
    event: dict[str, Any] = EVENT
    if direction == "back":
        settled(world)
        event = BACK
    until(world, gate, announce, **event)
    return world, event


def calls_until_killed(world: World, event: dict[str, Any]) -> int:
    before = len(world.watcher.calls)
    call(world, switch, **event)
    return len(world.watcher.calls) - before


@pytest.mark.parametrize("direction", ["forward", "back"])
@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
def test_a_switch_killed_anywhere_ends_with_exactly_one_side_open(when: str, direction: str) -> None:
    """As Step Functions would: the undo function is called, and where it says forward, the switch again."""
    ends = set()
    old, new = ("blue", "green") if direction == "forward" else ("green", "blue")
    for number in range(calls_until_killed(*before_a_switch(direction))):
        world, event = before_a_switch(direction)
        setattr(world.watcher, when, len(world.watcher.calls) + number)
        with pytest.raises(Killed):
            call(world, switch, **event)
        outcome = call(world, undo, **event)["outcome"]
        if outcome == "forward":
            outcome = call(world, switch, **event)["outcome"]
        elif outcome == "settle":
            outcome = "open"
        ends.add(outcome)
        assert world.violations == [], (when, number)
        assert world.open_side() == (new if outcome == "open" else old), (when, number, outcome)
        assert world.router.leads_to() == world.open_side()
        if outcome == "undone" and direction == "forward":
            assert world.source.access().grantees == (PUBLIC,)
            assert world.router.seconds == 60
            assert world.target.slots == {}
    assert ends == {"undone", "open"}


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_a_switch_killed_and_run_again_by_a_retry_goes_on_by_itself(direction: str) -> None:
    for number in range(calls_until_killed(*before_a_switch(direction))):
        world, event = before_a_switch(direction)
        world.watcher.kill_after = len(world.watcher.calls) + number
        with pytest.raises(Killed):
            call(world, switch, **event)
        assert call(world, switch, **event)["outcome"] == "open"
        assert world.violations == []
        assert Step.OPEN in world.tracking.record.done


def test_behind_the_fence_no_statement_may_take_long_but_the_comparison_s() -> None:
    world = World()
    until(world, gate, announce, switch)
    compare = float(world.migration().config.limits.compare_seconds)
    for side in (world.source, world.target):
        assert side.limits == [fenced.FENCE_SECONDS, compare, fenced.FENCE_SECONDS]
