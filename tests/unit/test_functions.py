"""The functions, step by step, on a migration in memory."""

from dataclasses import replace
from typing import Any

import pytest

from handlers import compensation
from handlers.core.access import PUBLIC
from handlers.core.comparison import Digest, Table
from handlers.core.readiness import TaskState
from handlers.core.record import Phase, Record, Refused, Step, Superseded
from handlers.functions import announce, finish, gate, observe, prepare, switch, undo
from tests.support.fakes import APPLICATION, DMS, OPERATOR, ORDERS, Killed, World

EVENT = {"execution": "run-1"}
SECONDS = 60.0


def call(world: World, function: Any, **event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = function.step(world.migration(), {**EVENT, **event}, SECONDS)
    return answer


def until(world: World, *functions: Any) -> dict[str, Any]:
    """Run functions in order and return the last answer."""
    answer: dict[str, Any] = {}
    for function in functions:
        answer = call(world, function)
    return answer


# Prepare


def test_prepare_makes_roles_and_control_schemas_and_shuts_the_target() -> None:
    world = World()
    world.target.grantees = {PUBLIC}
    answer = call(world, prepare)
    assert (answer["outcome"], answer["connections"]) == ("prepared", "tested by DMS")
    assert world.target.passwords == {DMS: "dms's password", APPLICATION: "app's password"}
    assert world.source.control == [[DMS]]
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
    assert world.names.weights == {"blue": 100, "green": 0}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: setattr(w.task, "found", TaskState("stopped", 100, 0)), "the replication task is stopped"),
        (lambda w: setattr(w.source, "downstream", None), "a probe row did not reach the target"),
        (lambda w: setattr(w.target, "grantees", {PUBLIC}), "roles that can connect to the target already"),
        (
            lambda w: setattr(w.source, "prepared", ["tx1"]),
            "prepared transactions on the source: commit or roll back tx1",
        ),
        (lambda w: setattr(w.source, "long", ["bob (pid 1, 99 s)"]), "transactions over 60 s on the source"),
        (lambda w: setattr(w.target, "exceptions", 2), "DMS logged 2 apply exceptions"),
        (
            lambda w: w.source.digests.update({Table("public", "new"): Digest(0, "0")}),
            "carry the schema for public.new",
        ),
        (lambda w: setattr(w.task, "schema", "other"), "tables of the source that no rule selects"),
        (lambda w: w.source.numbers.update(other=1), "sequences missing on the target"),
        (lambda w: w.source.roles.update(jobs=False), "roles of the source missing on the target: create jobs"),
        (
            lambda w: (w.source.roles.update(root=True), w.source.sessions_of.append("root")),
            "superuser sessions on the source, whom no fence stops: end root",
        ),
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


def test_two_executions_cannot_hold_one_migration() -> None:
    world = World()
    call(world, gate)
    with pytest.raises(Refused, match="execution run-1 is at work"):
        call(world, gate, execution="run-2")
    with pytest.raises(Superseded, match="run-2 does not hold"):
        call(world, announce, execution="run-2")
    assert call(world, undo, execution="run-2") == {"outcome": "nothing", "phase": Phase.SWITCHING}


# Announce


def test_announcing_lowers_the_time_to_live_and_says_how_long_to_wait() -> None:
    world = World()
    assert until(world, gate, announce) == {"outcome": "announced", "wait_seconds": 60}
    assert (world.names.ttl, world.names.weights) == (1, {"blue": 100, "green": 0})
    assert call(world, announce)["wait_seconds"] == 60  # repeated, it still knows the time there was before


# Switch


def switched() -> World:
    world = World()
    until(world, gate, announce, switch)
    return world


def test_the_switch_fences_drains_compares_flips_and_opens() -> None:
    world = World()
    answer = until(world, gate, announce, switch)
    assert answer["outcome"] == "open"
    assert answer["fence_to_open_seconds"] > 0
    assert list(answer["evidence"]) == ["gate", "announce", "fence", "drain", "sequences", "compare", "flip", "open"]
    assert answer["evidence"]["fence"]["sessions_ended"] == 2
    assert answer["evidence"]["compare"] == {"tables": 1, "rows": 3, "mismatches": 0, "hash": "record"}
    assert answer["evidence"]["open"] == {"open_to": [APPLICATION]}
    assert not world.source.writable()
    assert world.source.sessions_of == [DMS]
    assert world.target.writable()
    assert world.target.read_only is None
    assert OPERATOR in world.target.grantees
    assert world.names.weights == {"blue": 0, "green": 100}
    assert world.target.numbers == {"ids": 132}
    assert world.watcher.violations == []
    assert world.source.closed == world.target.closed > 0


