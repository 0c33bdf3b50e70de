"""A migration by DMS Serverless as a user meets it: deployed, loaded, followed, switched over, destroyed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import instance as instances
from sandbox import stack
from sandbox.databases import ServerInfo
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY
from sandbox.rehearsal import shop
from sandbox.rehearsal.carry import Carry
from sandbox.rehearsal.operator import Operator
from tests.support.cloud import left_over
from tests.support.sandboxes import deployed

PREFIX = "database-migration:"
DIGEST = "SELECT count(*), sum(hashtext(c::text)) FROM customers c"


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """The operator of a deployed stack, with both sides prepared and the schema carried over."""
    config = stack.load("dev")
    config[f"{PREFIX}network"]["interfaceEndpoints"] = ["secretsmanager"]
    config[f"{PREFIX}replication"] = {"serverless": {"minimumCapacityUnits": 2, "maximumCapacityUnits": 16}}
    config[f"{PREFIX}switchover"] = {"bakeSeconds": 1, "drainSeconds": 2, "failBack": False}
    with deployed("serverless", config, 2_000) as instance:
        outputs = stack.outputs(instance)
        yield Operator(instance.client, outputs, lambda: None, Carry(instance, outputs))


@pytest.fixture(scope="module")
def instance(operator: Operator) -> Instance:
    """The sandbox that runs."""
    return instances.need(f"sandbox-serverless-{os.getpid()}")


def customers(server: ServerInfo) -> tuple[int, int]:
    """Return how many customers there are, and a digest of them."""
    with server.superuser(shop.DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(DIGEST)
        count, digest = cursor.fetchone()
        return int(count), int(digest)


def state(operator: Operator) -> dict[str, Any]:
    name = operator.outputs["state_parameter_name"]
    shown: dict[str, Any] = json.loads(operator.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    return shown


def test_its_outputs_lead_to_what_was_promised(instance: Instance) -> None:
    checks = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integration", "--live"],
        cwd=REPOSITORY,
        env=instance.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checks.returncode == 0, checks.stdout + checks.stderr
    stack.pulumi(instance, "preview", "--expect-no-changes")


def test_prepare_says_that_dms_tests_nothing_yet(operator: Operator, instance: Instance) -> None:
    said = operator.invoke(operator.outputs["prepare_function_name"], {})
    assert said["outcome"] == "prepared"
    assert said["connections"].startswith("not tested")
    operator.carry_definitions()


def test_the_gate_refuses_before_it_runs(operator: Operator) -> None:
    assert operator.switch_over("attempt-1")["status"] == "FAILED"
    assert "the replication task is created: start it and wait for its full load" in state(operator)["reason"]


def test_rows_are_loaded_changes_follow_and_the_gate_says_ready(operator: Operator, instance: Instance) -> None:
    operator.load_fully()
    loaded = customers(instance.target)
    assert loaded == customers(instance.source)
    with instance.source.superuser(shop.DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE customers SET name = name || '!'")
    operator.wait(lambda: customers(instance.target) == customers(instance.source) != loaded, "the changes")
    operator.wait(lambda: state(operator)["phase"] == "ready", "the observer to say so")


def test_it_switches_over_and_stops_the_replication(operator: Operator, instance: Instance) -> None:
    said = operator.switch_over("attempt-2")
    assert said["status"] in ("RUNNING", "SUCCEEDED"), state(operator)
    assert said["record"]["evidence"]["settle"]["way_back"]["reason"] == "switchover.failBack is false: none was made"
    assert operator.replication.progress().status == "stopped"
    assert said["record"]["evidence"]["gate"]["probe_seconds"] is not None
    assert operator.fail_back("back-1")["status"] == "FAILED"
    assert operator.await_end("attempt-2") == "SUCCEEDED"
    assert operator.record()["phase"] == "completed"
    stack.pulumi(instance, "preview", "--refresh", "--expect-no-changes")


def test_a_destroyed_stack_leaves_nothing(instance: Instance) -> None:
    stack.pulumi(instance, "destroy", "--yes", "--skip-preview")
    assert left_over(instance) == {}
