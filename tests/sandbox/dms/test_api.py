"""The API of the sandbox's DMS, without databases: shapes, lifecycles, filters, pages, and everything it refuses.

Every answer here and in the other tests is held against botocore's model: see `world._conforming`.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.dms.service import OPERATIONS
from tests.sandbox.dms.world import ROLE, Recorder, eventually, make_instance, mappings, open_dms, refused

TARGET = "AmazonDMSv20160101."
STATE, MISSING, EXISTS = "InvalidResourceStateFault", "ResourceNotFoundFault", "ResourceAlreadyExistsFault"
INVALID, COMBINATION = "InvalidParameterValueException", "InvalidParameterCombinationException"
RULES = mappings(("include", "public", "%"))


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Any, int, Recorder]]:
    with open_dms([]) as opened:
        yield opened


@pytest.fixture(scope="module")
def dms(served: tuple[Any, int, Recorder]) -> Any:
    return served[0]


@pytest.fixture(scope="module")
def instance(dms: Any) -> str:
    return make_instance(dms, "shared")


def post(served: tuple[Any, int, Recorder], operation: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send a raw request: boto3 would refuse a wrong one itself."""
    import urllib.error
    import urllib.request

    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    wanted = {"X-Amz-Target": TARGET + operation, **headers}
    request = urllib.request.Request(f"http://127.0.0.1:{served[1]}/", data, wanted, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            assert error.headers["x-amzn-ErrorType"]
            return error.code, json.load(error)


def by(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": list(values)}]


def endpoint(dms: Any, name: str, kind: str = "source", **more: Any) -> str:
    made = dms.create_endpoint(
        EndpointIdentifier=name,
        EndpointType=kind,
        EngineName="postgres",
        DatabaseName="shop",
        PostgreSQLSettings={"SecretsManagerSecretId": f"secret-{name}", "SecretsManagerAccessRoleArn": ROLE},
        **more,
    )
    return str(made["Endpoint"]["EndpointArn"])


def task(dms: Any, instance: str, name: str, **more: Any) -> str:
    ends = {"SourceEndpointArn": endpoint(dms, f"{name}-s"), "TargetEndpointArn": endpoint(dms, f"{name}-t", "target")}
    wanted = {"MigrationType": "full-load-and-cdc", "TableMappings": RULES, **ends, **more}
    made = dms.create_replication_task(ReplicationTaskIdentifier=name, ReplicationInstanceArn=instance, **wanted)
    return str(made["ReplicationTask"]["ReplicationTaskArn"])


@pytest.fixture(scope="module")
def ends(dms: Any) -> tuple[str, str]:
    return endpoint(dms, "end-s"), endpoint(dms, "end-t", "target")


# The protocol


def test_only_what_dms_has_and_the_sandbox_serves_is_answered(served: tuple[Any, int, Recorder]) -> None:
    assert len(OPERATIONS) == 44
    for operation in ("NoSuchThing", "CreateDataProvider"):
        status, body = post(served, operation, {})
        assert (status, body["__type"]) == (400, "UnknownOperationException")
        assert operation in body["message"]
    assert post(served, "DescribeEndpoints", b"{not json")[1]["__type"] == "SerializationException"


def test_every_wrong_member_is_named(served: tuple[Any, int, Recorder]) -> None:
    wrong = {
        "EndpointType": "Source",
        "EngineName": 3,
        "Port": True,
        "Speed": 9,
        "PostgreSQLSettings": {"CaptureDdls": "y"},
    }
    status, body = post(served, "CreateEndpoint", wrong)
    assert (status, body["__type"]) == (400, "ValidationException")
    for words in (
        "6 validation errors",
        "EndpointIdentifier is missing",
        "EndpointType is 'Source', not one of source, target",
        "EngineName is no string",
        "Port is no integer",
        "Speed is unknown",
        "PostgreSQLSettings.CaptureDdls is no boolean",
    ):
        assert words in body["message"]
    status, body = post(served, "DescribeEndpoints", {"Filters": {"Name": "x"}})
    assert "Filters is no list" in body["message"]
    assert (
        "Filters[0].Values is missing" in post(served, "DescribeEndpoints", {"Filters": [{"Name": "x"}]})[1]["message"]
    )


def test_null_members_are_no_members(served: tuple[Any, int, Recorder]) -> None:
    assert post(served, "DescribeEndpoints", {"Marker": None, "Filters": None})[0] == 200


def test_the_region_is_that_of_the_credentials(served: tuple[Any, int, Recorder]) -> None:
    scope = "AWS4-HMAC-SHA256 Credential=key/20260101/eu-central-1/dms/aws4_request, SignedHeaders=host, Signature=0"
    body = {"EndpointIdentifier": "elsewhere", "EndpointType": "source", "EngineName": "postgres"}
    made = post(served, "CreateEndpoint", body, Authorization=scope)[1]["Endpoint"]
    assert made["EndpointArn"].startswith("arn:aws:dms:eu-central-1:123456789012:endpoint:")
    assert refused(served[0].describe_endpoints, Filters=by("endpoint-id", "elsewhere"))[0] == MISSING


# Subnet groups


def test_a_subnet_group_from_creation_to_deletion(dms: Any) -> None:
    made = dms.create_replication_subnet_group(
        ReplicationSubnetGroupIdentifier="Group-One",
        ReplicationSubnetGroupDescription="first",
        SubnetIds=["subnet-a", "subnet-b"],
        Tags=[{"Key": "k", "Value": "v"}],
    )["ReplicationSubnetGroup"]
    assert made["ReplicationSubnetGroupIdentifier"] == "group-one"
    assert (made["VpcId"], made["SubnetGroupStatus"]) == ("vpc-1", "Complete")
    assert made["Subnets"][0] == {
        "SubnetIdentifier": "subnet-a",
        "SubnetAvailabilityZone": {"Name": "us-east-1a"},
        "SubnetStatus": "Active",
    }
    tags = dms.list_tags_for_resource(ResourceArn="arn:aws:dms:us-east-1:123456789012:subgrp:group-one")["TagList"]
    assert tags == [{"Key": "k", "Value": "v"}]
    changed = dms.modify_replication_subnet_group(
        ReplicationSubnetGroupIdentifier="group-one", SubnetIds=["subnet-b", "subnet-c"]
    )["ReplicationSubnetGroup"]
    assert [one["SubnetIdentifier"] for one in changed["Subnets"]] == ["subnet-b", "subnet-c"]
    found = dms.describe_replication_subnet_groups(Filters=by("replication-subnet-group-id", "group-one"))
    assert found["ReplicationSubnetGroups"] == [changed]
    dms.delete_replication_subnet_group(ReplicationSubnetGroupIdentifier="group-one")
    describe = dms.describe_replication_subnet_groups
    assert refused(describe, Filters=by("replication-subnet-group-id", "group-one"))[0] == MISSING


def test_subnet_groups_that_are_refused(dms: Any, instance: str, served: tuple[Any, int, Recorder]) -> None:
    create = dms.create_replication_subnet_group
    words = {"ReplicationSubnetGroupDescription": "d"}

    def make(name: str, *subnets: str) -> tuple[str, str]:
        return refused(create, ReplicationSubnetGroupIdentifier=name, SubnetIds=list(subnets), **words)

    assert make("shared", "subnet-a", "subnet-b")[0] == EXISTS
    assert make("default", "subnet-a", "subnet-b")[0] == INVALID
    assert make("one-zone", "subnet-a")[0] == "ReplicationSubnetGroupDoesNotCoverEnoughAZs"
    assert make("nowhere", "subnet-a", "subnet-z")[0] == "InvalidSubnet"
    assert refused(dms.delete_replication_subnet_group, ReplicationSubnetGroupIdentifier="shared")[0] == STATE
    recorder = served[2]
    recorder.out_of_reach.add("ec2")
    try:
        made = create(ReplicationSubnetGroupIdentifier="blind", SubnetIds=["subnet-y", "subnet-z"], **words)
    finally:
        recorder.out_of_reach.clear()
    assert "VpcId" not in made["ReplicationSubnetGroup"]


# Instances


def test_an_instance_from_creation_to_deletion(dms: Any, instance: str) -> None:
    made = dms.create_replication_instance(
        ReplicationInstanceIdentifier="Worker",
        ReplicationInstanceClass="dms.r5.large",
        AllocatedStorage=100,
        ReplicationSubnetGroupIdentifier="shared",
        VpcSecurityGroupIds=["sg-1"],
        MultiAZ=True,
        PubliclyAccessible=False,
        KmsKeyId="arn:aws:kms:us-east-1:123456789012:key/mine",
        PreferredMaintenanceWindow="sun:06:00-sun:07:00",
    )["ReplicationInstance"]
    arn = made["ReplicationInstanceArn"]
    assert made["ReplicationInstanceStatus"] == "creating"
    assert made["ReplicationInstanceIdentifier"] == "worker"
    assert len(arn.rsplit(":", 1)[1]) == 26
    assert made["VpcSecurityGroups"] == [{"VpcSecurityGroupId": "sg-1", "Status": "active"}]
    assert (made["AvailabilityZone"], made["SecondaryAvailabilityZone"]) == ("us-east-1a", "us-east-1b")
    assert made["ReplicationSubnetGroup"]["VpcId"] == "vpc-1"

    def describe() -> dict[str, Any]:
        found = dms.describe_replication_instances(Filters=by("replication-instance-id", "worker"))
        return dict(found["ReplicationInstances"][0])

    eventually(lambda: describe()["ReplicationInstanceStatus"] == "available")
    change = {"ReplicationInstanceArn": arn, "ReplicationInstanceClass": "dms.r5.xlarge", "MultiAZ": True}
    waiting = dms.modify_replication_instance(**change)["ReplicationInstance"]
    assert waiting["ReplicationInstanceClass"] == "dms.r5.large"
    assert waiting["PendingModifiedValues"] == {"ReplicationInstanceClass": "dms.r5.xlarge"}
    assert waiting["ReplicationInstanceStatus"] == "modifying"
    eventually(lambda: describe()["ReplicationInstanceStatus"] == "available")
    done = dms.modify_replication_instance(ApplyImmediately=True, VpcSecurityGroupIds=[], **change)[
        "ReplicationInstance"
    ]
    assert (done["ReplicationInstanceClass"], done["PendingModifiedValues"]) == ("dms.r5.xlarge", {})
    eventually(lambda: describe()["ReplicationInstanceStatus"] == "available")
    deleted = dms.delete_replication_instance(ReplicationInstanceArn=arn)["ReplicationInstance"]
    assert deleted["ReplicationInstanceStatus"] == "deleting"
    eventually(lambda: _gone(describe))
    told = dms.describe_events(SourceIdentifier="worker", SourceType="replication-instance")["Events"]
    assert [one["EventCategories"] for one in told] == [["creation"], ["creation"], ["deletion"]]


def _gone(describe: Any) -> bool:
    try:
        describe()
    except ClientError as error:
        return error.response["Error"]["Code"] == MISSING
    return False


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ReplicationInstanceIdentifier": "shared"}, EXISTS),
        ({"ReplicationInstanceIdentifier": "two--hyphens"}, INVALID),
        ({"ReplicationInstanceClass": "dms.huge"}, INVALID),
        ({"EngineVersion": "1.0"}, INVALID),
        ({"AllocatedStorage": 4}, INVALID),
        ({"ReplicationSubnetGroupIdentifier": "none"}, MISSING),
    ],
)
def test_instances_that_are_refused(dms: Any, instance: str, change: dict[str, Any], code: str) -> None:
    wanted = {"ReplicationInstanceIdentifier": "fine", "ReplicationInstanceClass": "dms.t3.small", **change}
    assert refused(dms.create_replication_instance, **wanted)[0] == code


