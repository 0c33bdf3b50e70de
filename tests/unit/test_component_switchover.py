import json
from pathlib import Path
from typing import Any

import pytest

from components import Switchover, SwitchoverArgs, function_archives, policies
from components.checks import ArgumentError
from components.switchover_machine import STEPS, definition
from tests.support.pulumi_mocks import Recorder, deploy

FUNCTIONS = ("prepare", "preflight", "start", "gate", "announce", "switch", "settle", "finish", "undo", "observe")
ARGS: SwitchoverArgs = {
    "migration_id": "migration-unit",
    "parameter_path": "/migration/unit",
    "config": {"mode": "manual"},
    "account_id": "123456789012",
    "region": "us-east-1",
    "subnet_ids": ["subnet-1", "subnet-2"],
    "security_group_id": "sg-1",
    "kms_key_arn": "arn:key",
    "topic_arn": "arn:topic",
    "zone_id": "Z1",
    "token_name": "_switchover.writer.db.example",
    "task_arn": "arn:task",
    "failback_task_arn": "arn:back",
    "replication_instance_arn": "arn:instance",
    "endpoint_arns": ["arn:endpoint"],
    "source_secret_arns": ["arn:source-secret"],
    "target_secret_arns": ["arn:target-secret"],
    "application_secret_arns": ["arn:application-secret"],
    "safe_to_switch_alarm": "safe",
}
AHEAD = {"canary_percents": [5, 100], "approval_seconds": 3600}


@pytest.fixture(autouse=True)
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A layer that needs no package index."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "psycopg2.py").write_text("")
    monkeypatch.setattr(function_archives, "layer_folder", lambda *_: tmp_path)
    return tmp_path


