"""A state as a plan, and what is excused: pure, without checkov."""

import json
from pathlib import Path
from typing import Any

import pytest

from policy.peer import excuses, names, plan
from policy.peer.excuses import Excuse
from sandbox.peer import as_written
from tests.program.programs import STACKS, program, without_layer

URN = "urn:pulumi:unit::database-migration::migration:index:Any$"
KEY = f"{URN}aws:kms/key:Key::the-key"
SIGNATURE = plan.MARK


def resource(kind: str, name: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"urn": f"{URN}{kind}::{name}", "custom": True, "type": kind, "id": f"{name}-id", "inputs": inputs, **more}


def exported(*resources: dict[str, Any]) -> dict[str, Any]:
    return plan.of_state({"deployment": {"resources": list(resources)}})


def values(of: dict[str, Any]) -> dict[str, Any]:
    [only] = of["planned_values"]["root_module"]["resources"]
    found: dict[str, Any] = only["values"]
    return found


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("aws:rds/instance:Instance", "aws_db_instance"),
        ("aws:rds/cluster:Cluster", "aws_rds_cluster"),
        ("aws:rds/clusterParameterGroup:ClusterParameterGroup", "aws_rds_cluster_parameter_group"),
        ("aws:ec2/vpc:Vpc", "aws_vpc"),
        ("aws:ec2/flowLog:FlowLog", "aws_flow_log"),
        ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws_vpc_security_group_ingress_rule"),
        ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "aws_s3_bucket_public_access_block"),
        ("aws:s3/bucketReplicationConfig:BucketReplicationConfig", "aws_s3_bucket_replication_configuration"),
        ("aws:lb/loadBalancer:LoadBalancer", "aws_lb"),
        ("aws:sfn/stateMachine:StateMachine", "aws_sfn_state_machine"),
        ("aws:secretsmanager/secretRotation:SecretRotation", "aws_secretsmanager_secret_rotation"),
    ],
)
def test_types_are_called_as_terraform_does(token: str, kind: str) -> None:
    assert names.type_of(token) == kind


@pytest.mark.parametrize("stack", STACKS)
def test_every_name_of_every_stack_is_known(stack: str) -> None:
    with without_layer():
        resources = [r for r in program(stack).resources if r.custom and r.type.startswith("aws:")]
    made = [resource(r.type, r.name, json.loads(json.dumps(r.inputs, default=str))) for r in resources]
    assert len(exported(*made)["resource_changes"]) == len(made)


def test_a_list_of_blocks_nobody_looked_up_is_an_error() -> None:
    with pytest.raises(names.UnknownName, match="gadgets is a list of blocks"):
        exported(resource("aws:kms/key:Key", "key", {"gadgets": [{"a": 1}]}))


def test_blocks_are_lists_and_the_user_s_own_keys_stay() -> None:
    found = values(
        exported(
            resource(
                "aws:lambda/function:Function",
                "one",
                {
                    "kmsKeyArn": "arn:key",
                    "environment": {"variables": {"CONFIG_PARAMETER": "/x"}},
                    "tags": {"CostCenter": "unit"},
                    "code": {SIGNATURE: plan.ARCHIVE, "assets": {}},
                },
            )
        )
    )
    assert found == {
        "id": "one-id",
        "kms_key_arn": "arn:key",
        "environment": [{"variables": {"CONFIG_PARAMETER": "/x"}}],
        "tags": {"CostCenter": "unit"},
    }


def test_no_secret_reaches_the_plan() -> None:
    hidden = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc", "plaintext": '"hunter2"'}
    made = exported(
        resource(
            "aws:secretsmanager/secretVersion:SecretVersion",
            "version",
            {"secretString": hidden, "secretId": "x", "nested": {"texts": [hidden]}},
            outputs={"secretString": hidden, "arn": "arn:x"},
        )
    )
    text = json.dumps(made)
    assert "hunter2" not in text and "v1:abc" not in text
    assert values(made)["secret_string"] == plan.SECRET


def test_what_refers_to_what_is_kept_for_rules_about_both() -> None:
    key = {**resource("aws:kms/key:Key", "the-key", {}), "urn": KEY}
    topic = resource("aws:sns/topic:Topic", "topic", {}, propertyDependencies={"kmsMasterKeyId": [KEY], "name": []})
    configured = exported(key, topic)["configuration"]["root_module"]["resources"][1]
    assert configured["expressions"] == {
        "kms_master_key_id": {"references": ["aws_kms_key.the-key.id", "aws_kms_key.the-key"]}
    }


def failure(check: str, resource_: str) -> dict[str, str]:
    return {"check_id": check, "resource": resource_, "check_name": "something"}


def test_what_is_excused_is_counted_and_what_is_not_is_told() -> None:
    one = Excuse("CKV_1", "aws_lambda_function.*", "because of this")
    other = Excuse("CKV_2", "*", "because of that")
    failures = [failure("CKV_1", "aws_lambda_function.a"), failure("CKV_1", "aws_kms_key.k")]
    said = {"summary": {"passed": 2}, "results": {"failed_checks": failures}}
    verdict, needed = excuses.judge(said, [one, other])
    assert (verdict.passed, verdict.excused, verdict.failed) == (2, 1, ["CKV_1 aws_kms_key.k: something"])
    assert needed == {one}


def test_an_excuse_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "excused.yaml"
    path.write_text('- {check: CKV_1, resource: "*", reason: so}\n')
    with pytest.raises(ValueError, match="CKV_1 of \\* has no reason"):
        excuses.load(path)
    assert all(one.reason.strip() for one in excuses.load())


def test_what_a_sandbox_changes_for_its_own_sake_is_checked_as_it_was_written() -> None:
    written = {"target": {"deletionProtection": True, "port": 5432, "aurora": {"readers": 2}}, "source": {}}
    adapted = {
        "target": {
            "deletionProtection": False,
            "port": 6000,
            "sslMode": "none",
            "certificateBundle": "its.pem",
            "aurora": {"readers": 2},
        },
        "source": {"sslMode": "none", "host": "db"},
    }
    assert as_written(adapted, written) == {
        "target": {"deletionProtection": True, "port": 6000, "aurora": {"readers": 2}},
        "source": {"host": "db"},
    }