def test_an_instance_with_tasks_is_not_deleted(dms: Any, instance: str) -> None:
    task(dms, instance, "keeps-instance")
    code, message = refused(dms.delete_replication_instance, ReplicationInstanceArn=instance)
    assert (code, "has one or more replication tasks" in message) == (STATE, True)


def test_orderable_instances_come_in_pages(dms: Any) -> None:
    first = dms.describe_orderable_replication_instances(MaxRecords=100)
    assert len(first["OrderableReplicationInstances"]) == 100
    pages = list(dms.get_paginator("describe_orderable_replication_instances").paginate())
    offers = [one for page in pages for one in page["OrderableReplicationInstances"]]
    assert {"dms.t3.medium", "dms.r5.large"} <= {one["ReplicationInstanceClass"] for one in offers}
    assert len(offers) == len({(one["ReplicationInstanceClass"], one["EngineVersion"]) for one in offers})


# Endpoints and connections


def test_an_endpoint_from_creation_to_deletion(dms: Any) -> None:
    arn = endpoint(
        dms, "life", SslMode="require", ExtraConnectionAttributes="MapUnboundedNumericAsString=true", KmsKeyId="mine"
    )
    eventually(lambda: dms.describe_endpoints(Filters=by("endpoint-id", "life"))["Endpoints"][0]["Status"] == "active")
    [shown] = dms.describe_endpoints(Filters=by("endpoint-arn", arn) + by("endpoint-type", "source"))["Endpoints"]
    assert shown["PostgreSQLSettings"] == {
        "SecretsManagerSecretId": "secret-life",
        "SecretsManagerAccessRoleArn": ROLE,
    }
    assert shown["KmsKeyId"] == "arn:aws:kms:us-east-1:123456789012:key/mine"
    assert (shown["SslMode"], shown["EngineDisplayName"]) == ("require", "PostgreSQL")
    assert shown["ExtraConnectionAttributes"] == "MapUnboundedNumericAsString=true"
    changed = dms.modify_endpoint(EndpointArn=arn, PostgreSQLSettings={"HeartbeatEnable": True})["Endpoint"]
    assert changed["PostgreSQLSettings"]["SecretsManagerSecretId"] == "secret-life"
    assert changed["PostgreSQLSettings"]["HeartbeatEnable"] is True
    exact = dms.modify_endpoint(EndpointArn=arn, ExactSettings=True, PostgreSQLSettings={"DatabaseName": "x"})
    assert exact["Endpoint"]["PostgreSQLSettings"] == {"DatabaseName": "x"}
    assert dms.delete_endpoint(EndpointArn=arn)["Endpoint"]["Status"] == "deleting"
    eventually(lambda: _gone(lambda: dms.describe_endpoints(Filters=by("endpoint-arn", arn))))


