"""What a database stack has beside network, key and target: its alarms and the function that checks it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import (
    DatabaseMonitoring,
    DatabaseMonitoringArgs,
    DatabaseValidation,
    DatabaseValidationArgs,
    vpc_function,
)
from components.checks import ArgumentError
from components.function_archives import ArchiveError
from tests.program.programs import without_layer
from tests.support.pulumi_mocks import Recorder, deploy

MONITORING: DatabaseMonitoringArgs = {
    "account_id": "123456789012",
    "kms_key_arn": "arn:key",
    "database": {"dimension": "DBInstanceIdentifier", "identifier": "the-instance"},
    "tags": {"Environment": "unit"},
}
VALIDATION: DatabaseValidationArgs = {
    "engine": "mysql",
    "arns": ["arn:instance"],
    "host": "db.example",
    "port": 3306,
    "database_name": "shop",
    "secret_arn": "arn:secret",
    "topic_arn": "arn:topic",
    "kms_key_arn": "arn:key",
    "subnet_ids": ["subnet-1", "subnet-2"],
    "security_group_id": "sg-1",
    "server": "MySQL 8.0",
    "character_set": "utf8mb4",
    "tags": {"Environment": "unit"},
}


@pytest.fixture(autouse=True)
def layer() -> Iterator[None]:
    with without_layer():
        yield


def monitoring(**changes: object) -> Recorder:
    return deploy(lambda: DatabaseMonitoring("mon", {**MONITORING, **changes}))  # type: ignore[typeddict-item]


def validation(**changes: object) -> Recorder:
    return deploy(lambda: DatabaseValidation("val", {**VALIDATION, **changes}))  # type: ignore[typeddict-item]


def test_monitoring_is_a_topic_and_three_alarms() -> None:
    recorder = monitoring(emails=["a@example.com"])
    assert recorder.kinds() == {
        "mon-topic": "aws:sns/topic:Topic",
        "mon-topic-policy": "aws:sns/topicPolicy:TopicPolicy",
        "mon-email-1": "aws:sns/topicSubscription:TopicSubscription",
        **{f"mon-{n}": "aws:cloudwatch/metricAlarm:MetricAlarm" for n in ("cpu", "connections", "storage")},
    }
    assert {parent for name, parent in recorder.parents().items() if name != "mon"} == {"mon"}
    assert recorder.outputs["mon"]["alarm_names"] == ["mon-cpu", "mon-connections", "mon-storage"]


def test_alarms_stand_at_their_thresholds_and_only_cloudwatch_may_publish() -> None:
    recorder = monitoring(cpu_percent=70, connections=60, free_storage_gb=4)
    alarms = recorder.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    assert {a["metricName"]: (a["comparisonOperator"], a["threshold"]) for a in alarms.values()} == {
        "CPUUtilization": ("GreaterThanThreshold", 70),
        "DatabaseConnections": ("GreaterThanThreshold", 60),
        "FreeStorageSpace": ("LessThanThreshold", 4 * 2**30),
    }
    assert {a["treatMissingData"] for a in alarms.values()} == {"notBreaching"}
    allow, deny = json.loads(recorder.one("aws:sns/topicPolicy:TopicPolicy")["policy"])["Statement"]
    assert allow["Principal"] == {"Service": ["cloudwatch.amazonaws.com"]}
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_each_read_replica_has_an_alarm_on_its_lag() -> None:
    database = {"dimension": "DBInstanceIdentifier", "identifier": "the-instance", "readers": ["one", "two"]}
    alarms = monitoring(database=database, lag_seconds=30).of("aws:cloudwatch/metricAlarm:MetricAlarm")
    lag = {n: (a["metricName"], a["dimensions"], a["threshold"]) for n, a in alarms.items() if "replica" in n}
    assert lag == {
        "mon-replica-1-lag": ("ReplicaLag", {"DBInstanceIdentifier": "one"}, 30),
        "mon-replica-2-lag": ("ReplicaLag", {"DBInstanceIdentifier": "two"}, 30),
    }


def test_validation_is_made_of_these_children() -> None:
    recorder = validation()
    assert recorder.kinds() == {
        "val-check-role": "aws:iam/role:Role",
        "val-check-policy": "aws:iam/rolePolicy:RolePolicy",
        "val-check-log": "aws:cloudwatch/logGroup:LogGroup",
        "val-driver": "aws:lambda/layerVersion:LayerVersion",
        "val-check": "aws:lambda/function:Function",
        "val-events": "aws:cloudwatch/eventRule:EventRule",
        "val-events-permission": "aws:lambda/permission:Permission",
        "val-events-target": "aws:cloudwatch/eventTarget:EventTarget",
    }


def test_the_function_knows_the_database_and_no_password() -> None:
    recorder = validation(lag_seconds=10)
    function = recorder.one("aws:lambda/function:Function")
    assert (function["timeout"], function["memorySize"]) == (300, 256)
    assert function["handler"] == "handlers.functions.validate.handler"
    assert function["kmsKeyArn"] == "arn:key"
    assert function["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
    assert function["deadLetterConfig"] == {"targetArn": "arn:topic"}
    config = json.loads(function["environment"]["variables"]["VALIDATION"])
    assert config == {
        "engine": "mysql",
        "host": "db.example",
        "port": 3306,
        "database": "shop",
        "ssl_mode": "require",
        "secret_arn": "arn:secret",
        "topic_arn": "arn:topic",
        "server": "MySQL 8.0",
        "character_set": "utf8mb4",
        "lag_seconds": 10,
    }
    assert {"val-check-policy", "val-check-log"} <= recorder.named("val-check").depends_on


def test_the_role_may_read_one_secret_and_tell_one_topic() -> None:
    document = json.loads(validation().one("aws:iam/rolePolicy:RolePolicy")["policy"])
    assert [(s["Action"], s["Resource"]) for s in document["Statement"]] == [
        (["secretsmanager:GetSecretValue"], "arn:secret"),
        (["sns:Publish"], "arn:topic"),
        (["logs:CreateLogStream", "logs:PutLogEvents"], "arn:aws:mock:us-east-1:123456789012:val-check-log:*"),
        (list(vpc_function.IN_THE_VPC), "*"),
        (list(vpc_function.IN_THE_VPC), "*"),
        (["kms:Decrypt"], "arn:key"),
        (["kms:GenerateDataKey"], "arn:key"),
    ]


def test_the_code_may_not_do_what_lambda_does_to_put_it_into_the_network() -> None:
    statements = json.loads(validation().one("aws:iam/rolePolicy:RolePolicy")["policy"])["Statement"]
    [deny] = [statement for statement in statements if statement["Effect"] == "Deny"]
    assert deny["Condition"] == {"ArnLike": {"lambda:SourceFunctionArn": "arn:aws*:lambda:*:*:function:val-check"}}


def test_events_of_this_instance_alone_call_it() -> None:
    recorder = validation()
    assert json.loads(recorder.one("aws:cloudwatch/eventRule:EventRule")["eventPattern"]) == {
        "source": ["aws.rds"],
        "detail-type": ["RDS DB Instance Event"],
        "resources": ["arn:instance"],
        "detail": {"EventCategories": ["availability", "backup", "configuration change"]},
    }
    permission = recorder.one("aws:lambda/permission:Permission")
    assert permission["principal"] == "events.amazonaws.com"
    assert permission["sourceArn"].endswith("val-events")


def test_events_of_a_cluster_and_its_instances_call_it() -> None:
    recorder = validation(engine="aurora-mysql", arns=["arn:cluster", "arn:writer"])
    pattern = json.loads(recorder.one("aws:cloudwatch/eventRule:EventRule")["eventPattern"])
    assert pattern["detail-type"] == ["RDS DB Instance Event", "RDS DB Cluster Event"]
    assert pattern["resources"] == ["arn:cluster", "arn:writer"]
    assert "failover" in pattern["detail"]["EventCategories"]
    environment = recorder.one("aws:lambda/function:Function")["environment"]["variables"]
    assert json.loads(environment["VALIDATION"])["engine"] == "mysql"


def test_the_authority_is_deployed_beside_the_code(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    recorder = validation(ssl_mode="verify-full", certificate_bundle=str(bundle))
    assert "authority.pem" in recorder.one("aws:lambda/function:Function")["code"].assets
    assert "authority.pem" not in validation().one("aws:lambda/function:Function")["code"].assets
    with pytest.raises(
        ArchiveError, match=r"certificateBundle is '.*missing.pem', which can't be read \(.*\): name a PEM"
    ):
        validation(ssl_mode="verify-full", certificate_bundle=str(tmp_path / "missing.pem"))
    bundle.write_bytes(b"\x30\x82\xff")
    with pytest.raises(ArchiveError, match=r"bundle.pem', which holds no certificate: name a PEM file"):
        validation(ssl_mode="verify-full", certificate_bundle=str(bundle))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": "oracle"}, "engine is 'oracle': write one of aurora-mysql, aurora-postgresql, mysql, postgres"),
        ({"ssl_mode": "prefer"}, "ssl_mode is 'prefer': write one of none, require, verify-full"),
        ({"ssl_mode": "verify-full"}, "no certificate_bundle is given: name the PEM file"),
        ({"architecture": "mips"}, "architecture is 'mips'"),
    ],
)
def test_bad_arguments_are_named_with_their_value_and_the_remedy(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        validation(**changes)
