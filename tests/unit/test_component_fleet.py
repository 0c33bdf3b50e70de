"""The components of a fleet: exactly these children, with no right too many."""

import json
from typing import Any

import pytest

from components import FleetControl, FleetMonitoring, PrivateZone, ServerMigration, policies, vpc_function
from components.checks import ArgumentError
from components.server_migration import ROLES
from components.validation_document import content
from tests.support.pulumi_mocks import Recorder, deploy

PLACE: dict[str, Any] = {"account_id": "123456789012", "region": "us-east-1"}
FUNCTION: dict[str, Any] = {"subnet_ids": ["subnet-1", "subnet-2"], "kms_key_arn": "arn:key"}
TAGS = {"Environment": "unit"}


def statements(recorder: Recorder, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(recorder.named(name).inputs["policy"])["Statement"]
    return found


def rights(recorder: Recorder, name: str) -> dict[str, Any]:
    """Return which resources each action of a policy is allowed on."""
    return {
        action: statement["Resource"]
        for statement in statements(recorder, name)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def function(name: str) -> dict[str, str]:
    return {
        name: "aws:lambda/function:Function",
        f"{name}-log": "aws:cloudwatch/logGroup:LogGroup",
        f"{name}-role": "aws:iam/role:Role",
        f"{name}-policy": "aws:iam/rolePolicy:RolePolicy",
    }


# Control


def control(**changes: Any) -> Recorder:
    args: Any = {
        **PLACE,
        **FUNCTION,
        "parameter_path": "/migration/unit",
        "databases": ["orders", "billing"],
        "zone_id": "Z1",
        "writer_name": "{database}-writer.fleet.example",
        "reader_name": "{database}-reader.fleet.example",
        "task_arns": ["arn:task-1", "arn:task-2"],
        "security_group_id": "sg-1",
        "emails": ["oncall@example.com"],
        "tags": TAGS,
        **changes,
    }
    return deploy(lambda: FleetControl("fleet", args))


def test_control_has_exactly_these_children() -> None:
    recorder = control()
    assert recorder.kinds() == {
        "fleet-topic": "aws:sns/topic:Topic",
        "fleet-topic-policy": "aws:sns/topicPolicy:TopicPolicy",
        "fleet-email-1": "aws:sns/topicSubscription:TopicSubscription",
        "fleet-tracking": "aws:dynamodb/table:Table",
        "fleet-config": "aws:ssm/parameter:Parameter",
        **function("fleet-advance"),
        **function("fleet-rollback"),
        "fleet-validation": "aws:ssm/document:Document",
        "fleet-validation-role": "aws:iam/role:Role",
        "fleet-validation-policy": "aws:iam/rolePolicy:RolePolicy",
    }
    assert {parent for name, parent in recorder.parents().items() if name != "fleet"} == {"fleet"}


def test_the_tracking_table_has_the_keys_the_index_and_the_protection_it_needs() -> None:
    table = control().one("aws:dynamodb/table:Table")
    assert (table["hashKey"], table["rangeKey"], table["billingMode"]) == ("serverId", "timestamp", "PAY_PER_REQUEST")
    [index] = table["globalSecondaryIndexes"]
    assert (index["name"], index["projectionType"]) == ("MigrationPhaseIndex", "ALL")
    assert [(key["attributeName"], key["keyType"]) for key in index["keySchemas"]] == [
        ("migrationPhase", "HASH"),
        ("timestamp", "RANGE"),
    ]
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": "arn:key"}


@pytest.mark.parametrize("purpose", ["rollback", "advance"])
def test_a_function_may_touch_this_zone_table_topic_and_parameter_and_nothing_else(purpose: str) -> None:
    recorder = control()
    mock = "arn:aws:mock:us-east-1:123456789012"
    assert rights(recorder, f"fleet-{purpose}-policy") == {
        "ssm:GetParameter": f"{mock}:fleet-config",
        "dynamodb:GetItem": f"{mock}:fleet-tracking",
        "dynamodb:PutItem": f"{mock}:fleet-tracking",
        "route53:ChangeResourceRecordSets": "arn:aws:route53:::hostedzone/Z1",
        "route53:ListResourceRecordSets": "arn:aws:route53:::hostedzone/Z1",
        "sns:Publish": f"{mock}:fleet-topic",
        "kms:Decrypt": "arn:key",
        "kms:GenerateDataKey": "arn:key",
        "logs:CreateLogStream": f"{mock}:fleet-{purpose}-log:*",
        "logs:PutLogEvents": f"{mock}:fleet-{purpose}-log:*",
        **dict.fromkeys(vpc_function.IN_THE_VPC, "*"),
    }
    made = recorder.named(f"fleet-{purpose}").inputs
    assert made["handler"] == f"handlers.functions.{purpose}.handler"
    assert made["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
    assert "layers" not in made


def test_a_hundred_long_names_fit_into_the_parameter() -> None:
    names = [f"database-number-{n:04d}" for n in range(100)]
    assert len(control(databases=names).named("fleet-config").inputs["value"]) < 4096


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"databases": []}, "number of databases is 0"),
        ({"writer_name": "writer.fleet.example"}, "writer_name has no {database} in it"),
        ({"architecture": "sparc"}, "architecture is 'sparc'"),
    ],
)
def test_what_can_t_work_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        control(**changes)


