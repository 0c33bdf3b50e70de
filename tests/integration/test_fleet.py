"""What a fleet's stack really deployed, by its outputs, and its functions at work on a database of the fleet.

The work is on the database that comes last in the list, and only if nobody has touched it yet: it ends as it began.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from components.server_migration import ROLES
from components.stack_outputs import FLEET
from handlers.core import servers as servers_core

Aws = Callable[[str], Any]
Outputs = dict[str, Any]
RUNS = ("Pending", "InProgress", "Waiting")
EXECUTION_SECONDS = 120


def test_the_stack_has_every_promised_output(outputs: Outputs) -> None:
    assert set(outputs) == set(FLEET)
    assert outputs["databases"]


# The network and its VPN


def test_the_vpn_speaks_bgp_between_two_gateways(outputs: Outputs, aws: Aws) -> None:
    ec2 = aws("ec2")
    [vpn] = ec2.describe_vpn_connections(VpnConnectionIds=[outputs["vpn_connection_id"]])["VpnConnections"]
    assert (vpn["State"], vpn["Options"]["StaticRoutesOnly"]) == ("available", False)
    [amazon] = ec2.describe_vpn_gateways(VpnGatewayIds=[vpn["VpnGatewayId"]])["VpnGateways"]
    assert amazon["AmazonSideAsn"] == 64512
    assert [a["VpcId"] for a in amazon["VpcAttachments"] if a["State"] == "attached"] == [outputs["vpc_id"]]
    [customer] = ec2.describe_customer_gateways(CustomerGatewayIds=[vpn["CustomerGatewayId"]])["CustomerGateways"]
    assert customer["State"] == "available" and customer["BgpAsn"] != "64512"


def test_the_tunnels_log_and_their_keys_are_in_secrets_manager(outputs: Outputs, aws: Aws) -> None:
    [vpn] = aws("ec2").describe_vpn_connections(VpnConnectionIds=[outputs["vpn_connection_id"]])["VpnConnections"]
    tunnels = vpn["Options"]["TunnelOptions"]
    assert len(tunnels) == 2
    for tunnel in tunnels:
        assert tunnel["LogOptions"]["CloudWatchLogOptions"]["LogEnabled"]
    assert vpn["PreSharedKeyArn"].startswith("arn:aws")
    group = tunnels[0]["LogOptions"]["CloudWatchLogOptions"]["LogGroupArn"].split(":log-group:")[1].removesuffix(":*")
    [log] = aws("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert log["retentionInDays"] > 0


def test_every_private_route_table_learns_the_vpn_s_routes(outputs: Outputs, aws: Aws) -> None:
    ec2 = aws("ec2")
    [vpn] = ec2.describe_vpn_connections(VpnConnectionIds=[outputs["vpn_connection_id"]])["VpnConnections"]

    def learning(tier: str) -> set[bool]:
        by_subnet = [{"Name": "association.subnet-id", "Values": outputs[f"{tier}_subnet_ids"]}]
        tables = ec2.describe_route_tables(Filters=by_subnet)["RouteTables"]
        return {vpn["VpnGatewayId"] in [g["GatewayId"] for g in table.get("PropagatingVgws", [])] for table in tables}

    assert (learning("application"), learning("database"), learning("public")) == ({True}, {True}, {False})


def test_subnets_lie_in_three_zones(outputs: Outputs, aws: Aws) -> None:
    for tier in ("public", "application", "database"):
        subnets = aws("ec2").describe_subnets(SubnetIds=outputs[f"{tier}_subnet_ids"])["Subnets"]
        assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 3
        assert all(subnet["CidrBlock"].endswith("/24") for subnet in subnets)


# Replication


def test_one_private_instance_carries_every_task(outputs: Outputs, aws: Aws) -> None:
    dms = aws("dms")
    by_arn = [{"Name": "replication-instance-arn", "Values": [outputs["replication_instance_arn"]]}]
    [instance] = dms.describe_replication_instances(Filters=by_arn)["ReplicationInstances"]
    assert instance["ReplicationInstanceStatus"] == "available"
    assert instance["MultiAZ"] and not instance["PubliclyAccessible"]
    assert instance["KmsKeyId"] == outputs["kms_key_arn"]
    for database in outputs["databases"].values():
        for task, kind in (("replication_task_arn", "full-load-and-cdc"), ("failback_task_arn", "cdc")):
            by_task = [{"Name": "replication-task-arn", "Values": [database[task]]}]
            [found] = dms.describe_replication_tasks(Filters=by_task)["ReplicationTasks"]
            assert found["ReplicationInstanceArn"] == outputs["replication_instance_arn"]
            assert found["MigrationType"] == kind


def test_endpoints_hold_no_password(outputs: Outputs, aws: Aws) -> None:
    for database in outputs["databases"].values():
        for side in ("source", "target"):
            by_arn = [{"Name": "endpoint-arn", "Values": [database[f"{side}_endpoint_arn"]]}]
            [found] = aws("dms").describe_endpoints(Filters=by_arn)["Endpoints"]
            assert found["PostgreSQLSettings"]["SecretsManagerSecretId"].startswith("arn:aws")
            assert not found["PostgreSQLSettings"].get("Password")


# What is seen


def test_lag_tunnels_functions_and_table_are_on_the_dashboard(outputs: Outputs, aws: Aws) -> None:
    text = aws("cloudwatch").get_dashboard(DashboardName=outputs["dashboard_name"])["DashboardBody"]
    metrics = [m for widget in json.loads(text)["widgets"] for m in widget["properties"]["metrics"]]
    assert {m[1] for m in metrics} >= {"CDCLatencySource", "CDCLatencyTarget", "TunnelState", "Invocations", "Errors"}
    lag = [m for m in metrics if m[1] == "CDCLatencyTarget"]
    assert {m[-1]["label"] for m in lag} == set(outputs["databases"])
    assert any(outputs["vpn_connection_id"] in m for m in metrics)
    assert any(outputs["tracking_table_name"] in m for m in metrics)


def test_every_database_s_lag_and_the_tunnels_raise_alarms(outputs: Outputs, aws: Aws) -> None:
    prefix = outputs["dashboard_name"].removesuffix("dashboard")
    pages = aws("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    assert {alarm["AlarmName"].removeprefix(prefix) for alarm in alarms} == {
        "tunnels",
        *(f"{name}-lag-{side}" for name in outputs["databases"] for side in ("source", "target")),
    }
    assert all(alarm["AlarmActions"] == [outputs["topic_arn"]] for alarm in alarms)


# Servers


def test_the_service_finds_its_roles_and_only_agents_reach_the_replication_servers(outputs: Outputs, aws: Aws) -> None:
    for name, _, _ in ROLES.values():
        role = aws("iam").get_role(RoleName=name)["Role"]
        assert role["Path"] == "/service-role/"
    assert (
        outputs["server_replication_role_arn"] == aws("iam").get_role(RoleName=ROLES["replication"][0])["Role"]["Arn"]
    )
    by_id = [outputs["server_security_group_id"]]
    [group] = aws("ec2").describe_security_groups(GroupIds=by_id)["SecurityGroups"]
    assert {(p["FromPort"], p["ToPort"]) for p in group["IpPermissions"]} == {(1500, 1500)}


def test_the_servers_function_makes_the_account_say_what_the_settings_say(outputs: Outputs, aws: Aws) -> None:
    ssm, mgn = aws("ssm"), aws("mgn")
    text = ssm.get_parameter(Name=outputs["server_settings_parameter_name"])["Parameter"]["Value"]
    settings = servers_core.settings(text)
    first = invoke(aws, outputs["servers_function_name"], {})
    assert first["outcome"] in ("applied", "nothing to do"), first
    for kind in servers_core.KINDS:
        [template] = getattr(mgn, f"describe_{kind}_configuration_templates")()["items"]
        assert {key: template[key] for key in settings[kind]} == settings[kind]
    assert invoke(aws, outputs["servers_function_name"], {})["outcome"] == "nothing to do"


# Tracking


@pytest.fixture
def table(outputs: Outputs, aws: Aws) -> tuple[Any, str]:
    return aws("dynamodb"), outputs["tracking_table_name"]


def test_the_tracking_table_is_recoverable_and_under_the_key(outputs: Outputs, table: tuple[Any, str]) -> None:
    dynamodb, name = table
    found = dynamodb.describe_table(TableName=name)["Table"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert found["SSEDescription"]["KMSMasterKeyArn"] == outputs["kms_key_arn"]
    [index] = found["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["IndexStatus"]) == ("MigrationPhaseIndex", "ACTIVE")
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_an_event_is_written_read_by_key_and_by_phase_moved_on_and_cleaned_up(table: tuple[Any, str]) -> None:
    dynamodb, name = table
    server, phase = f"check-{uuid.uuid4().hex[:8]}", f"checking-{uuid.uuid4().hex[:8]}"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    key = {"serverId": {"S": server}, "timestamp": {"S": now}}

    def in_phase(wanted: str) -> list[str]:
        found = dynamodb.query(
            TableName=name,
            IndexName="MigrationPhaseIndex",
            KeyConditionExpression="migrationPhase = :phase",
            ExpressionAttributeValues={":phase": {"S": wanted}},
        )
        return [item["serverId"]["S"] for item in found["Items"]]

    dynamodb.put_item(TableName=name, Item={**key, "migrationPhase": {"S": phase}, "event": {"S": "check"}})
    try:
        item = dynamodb.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]
        assert item["migrationPhase"]["S"] == phase
        assert eventually(lambda: in_phase(phase) == [server])
        dynamodb.update_item(
            TableName=name,
            Key=key,
            UpdateExpression="SET migrationPhase = :next",
            ConditionExpression="migrationPhase = :phase",
            ExpressionAttributeValues={":next": {"S": f"{phase}-next"}, ":phase": {"S": phase}},
        )
        assert eventually(lambda: in_phase(f"{phase}-next") == [server])
        assert eventually(lambda: in_phase(phase) == [])
    finally:
        dynamodb.delete_item(TableName=name, Key=key)
    assert "Item" not in dynamodb.get_item(TableName=name, Key=key, ConsistentRead=True)


# A database at work


class Database:
    """A database of the fleet that nobody has touched yet."""

    def __init__(self, name: str, outputs: Outputs, aws: Aws) -> None:
        self.name, self._outputs, self._aws = name, outputs, aws
        self._names = [outputs["databases"][name][f"{role}_name"] for role in ("writer", "reader")]

    def advance(self, phase: str, **more: Any) -> dict[str, Any]:
        asked = {"database": self.name, "phase": phase, **more}
        return invoke(self._aws, self._outputs["advance_function_name"], asked)

    def rollback(self, **more: Any) -> dict[str, Any]:
        return invoke(self._aws, self._outputs["rollback_function_name"], {"database": self.name, **more})

    def green(self) -> tuple[int, ...]:
        """Return the weight of green for writes and for reads."""
        zone = {"HostedZoneId": self._outputs["hosted_zone_id"], "StartRecordType": "CNAME"}
        weights = []
        for name in self._names:
            page = self._aws("route53").list_resource_record_sets(**zone, StartRecordName=name)
            found = {
                r["SetIdentifier"]: r["Weight"] for r in page["ResourceRecordSets"] if r["Name"].rstrip(".") == name
            }
            assert sum(found.values()) == 100
            weights.append(int(found["green"]))
        return tuple(weights)

    def items(self) -> list[dict[str, Any]]:
        """Return what the tracking table holds of it, oldest first, the state last."""
        found = self._aws("dynamodb").query(
            TableName=self._outputs["tracking_table_name"],
            KeyConditionExpression="serverId = :name",
            ExpressionAttributeValues={":name": {"S": self.name}},
            ConsistentRead=True,
        )
        items: list[dict[str, Any]] = found["Items"]
        return items

    def forget(self) -> None:
        """Take what this check wrote out of the table."""
        for item in self.items():
            key = {name: item[name] for name in ("serverId", "timestamp")}
            self._aws("dynamodb").delete_item(TableName=self._outputs["tracking_table_name"], Key=key)


@pytest.fixture
def database(outputs: Outputs, aws: Aws) -> Iterator[Database]:
    found = Database(sorted(outputs["databases"])[-1], outputs, aws)
    assert not found.items() and found.green() == (0, 0), f"{found.name} is on its way: these checks would disturb it"
    yield found
    found.rollback(reason="end of the check", accept_loss=True)
    found.forget()


def test_a_rollback_sends_both_names_back_and_records_it(database: Database) -> None:
    for phase in ("replicating", "validated"):
        assert database.advance(phase)["outcome"] == phase
    assert database.advance("shifting", reader_percent=25)["outcome"] == "shifting"
    assert database.green() == (0, 25)
    assert "writers_stopped" in database.advance("switched")["reason"]
    assert database.advance("switched", writers_stopped=True)["outcome"] == "switched"
    assert database.green() == (100, 100)

    assert "accept_loss" in database.rollback(reason="checksums differ")["reason"]
    assert database.green() == (100, 100)
    assert database.rollback(reason="checksums differ", writers_stopped=True)["outcome"] == "rolled_back"
    assert database.green() == (0, 0)
    *events, state = database.items()
    assert state["timestamp"]["S"] == "current" and state["migrationPhase"]["S"] == "rolled_back"
    rolled_back = [item for item in events if item["event"]["S"] == "rolled_back"]
    assert [item["reason"]["S"] for item in rolled_back] == ["checksums differ"]
    assert database.rollback()["outcome"] == "nothing to do"
    assert len(database.items()) == len(events) + 1


def test_weights_moved_by_hand_come_back(database: Database, outputs: Outputs, aws: Aws) -> None:
    zone, name = outputs["hosted_zone_id"], outputs["databases"][database.name]["writer_name"]
    page = aws("route53").list_resource_record_sets(HostedZoneId=zone, StartRecordName=name, StartRecordType="CNAME")
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {**record, "Weight": 100 if record["SetIdentifier"] == "green" else 0},
        }
        for record in page["ResourceRecordSets"]
        if record["Name"].rstrip(".") == name
    ]
    aws("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    assert database.green() == (100, 0)
    assert database.rollback()["outcome"] == "refused"
    assert database.rollback(accept_loss=True)["weights"][name] == {"blue": 100, "green": 0}
    assert database.green() == (0, 0)


def test_past_the_point_of_no_return_a_rollback_is_refused(database: Database) -> None:
    for phase, more in (
        ("replicating", {}),
        ("validated", {}),
        ("shifting", {}),
        ("switched", {"writers_stopped": True}),
        ("finished", {}),
    ):
        assert database.advance(phase, **more)["outcome"] == phase
    refused = database.rollback()
    assert refused["outcome"] == "refused" and "past the point of no return" in refused["reason"]
    assert database.green() == (100, 100)
    database.forget()  # so that the names can go back


def test_the_phase_of_every_database_is_found_by_the_index(database: Database, table: tuple[Any, str]) -> None:
    dynamodb, name = table
    database.advance("replicating")

    def replicating() -> list[str]:
        found = dynamodb.query(
            TableName=name,
            IndexName="MigrationPhaseIndex",
            KeyConditionExpression="migrationPhase = :phase AND #timestamp = :current",
            ExpressionAttributeNames={"#timestamp": "timestamp"},
            ExpressionAttributeValues={":phase": {"S": "replicating"}, ":current": {"S": "current"}},
        )
        return [item["serverId"]["S"] for item in found["Items"]]

    assert eventually(lambda: database.name in replicating())


def test_the_validation_document_tells_how_the_task_stands(outputs: Outputs, aws: Aws) -> None:
    ssm, name = aws("ssm"), sorted(outputs["databases"])[-1]
    arn = outputs["databases"][name]["replication_task_arn"]
    started = ssm.start_automation_execution(
        DocumentName=outputs["validation_document_name"], Parameters={"ReplicationTaskArn": [arn]}
    )

    def look() -> dict[str, Any]:
        answer = ssm.get_automation_execution(AutomationExecutionId=started["AutomationExecutionId"])
        return dict(answer["AutomationExecution"])

    assert eventually(lambda: look()["AutomationExecutionStatus"] not in RUNS, EXECUTION_SECONDS)
    [task] = aws("dms").describe_replication_tasks(Filters=[{"Name": "replication-task-arn", "Values": [arn]}])[
        "ReplicationTasks"
    ]
    statistics = task.get("ReplicationTaskStats", {})
    sound = (
        task["Status"] == "running"
        and statistics.get("FullLoadProgressPercent") == 100
        and statistics.get("TablesErrored") == 0
    )
    found = look()
    assert found["AutomationExecutionStatus"] == ("Success" if sound else "Failed"), found
    if task["Status"] != "running":
        last = found["StepExecutions"][-1]
        assert (last["StepName"], last["StepStatus"]) == ("TaskRuns", "Failed")


def test_everything_that_costs_is_tagged(outputs: Outputs, aws: Aws) -> None:
    [vpn] = aws("ec2").describe_vpn_connections(VpnConnectionIds=[outputs["vpn_connection_id"]])["VpnConnections"]
    assert {tag["Key"] for tag in vpn["Tags"]} >= {"Environment", "ManagedBy", "Name"}
    tags = aws("dms").list_tags_for_resource(ResourceArn=outputs["replication_instance_arn"])["TagList"]
    assert {tag["Key"] for tag in tags} >= {"Environment", "ManagedBy", "Name"}


def invoke(aws: Aws, function: str, event: dict[str, Any]) -> dict[str, Any]:
    answer = aws("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return dict(payload)


def eventually(look: Callable[[], bool], seconds: float = 30) -> bool:
    """Look until it is so: an index follows its table, and an execution takes its time."""
    until = time.monotonic() + seconds
    while not look():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True
