"""What DMS is told once the password of its user has changed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.adapters.credentials import UNTESTED, Replications
from handlers.adapters.dms import ConnectionFailed
from tests.support.fakes import Ticks

SINCE = datetime(2026, 1, 2, tzinfo=UTC)
BEFORE, AFTER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
TASK, CONFIG = "arn:aws:dms:eu-west-1:1:task:T", "arn:aws:dms:eu-west-1:1:replication-config:C"


class FakeDms:
    """DMS with one replication of each kind and one endpoint."""

    def __init__(self, status: str, stopped: datetime | None, connection: str = "successful") -> None:
        self.status, self.stopped, self.connection = status, stopped, connection
        self.tested: list[str] = []
        self.started: list[dict[str, str]] = []

    def test_connection(self, ReplicationInstanceArn: str, EndpointArn: str) -> None:
        assert ReplicationInstanceArn == "arn:instance"
        self.tested.append(EndpointArn)

    def describe_connections(self, Filters: Any) -> dict[str, Any]:
        why = {"EndpointIdentifier": "target", "LastFailureMessage": "no such password"}
        return {"Connections": [{"EndpointArn": "arn:endpoint", "Status": self.connection, **why}]}

    def describe_replication_tasks(self, Filters: Any) -> dict[str, Any]:
        stats = {"StopDate": self.stopped} if self.stopped else {}
        return {"ReplicationTasks": [{"Status": self.status, "ReplicationTaskStats": stats}]}

    def describe_replications(self, Filters: Any) -> dict[str, Any]:
        stopped = {"ReplicationLastStopTime": self.stopped} if self.stopped else {}
        return {"Replications": [{"Status": self.status, **stopped}]}

    def start_replication_task(self, **asked: str) -> None:
        self.started.append(asked)

    def start_replication(self, **asked: str) -> None:
        self.started.append(asked)


def reconnect(dms: FakeDms, arn: str, instance: str = "arn:instance") -> dict[str, Any]:
    return Replications(dms, Ticks(), instance, ["arn:endpoint"], [arn]).reconnect(SINCE.timestamp(), 60)


@pytest.mark.parametrize(
    ("status", "stopped"),
    [("running", None), ("running", AFTER), ("stopped", AFTER), ("failed", BEFORE), ("ready", None)],
)
@pytest.mark.parametrize("arn", [TASK, CONFIG])
def test_what_runs_was_stopped_or_failed_before_is_left_alone(arn: str, status: str, stopped: datetime | None) -> None:
    dms = FakeDms(status, stopped)
    assert reconnect(dms, arn) == {"connections": "tested by DMS", "resumed": []}
    assert dms.tested == ["arn:endpoint"]
    assert dms.started == []


@pytest.mark.parametrize(
    ("arn", "asked"),
    [
        (TASK, {"ReplicationTaskArn": TASK, "StartReplicationTaskType": "resume-processing"}),
        (CONFIG, {"ReplicationConfigArn": CONFIG, "StartReplicationType": "resume-processing"}),
    ],
)
def test_what_failed_meanwhile_goes_on_from_where_it_was(arn: str, asked: dict[str, str]) -> None:
    dms = FakeDms("failed", AFTER)
    assert reconnect(dms, arn)["resumed"] == [arn]
    assert dms.started == [asked]


def test_a_connection_that_fails_is_an_error_and_nothing_is_started() -> None:
    dms = FakeDms("failed", AFTER, "failed")
    with pytest.raises(ConnectionFailed, match="no such password"):
        reconnect(dms, TASK)
    assert dms.started == []


def test_without_an_instance_there_is_nothing_to_test_from() -> None:
    dms = FakeDms("running", None)
    assert reconnect(dms, CONFIG, instance="")["connections"] == UNTESTED
    assert dms.tested == []