# The validation document


def test_the_document_s_role_reads_and_only_systems_manager_of_this_account_takes_it_on() -> None:
    recorder = control()
    assert rights(recorder, "fleet-validation-policy") == {
        "dms:DescribeReplicationTasks": "*",
        "dms:DescribeTableStatistics": ["arn:task-1", "arn:task-2"],
        "rds:DescribeDBInstances": "arn:aws:rds:us-east-1:123456789012:db:*",
    }
    [trust] = json.loads(recorder.named("fleet-validation-role").inputs["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": ["ssm.amazonaws.com"]}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


def test_the_document_is_an_automation_whose_steps_lead_to_its_end() -> None:
    inputs = control().named("fleet-validation").inputs
    assert (inputs["documentType"], inputs["documentFormat"]) == ("Automation", "JSON")
    document = json.loads(inputs["content"])
    assert document == content("arn:aws:mock:us-east-1:123456789012:fleet-validation-role")
    names = [step["name"] for step in document["mainSteps"]]
    assert names == ["TargetIsKnown", "TargetIsAvailable", "TaskRuns", "FullLoadIsDone", "NoTableFailed", "TableStates"]
    branch = document["mainSteps"][0]["inputs"]
    assert {branch["Default"], *(choice["NextStep"] for choice in branch["Choices"])} <= set(names)
    assert document["mainSteps"][-1]["isEnd"] is True
    steps = {step["name"]: step for step in document["mainSteps"]}
    assert all(steps[n]["action"] == "aws:assertAwsResourceProperty" for n in names[1:5])
    assert steps["TableStates"]["inputs"]["MaxRecords"] == 500
    assert document["outputs"] == ["TableStates.States"]


# Monitoring


def monitoring() -> Recorder:
    args: Any = {
        "region": "us-east-1",
        "kms_key_arn": "arn:key",
        "topic_arn": "arn:topic",
        "replication_instance_id": "instance",
        "tasks": {
            "orders": {"id": "orders-forward", "arn": "arn:aws:dms:x:1:task:ORDERS"},
            "billing": {"id": "billing-forward", "arn": "arn:aws:dms:x:1:task:BILLING"},
        },
        "vpn_connection_id": "vpn-1",
        "function_names": ["advance", "rollback"],
        "tracking_table_name": "tracking",
        "lag_seconds": 30,
        "tags": TAGS,
    }
    return deploy(lambda: FleetMonitoring("watch", args))


def test_monitoring_has_exactly_these_children() -> None:
    alarm = "aws:cloudwatch/metricAlarm:MetricAlarm"
    assert monitoring().kinds() == {
        "watch-task-events": "aws:dms/eventSubscription:EventSubscription",
        **{f"watch-{db}-lag-{side}": alarm for db in ("orders", "billing") for side in ("source", "target")},
        "watch-tunnels": alarm,
        "watch-task-log": "aws:cloudwatch/logGroup:LogGroup",
        "watch-dashboard": "aws:cloudwatch/dashboard:Dashboard",
    }


def test_alarms_watch_the_task_by_its_resource_id_and_both_tunnels() -> None:
    recorder = monitoring()
    lag = recorder.named("watch-orders-lag-target").inputs
    assert lag["dimensions"] == {
        "ReplicationInstanceIdentifier": "instance",
        "ReplicationTaskIdentifier": "ORDERS",
    }
    assert (lag["metricName"], lag["threshold"], lag["alarmActions"]) == ("CDCLatencyTarget", 30, ["arn:topic"])
    tunnels = recorder.named("watch-tunnels").inputs
    assert (tunnels["namespace"], tunnels["dimensions"]) == ("AWS/VPN", {"VpnId": "vpn-1"})
    assert (tunnels["comparisonOperator"], tunnels["threshold"]) == ("LessThanThreshold", 1)
    assert tunnels["treatMissingData"] == "breaching"
    assert recorder.one("aws:dms/eventSubscription:EventSubscription")["sourceIds"] == [
        "orders-forward",
        "billing-forward",
    ]


def test_the_dashboard_s_metrics_are_flat_arrays() -> None:
    body = json.loads(monitoring().one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])
    metrics = [metric for widget in body["widgets"] for metric in widget["properties"]["metrics"]]
    for metric in metrics:
        assert all(isinstance(part, str) for part in metric[:-1]) and isinstance(metric[-1], dict)
        assert len(metric) % 2 == 1
    places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
    assert len(set(places)) == len(places)


