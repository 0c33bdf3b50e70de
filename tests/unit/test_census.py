"""The census of clients: who is remembered, who is astray, and what the gate makes of it."""

import itertools
from typing import Any

import psycopg2
import pytest

from components.settings import SettingsError, load
from handlers.core import census
from handlers.core.census import DAY, MOST, Census, ExcusedClient
from handlers.functions import gate, observe, preflight
from tests.support.fakes import APPLICATION, World
from tests.support.pulumi_mocks import stack_config

ASKED = Census(True, 7, ("shop-dns",), (ExcusedClient("backup from 10.1.* (pg_dump)", "it stays where it is"),))


RUNS = itertools.count(1)


def call(world: World, function: Any) -> dict[str, Any]:
    answer: dict[str, Any] = function.step(world.migration(), {"execution": f"run-{next(RUNS)}"}, 60.0)
    return answer


def test_clients_are_remembered_from_first_to_last_and_forgotten_after_the_days() -> None:
    seen = census.noted({}, ["a", "b"], 0.0, 7)
    seen = census.noted(seen, ["a"], 3 * DAY, 7)
    assert seen == {"a": (0.0, 3 * DAY), "b": (0.0, 0.0)}
    assert census.noted(seen, [], 8 * DAY, 7) == {"a": (0.0, 3 * DAY)}
    assert len(census.noted({}, [str(n) for n in range(MOST + 1)], 0.0, 7)) == MOST


def test_who_comes_by_the_name_or_is_excused_is_not_astray() -> None:
    clients = ["app from 10.0.0.1 (shop-dns)", "backup from 10.1.2.3 (pg_dump)", "app from 10.0.0.2 (shop)"]
    assert census.astray(census.noted({}, clients, 0.0, 7), 0.0, ASKED) == ["app from 10.0.0.2 (shop)"]
    assert census.astray(census.noted({}, clients, 0.0, 9), 8 * DAY, ASKED) == []


def test_the_gate_refuses_only_where_the_census_is_required() -> None:
    world = World()
    call(world, observe)
    assert list(world.tracking.seen) == [APPLICATION]
    assert call(world, gate)["outcome"] == "ready"
    world = World()
    world.config["preflight"]["census"].update(required=True, managed=["shop-dns"])
    assert "no census of clients was taken yet" in call(world, gate)["reason"]
    call(world, observe)
    reason = call(world, gate)["reason"]
    assert f"do not come by the managed name: {APPLICATION}; lead them to writer.db.example" in reason
    world.config["preflight"]["census"]["excused"] = [{"client": "app*", "reason": "known"}]
    assert call(world, gate)["outcome"] == "ready"


def test_the_census_is_in_the_report_whether_it_is_required_or_not() -> None:
    world = World()
    call(world, observe)
    report = call(world, preflight)["report"]
    assert "CLIENTS of the last 7 days" in report and f"  {APPLICATION}: 1970-" in report


def test_a_source_out_of_reach_does_not_keep_the_observer_from_its_work() -> None:
    world = World()
    world.watcher.fail["source.sessions"] = [psycopg2.OperationalError("gone")]
    assert call(world, observe)["outcome"] == "ready"
    assert world.tracking.seen == {}


def test_a_census_that_nobody_could_pass_is_refused() -> None:
    own = "database-migration:"
    stack = {key.removeprefix(own): value for key, value in stack_config("dev").items() if key.startswith(own)}
    with pytest.raises(SettingsError, match="census.required is true, but no client could be known"):
        load(stack | {"preflight": {"census": {"required": True}}})
    load(stack | {"preflight": {"census": {"required": True, "managed": ["shop-dns"]}}})