def test_a_password_is_never_shown(dms: Any) -> None:
    made = dms.create_endpoint(
        EndpointIdentifier="plain",
        EndpointType="target",
        EngineName="aurora-postgresql",
        ServerName="127-0-0-3.example",
        Port=5432,
        DatabaseName="shop",
        Username="u",
        Password="hush-hush",
        PostgreSQLSettings={"Password": "hush-hush"},
    )
    assert "hush-hush" not in json.dumps([made, dms.describe_endpoints()], default=str)
    assert made["Endpoint"]["KmsKeyId"].startswith("arn:aws:kms:us-east-1:123456789012:key/")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"EngineName": "postgresql"}, INVALID),
        ({"EndpointIdentifier": "1st"}, INVALID),
        ({"EngineName": "mysql", "PostgreSQLSettings": {"DatabaseName": "x"}}, COMBINATION),
        ({"PostgreSQLSettings": {"SecretsManagerSecretId": "s"}}, COMBINATION),
        (
            {
                "Password": "p",
                "PostgreSQLSettings": {"SecretsManagerSecretId": "s", "SecretsManagerAccessRoleArn": ROLE},
            },
            COMBINATION,
        ),
    ],
)
def test_endpoints_that_are_refused(dms: Any, change: dict[str, Any], code: str) -> None:
    wanted = {"EndpointIdentifier": "fine", "EndpointType": "source", "EngineName": "postgres", **change}
    assert refused(dms.create_endpoint, **wanted)[0] == code


