"""The AWS adapters and the edge, on clients that check every request against botocore's model."""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from handlers import edge
from handlers.adapters.cloud import Alarms, Machine, Notices, Secrets
from handlers.adapters.dms import ConnectionFailed, Endpoints, Task
from handlers.adapters.route53 import NameGroup
from handlers.adapters.tracking import Tracking
from handlers.clients import AUTHORITY
from handlers.core import record as records
from handlers.core.direction import Direction
from handlers.core.names import NamesError
from handlers.core.record import Phase, Record, Step, Superseded
from tests.support.fakes import CONFIG


def stubbed(service: str) -> tuple[Any, Stubber]:
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(client)
    stub.activate()
    return client, stub


def record_sets(blue: int, green: int, ttl: int) -> dict[str, Any]:
    return {
        "ResourceRecordSets": [
            {
                "Name": "writer.db.example.",
                "Type": "CNAME",
                "SetIdentifier": side,
                "Weight": weight,
                "TTL": ttl,
                "ResourceRecords": [{"Value": f"{side}.example"}],
            }
            for side, weight in (("blue", blue), ("green", green))
        ],
        "IsTruncated": False,
        "MaxItems": "100",
    }


WRITER = "writer.db.example"
LIST = {"HostedZoneId": "Z1", "StartRecordName": WRITER, "StartRecordType": "CNAME"}
CHANGED = {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": 0}}


def test_a_shift_is_one_batch_that_is_read_back() -> None:
    client, stub = stubbed("route53")
    stub.add_response("list_resource_record_sets", record_sets(100, 0, 60), LIST)
    wanted = [{"Action": "UPSERT", "ResourceRecordSet": r} for r in record_sets(0, 100, 1)["ResourceRecordSets"]]
    batch = {"Comment": "why", "Changes": wanted}
    stub.add_response("change_resource_record_sets", CHANGED, {"HostedZoneId": "Z1", "ChangeBatch": batch})
    stub.add_response("list_resource_record_sets", record_sets(0, 100, 1), LIST)
    assert NameGroup(client, "Z1", [WRITER]).shift({WRITER: {"blue": 0, "green": 100}}, "why", 1) == "/change/C1"
    stub.assert_no_pending_responses()


TOKEN_NAME = "_switchover.writer.db.example"


def tokens(token: str) -> dict[str, Any]:
    record = {"Name": f"{TOKEN_NAME}.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": f'"{token}"'}]}
    return {"ResourceRecordSets": [record], "IsTruncated": False, "MaxItems": "1"}


LIST_TOKEN = {"HostedZoneId": "Z1", "StartRecordName": TOKEN_NAME, "StartRecordType": "TXT", "MaxItems": "1"}
AFTER = {WRITER: {"blue": 0, "green": 100}}


def test_a_shift_passes_its_token_on_in_the_same_batch_and_looks_again_if_somebody_came_in_between() -> None:
    client, stub = stubbed("route53")
    names = NameGroup(client, "Z1", [WRITER], TOKEN_NAME)
    stub.add_response("list_resource_record_sets", record_sets(100, 0, 60), LIST)
    upserts = [{"Action": "UPSERT", "ResourceRecordSet": r} for r in record_sets(0, 100, 1)["ResourceRecordSets"]]

    def batch(seen: str) -> dict[str, Any]:
        passing = [
            {"Action": action, "ResourceRecordSet": tokens(token)["ResourceRecordSets"][0]}
            for action, token in (("DELETE", seen), ("CREATE", "7"))
        ]
        return {"HostedZoneId": "Z1", "ChangeBatch": {"Comment": "why", "Changes": [*passing, *upserts]}}

    stub.add_response("list_resource_record_sets", tokens("4"), LIST_TOKEN)
    stub.add_client_error("change_resource_record_sets", "InvalidChangeBatch", expected_params=batch("4"))
    stub.add_response("list_resource_record_sets", tokens("5"), LIST_TOKEN)
    stub.add_response("list_resource_record_sets", tokens("5"), LIST_TOKEN)
    stub.add_response("change_resource_record_sets", CHANGED, batch("5"))
    stub.add_response("list_resource_record_sets", record_sets(0, 100, 1), LIST)
    assert names.shift(AFTER, "why", 1, token=7) == "/change/C1"
    stub.assert_no_pending_responses()


