import json

from components import MonitoringSuite, MonitoringSuiteArgs
from components.alerting import INSTANCE
from tests.support.pulumi_mocks import Recorder, deploy

ARGS: MonitoringSuiteArgs = {
    "account_id": "123456789012",
    "region": "us-east-1",
    "kms_key_arn": "arn:key",
    "replication_instance_id": "the-instance",
    "replication_task_id": "the-task",
    "replication_task_arn": "arn:aws:dms:us-east-1:123456789012:task:RESOURCEID",
    "database": {"dimension": "DBClusterIdentifier", "identifier": "the-cluster", "readers": ["reader-1"]},
}


def suite(**changes: object) -> Recorder:
    return deploy(lambda: MonitoringSuite("mon", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def test_children_are_exactly_these() -> None:
    assert suite(emails=["a@example.com"]).kinds() == {
        "mon-topic": "aws:sns/topic:Topic",
        "mon-topic-policy": "aws:sns/topicPolicy:TopicPolicy",
        "mon-email-1": "aws:sns/topicSubscription:TopicSubscription",
        "mon-task-events": "aws:dms/eventSubscription:EventSubscription",
        "mon-database-events": "aws:rds/eventSubscription:EventSubscription",
        "mon-milestones": "aws:cloudwatch/eventRule:EventRule",
        "mon-milestones-target": "aws:cloudwatch/eventTarget:EventTarget",
        **{
            f"mon-{n}": "aws:cloudwatch/metricAlarm:MetricAlarm"
            for n in ("lag-source", "lag-target", "cpu", "connections")
        },
        "mon-safe-to-switch": "aws:cloudwatch/compositeAlarm:CompositeAlarm",
        "mon-task-log": "aws:cloudwatch/logGroup:LogGroup",
        "mon-dashboard": "aws:cloudwatch/dashboard:Dashboard",
    }


def test_alarms_watch_lag_cpu_and_connections_at_their_thresholds() -> None:
    alarms = suite().of("aws:cloudwatch/metricAlarm:MetricAlarm")
    found = {
        n.removeprefix("mon-"): (a["metricName"], a["threshold"], a["treatMissingData"]) for n, a in alarms.items()
    }
    assert found == {
        "lag-source": ("CDCLatencySource", 60, "breaching"),
        "lag-target": ("CDCLatencyTarget", 60, "breaching"),
        "cpu": ("CPUUtilization", 80, "notBreaching"),
        "connections": ("DatabaseConnections", 800, "notBreaching"),
    }
    for alarm in alarms.values():
        assert alarm["alarmActions"] == ["arn:aws:mock:us-east-1:123456789012:mon-topic"]


def test_dms_metrics_carry_the_task_s_resource_id_not_its_name() -> None:
    dimensions = suite().named("mon-lag-source").inputs["dimensions"]
    assert dimensions == {
        "ReplicationInstanceIdentifier": "the-instance",
        "ReplicationTaskIdentifier": "RESOURCEID",
    }


def test_safe_to_switch_holds_while_every_alarm_is_ok() -> None:
    rule = suite().one("aws:cloudwatch/compositeAlarm:CompositeAlarm")["alarmRule"]
    assert rule == ('OK("mon-lag-source") AND OK("mon-lag-target") AND OK("mon-cpu") AND OK("mon-connections")')


def test_the_topic_is_encrypted_and_takes_messages_from_services_of_this_account_over_tls() -> None:
    recorder = suite()
    assert recorder.one("aws:sns/topic:Topic")["kmsMasterKeyId"] == "arn:key"
    allow, deny = json.loads(recorder.one("aws:sns/topicPolicy:TopicPolicy")["policy"])["Statement"]
    assert "dms.amazonaws.com" in allow["Principal"]["Service"]
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_task_events_reach_the_topic_by_subscription_and_by_rule() -> None:
    recorder = suite()
    subscription = recorder.one("aws:dms/eventSubscription:EventSubscription")
    assert subscription["sourceIds"] == ["the-task"]
    assert {"failure", "state change"} <= set(subscription["eventCategories"])
    pattern = json.loads(recorder.one("aws:cloudwatch/eventRule:EventRule")["eventPattern"])
    assert pattern == {
        "source": ["aws.dms"],
        "detail-type": ["DMS Replication Task State Change"],
        "resources": [ARGS["replication_task_arn"]],
    }


def test_the_dashboard_shows_everything_and_its_metrics_are_flat() -> None:
    body = json.loads(suite().one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])
    titles = [widget["properties"]["title"] for widget in body["widgets"]]
    assert len(titles) == 10
    metrics = [m for w in body["widgets"] if w["type"] == "metric" for m in w["properties"]["metrics"]]
    for metric in metrics:
        assert isinstance(metric[-1], dict)
        assert all(isinstance(part, str) for part in metric[:-1])
        assert len(metric) % 2 == 1  # namespace, name, pairs of dimension and value, options
    named = {metric[1] for metric in metrics}
    assert {"CDCLatencySource", "CDCLatencyTarget", "DatabaseConnections", "CPUUtilization"} <= named
    assert {"FreeableMemory", "AuroraReplicaLag", "CDCThroughputBandwidthTarget", "CDCThroughputRowsTarget"} <= named
    [log] = [w for w in body["widgets"] if w["type"] == "log"]
    assert log["properties"]["query"].startswith("SOURCE 'dms-tasks-the-instance'")
    places = [(w["x"], w["y"]) for w in body["widgets"]]
    assert len(set(places)) == len(places)


def test_a_target_without_readers_shows_the_cluster_s_lag() -> None:
    cluster = {"dimension": "DBClusterIdentifier", "identifier": "the-cluster"}
    body = suite(database=cluster).one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"]
    assert "AuroraReplicaLagMaximum" in body


def test_an_instance_is_watched_by_its_own_dimension_events_and_storage() -> None:
    recorder = suite(database={"dimension": "DBInstanceIdentifier", "identifier": "the-instance"})
    alarms = recorder.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    storage = alarms["mon-storage"]
    assert (storage["metricName"], storage["comparisonOperator"]) == ("FreeStorageSpace", "LessThanThreshold")
    assert storage["threshold"] == 10 * 2**30
    assert alarms["mon-cpu"]["dimensions"] == {"DBInstanceIdentifier": "the-instance"}
    events = recorder.one("aws:rds/eventSubscription:EventSubscription")
    assert (events["sourceType"], events["sourceIds"]) == ("db-instance", ["the-instance"])
    body = recorder.one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"]
    assert "Aurora" not in body
    assert "FreeStorageSpace" in body
    assert 'OK("mon-storage")' in recorder.one("aws:cloudwatch/compositeAlarm:CompositeAlarm")["alarmRule"]


def test_outputs() -> None:
    assert suite().outputs["mon"] == {
        "topic_arn": "arn:aws:mock:us-east-1:123456789012:mon-topic",
        "dashboard_name": "mon-dashboard",
        "safe_to_switch_alarm": "mon-safe-to-switch",
        "alarm_names": ["mon-lag-source", "mon-lag-target", "mon-cpu", "mon-connections"],
    }


def test_read_replicas_of_an_instance_are_shown_and_watched_and_readers_of_a_cluster_as_before() -> None:
    recorder = suite(
        database={"dimension": "DBInstanceIdentifier", "identifier": "i", "readers": ["r"]}, lag_seconds=30
    )
    alarm = recorder.named("mon-replica-1-lag").inputs
    assert (alarm["metricName"], alarm["dimensions"], alarm["threshold"]) == ("ReplicaLag", {INSTANCE: "r"}, 30)
    board = recorder.one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"]
    assert "Read replica lag (s)" in board
    assert not [name for name in suite().kinds() if "replica" in name]


def test_charts_of_others_stand_before_the_log() -> None:
    chart = {
        "title": "Requests",
        "region": "eu-west-1",
        "metrics": [{"namespace": "AWS/X", "name": "N", "dimensions": {"A": "1", "B": "2"}, "statistic": "Sum"}],
    }
    body = json.loads(suite(charts=[chart]).one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])
    own, log = body["widgets"][-2:]
    assert log["type"] == "log"
    assert own["properties"]["title"] == "Requests"
    assert own["properties"]["region"] == "eu-west-1"
    assert own["properties"]["metrics"] == [["AWS/X", "N", "A", "1", "B", "2", {"stat": "Sum"}]]
    places = [(w["x"], w["y"]) for w in body["widgets"]]
    assert len(set(places)) == len(places)


