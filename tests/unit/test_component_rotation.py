import json
from typing import Any

import pytest

from components import SecretRotation, SecretRotationArgs
from components.checks import ArgumentError
from handlers.config import parse_rotation
from tests.support.pulumi_mocks import Recorder, deploy

APPLICATION: dict[str, Any] = {
    "secret_arn": "arn:secret:app",
    "username": "shop_app",
    "administrator_secret_arn": "arn:secret:master",
    "days": 14,
}
DMS: dict[str, Any] = {
    "secret_arn": "arn:secret:dms",
    "username": "dms",
    "users": "single",
    "dms": {"arns": ["arn:task"], "endpoint_arns": ["arn:endpoint"], "instance_arn": "arn:instance"},
}
ARGS: SecretRotationArgs = {
    "secrets": {"application": APPLICATION, "replication": DMS},  # type: ignore[typeddict-item]
    "engine": "aurora-postgresql",
    "host": "db.example.com",
    "port": 5432,
    "database_name": "shop",
    "paused_by": {"migration_id": "migration-unit", "table_name": "tracking", "table_arn": "arn:table"},
    "topic_arn": "arn:topic",
    "account_id": "123456789012",
    "kms_key_arn": "arn:key",
    "subnet_ids": ["subnet-1"],
    "security_group_id": "sg-1",
}


def rotation(**changes: Any) -> Recorder:
    return deploy(lambda: SecretRotation("rotation", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def rights(recorder: Recorder, purpose: str) -> dict[str, Any]:
    """Return what a function may do, by action."""
    document = json.loads(recorder.named(f"rotation-{purpose}-policy").inputs["policy"])
    found: dict[str, Any] = {}
    for statement in document["Statement"]:
        for action in statement["Action"]:
            found.setdefault(action, []).append(statement["Resource"])
    return found


def test_children_are_exactly_these() -> None:
    parts = {
        "": "aws:lambda/function:Function",
        "-log": "aws:cloudwatch/logGroup:LogGroup",
        "-role": "aws:iam/role:Role",
        "-policy": "aws:iam/rolePolicy:RolePolicy",
        "-permission": "aws:lambda/permission:Permission",
        "-schedule": "aws:secretsmanager/secretRotation:SecretRotation",
        "-errors": "aws:cloudwatch/metricAlarm:MetricAlarm",
    }
    assert rotation().kinds() == {
        "rotation-driver": "aws:lambda/layerVersion:LayerVersion",
        **{
            f"rotation-{purpose}{part}": kind
            for purpose in ("application", "replication")
            for part, kind in parts.items()
        },
    }


def test_each_function_may_touch_its_own_secret_and_no_other() -> None:
    recorder = rotation()
    application = rights(recorder, "application")
    for verb in ("DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"):
        assert application[f"secretsmanager:{verb}"] == ["arn:secret:app"]
    assert application["secretsmanager:GetSecretValue"] == ["arn:secret:app", "arn:secret:master"]
    assert application["dynamodb:GetItem"] == ["arn:table"]
    assert not [action for action in application if action.startswith("dms:")]
    replication = rights(recorder, "replication")
    assert replication["secretsmanager:GetSecretValue"] == ["arn:secret:dms"], "it needs no administrator"
    assert replication["dms:TestConnection"] == [["arn:endpoint", "arn:instance"]]
    assert replication["dms:StartReplicationTask"] == [["arn:task"]]
    assert "dms:StopReplicationTask" not in replication


def test_a_serverless_replication_has_nothing_to_test_from() -> None:
    secret = {**DMS, "dms": {"arns": ["arn:config"], "endpoint_arns": ["arn:endpoint"]}}
    found = rights(rotation(secrets={"replication": secret}), "replication")
    assert found["dms:StartReplication"] == [["arn:config"]]
    assert not {"dms:TestConnection", "dms:DescribeConnections", "dms:StartReplicationTask"} & set(found)


def test_only_secrets_manager_of_this_account_may_call_for_this_secret() -> None:
    recorder = rotation()
    permission = recorder.named("rotation-application-permission").inputs
    assert permission["principal"] == "secretsmanager.amazonaws.com"
    assert permission["sourceAccount"] == "123456789012"
    assert permission["sourceArn"] == "arn:secret:app"
    schedule = recorder.named("rotation-application-schedule")
    assert "rotation-application-permission" in schedule.depends_on, "else AWS refuses the function"
    assert schedule.inputs["rotateImmediately"] is False, "the user is made later"
    assert schedule.inputs["rotationRules"] == {"automaticallyAfterDays": 14}


def test_a_function_knows_whose_password_it_changes_and_where() -> None:
    recorder = rotation()
    known = parse_rotation(recorder.named("rotation-application").inputs["environment"]["variables"]["ROTATION"])
    assert (known.secret_arn, known.username, known.users) == ("arn:secret:app", "shop_app", "alternating")
    assert (known.engine, known.host, known.port, known.ssl_mode) == ("postgres", "db.example.com", 5432, "require")
    assert known.tracking_table == "tracking"
    assert known.replication_arns == ()
    theirs = parse_rotation(recorder.named("rotation-replication").inputs["environment"]["variables"]["ROTATION"])
    assert (theirs.users, theirs.administrator_secret_arn) == ("single", "")
    assert (theirs.instance_arn, theirs.endpoint_arns, theirs.replication_arns) == (
        "arn:instance",
        ("arn:endpoint",),
        ("arn:task",),
    )


def test_where_nothing_is_moved_there_is_nothing_to_wait_for() -> None:
    recorder = rotation(paused_by=None, secrets={"master": {**DMS, "dms": None}})
    found = rights(recorder, "master")
    assert not [action for action in found if action.startswith(("dms:", "dynamodb:"))]
    assert (
        json.loads(recorder.named("rotation-master").inputs["environment"]["variables"]["ROTATION"])["tracking_table"]
        == ""
    )


def test_people_are_told_of_a_rotation_that_failed() -> None:
    recorder = rotation()
    alarm = recorder.named("rotation-replication-errors").inputs
    assert alarm["alarmActions"] == ["arn:topic"]
    assert alarm["dimensions"] == {"FunctionName": "rotation-replication"}
    assert recorder.outputs["rotation"]["function_names"] == {
        "application": "rotation-application",
        "replication": "rotation-replication",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": "oracle"}, "engine is 'oracle'"),
        ({"ssl_mode": "prefer"}, "ssl_mode is 'prefer'"),
        ({"ssl_mode": "verify-full"}, "no certificate_bundle is given"),
        ({"secrets": {"application": {**APPLICATION, "days": 0}}}, "secrets.application.days is 0"),
        ({"secrets": {"application": {**APPLICATION, "users": "both"}}}, "secrets.application.users is 'both'"),
        (
            {"secrets": {"application": {**APPLICATION, "administrator_secret_arn": None}}},
            "administrator_secret_arn is missing",
        ),
    ],
)
def test_what_can_t_work_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        rotation(**changes)
    assert said in str(caught.value)