def test_a_shift_with_an_older_token_is_refused() -> None:
    client, stub = stubbed("route53")
    names = NameGroup(client, "Z1", [WRITER], TOKEN_NAME)
    stub.add_response("list_resource_record_sets", tokens("8"), LIST_TOKEN)
    assert names.last_token() == 8
    stub.add_response("list_resource_record_sets", record_sets(100, 0, 60), LIST)
    stub.add_response("list_resource_record_sets", tokens("8"), LIST_TOKEN)
    with pytest.raises(Superseded, match="writer.db.example were moved with a later token than 7"):
        names.shift(AFTER, "why", 1, token=7)


def test_a_batch_that_is_refused_for_another_reason_is_an_error() -> None:
    client, stub = stubbed("route53")
    stub.add_response("list_resource_record_sets", record_sets(100, 0, 60))
    stub.add_response("list_resource_record_sets", tokens("4"))
    stub.add_client_error("change_resource_record_sets", "InvalidChangeBatch")
    stub.add_response("list_resource_record_sets", tokens("4"))
    with pytest.raises(ClientError, match="InvalidChangeBatch"):
        NameGroup(client, "Z1", [WRITER], TOKEN_NAME).shift(AFTER, "why", 1, token=7)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            {"ResourceRecordSets": [], "IsTruncated": False, "MaxItems": "1"},
            "has no TXT record: deploy the stack again",
        ),
        (tokens("seven"), "holds 'seven', not a token"),
    ],
)
def test_a_token_that_cannot_be_read_is_an_error(found: dict[str, Any], said: str) -> None:
    client, stub = stubbed("route53")
    stub.add_response("list_resource_record_sets", found, LIST_TOKEN)
    with pytest.raises(NamesError, match=said):
        NameGroup(client, "Z1", [WRITER], TOKEN_NAME).last_token()


def test_a_shift_that_reads_back_otherwise_is_an_error() -> None:
    client, stub = stubbed("route53")
    stub.add_response("list_resource_record_sets", record_sets(100, 0, 60))
    stub.add_response("change_resource_record_sets", CHANGED)
    stub.add_response("list_resource_record_sets", record_sets(100, 0, 60))
    with pytest.raises(NamesError, match="reads back {'blue': 100, 'green': 0}"):
        NameGroup(client, "Z1", [WRITER]).shift({WRITER: {"blue": 0, "green": 100}}, "why", 1)


@pytest.mark.parametrize(("status", "synced"), [("INSYNC", True), ("PENDING", False)])
def test_a_change_is_in_sync_when_route_53_says_so(status: str, synced: bool) -> None:
    client, stub = stubbed("route53")
    stub.add_response("get_change", {"ChangeInfo": {**CHANGED["ChangeInfo"], "Status": status}}, {"Id": "/change/C1"})
    assert NameGroup(client, "Z1", [WRITER]).in_sync("/change/C1") is synced


ARN = "arn:aws:dms:us-east-1:123456789012:task:RESOURCEID"
FILTER = {"Filters": [{"Name": "replication-task-arn", "Values": [ARN]}]}


def task_answer(status: str = "running", percent: int = 100, errored: int = 0) -> dict[str, Any]:
    rules = {"rules": [{"rule-type": "selection"}]}
    stats = {"FullLoadProgressPercent": percent, "TablesErrored": errored}
    task = {
        "ReplicationTaskArn": ARN,
        "Status": status,
        "TableMappings": json.dumps(rules),
        "ReplicationTaskStats": stats,
    }
    return {"ReplicationTasks": [task]}


def table(name: str, state: str, inserts: int = 0, applied: int = 0) -> dict[str, Any]:
    return {"SchemaName": "s", "TableName": name, "TableState": state, "Inserts": inserts, "AppliedInserts": applied}