# Servers


def migrated_servers(**changes: Any) -> Recorder:
    args: Any = {
        **PLACE,
        **FUNCTION,
        "parameter_path": "/migration/unit",
        "vpc_id": "vpc-1",
        "source_cidr_blocks": ["192.168.0.0/16"],
        "function_security_group_id": "sg-1",
        "topic_arn": "arn:topic",
        "bandwidth_mbps": 50,
        "tags": TAGS,
        **changes,
    }
    return deploy(lambda: ServerMigration("servers", args))


def test_servers_have_exactly_these_children() -> None:
    policies = {
        f"servers-{purpose}-policy-{number}": "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
        for purpose, (_, _, managed) in ROLES.items()
        for number, _ in enumerate(managed, start=1)
    }
    assert len(policies) == 7
    assert migrated_servers().kinds() == {
        **{f"servers-{purpose}-role": "aws:iam/role:Role" for purpose in ROLES},
        **policies,
        "servers-replication": "aws:ec2/securityGroup:SecurityGroup",
        "servers-replication-from-agents-1": "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "servers-replication-to-services": "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "servers-settings": "aws:ssm/parameter:Parameter",
        **function("servers-servers"),
    }


def test_roles_have_the_names_and_the_path_the_service_looks_for() -> None:
    recorder = migrated_servers()
    for purpose, (name, service, _) in ROLES.items():
        role = recorder.named(f"servers-{purpose}-role").inputs
        assert (role["name"], role["path"]) == (name, "/service-role/")
        assert service in role["assumeRolePolicy"]
    [agent] = json.loads(recorder.named("servers-agent-role").inputs["assumeRolePolicy"])["Statement"]
    assert agent["Condition"]["StringLike"] == {
        "sts:SourceIdentity": "s-*",
        "aws:SourceAccount": "123456789012",
    }


def test_an_account_that_has_the_roles_keeps_them() -> None:
    recorder = migrated_servers(create_account_roles=False)
    assert set(recorder.of("aws:iam/role:Role")) == {"servers-servers-role"}
    assert recorder.outputs["servers"]["replication_role_arn"] == (
        "arn:aws:iam::123456789012:role/service-role/AWSApplicationMigrationReplicationServerRole"
    )


def test_agents_reach_one_port_and_data_stays_off_the_internet() -> None:
    recorder = migrated_servers()
    rule = recorder.named("servers-replication-from-agents-1").inputs
    assert (rule["fromPort"], rule["toPort"], rule["cidrIpv4"]) == (1500, 1500, "192.168.0.0/16")
    told = json.loads(recorder.named("servers-settings").inputs["value"])
    replication = told["replication"]
    assert (replication["dataPlaneRouting"], replication["createPublicIP"]) == ("PRIVATE_IP", False)
    assert replication["stagingAreaSubnetId"] == "subnet-1"
    assert replication["replicationServersSecurityGroupsIDs"] == ["servers-replication-id"]
    assert (replication["bandwidthThrottling"], replication["ebsEncryption"]) == (50, "DEFAULT")
    assert told["launch"]["launchDisposition"] == "STOPPED"


def test_what_the_servers_function_may_do_on_anything_is_what_knows_no_resource() -> None:
    found = rights(migrated_servers(), "servers-servers-policy")
    anywhere = {action for action, resource in found.items() if resource == "*"}
    assert {action.split(":")[0] for action in anywhere} == {"mgn", "ec2"}
    assert anywhere <= set(policies.NO_RESOURCE)
    assert not [action for action in anywhere if action.startswith("mgn:Update")]
    assert all("/service-role/AWSApplicationMigration" in arn for arn in found["iam:PassRole"])


def test_servers_without_an_origin_are_refused() -> None:
    with pytest.raises(ArgumentError, match="source_cidr_blocks is empty"):
        migrated_servers(source_cidr_blocks=[])


# The zone


def test_the_zone_is_private() -> None:
    recorder = deploy(lambda: PrivateZone("names", {"zone_name": "fleet.example", "vpc_id": "vpc-1", "tags": TAGS}))
    zone = recorder.one("aws:route53/zone:Zone")
    assert (zone["name"], zone["vpcs"], zone["forceDestroy"]) == ("fleet.example", [{"vpcId": "vpc-1"}], False)
    assert recorder.outputs["names"]["zone_id"] == "ZMOCK"