def test_an_endpoint_in_use_is_not_deleted(dms: Any, instance: str) -> None:
    task(dms, instance, "uses-ends")
    [used] = dms.describe_endpoints(Filters=by("endpoint-id", "uses-ends-s"))["Endpoints"]
    assert refused(dms.delete_endpoint, EndpointArn=used["EndpointArn"])[0] == STATE


def test_a_connection_is_tested_shown_and_forgotten(dms: Any, instance: str) -> None:
    arn = endpoint(dms, "tried")
    pair = {"EndpointArn": arn, "ReplicationInstanceArn": instance}
    assert refused(dms.describe_connections, Filters=by("endpoint-arn", arn))[0] == MISSING
    assert dms.test_connection(**pair)["Connection"]["Status"] == "testing"

    def connection() -> dict[str, Any]:
        return dict(dms.describe_connections(Filters=by("endpoint-arn", arn))["Connections"][0])

    eventually(lambda: connection()["Status"] == "failed")
    assert "the secret secret-tried can't be read" in connection()["LastFailureMessage"]
    assert connection()["EndpointIdentifier"] == "tried"
    assert dms.delete_connection(**pair)["Connection"]["Status"] == "deleting"
    assert refused(dms.delete_connection, **pair)[0] == MISSING
    assert refused(dms.test_connection, EndpointArn=f"{arn}X", ReplicationInstanceArn=instance)[0] == MISSING