def metric(values: list[float]) -> dict[str, Any]:
    return {"MetricDataResults": [{"Id": "latest", "Values": values}]}


def test_a_task_s_state_is_read_with_all_its_tables_and_the_newest_latencies() -> None:
    dms, dms_stub = stubbed("dms")
    cloudwatch, metrics = stubbed("cloudwatch")
    dms_stub.add_response("describe_replication_tasks", task_answer(), FILTER)
    first = {"TableStatistics": [table("a", "Table completed")], "Marker": "more"}
    dms_stub.add_response("describe_table_statistics", first, {"ReplicationTaskArn": ARN})
    second = {"TableStatistics": [table("b", "Table error")]}
    dms_stub.add_response("describe_table_statistics", second, {"ReplicationTaskArn": ARN, "Marker": "more"})
    metrics.add_response("get_metric_data", metric([3.0, 9.0]))
    metrics.add_response("get_metric_data", metric([]))
    state = Task(dms, cloudwatch, "instance", ARN).state(1000.0)
    assert (state.status, state.full_load_percent, state.tables_errored, state.suspended) == (
        "running",
        100,
        1,
        ("s.b",),
    )
    assert state.latency == {"CDCLatencySource": 3.0, "CDCLatencyTarget": None}


def test_a_latency_is_asked_for_by_the_task_s_resource_id() -> None:
    dms, dms_stub = stubbed("dms")
    cloudwatch, metrics = stubbed("cloudwatch")
    query = {
        "Id": "latest",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/DMS",
                "MetricName": "CDCLatencySource",
                "Dimensions": [
                    {"Name": "ReplicationInstanceIdentifier", "Value": "instance"},
                    {"Name": "ReplicationTaskIdentifier", "Value": "RESOURCEID"},
                ],
            },
            "Period": 60,
            "Stat": "Maximum",
        },
    }
    wanted = {"MetricDataQueries": [query], "StartTime": ANY, "EndTime": ANY, "ScanBy": "TimestampDescending"}
    metrics.add_response("get_metric_data", {"MetricDataResults": []}, wanted)
    metrics.add_response("get_metric_data", {"MetricDataResults": []})
    dms_stub.add_response("describe_replication_tasks", task_answer(), FILTER)
    dms_stub.add_response("describe_table_statistics", {"TableStatistics": []}, {"ReplicationTaskArn": ARN})
    assert Task(dms, cloudwatch, "instance", ARN).state(1000.0).latency["CDCLatencySource"] is None


def test_counters_mappings_and_stop() -> None:
    dms, stub = stubbed("dms")
    task = Task(dms, None, "instance", ARN)
    stub.add_response("describe_table_statistics", {"TableStatistics": [table("a", "x", 5, 4), table("b", "x", 1, 1)]})
    assert task.counters() == {"read": 6, "applied": 5}
    stub.add_response("describe_replication_tasks", task_answer(), FILTER)
    assert task.mappings() == [{"rule-type": "selection"}]
    stub.add_response("describe_replication_tasks", task_answer(), FILTER)
    stub.add_response("stop_replication_task", {}, {"ReplicationTaskArn": ARN})
    assert task.stop() is True
    stub.add_response("describe_replication_tasks", task_answer("stopped"), FILTER)
    assert task.stop() is False


def connection(arn: str, status: str) -> dict[str, Any]:
    return {"EndpointArn": arn, "EndpointIdentifier": arn[-1], "Status": status, "LastFailureMessage": "refused"}