def switchover(**changes: object) -> Recorder:
    return deploy(lambda: Switchover("sw", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def statements(recorder: Recorder, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(recorder.named(name).inputs["policy"])["Statement"]
    return found


def test_children_are_exactly_these() -> None:
    per_function = {
        f"sw-{name}{suffix}": kind
        for name in FUNCTIONS
        for suffix, kind in (
            ("", "aws:lambda/function:Function"),
            ("-role", "aws:iam/role:Role"),
            ("-policy", "aws:iam/rolePolicy:RolePolicy"),
            ("-log", "aws:cloudwatch/logGroup:LogGroup"),
        )
    }
    triggers = {
        f"sw-{name}{suffix}": kind
        for name in ("safe-to-switch", "task-events", "poll")
        for suffix, kind in (
            ("", "aws:cloudwatch/eventRule:EventRule"),
            ("-target", "aws:cloudwatch/eventTarget:EventTarget"),
            ("-permission", "aws:lambda/permission:Permission"),
        )
    }
    assert switchover().kinds() == {
        **per_function,
        **triggers,
        "sw-stopped": "aws:cloudwatch/eventRule:EventRule",
        "sw-stopped-target": "aws:cloudwatch/eventTarget:EventTarget",
        "sw-tracking": "aws:dynamodb/table:Table",
        "sw-names-token": "aws:route53/record:Record",
        "sw-config": "aws:ssm/parameter:Parameter",
        "sw-state": "aws:ssm/parameter:Parameter",
        "sw-dead-letters": "aws:sqs/queue:Queue",
        "sw-dead-letters-policy": "aws:sqs/queuePolicy:QueuePolicy",
        "sw-psycopg2": "aws:lambda/layerVersion:LayerVersion",
        "sw-machine": "aws:sfn/stateMachine:StateMachine",
        "sw-machine-role": "aws:iam/role:Role",
        "sw-machine-policy": "aws:iam/rolePolicy:RolePolicy",
        "sw-machine-log": "aws:cloudwatch/logGroup:LogGroup",
    }


def test_functions_run_in_the_network_with_their_layer_and_know_one_parameter() -> None:
    for name, function in switchover().of("aws:lambda/function:Function").items():
        assert function["handler"] == f"handlers.functions.{name.removeprefix('sw-')}.handler"
        assert function["environment"] == {"variables": {"CONFIG_PARAMETER": "/migration/unit/config"}}
        assert function["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
        assert function["kmsKeyArn"] == "arn:key"
        assert function["layers"] == ["arn:aws:mock:us-east-1:123456789012:sw-psycopg2"]
        assert function["deadLetterConfig"]["targetArn"].endswith("sw-dead-letters")


def test_every_handler_named_exists() -> None:
    for name in FUNCTIONS:
        assert f"handlers/functions/{name}.py" in function_archives.code_files()


def test_the_state_parameter_belongs_to_the_automation_and_the_config_names_everything() -> None:
    recorder = switchover()
    assert recorder.named("sw-state").ignore_changes == ("value",)
    assert recorder.named("sw-state").inputs["name"] == "/migration/unit/state"
    config = json.loads(recorder.named("sw-config").inputs["value"])
    assert config == {
        "migration_id": "migration-unit",
        "mode": "manual",
        "state_parameter": "/migration/unit/state",
        "tracking_table": "sw-tracking",
        "topic_arn": "arn:topic",
        "state_machine_arn": "arn:aws:mock:us-east-1:123456789012:sw-machine",
    }


def test_no_action_is_a_pattern_and_any_resource_only_where_aws_knows_none() -> None:
    recorder = switchover(**AHEAD)
    for name in (*FUNCTIONS, "canary", "ask"):
        for statement in statements(recorder, f"sw-{name}-policy"):
            assert not any("*" in action for action in statement["Action"])
            if statement["Resource"] == "*":
                assert set(statement["Action"]) <= set(policies.NO_RESOURCE)


def test_what_aws_lets_be_narrowed_can_t_be_allowed_everywhere() -> None:
    with pytest.raises(KeyError, match="sns:Publish"):
        policies.allow_everywhere("sns:Publish")


def test_the_table_keeps_history_encrypted_and_recoverable() -> None:
    table = switchover().one("aws:dynamodb/table:Table")
    assert (table["hashKey"], table["rangeKey"]) == ("migration_id", "entry")
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": "arn:key"}


def test_the_observer_is_called_by_event_and_by_clock() -> None:
    recorder = switchover()
    assert recorder.named("sw-poll").inputs["scheduleExpression"] == "rate(1 minute)"
    pattern = json.loads(recorder.named("sw-task-events").inputs["eventPattern"])
    assert pattern["resources"] == ["arn:task", "arn:back"]
    pattern = json.loads(recorder.named("sw-safe-to-switch").inputs["eventPattern"])
    assert pattern == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": ["safe"]},
    }
    for name in ("sw-poll", "sw-task-events", "sw-safe-to-switch"):
        assert recorder.named(f"{name}-target").inputs["deadLetterConfig"]["arn"].endswith("sw-dead-letters")
        assert recorder.named(f"{name}-permission").inputs["sourceArn"].endswith(name)


def test_people_are_told_of_an_execution_that_was_stopped() -> None:
    recorder = switchover()
    pattern = json.loads(recorder.named("sw-stopped").inputs["eventPattern"])
    assert pattern["detail"]["status"] == ["ABORTED", "TIMED_OUT"]
    assert pattern["detail"]["stateMachineArn"][0].endswith("sw-machine")
    target = recorder.named("sw-stopped-target").inputs
    assert target["arn"] == "arn:topic"
    said = target["inputTransformer"]
    text = said["inputTemplate"]
    for name in said["inputPaths"]:
        assert f"<{name}>" in text
    assert '{"abort": "your reason"}' in json.loads(text)


def test_the_authorities_of_both_sides_are_deployed_beside_the_code(tmp_path: Path) -> None:
    bundle = tmp_path / "rds.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    code = switchover(certificate_bundles=[str(bundle)]).named("sw-switch").inputs["code"]
    assert code.assets["authority.pem"].text == "-----BEGIN CERTIFICATE-----"
    assert "authority.pem" not in switchover().named("sw-switch").inputs["code"].assets


def test_the_machine_logs_and_traces() -> None:
    machine = switchover().one("aws:sfn/stateMachine:StateMachine")
    assert machine["type"] == "STANDARD"
    assert machine["loggingConfiguration"]["level"] == "ALL"
    assert machine["loggingConfiguration"]["logDestination"].endswith("sw-machine-log:*")
    assert machine["tracingConfiguration"] == {"enabled": True}


def reachable(states: dict[str, Any], start: str) -> set[str]:
    found, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        state = states[name]
        waiting += [state[key] for key in ("Next", "Default") if key in state]
        waiting += [rule["Next"] for key in ("Catch", "Choices") for rule in state.get(key, [])]
    return found


@pytest.mark.parametrize(("percents", "seconds"), [((), None), ((5, 100), None), ((), 60), ((5, 100), 60)])
def test_every_state_is_reached_and_every_path_ends(percents: tuple[int, ...], seconds: int | None) -> None:
    machine = definition({step: f"arn:{step}" for step in STEPS}, percents, seconds)
    states = machine["States"]
    assert reachable(states, machine["StartAt"]) == set(states)
    ends = {name for name, state in states.items() if state["Type"] in ("Succeed", "Fail")}
    for name in states:
        assert reachable(states, name) & ends


def test_before_the_target_opens_every_failure_leads_to_the_undo() -> None:
    states = definition({step: f"arn:{step}" for step in STEPS})["States"]
    for name in ("Gate", "Announce", "Switch"):
        [catch] = states[name]["Catch"]
        assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "Undo")
    assert states["Undo"]["Catch"][0]["Next"] == "GiveUp"
    assert {choice["StringEquals"]: choice["Next"] for choice in states["TakenBack"]["Choices"]} == {
        "forward": "SwitchOn",
        "settle": "Settle",
        "finish": "Finish",
    }
    assert states["WaitForOldTtl"]["SecondsPath"] == "$.said.wait_seconds"


def test_the_canary_s_and_the_approval_s_functions_are_there_where_they_are_wanted() -> None:
    functions = set(switchover(**AHEAD).of("aws:lambda/function:Function"))
    assert functions == {f"sw-{name}" for name in (*FUNCTIONS, "canary", "ask")}
    for name in ("canary", "ask"):
        assert f"handlers/functions/{name}.py" in function_archives.code_files()


def test_readers_go_ahead_share_by_share_then_people_are_asked() -> None:
    states = definition({step: f"arn:{step}" for step in STEPS}, (5, 100), 3600)["States"]
    way, at = [], "WaitForOldTtl"
    while at != "Switch":
        way.append(at)
        at = states[at].get("Next") or states[at]["Default"]
    shares = [f"{what}Canary{percent}" for percent in (5, 100) for what in ("", "Watch", "Check")]
    assert way == ["WaitForOldTtl", "WhichWay", *shares, "Ask"]
    assert states["WhichWay"]["Choices"] == [{"Variable": "$.said.direction", "StringEquals": "back", "Next": "Switch"}]
    assert states["CheckCanary5"]["Parameters"]["Payload"] == {
        "execution.$": "$$.Execution.Name",
        "percent": 5,
        "check": True,
    }
    assert states["Ask"]["Resource"].endswith(":lambda:invoke.waitForTaskToken")
    assert states["Ask"]["Parameters"]["Payload"]["token.$"] == "$$.Task.Token"
    assert states["Ask"]["TimeoutSeconds"] == 3600
    for name in ("Canary5", "CheckCanary5", "Canary100", "CheckCanary100", "Ask"):
        [catch] = states[name]["Catch"]
        assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "Undo")


def test_without_a_canary_and_an_approval_nothing_lies_between_announcement_and_switch() -> None:
    states = definition({step: f"arn:{step}" for step in STEPS})["States"]
    assert states["WaitForOldTtl"]["Next"] == "Switch"
    assert not {"WhichWay", "Ask"} & set(states)
    assert not [name for name in states if "Canary" in name]


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="canary_percents is 120"):
        switchover(canary_percents=[120])
    with pytest.raises(ArgumentError, match="approval_seconds is 5"):
        switchover(approval_seconds=5)
    with pytest.raises(ArgumentError, match="architecture is 'mips': write one of arm64, x86_64"):
        switchover(architecture="mips")


