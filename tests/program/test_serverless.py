"""The program with DMS Serverless, which no example has: what a migration declares instead of instance and tasks."""

from typing import Any

import pytest

from components.stack_outputs import SERVERLESS, VALIDATED, composition_of
from handlers import config as handlers_config
from tests.program.programs import run_program, without_layer
from tests.support.pulumi_mocks import Recorder, deploy, stack_config

PREFIX = "database-migration:"


def serverless(stack: str, network: str) -> dict[str, Any]:
    """Return a stack's configuration with DMS Serverless instead of its instance."""
    config = stack_config(stack)
    kept = {"tables": config[PREFIX + "replication"].get("tables", [{"schema": "public"}])}
    config[PREFIX + "replication"] = {**kept, "serverless": {"maximumCapacityUnits": 8}}
    config[PREFIX + "switchover"] = {**config.get(PREFIX + "switchover", {}), "failBack": False}
    section = config[PREFIX + network]
    found = section["network"] if network != "network" else section
    found["interfaceEndpoints"] = sorted({*found.get("interfaceEndpoints", []), "secretsmanager"})
    return config


@pytest.fixture(scope="module", params=[("dev", "network", "migration"), ("payments", "target", "application")])
def declared(request: pytest.FixtureRequest) -> tuple[str, Recorder]:
    """The composition and what the program declares."""
    stack, network, composition = request.param
    with without_layer():
        return composition, deploy(run_program, serverless(stack, network), stack)


def test_outputs_tell_of_the_replication_and_of_nothing_that_is_not_there(declared: tuple[str, Recorder]) -> None:
    composition, recorder = declared
    validated = VALIDATED.keys() if composition == "migration" else set()  # dev's rows are
    assert set(recorder.exports) == {*SERVERLESS[composition], *validated}
    assert all(value not in (None, "") for value in recorder.exports.values())
    assert composition_of(recorder.exports) == composition
    assert recorder.exports["replication_config_arn"].endswith(":replication-config:RESOURCEID")


def test_there_is_no_instance_no_task_and_no_endpoint_of_a_way_back(declared: tuple[str, Recorder]) -> None:
    _, recorder = declared
    assert len(recorder.of("aws:dms/replicationConfig:ReplicationConfig")) == 1
    assert not recorder.of("aws:dms/replicationInstance:ReplicationInstance")
    assert not recorder.of("aws:dms/replicationTask:ReplicationTask")
    assert not recorder.of("aws:dms/eventSubscription:EventSubscription")
    assert len(recorder.of("aws:dms/endpoint:Endpoint")) == 2


def test_the_functions_can_read_their_config(declared: tuple[str, Recorder]) -> None:
    _, recorder = declared
    name = recorder.exports["config_parameter_name"]
    [parameter] = [p for p in recorder.of("aws:ssm/parameter:Parameter").values() if p["name"] == name]
    found = handlers_config.parse(parameter["value"]).replication
    assert found.task_arn == recorder.exports["replication_config_arn"]
    assert (found.failback_task_arn, found.instance_id, found.instance_arn) == ("", "", "")
    assert len(found.endpoint_arns) == 2