def test_every_step_is_recorded_before_and_after() -> None:
    events = switched().tracking.events
    for step in ("fence", "drain", "sequences", "compare", "flip", "open"):
        assert events.index(f"{step} begins") < events.index(f"{step} done")


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
    assert world.names.weights == {"blue": 100, "green": 0}
    assert world.names.ttl == 60
    assert world.tracking.record.phase is Phase.UNDONE
    assert world.watcher.violations == []
    return world, str(answer["reason"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: w.source.stubborn.add(APPLICATION), "FenceBroken: sessions that do not end: app, app"),
        (lambda w: w.source.prepared.append("tx1"), "FenceBroken: prepared transactions on the source: tx1"),
        (lambda w: setattr(w.source, "downstream", None), "DrainFailed: the token written after the fence"),
        (lambda w: w.target.suspended.append("s.t"), "DrainFailed: DMS suspended"),
        (lambda w: setattr(w.target, "exceptions", 1), "could not apply 1 changes"),
        (lambda w: setattr(w.target, "sets_sequences", False) or w.target.numbers.update(ids=5), "Mismatch: sequences"),
        (lambda w: w.target.digests.update({ORDERS: Digest(2, "1")}), "has 3 rows on the source, 2 on the target"),
        (lambda w: w.target.digests.update({ORDERS: Digest(3, "1")}), "the same 3 rows by number, not by content"),
        (lambda w: w.target.digests.clear(), "public.orders is missing on the target"),
        (lambda w: w.watcher.fail.update({"names.shift": [OSError("throttled")]}), "OSError: throttled"),
    ],
)
def test_what_fails_before_opening_is_taken_back_in_the_same_invocation(spoil: Any, said: str) -> None:
    world, reason = undone(spoil)
    assert said in reason
    assert world.notices.shown[-1]["phase"] == Phase.UNDONE


def test_a_second_attempt_succeeds_once_the_cause_is_gone() -> None:
    world, _ = undone(lambda w: w.target.digests.update({ORDERS: Digest(3, "1")}))
    world.target.digests[ORDERS] = Digest(3, "42")
    event = {"execution": "run-2"}
    for function in (gate, announce, switch):
        answer = call(world, function, **event)
    assert answer["outcome"] == "open"
    assert world.tracking.record.token == 2


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
    shift = world.names.shift

    def late(*args: Any) -> str:
        world.source.grantees.add(APPLICATION)
        world.names.shift = shift  # type: ignore[method-assign]
        return shift(*args)

    world.names.shift = late  # type: ignore[method-assign]
    answer = call(world, switch)
    assert answer["outcome"] == "undone"
    assert "roles that can still connect to the source: app" in answer["reason"]


def test_a_superseded_execution_stops_and_undoes_nothing() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["tracking.write"] = [Superseded("another")]
    with pytest.raises(Superseded):
        call(world, switch)
    assert "target.run" not in world.watcher.calls[-3:]


def test_a_failure_while_opening_goes_forward_not_back() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.run"] = [OSError("connection lost")]
    with pytest.raises(OSError, match="connection lost"):
        call(world, switch)
    assert not world.source.writable()
    assert call(world, undo) == {"outcome": "forward"}
    assert call(world, switch)["outcome"] == "open"
    assert call(world, undo) == {"outcome": "finish"}


# Undo


def test_the_undo_function_takes_back_what_a_dead_invocation_left() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.kill_before = len(world.watcher.calls) + calls_of_a_switch().index("target.has_token")
    with pytest.raises(Killed):
        call(world, switch)
    assert not world.source.writable()
    answer = call(world, undo, reason="the function died")
    assert answer == {"outcome": "undone", "reason": "the function died"}
    assert world.source.writable()
    assert call(world, undo)["outcome"] == "nothing"


def test_undo_tries_every_part_and_says_what_failed() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.has_token"] = [OSError("lost")]
    world.watcher.fail["names.shift"] = [OSError("throttled")]
    with pytest.raises(compensation.UndoFailed, match="restore ttl: throttled"):
        call(world, switch)
    assert world.source.writable()
    assert call(world, undo)["outcome"] == "undone"
    assert world.names.ttl == 60