def test_connections_are_tested_one_by_one_and_awaited() -> None:
    dms, stub = stubbed("dms")
    endpoints = Endpoints(dms, "arn:instance", ["arn:a", "arn:b"])
    for arn in ("arn:a", "arn:b"):
        stub.add_response("test_connection", {}, {"ReplicationInstanceArn": "arn:instance", "EndpointArn": arn})
    endpoints.begin_tests()
    by_instance = {"Filters": [{"Name": "replication-instance-arn", "Values": ["arn:instance"]}]}
    found = [connection("arn:a", "successful"), connection("arn:b", "testing"), connection("arn:other", "failed")]
    stub.add_response("describe_connections", {"Connections": found}, by_instance)
    assert endpoints.untested() == ["arn:b"]
    stub.add_response("describe_connections", {"Connections": [connection("arn:b", "failed")]})
    with pytest.raises(ConnectionFailed, match="DMS can't reach b: refused"):
        endpoints.untested()


def test_notices_reach_topic_and_parameter() -> None:
    sns, topic = stubbed("sns")
    ssm, parameter = stubbed("ssm")
    notices = Notices(sns, ssm, "arn:topic", "/state")
    topic.add_response("publish", {}, {"TopicArn": "arn:topic", "Subject": "s" * 100, "Message": '{\n  "a": 1\n}'})
    notices.tell("s" * 200, {"a": 1})
    parameter.add_response("put_parameter", {}, {"Name": "/state", "Value": ANY, "Type": "String", "Overwrite": True})
    notices.show({"phase": "idle"})
    topic.assert_no_pending_responses()
    parameter.assert_no_pending_responses()


def test_a_secret_s_fields() -> None:
    client, stub = stubbed("secretsmanager")
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"
    stub.add_response("get_secret_value", {"SecretString": '{"username": "u", "password": "p"}'}, {"SecretId": arn})
    clients = {"eu-west-1": client}
    assert Secrets(clients.__getitem__).read(arn)["username"] == "u"


def test_starting_an_attempt_twice_is_harmless_and_other_errors_are_not_hidden() -> None:
    client, stub = stubbed("stepfunctions")
    machine = Machine(client, "arn:machine")
    answer = {"executionArn": "arn:e", "startDate": 0}
    stub.add_response("start_execution", answer, {"stateMachineArn": "arn:machine", "name": "m-1", "input": "{}"})
    assert machine.start("m-1") == "m-1"
    stub.add_client_error("start_execution", "ExecutionAlreadyExists")
    assert machine.start("m-1") == "m-1"
    stub.add_client_error("start_execution", "AccessDeniedException")
    with pytest.raises(Exception, match="AccessDenied"):
        machine.start("m-1")


def test_a_task_for_the_way_back_starts_at_the_position_once_and_then_goes_on() -> None:
    dms, stub = stubbed("dms")
    task = Task(dms, None, "instance", ARN)

    def found(status: str, began: float | None = None) -> dict[str, Any]:
        answer = task_answer(status)
        if began is not None:
            answer["ReplicationTasks"][0]["ReplicationTaskStartDate"] = datetime.fromtimestamp(began, UTC)
        return answer

    def started(how: str, **more: str) -> None:
        wanted = {"ReplicationTaskArn": ARN, "StartReplicationTaskType": how, **more}
        stub.add_response("start_replication_task", {}, wanted)

    stub.add_response("describe_replication_tasks", found("ready"))
    started("start-replication", CdcStartPosition="0/1A")
    task.start_from("0/1A", since=100.0)
    stub.add_response("describe_replication_tasks", found("stopped", began=50.0))  # of an attempt before this one
    started("start-replication", CdcStartPosition="0/1A")
    task.start_from("0/1A", since=100.0)
    stub.add_response("describe_replication_tasks", found("failed", began=150.0))
    started("resume-processing")
    task.start_from("0/1A", since=100.0)
    stub.add_response("describe_replication_tasks", found("running", began=150.0))
    task.start_from("0/1A", since=100.0)
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(("status", "rests"), [("stopped", True), ("stopping", False), ("running", False)])
def test_a_task_is_at_rest_once_dms_has_ended_it(status: str, rests: bool) -> None:
    dms, stub = stubbed("dms")
    stub.add_response("describe_replication_tasks", task_answer(status))
    assert Task(dms, None, "instance", ARN).at_rest() is rests


# Tracking