def test_a_chart_shows_the_threshold_of_its_alarm_and_no_other_s() -> None:
    body = json.loads(suite(lag_seconds=45, cpu_percent=70).one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])
    lines = {
        widget["properties"]["title"]: [line["value"] for line in widget["properties"]["annotations"]["horizontal"]]
        for widget in body["widgets"]
        if "annotations" in widget["properties"]
    }
    assert lines["Replication lag (s)"] == [45]
    assert lines["Aurora CPU and capacity (%)"] == [70]
    assert "Replication instance" not in lines


CONFIG_ARN = "arn:aws:dms:us-east-1:123456789012:replication-config:RESOURCEID"


def serverless() -> Recorder:
    return suite(replication_instance_id=None, replication_task_arn=CONFIG_ARN)


def test_a_serverless_replication_s_metrics_carry_its_account_and_its_resource_id() -> None:
    for alarm in ("mon-lag-source", "mon-lag-target"):
        assert serverless().named(alarm).inputs["dimensions"] == {"ReplicationConfigId": "123456789012:RESOURCEID"}


def test_serverless_events_reach_the_topic_by_rule_alone() -> None:
    recorder = serverless()
    assert not recorder.of("aws:dms/eventSubscription:EventSubscription")  # DMS knows no such source of events
    pattern = json.loads(recorder.one("aws:cloudwatch/eventRule:EventRule")["eventPattern"])
    assert (pattern["detail-type"], pattern["resources"]) == (["DMS Replication State Change"], [CONFIG_ARN])


def test_the_dashboard_of_a_serverless_replication_shows_its_capacity() -> None:
    recorder = serverless()
    body = json.loads(recorder.one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])
    metrics = [m for w in body["widgets"] if w["type"] == "metric" for m in w["properties"]["metrics"]]
    dms = [metric for metric in metrics if metric[0] == "AWS/DMS"]
    assert {tuple(metric[2:-1]) for metric in dms} == {("ReplicationConfigId", "123456789012:RESOURCEID")}
    assert {"CapacityUtilization", "CDCIncomingChanges"} <= {metric[1] for metric in dms}
    [log] = [w for w in body["widgets"] if w["type"] == "log"]
    assert log["properties"]["query"].startswith("SOURCE 'dms-serverless-replication-RESOURCEID'")
    assert recorder.named("mon-task-log").inputs["kmsKeyId"] == "arn:key"