# Tasks


def test_a_task_from_creation_to_deletion(dms: Any, instance: str, served: tuple[Any, int, Recorder]) -> None:
    arn = task(dms, instance, "life-task", Tags=[{"Key": "a", "Value": "b"}])

    def describe() -> dict[str, Any]:
        return dict(
            dms.describe_replication_tasks(Filters=by("replication-task-id", "life-task"))["ReplicationTasks"][0]
        )

    assert describe()["Status"] in ("creating", "ready")
    eventually(lambda: describe()["Status"] == "ready")
    assert "ReplicationTaskStats" not in describe()
    assert dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"] == []
    settings = describe()["ReplicationTaskSettings"]
    # What is complete comes back as the very text that was sent: no program sees a difference.
    spaced = json.dumps(json.loads(settings), indent=3)
    changed = dms.modify_replication_task(ReplicationTaskArn=arn, ReplicationTaskSettings=spaced)["ReplicationTask"]
    assert (changed["ReplicationTaskSettings"], changed["Status"]) == (spaced, "modifying")
    eventually(lambda: describe()["Status"] == "ready")
    [bare] = dms.describe_replication_tasks(Filters=by("replication-task-arn", arn), WithoutSettings=True)[
        "ReplicationTasks"
    ]
    assert "ReplicationTaskSettings" not in bare
    start = {"ReplicationTaskArn": arn, "StartReplicationTaskType": "start-replication"}
    code, message = refused(dms.start_replication_task, **start)
    assert (code, "Test connection for replication instance" in message) == (STATE, True)
    code, message = refused(dms.start_replication_task, **{**start, "StartReplicationTaskType": "resume-processing"})
    assert (code, "RESUME_PROCESSING, not valid" in message) == (COMBINATION, True)
    assert refused(dms.stop_replication_task, ReplicationTaskArn=arn)[0] == STATE
    assert dms.delete_replication_task(ReplicationTaskArn=arn)["ReplicationTask"]["Status"] == "deleting"
    eventually(lambda: _gone(describe))
    eventually(lambda: len(served[2].events(arn)) == 3)
    types = [one["eventType"].removeprefix("REPLICATION_TASK_") for one in served[2].events(arn)]
    assert types == ["CREATED", "MODIFIED", "DELETED"]