def test_a_fresh_migration_has_a_fresh_record() -> None:
    client, stub = stubbed("dynamodb")
    key = {"migration_id": {"S": "m"}, "entry": {"S": "state"}}
    stub.add_response("get_item", {}, {"TableName": "t", "Key": key, "ConsistentRead": True})
    assert Tracking(client, "t", "m").read() == Record("m")


def test_a_record_survives_the_table_and_every_write_is_in_the_history() -> None:
    client, stub = stubbed("dynamodb")
    stored: list[dict[str, Any]] = []
    client.meta.events.register(
        "before-parameter-build.dynamodb.TransactWriteItems",
        lambda params, **_: stored.extend(item["Put"] for item in params["TransactItems"]),
    )
    claimed = records.claim(Record("m"), "run", 1.0, 10, Direction.FORWARD)
    record = records.begin(claimed, Step.FENCE, 2.0, {"access_blue": {"a": 1}})
    stub.add_response("transact_write_items", {})
    tracking = Tracking(client, "t", "m")
    written = tracking.write(record, "fence begins", 12.5)
    state, history = stored
    assert written.version == 1
    assert state["ConditionExpression"] == "attribute_not_exists(#version) OR #version = :version"
    assert state["ExpressionAttributeValues"] == {":version": {"N": "0"}}
    assert history["Item"]["entry"] == {"S": "history#0000000012.500000#000001"}
    assert history["Item"]["event"] == {"S": "fence begins"}
    stub.add_response("get_item", {"Item": state["Item"]})
    read = tracking.read()
    assert read == written
    assert read.phase is Phase.SWITCHING
    assert read.begun == (Step.FENCE,)


def test_a_write_over_somebody_else_s_is_refused() -> None:
    client, stub = stubbed("dynamodb")
    reasons = {"CancellationReasons": [{"Code": "ConditionalCheckFailed"}, {"Code": "None"}]}
    cancelled = "TransactionCanceledException"
    stub.add_client_error("transact_write_items", cancelled, modeled_fields=reasons)
    with pytest.raises(Superseded, match="m was changed by another execution: this one stops"):
        Tracking(client, "t", "m").write(Record("m"), "x", 1.0)
    reasons = {"CancellationReasons": [{"Code": "None"}, {"Code": "ThrottlingError"}]}
    stub.add_client_error("transact_write_items", cancelled, modeled_fields=reasons)
    with pytest.raises(Exception, match="TransactionCanceled"):
        Tracking(client, "t", "m").write(Record("m"), "x", 1.0)


# The edge


class Context:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def test_a_function_keeps_time_back_to_undo() -> None:
    assert edge.seconds_left(Context(100)) == 70
    assert edge.seconds_left(Context(10)) == 1


def test_a_handler_opens_the_migration_the_parameter_describes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_response("get_parameter", {"Parameter": {"Value": json.dumps(CONFIG)}}, {"Name": "/config"})
    monkeypatch.setenv(edge.CONFIG_PARAMETER, "/config")
    monkeypatch.setattr(edge, "client", lambda service: ssm if service == "ssm" else object())
    seen: list[Any] = []

    @edge.handler
    def step(migration: Any, event: dict[str, Any], seconds: float) -> dict[str, Any]:
        seen.append((migration.config.migration_id, migration.router._group, event, seconds))
        for door in (migration.connect, migration.inspect):
            assert door.keywords == {"authority": AUTHORITY}
        return {"outcome": "done"}

    assert step({"execution": "run"}, Context(90)) == {"outcome": "done"}
    assert seen == [("migration-unit", ("writer.db.example", "reader.db.example"), {"execution": "run"}, 60)]
    said = [json.loads(message)["event"] for message in caplog.messages]
    assert said == ["begins", "ended"]


