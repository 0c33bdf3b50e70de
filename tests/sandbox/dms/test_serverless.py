"""Serverless replications of the sandbox's DMS: their API, and rows between two real servers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.dms.test_replication import shop
from tests.sandbox.dms.world import PASSWORD, SETTINGS, Migration, eventually, mappings, refused

STATE, MISSING, EXISTS = "InvalidResourceStateFault", "ResourceNotFoundFault", "ResourceAlreadyExistsFault"
SETTLED = ("created", "running", "stopped", "failed")
INVALID, COMBINATION = "InvalidParameterValueException", "InvalidParameterCombinationException"


class Serverless:
    """A serverless replication between the two sides of a migration, and what an operator does with it."""

    def __init__(self, migration: Migration, **more: Any) -> None:
        self.migration = migration
        self.dms = migration.world.dms
        wanted = {
            "ReplicationConfigIdentifier": f"{migration.database}-forward",
            "SourceEndpointArn": migration.arns["source"],
            "TargetEndpointArn": migration.arns["target"],
            "ReplicationType": "full-load-and-cdc",
            "TableMappings": mappings(("include", "public", "%")),
            "ReplicationSettings": json.dumps(SETTINGS),
            "ComputeConfig": {"ReplicationSubnetGroupId": "world", "MaxCapacityUnits": 8},
        }
        self.made = self.dms.create_replication_config(**wanted | more)["ReplicationConfig"]
        self.arn = self.made["ReplicationConfigArn"]
        self.by_arn = [{"Name": "replication-config-arn", "Values": [self.arn]}]

    def describe(self) -> dict[str, Any]:
        return dict(self.dms.describe_replications(Filters=self.by_arn)["Replications"][0])

    def await_status(self, wanted: str) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            found = self.describe()
            assert found["Status"] == wanted or found["Status"] != "failed", found["FailureMessages"]
            return found if found["Status"] == wanted else None

        return dict(eventually(there, what=f"replication {wanted}"))

    def start(self, kind: str = "start-replication", **more: Any) -> None:
        self.dms.start_replication(ReplicationConfigArn=self.arn, StartReplicationType=kind, **more)

    def stop(self) -> None:
        self.dms.stop_replication(ReplicationConfigArn=self.arn)
        self.await_status("stopped")

    def load(self) -> None:
        self.start()
        eventually(lambda: self.await_status("running")["ReplicationStats"]["FullLoadProgressPercent"] == 100)

    def statistics(self) -> dict[str, dict[str, Any]]:
        found = self.dms.describe_replication_table_statistics(ReplicationConfigArn=self.arn)
        return {table["TableName"]: table for table in found["ReplicationTableStatistics"]}

    def there(self) -> bool:
        known = self.dms.describe_replication_configs()["ReplicationConfigs"]
        return self.arn in [config["ReplicationConfigArn"] for config in known]

    def delete(self) -> None:
        if not self.there():
            return
        if self.describe()["Status"] == "running":
            self.stop()
        self.dms.delete_replication_config(ReplicationConfigArn=self.arn)
        eventually(lambda: not self.there(), what="the deletion")


@pytest.fixture
def ready(migration: Migration) -> Iterator[Serverless]:
    """A replication whose connections nobody has tested: it tests them itself."""
    shop(migration)
    migration.endpoint("source", migration.world.source)
    migration.endpoint("target", migration.world.target)
    replication = Serverless(migration)
    try:
        yield replication
    finally:
        eventually(lambda: not replication.there() or replication.describe()["Status"] in SETTLED, what="its rest")
        replication.delete()


def test_it_is_declared_with_a_capacity_and_does_not_start(ready: Serverless) -> None:
    compute = ready.made["ComputeConfig"]
    assert (compute["MinCapacityUnits"], compute["MaxCapacityUnits"], compute["MultiAZ"]) == (1, 8, False)
    assert ready.arn.split(":")[5] == "replication-config"
    assert json.loads(ready.made["ReplicationSettings"])["ControlTablesSettings"]["ControlSchema"] == "awsdms_control"
    found = ready.describe()
    assert found["Status"] == "created"
    assert "ProvisionData" not in found and "ReplicationStats" not in found
    code, message = refused(ready.dms.describe_replication_table_statistics, ReplicationConfigArn=ready.arn)
    assert (code, "no provisioned replication" in message) == (STATE, True)


def test_rows_are_loaded_and_changes_follow(ready: Serverless) -> None:
    migration = ready.migration
    ready.load()
    migration.same("customer", "purchase")
    migration.on_source("INSERT INTO customer VALUES (1000, 'new')", "DELETE FROM customer WHERE id <= 10")
    migration.same("customer")
    eventually(lambda: ready.statistics()["customer"]["AppliedDeletes"] == 10, what="the counters")
    found = ready.describe()
    assert found["ProvisionData"] == {"ProvisionState": "provisioned", "ProvisionedCapacityUnits": 1}
    assert found["StartReplicationType"] == "start-replication"


def test_cloudwatch_and_eventbridge_hear_of_it_as_of_serverless(ready: Serverless) -> None:
    recorder = ready.migration.world.recorder
    ready.load()
    dimension = [{"Name": "ReplicationConfigId", "Value": f"123456789012:{ready.arn.rsplit(':', 1)[1]}"}]

    def measured() -> set[str]:
        return {
            datum["MetricName"]
            for _, operation, params in list(recorder.calls)
            if operation == "PutMetricData"
            for datum in params["MetricData"]
            if datum["Dimensions"] == dimension
        }

    eventually(lambda: {"CDCLatencySource", "CDCLatencyTarget", "CDCIncomingChanges"} <= measured(), what="the metrics")
    assert "CDCChangesMemoryTarget" not in measured()
    ready.stop()
    eventually(lambda: len(recorder.events(ready.arn)) >= 3, what="the events")
    events = recorder.events(ready.arn)
    assert [event["eventType"] for event in events] == [
        "REPLICATION_CREATED",
        "REPLICATION_RUNNING",
        "REPLICATION_STOPPED",
    ]
    assert {event["type"] for event in events} == {"REPLICATION_CONFIG"}
    entries = [e for _, operation, p in recorder.calls if operation == "PutEvents" for e in p["Entries"]]
    assert {e["DetailType"] for e in entries if e["Resources"] == [ready.arn]} == {"DMS Replication State Change"}


def test_it_is_started_once_and_then_resumed_or_reloaded(ready: Serverless) -> None:
    migration = ready.migration
    code, message = refused(
        ready.dms.start_replication, ReplicationConfigArn=ready.arn, StartReplicationType="resume-processing"
    )
    assert (code, "not valid for replications running for the first time" in message) == (COMBINATION, True)
    ready.load()
    ready.stop()
    migration.on_source("INSERT INTO customer VALUES (2000, 'while it stood')")
    code, message = refused(
        ready.dms.start_replication, ReplicationConfigArn=ready.arn, StartReplicationType="start-replication"
    )
    assert (code, "valid only for replications running for the first time" in message) == (COMBINATION, True)
    ready.start("resume-processing")
    ready.await_status("running")
    migration.same("customer")


@pytest.mark.parametrize("member", ["CdcStartPosition", "CdcStopPosition"])
def test_it_starts_and_stops_at_no_position(ready: Serverless, member: str) -> None:
    start = {"ReplicationConfigArn": ready.arn, "StartReplicationType": "start-replication", member: "0/0"}
    assert refused(ready.dms.start_replication, **start)[0] == COMBINATION
    assert ready.describe()["Status"] == "created"


def test_a_connection_that_fails_fails_the_start(ready: Serverless) -> None:
    secrets = ready.migration.world.recorder.secrets
    secret = f"{ready.migration.database}/target"
    secrets[secret] = {**secrets[secret], "password": "another"}
    ready.start()
    eventually(lambda: ready.describe()["Status"] == "failed", what="the failure")
    found = ready.describe()
    [message] = found["FailureMessages"]
    assert f"Test connection failed for endpoint {ready.migration.database}-target" in message
    assert "another" not in message
    assert "ProvisionData" not in found
    secrets[secret] = {**secrets[secret], "password": PASSWORD}
    ready.load()
    ready.migration.same("customer")


def test_what_runs_is_neither_changed_nor_deleted_and_its_ends_stay(ready: Serverless) -> None:
    ready.load()
    by_arn = {"ReplicationConfigArn": ready.arn}
    assert refused(ready.dms.modify_replication_config, **by_arn, ReplicationType="cdc")[0] == STATE
    assert refused(ready.dms.delete_replication_config, **by_arn)[0] == STATE
    assert refused(ready.dms.delete_endpoint, EndpointArn=ready.migration.arns["source"])[0] == STATE
    group = {"ReplicationSubnetGroupIdentifier": "world"}
    assert refused(ready.dms.delete_replication_subnet_group, **group)[0] == STATE
    ready.stop()
    code, message = refused(ready.dms.modify_replication_config, **by_arn, ReplicationType="cdc")
    assert (code, "before provisioning capacity" in message) == (INVALID, True)
    changed = ready.dms.modify_replication_config(**by_arn, ComputeConfig={"MaxCapacityUnits": 16})["ReplicationConfig"]
    assert changed["ComputeConfig"]["MaxCapacityUnits"] == 16
    assert changed["ComputeConfig"]["ReplicationSubnetGroupId"] == "world"
    ready.await_status("stopped")


def test_a_deleted_replication_leaves_nothing_in_the_databases(ready: Serverless) -> None:
    ready.load()
    ready.stop()
    ready.delete()
    assert (
        ready.migration.on_source("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
        == []
    )
    assert ready.migration.on_source("SELECT pubname FROM pg_publication") == []
    assert refused(ready.dms.describe_replications, Filters=ready.by_arn)[0] == MISSING


def test_faults_can_be_injected_by_its_arn(ready: Serverless) -> None:
    ready.load()
    ready.migration.world.fault(ready.arn, "fail")
    eventually(lambda: ready.describe()["Status"] == "failed", what="the failure")
    assert "a rehearsal asked for" in ready.describe()["FailureMessages"][0]


@pytest.mark.parametrize(
    ("compute", "code"),
    [
        ({"MaxCapacityUnits": 3}, INVALID),
        ({}, INVALID),
        ({"MinCapacityUnits": 16, "MaxCapacityUnits": 8}, COMBINATION),
        ({"MaxCapacityUnits": 8, "MultiAZ": True, "AvailabilityZone": "us-east-1a"}, COMBINATION),
        ({"MaxCapacityUnits": 8, "ReplicationSubnetGroupId": "nowhere"}, MISSING),
    ],
)
def test_capacities_that_are_refused(ready: Serverless, compute: dict[str, Any], code: str) -> None:
    wanted = {
        "ReplicationConfigIdentifier": "another",
        "SourceEndpointArn": ready.migration.arns["source"],
        "TargetEndpointArn": ready.migration.arns["target"],
        "ReplicationType": "cdc",
        "TableMappings": mappings(("include", "public", "%")),
    }
    assert refused(ready.dms.create_replication_config, **wanted, ComputeConfig=compute)[0] == code
    turned = {**wanted, "SourceEndpointArn": wanted["TargetEndpointArn"], "ComputeConfig": {"MaxCapacityUnits": 8}}
    assert refused(ready.dms.create_replication_config, **turned)[0] == INVALID
    again = {**wanted, "ReplicationConfigIdentifier": ready.made["ReplicationConfigIdentifier"]}
    assert refused(ready.dms.create_replication_config, **again, ComputeConfig={"MaxCapacityUnits": 8})[0] == EXISTS