def test_settings_are_completed_where_they_are_not(dms: Any, instance: str) -> None:
    arn = task(dms, instance, "partial", ReplicationTaskSettings='{"TargetMetadata":{"LobMaxSize":64}}')
    [shown] = dms.describe_replication_tasks(Filters=by("replication-task-arn", arn))["ReplicationTasks"]
    settings = json.loads(shown["ReplicationTaskSettings"])
    assert settings["TargetMetadata"]["LobMaxSize"] == 64
    assert settings["TargetMetadata"]["SupportLobs"] is True
    assert settings["FullLoadSettings"]["TargetTablePrepMode"] == "DROP_AND_CREATE"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"ReplicationTaskIdentifier": "no_underscore"}, INVALID, "no_underscore"),
        ({"ReplicationInstanceArn": "arn:aws:dms:us-east-1:123456789012:rep:NONE"}, MISSING, "NONE"),
        ({"TableMappings": "[]"}, INVALID, "Invalid Table mappings document"),
        ({"ReplicationTaskSettings": "{"}, INVALID, "Invalid json"),
        ({"ReplicationTaskSettings": '{"Unheard": {}}'}, INVALID, "unknown Unheard"),
        ({"ReplicationTaskSettings": '{"Logging": {"CloudWatchLogGroup": "g"}}'}, INVALID, "cannot be set on create"),
        ({"ReplicationTaskSettings": '{"FullLoadSettings": {"TargetTablePrepMode": "x"}}'}, INVALID, "TRUNCATE_BEFORE"),
        ({"CdcStartPosition": "0/1"}, COMBINATION, "migration type cdc only"),
        ({"CdcStartTime": 0}, COMBINATION, "no start from a time"),
        ({"CdcStopPosition": "server_time:2026-01-01T00:00:00"}, COMBINATION, "CdcStopPosition"),
        ({"MigrationType": "sideways"}, "ValidationException", "MigrationType"),
    ],
)
def test_tasks_that_are_refused(
    dms: Any, instance: str, ends: tuple[str, str], change: dict[str, Any], code: str, words: str
) -> None:
    wanted = {
        "ReplicationTaskIdentifier": "fine",
        "ReplicationInstanceArn": instance,
        "SourceEndpointArn": ends[0],
        "TargetEndpointArn": ends[1],
        "MigrationType": "full-load",
        "TableMappings": RULES,
    }
    found, message = refused(dms.create_replication_task, **{**wanted, **change})
    assert (found, words in message) == (code, True), message


def test_a_task_reads_from_a_source_and_writes_to_a_target(dms: Any, instance: str, ends: tuple[str, str]) -> None:
    code, message = refused(task, dms=dms, instance=instance, name="crossed", SourceEndpointArn=ends[1])
    assert (code, "is no source endpoint" in message) == (INVALID, True)


def test_tasks_are_found_by_each_filter(dms: Any, instance: str) -> None:
    arn = task(dms, instance, "found", MigrationType="cdc")
    [shown] = dms.describe_replication_tasks(Filters=by("replication-task-id", "found"))["ReplicationTasks"]
    for name, value in (
        ("replication-task-arn", arn),
        ("migration-type", "cdc"),
        ("replication-instance-arn", instance),
        ("endpoint-arn", shown["SourceEndpointArn"]),
        ("endpoint-arn", shown["TargetEndpointArn"]),
    ):
        found = dms.describe_replication_tasks(Filters=by(name, value) + by("replication-task-id", "found"))
        assert [one["ReplicationTaskArn"] for one in found["ReplicationTasks"]] == [arn]
    assert refused(dms.describe_replication_tasks, Filters=by("endpoint-arn", "none"))[0] == MISSING
    assert refused(dms.describe_replication_tasks, Filters=by("colour", "red"))[0] == INVALID
    assert refused(task, dms=dms, instance=instance, name="found")[0] == EXISTS


def test_pages_are_of_a_bounded_size(dms: Any) -> None:
    assert refused(dms.describe_replication_tasks, MaxRecords=5)[0] == INVALID
    assert refused(dms.describe_endpoints, Marker="?")[0] == INVALID
    assert refused(dms.describe_table_statistics, ReplicationTaskArn="arn:none")[0] == MISSING


def test_a_resource_can_be_given_the_end_of_its_arn(dms: Any) -> None:
    assert endpoint(dms, "named-arn", ResourceIdentifier="MY-OWN").endswith(":endpoint:MY-OWN")


# Event subscriptions, tags, the account