def test_a_handler_logs_a_failure_and_lets_it_through(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(edge, "open_migration", lambda: None)

    @edge.handler
    def step(migration: Any, event: dict[str, Any], seconds: float) -> dict[str, Any]:
        raise Superseded("another")

    with pytest.raises(Superseded):
        step({}, Context(90))
    assert json.loads(caplog.messages[-1]) == {
        "step": "test_adapters_cloud",
        "event": "failed",
        "error": "Superseded",
        "reason": "another",
    }


def test_clients_are_made_once_and_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    edge.client.cache_clear()
    assert edge.client("sns") is edge.client("sns")
    assert edge.client("sns").meta.config.retries["mode"] == "standard"
    edge.client.cache_clear()


def alarm(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"AlarmName": name, "StateValue": state, **more}


ALARMS = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}


@pytest.mark.parametrize(
    ("lag", "safe", "said"),
    [
        ("OK", "ALARM", []),
        ("ALARM", "OK", ["alarm lag is ALARM, not OK", "alarm safe is OK, not ALARM"]),
        ("INSUFFICIENT_DATA", "ALARM", ["alarm lag is INSUFFICIENT_DATA, not OK"]),
        (None, "ALARM", ["alarm lag is missing, not OK"]),
    ],
)
def test_all_is_well_while_alarms_are_silent_and_the_one_that_says_safe_is_not(
    lag: str | None, safe: str, said: list[str]
) -> None:
    client, stub = stubbed("cloudwatch")
    metric = [alarm("lag", lag)] if lag else []
    answer = {"MetricAlarms": metric, "CompositeAlarms": [alarm("safe", safe)]}
    stub.add_response("describe_alarms", answer, {"AlarmNames": ["lag", "safe"], **ALARMS})
    found = Alarms(client, "safe", ["lag"]).unwell()
    assert [line.split(":")[0] for line in found] == said


@pytest.mark.parametrize(
    ("known", "since"),
    [
        ([], None),
        ([alarm("safe", "OK", StateUpdatedTimestamp=datetime.fromtimestamp(5, UTC))], None),
        ([alarm("safe", "ALARM", StateUpdatedTimestamp=datetime.fromtimestamp(5, UTC))], 5.0),
        (
            [
                alarm(
                    "safe",
                    "ALARM",
                    StateUpdatedTimestamp=datetime.fromtimestamp(9, UTC),
                    StateTransitionedTimestamp=datetime.fromtimestamp(5, UTC),
                )
            ],
            5.0,
        ),
    ],
)
def test_a_switchover_is_safe_since_the_alarm_says_so(known: list[dict[str, Any]], since: float | None) -> None:
    client, stub = stubbed("cloudwatch")
    stub.add_response("describe_alarms", {"CompositeAlarms": known}, {"AlarmNames": ["safe"], **ALARMS})
    assert Alarms(client, "safe", ["lag"]).safe_since() == since


def test_a_question_s_token_is_kept_where_the_commands_that_answer_find_it() -> None:
    client, stub = stubbed("dynamodb")
    item = {
        "migration_id": {"S": "m"},
        "entry": {"S": "approval"},
        "owner": {"S": "run-1"},
        "token": {"S": "TOKEN"},
        "until": {"N": "99.5"},
    }
    stub.add_response("put_item", {}, {"TableName": "table", "Item": item})
    Tracking(client, "table", "m").keep_question("run-1", "TOKEN", 99.5)
    stub.assert_no_pending_responses()


def test_the_schema_watch_is_kept_and_read_back() -> None:
    client, stub = stubbed("dynamodb")
    tracking, key = Tracking(client, "table", "m"), {"migration_id": {"S": "m"}, "entry": {"S": "schema"}}
    read = {"TableName": "table", "Key": key, "ConsistentRead": True}
    stub.add_response("get_item", {}, read)
    assert tracking.schema_watch() == (0.0, "")
    for changed in ("1 new: table public.späte", ""):
        item = {**key, "at": {"N": "99.5"}, "kept": {"B": changed.encode()}}
        stub.add_response("put_item", {}, {"TableName": "table", "Item": item})
        stub.add_response("get_item", {"Item": item}, read)
        tracking.keep_schema_watch(changed, 99.5)
        assert tracking.schema_watch() == (99.5, changed)
    stub.assert_no_pending_responses()