def test_archives_hold_source_files_only(layer: Path) -> None:
    files = function_archives.code_files()
    assert all(path.suffix == ".py" for path in files.values())
    assert not any("__pycache__" in name for name in files)
    code, layer_size = function_archives.sizes("python3.13", "x86_64")
    assert 100_000 < code < 2_000_000
    assert layer_size < 1_000


def test_secrets_under_another_key_can_be_read_by_those_who_read_secrets() -> None:
    recorder = switchover(secret_key_arns=["arn:other-key"])
    for purpose, reads in (("switch", True), ("announce", False)):
        keys = [statement["Resource"] for statement in statements(recorder, f"sw-{purpose}-policy")]
        assert ("arn:other-key" in keys) is reads


def test_serverless_is_heard_by_the_events_of_serverless() -> None:
    config = "arn:aws:dms:us-east-1:123456789012:replication-config:X"
    recorder = switchover(task_arn=config, failback_task_arn=None, replication_instance_arn=None)
    pattern = json.loads(recorder.named("sw-task-events").inputs["eventPattern"])
    assert (pattern["detail-type"], pattern["resources"]) == (["DMS Replication State Change"], [config])


def test_the_token_of_the_names_is_a_record_that_belongs_to_the_automation() -> None:
    token = switchover().named("sw-names-token")
    assert (token.inputs["name"], token.inputs["type"]) == ("_switchover.writer.db.example", "TXT")
    assert token.inputs["records"] == ["0"]
    assert token.ignore_changes == ("records",)