def test_an_event_subscription_from_creation_to_deletion(dms: Any) -> None:
    made = dms.create_event_subscription(
        SubscriptionName="sub",
        SnsTopicArn="arn:aws:sns:us-east-1:123456789012:topic",
        SourceType="replication-task",
        SourceIds=["some-task"],
        EventCategories=["configuration change", "creation", "deletion", "failure", "state change"],
        Enabled=True,
    )["EventSubscription"]
    assert made["Status"] == "creating"
    describe = dms.describe_event_subscriptions
    eventually(lambda: describe(SubscriptionName="sub")["EventSubscriptionsList"][0]["Status"] == "active")
    changed = dms.modify_event_subscription(SubscriptionName="sub", EventCategories=["failure"], Enabled=False)
    assert changed["EventSubscription"]["EventCategoriesList"] == ["failure"]
    assert changed["EventSubscription"]["Enabled"] is False
    arn = "arn:aws:dms:us-east-1:123456789012:es:sub"
    assert len(describe(Filters=by("event-subscription-arn", arn))["EventSubscriptionsList"]) == 1
    dms.delete_event_subscription(SubscriptionName="sub")
    assert refused(describe, SubscriptionName="sub")[0] == MISSING
    wrong = {"SubscriptionName": "x", "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:t"}
    create = dms.create_event_subscription
    assert refused(create, **wrong, SourceType="replication-task", EventCategories=["failover"])[0] == INVALID
    assert refused(create, **wrong, SourceIds=["x"])[0] == INVALID
    assert refused(create, SubscriptionName="x", SnsTopicArn="topic")[0] == "SNSInvalidTopicFault"


def test_event_categories_are_listed_by_source(dms: Any) -> None:
    groups = dms.describe_event_categories()["EventCategoryGroupList"]
    assert {one["SourceType"] for one in groups} == {"replication-instance", "replication-task"}
    [tasks] = dms.describe_event_categories(SourceType="replication-task")["EventCategoryGroupList"]
    assert "state change" in tasks["EventCategories"]
    assert refused(dms.describe_event_categories, SourceType="replication-server")[0] == INVALID


def test_events_are_shown_for_a_time(dms: Any, instance: str) -> None:
    arn = task(dms, instance, "told")
    assert dms.describe_events(SourceIdentifier="told", Duration=1)["Events"][0]["Message"].startswith(
        "The replication task"
    )
    assert dms.describe_events(SourceIdentifier="told", EndTime=time.time() - 60)["Events"] == []
    assert dms.describe_events(SourceIdentifier="told", StartTime=time.time() - 60)["Events"] != []
    assert arn


def test_tags_are_added_changed_listed_and_taken(dms: Any) -> None:
    first, second = endpoint(dms, "tagged", Tags=[{"Key": "a", "Value": "1"}]), endpoint(dms, "other")
    dms.add_tags_to_resource(ResourceArn=first, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    dms.add_tags_to_resource(ResourceArn=second, Tags=[{"Key": "c", "Value": "4"}])
    dms.remove_tags_from_resource(ResourceArn=first, TagKeys=["b"])
    assert dms.list_tags_for_resource(ResourceArn=first)["TagList"] == [{"Key": "a", "Value": "2"}]
    assert dms.list_tags_for_resource(ResourceArnList=[first, second])["TagList"] == [
        {"ResourceArn": first, "Key": "a", "Value": "2"},
        {"ResourceArn": second, "Key": "c", "Value": "4"},
    ]
    assert refused(dms.list_tags_for_resource)[0] == INVALID
    assert (
        refused(dms.list_tags_for_resource, ResourceArn="arn:aws:dms:us-east-1:123456789012:endpoint:X")[0] == MISSING
    )
    many = [{"Key": str(number), "Value": ""} for number in range(51)]
    assert refused(dms.add_tags_to_resource, ResourceArn=first, Tags=many)[0] == INVALID


def test_the_account_counts_what_there_is(dms: Any, instance: str) -> None:
    quotas = {one["AccountQuotaName"]: one for one in dms.describe_account_attributes()["AccountQuotas"]}
    assert quotas["ReplicationInstances"]["Used"] >= 1
    assert quotas["AllocatedStorage"] == {"AccountQuotaName": "AllocatedStorage", "Max": 30000, "Used": 50}