def test_undo_opens_nothing_while_the_target_may_not_be_closed() -> None:
    world = World()
    until(world, gate, announce)
    world.watcher.fail["target.has_token"] = [OSError("lost")]
    world.watcher.fail["target.run"] = [OSError("unreachable")]
    with pytest.raises(compensation.UndoFailed, match="close target: unreachable"):
        call(world, switch)
    assert not world.source.writable()


def test_what_can_be_neither_undone_nor_finished_is_handed_to_a_person() -> None:
    world = World()
    call(world, gate)
    answer = call(world, undo, give_up=True, reason="everything failed")
    assert answer["outcome"] == "needs a person"
    assert world.tracking.record.phase is Phase.NEEDS_A_PERSON
    assert world.notices.told == ["Migration migration-unit needs a person"]
    assert call(world, undo, give_up=True)["outcome"] == "nothing"


# Finish


def test_finishing_restores_the_time_to_live_stops_the_task_and_tells_people() -> None:
    world = switched()
    world.target.views = ["public.sales"]
    answer = call(world, finish)
    assert answer["outcome"] == "completed"
    evidence = answer["evidence"]["finish"]
    assert evidence == {
        "in_sync": True,
        "counters": {"read": 5, "applied": 5},
        "task_stopped": True,
        "refreshed": ["public.sales"],
    }
    assert (world.names.ttl, world.names.weights) == (60, {"blue": 0, "green": 100})
    assert world.tracking.record.phase is Phase.COMPLETED
    assert world.notices.told == ["Migration migration-unit completed"]


def test_a_change_that_is_not_in_sync_in_time_is_told_not_waited_for_for_ever() -> None:
    world = switched()
    world.names.synced = False
    assert call(world, finish)["evidence"]["finish"]["in_sync"] is False


def test_finishing_can_be_repeated_after_a_failure() -> None:
    world = switched()
    world.watcher.fail["task.stop"] = [OSError("lost")]
    with pytest.raises(OSError, match="lost"):
        call(world, finish)
    assert call(world, finish)["outcome"] == "completed"


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


def test_in_automatic_mode_the_first_attempt_starts_once_the_lag_is_known_and_small() -> None:
    world = World()
    world.config["mode"] = "automatic"
    world.task.found = replace(world.task.found, latency={"CDCLatencySource": None, "CDCLatencyTarget": 0.0})
    call(world, observe)
    assert world.machine.started == []
    world.task.found = replace(world.task.found, latency={"CDCLatencySource": 0.0, "CDCLatencyTarget": 0.0})
    assert call(world, observe) == {"outcome": "ready", "started": "migration-unit-1"}
    assert world.machine.started == ["migration-unit-1"]


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


@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
def test_a_switch_killed_anywhere_ends_with_exactly_one_side_open(when: str) -> None:
    """As Step Functions would: the undo function is called, and where it says forward, the switch again."""
    ends = set()
    for number in range(len(calls_of_a_switch())):
        world = World()
        until(world, gate, announce)
        setattr(world.watcher, when, len(world.watcher.calls) + number)
        with pytest.raises(Killed):
            call(world, switch)
        outcome = call(world, undo)["outcome"]
        if outcome == "forward":
            outcome = call(world, switch)["outcome"]
        elif outcome == "finish":
            outcome = "open"
        ends.add(outcome)
        assert world.watcher.violations == [], (when, number)
        assert world.source.writable() != world.target.writable(), (when, number, outcome)
        assert world.target.writable() == (outcome == "open")
        assert world.names.weights == ({"blue": 0, "green": 100} if outcome == "open" else {"blue": 100, "green": 0})
        if outcome == "undone":
            assert world.source.access().grantees == (PUBLIC,)
            assert world.names.ttl == 60
    assert ends == {"undone", "open"}


def test_a_switch_killed_and_run_again_by_a_retry_goes_on_by_itself() -> None:
    for number in range(len(calls_of_a_switch())):
        world = World()
        until(world, gate, announce)
        world.watcher.kill_after = len(world.watcher.calls) + number
        with pytest.raises(Killed):
            call(world, switch)
        assert call(world, switch)["outcome"] == "open"
        assert world.watcher.violations == []
        assert Step.OPEN in world.tracking.record.done
