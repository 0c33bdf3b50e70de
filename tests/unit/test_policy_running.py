"""Asking DMS for a task that is about to be changed."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from policy import running
from policy.rule import Resource

INSTANCE = "arn:aws:dms:eu-west-1:123456789012:rep:INSTANCE"
TASK = Resource(
    "aws:dms/replicationTask:ReplicationTask", "forward", {"replicationInstanceArn": INSTANCE, "replicationTaskId": "f"}
)
ASKED = {"Filters": [{"Name": "replication-task-id", "Values": ["f"]}]}


@pytest.fixture
def dms(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    client = boto3.client("dms", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")

    def made(region: str) -> Any:
        assert region == "eu-west-1", "where the instance is"
        return client

    monkeypatch.setattr(running, "_dms", made)
    stub = Stubber(client)
    stub.activate()
    return stub


def test_a_task_is_found_by_its_identifier(dms: Stubber) -> None:
    dms.add_response("describe_replication_tasks", {"ReplicationTasks": [{"Status": "running"}]}, ASKED)
    assert running.task(TASK) == {"Status": "running"}


def test_a_task_that_is_not_there_yet_is_none(dms: Stubber) -> None:
    dms.add_client_error("describe_replication_tasks", "ResourceNotFoundFault")
    assert running.task(TASK) is None
    dms.add_response("describe_replication_tasks", {"ReplicationTasks": []}, ASKED)
    assert running.task(TASK) is None


def test_who_can_t_ask_does_not_say_that_all_is_well(dms: Stubber) -> None:
    dms.add_client_error("describe_replication_tasks", "AccessDeniedException")
    with pytest.raises(running.Unseen, match="DMS can't be asked for the task"):
        running.task(TASK)
