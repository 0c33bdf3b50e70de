import json
from pathlib import Path
from typing import Any

import pytest

from components import DmsPipeline, DmsPipelineArgs, ReplicationInstance, ReplicationInstanceArgs
from components.checks import ArgumentError
from components.dms_settings import table_mappings, task_settings
from tests.support.pulumi_mocks import Recorder, deploy

ARGS: DmsPipelineArgs = {
    "account_id": "123456789012",
    "region": "eu-central-1",
    "subnet_ids": ["subnet-1", "subnet-2"],
    "security_group_id": "sg-1",
    "kms_key_arn": "arn:key",
    "source": {"engine_name": "postgres", "database_name": "shop", "secret_arn": "arn:source"},
    "target": {"engine_name": "aurora-postgresql", "database_name": "shop", "secret_arn": "arn:target"},
    "tables": [{"schema": "public"}],
}


def pipeline(**changes: object) -> Recorder:
    return deploy(lambda: DmsPipeline("dms", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def test_children_are_exactly_these() -> None:
    role, attached = "aws:iam/role:Role", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    assert pipeline().kinds() == {
        "dms-vpc-role": role,
        "dms-vpc-policy": attached,
        "dms-logs-role": role,
        "dms-logs-policy": attached,
        "dms-subnets": "aws:dms/replicationSubnetGroup:ReplicationSubnetGroup",
        "dms-instance": "aws:dms/replicationInstance:ReplicationInstance",
        "dms-access-role": role,
        "dms-access-policy": "aws:iam/rolePolicy:RolePolicy",
        **{
            f"dms-{purpose}": "aws:dms/endpoint:Endpoint"
            for purpose in ("source", "target", "failback-source", "failback-target")
        },
        "dms-forward": "aws:dms/replicationTask:ReplicationTask",
        "dms-failback": "aws:dms/replicationTask:ReplicationTask",
    }


def test_account_roles_have_dms_s_fixed_names_and_are_waited_for_by_policy() -> None:
    recorder = pipeline()
    assert recorder.named("dms-vpc-role").inputs["name"] == "dms-vpc-role"
    assert recorder.named("dms-logs-role").inputs["name"] == "dms-cloudwatch-logs-role"
    assert {"dms-vpc-policy", "dms-logs-policy"} <= recorder.named("dms-instance").depends_on


def test_an_account_that_has_the_roles_keeps_them() -> None:
    assert set(pipeline(create_account_roles=False).of("aws:iam/role:Role")) == {"dms-access-role"}


def test_no_password_is_in_the_program_and_dms_of_this_region_alone_may_read_the_secrets() -> None:
    recorder = pipeline()
    for endpoint in recorder.of("aws:dms/endpoint:Endpoint").values():
        assert "password" not in endpoint
        assert endpoint["secretsManagerArn"] in {"arn:source", "arn:target"}
        assert endpoint["sslMode"] == "require"
        assert endpoint["kmsKeyArn"] == "arn:key"
    trusted = json.loads(recorder.named("dms-access-role").inputs["assumeRolePolicy"])["Statement"][0]["Principal"]
    assert trusted == {"Service": ["dms.eu-central-1.amazonaws.com"]}
    statements = json.loads(recorder.named("dms-access-policy").inputs["policy"])["Statement"]
    assert statements[0]["Resource"] == ["arn:source", "arn:target"]
    assert statements[1]["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}
    }


def test_sources_tell_of_cut_objects_and_keep_numbers_exact() -> None:
    recorder = pipeline()
    for source in ("dms-source", "dms-failback-source"):
        inputs = recorder.named(source).inputs
        assert inputs["endpointType"] == "source"
        assert inputs["postgresSettings"]["failTasksOnLobTruncation"] is True
        assert inputs["postgresSettings"]["heartbeatEnable"] is True
        assert inputs["extraConnectionAttributes"] == "MapUnboundedNumericAsString=true"
    no_triggers = "SET session_replication_role = 'replica'"
    assert recorder.named("dms-target").inputs["postgresSettings"] == {"afterConnectScript": no_triggers}
    # What comes back is written behind the fence.
    assert recorder.named("dms-failback-target").inputs["postgresSettings"] == {
        "afterConnectScript": f"{no_triggers}; SET default_transaction_read_only = off"
    }


def test_the_way_back_is_read_from_the_slot_that_the_automation_makes() -> None:
    recorder = pipeline(failback_slot="migration_dev_failback")
    assert recorder.named("dms-failback-source").inputs["postgresSettings"]["slotName"] == "migration_dev_failback"
    assert "slotName" not in recorder.named("dms-source").inputs["postgresSettings"]
    assert "slotName" not in pipeline().named("dms-failback-source").inputs["postgresSettings"]


def test_tasks_are_declared_and_left_to_the_automation() -> None:
    recorder = pipeline()
    forward, failback = recorder.named("dms-forward"), recorder.named("dms-failback")
    assert forward.inputs["migrationType"] == "full-load-and-cdc"
    assert failback.inputs["migrationType"] == "cdc"
    for task in (forward, failback):
        assert task.inputs["startReplicationTask"] is False
        assert task.ignore_changes == ("startReplicationTask", "cdcStartPosition")
    assert recorder.outputs["dms"]["replication_task_arn"].endswith(":task:RESOURCEID")


def test_the_way_back_is_the_way_there_turned_round() -> None:
    recorder = pipeline()
    forward, failback = recorder.named("dms-forward").inputs, recorder.named("dms-failback").inputs
    assert failback["sourceEndpointArn"].endswith("dms-failback-source")
    assert recorder.named("dms-failback-source").inputs["secretsManagerArn"] == "arn:target"
    assert recorder.named("dms-failback-target").inputs["secretsManagerArn"] == "arn:source"
    assert failback["tableMappings"] == forward["tableMappings"]


def test_the_instance_is_private_encrypted_and_upgraded_by_aws() -> None:
    instance = pipeline(multi_az=True).named("dms-instance")
    assert instance.inputs["replicationInstanceClass"] == "dms.r5.large"
    assert instance.inputs["allocatedStorage"] == 100
    assert instance.inputs["publiclyAccessible"] is False
    assert instance.inputs["kmsKeyArn"] == "arn:key"
    assert instance.inputs["multiAz"] is True
    assert instance.ignore_changes == ("engineVersion",)


def test_servers_are_verified_by_the_authority_of_their_side(tmp_path: Path) -> None:
    bundle = tmp_path / "rds.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    verified = {**ARGS["target"], "ssl_mode": "verify-full", "certificate_bundle": str(bundle)}
    recorder = pipeline(target=verified)
    [(name, certificate)] = recorder.of("aws:dms/certificate:Certificate").items()
    assert (name, certificate["certificateId"]) == ("dms-target-authority", "dms-target-authority")
    for purpose in ("target", "failback-source"):
        endpoint = recorder.named(f"dms-{purpose}").inputs
        assert endpoint["certificateArn"].endswith(name)
        assert endpoint["sslMode"] == "verify-full"
    for purpose in ("source", "failback-target"):
        assert "certificateArn" not in recorder.named(f"dms-{purpose}").inputs
    with pytest.raises(ArgumentError, match="ssl_mode is verify-full, but no certificate_bundle is given"):
        pipeline(source={**ARGS["source"], "ssl_mode": "verify-full"})


def test_mappings_select_what_was_asked_for_and_always_the_drain_token() -> None:
    rules = json.loads(table_mappings([{"schema": "app_%"}, {"schema": "app_x", "table": "tmp", "action": "exclude"}]))
    found = [(r["rule-action"], *r["object-locator"].values()) for r in rules["rules"]]
    assert found == [
        ("include", "app_%", "%"),
        ("exclude", "app_x", "tmp"),
        ("include", "migration_control", "drain_token"),
        ("exclude", "migration_control", "fence"),
    ]
    assert [r["rule-id"] for r in rules["rules"]] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([{"schema": "a", "action": "keep"}], r"tables\[0\].action is 'keep': write one of exclude, include"),
        ([{"schema": "a", "action": "exclude"}], "tables with action include is empty"),
        ([], "tables with action include is empty"),
    ],
)
def test_bad_rules(rules: list[Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        table_mappings(rules)


def test_settings_stop_rather_than_lose_a_row() -> None:
    settings = json.loads(task_settings(lob_maximum_kb=64))
    assert settings["TargetMetadata"]["LobMaxSize"] == 64
    assert settings["TargetMetadata"]["BatchApplyEnabled"] is True
    assert settings["FullLoadSettings"]["TargetTablePrepMode"] == "DO_NOTHING"
    assert settings["ControlTablesSettings"]["SuspendedTablesTableEnabled"] is True
    assert settings["Logging"]["EnableLogging"] is True
    assert {settings["ErrorBehavior"][key] for key in ("DataErrorPolicy", "TableErrorPolicy")} == {"SUSPEND_TABLE"}


def test_a_task_stops_after_its_load_where_indexes_are_to_come_then() -> None:
    assert json.loads(task_settings())["FullLoadSettings"]["StopTaskCachedChangesNotApplied"] is False
    stopping = json.loads(task_settings(stop_after_load=True))["FullLoadSettings"]
    assert stopping["StopTaskCachedChangesNotApplied"] is True
    assert stopping["StopTaskCachedChangesApplied"] is False


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="stop_after_load is true: leave it out, DMS Serverless does not stop"):
        pipeline(serverless={"minimum_capacity_units": 1, "maximum_capacity_units": 8}, stop_after_load=True)
    with pytest.raises(ArgumentError, match="lob_maximum_kb is 0: write a number from 1 to 102400"):
        task_settings(lob_maximum_kb=0)
    with pytest.raises(ArgumentError, match="engine_name is 'oracle': write one of aurora-postgresql, postgres"):
        pipeline(source={"engine_name": "oracle", "database_name": "x", "secret_arn": "y"})
    with pytest.raises(ArgumentError, match="ssl_mode is 'maybe'"):
        pipeline(target={"engine_name": "postgres", "database_name": "x", "secret_arn": "y", "ssl_mode": "maybe"})
    with pytest.raises(ArgumentError, match="storage_gb is 1"):
        pipeline(storage_gb=1)


def shared(**changes: object) -> Recorder:
    instance = {"arn": "arn:aws:dms:x:1:rep:SHARED", "id": "shared-instance"}
    args = {key: value for key, value in ARGS.items() if key not in ("subnet_ids", "security_group_id")}
    return deploy(lambda: DmsPipeline("dms", {**args, "instance": instance, **changes}))  # type: ignore[typeddict-item]


def test_a_database_can_run_on_an_instance_that_is_there() -> None:
    recorder = shared()
    assert not recorder.of("aws:dms/replicationInstance:ReplicationInstance")
    assert set(recorder.of("aws:iam/role:Role")) == {"dms-access-role"}
    tasks = recorder.of("aws:dms/replicationTask:ReplicationTask")
    assert {task["replicationInstanceArn"] for task in tasks.values()} == {"arn:aws:dms:x:1:rep:SHARED"}
    assert recorder.outputs["dms"]["replication_instance_id"] == "shared-instance"


def test_without_an_instance_it_must_be_known_where_to_make_one() -> None:
    args = {key: value for key, value in ARGS.items() if key != "subnet_ids"}
    with pytest.raises(ArgumentError, match="instance is missing: give one, or subnet_ids and security_group_id"):
        deploy(lambda: DmsPipeline("dms", args))  # type: ignore[arg-type]


def test_an_instance_of_its_own_is_what_many_share() -> None:
    args: ReplicationInstanceArgs = {
        "subnet_ids": ["subnet-1", "subnet-2"],
        "security_group_id": "sg-1",
        "kms_key_arn": "arn:key",
        "instance_class": "dms.t3.medium",
        "multi_az": True,
    }
    recorder = deploy(lambda: ReplicationInstance("shared", args))
    kinds = recorder.kinds()
    assert set(kinds) == {
        *("shared-vpc-role", "shared-vpc-policy", "shared-logs-role", "shared-logs-policy"),
        *("shared-subnets", "shared-instance"),
    }
    assert {recorder.parents()[name] for name in kinds} == {"shared"}
    instance = recorder.named("shared-instance").inputs
    assert (instance["replicationInstanceClass"], instance["allocatedStorage"]) == ("dms.t3.medium", 100)
    assert instance["multiAz"] is True and instance["publiclyAccessible"] is False
    assert "engineVersion" not in instance and instance["kmsKeyArn"] == "arn:key"
    assert {"shared-vpc-policy", "shared-logs-policy"} <= recorder.named("shared-instance").depends_on


CAPACITY = {"minimum_capacity_units": 1, "maximum_capacity_units": 16}


def test_serverless_replaces_the_instance_and_the_tasks() -> None:
    recorder = pipeline(serverless=CAPACITY)
    role, attached = "aws:iam/role:Role", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    assert recorder.kinds() == {
        "dms-vpc-role": role,
        "dms-vpc-policy": attached,
        "dms-logs-role": role,
        "dms-logs-policy": attached,
        "dms-subnets": "aws:dms/replicationSubnetGroup:ReplicationSubnetGroup",
        "dms-access-role": role,
        "dms-access-policy": "aws:iam/rolePolicy:RolePolicy",
        "dms-source": "aws:dms/endpoint:Endpoint",
        "dms-target": "aws:dms/endpoint:Endpoint",
        "dms-forward": "aws:dms/replicationConfig:ReplicationConfig",
    }
    assert recorder.parents()["dms-forward"] == "dms"
    outputs = {name: value for name, value in recorder.outputs["dms"].items() if value is not None}
    assert outputs["replication_config_arn"] == outputs["forward_arn"]
    assert set(outputs) == {
        *("forward_arn", "forward_id", "replication_config_arn", "source_endpoint_arn", "target_endpoint_arn")
    }


def test_a_serverless_replication_says_what_the_task_would_and_is_left_to_the_automation() -> None:
    recorder = pipeline(serverless=CAPACITY, multi_az=True)
    made, task = recorder.named("dms-forward"), pipeline().named("dms-forward")
    assert made.inputs["tableMappings"] == task.inputs["tableMappings"]
    assert made.inputs["replicationSettings"] == task.inputs["replicationTaskSettings"]
    assert made.inputs["replicationType"] == task.inputs["migrationType"]
    assert made.inputs["startReplication"] is False and made.ignore_changes == ("startReplication",)
    assert {"dms-vpc-policy", "dms-logs-policy"} <= made.depends_on
    assert made.inputs["computeConfig"] == {
        "replicationSubnetGroupId": "dms-subnets",
        "vpcSecurityGroupIds": ["sg-1"],
        "kmsKeyId": "arn:key",
        "minCapacityUnits": 1,
        "maxCapacityUnits": 16,
        "multiAz": True,
        "preferredMaintenanceWindow": "sun:06:00-sun:07:00",
    }


@pytest.mark.parametrize(
    ("capacity", "said"),
    [
        ({**CAPACITY, "maximum_capacity_units": 3}, "maximum_capacity_units is 3: write one of 1, 2, 4"),
        ({**CAPACITY, "minimum_capacity_units": 32}, "minimum_capacity_units is 32: write at most maximum_capacity_un"),
    ],
)
def test_capacities_that_dms_serverless_does_not_know(capacity: dict[str, int], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        pipeline(serverless=capacity)
