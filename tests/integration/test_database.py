"""What a database's stack really deployed, by its outputs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from components.stack_outputs import DATABASE

Aws = Callable[[str], Any]
Outputs = dict[str, Any]


@pytest.fixture
def instance(outputs: Outputs, aws: Aws) -> dict[str, Any]:
    """The instance, or the cluster's first writer, as RDS describes it."""
    return dict(aws("rds").describe_db_instances(DBInstanceIdentifier=outputs["rds_instance_id"])["DBInstances"][0])


@pytest.fixture
def cluster(outputs: Outputs, aws: Aws) -> dict[str, Any] | None:
    """The Aurora cluster as RDS describes it, None where the database is an instance."""
    identifier = outputs["database_identifier"]
    if identifier == outputs["rds_instance_id"]:
        return None
    return dict(aws("rds").describe_db_clusters(DBClusterIdentifier=identifier)["DBClusters"][0])


@pytest.fixture
def database(instance: dict[str, Any], cluster: dict[str, Any] | None) -> dict[str, Any]:
    """The description that says what holds for the whole database: the cluster's where there is one."""
    return cluster or instance


@pytest.fixture
def arns(instance: dict[str, Any], cluster: dict[str, Any] | None, aws: Aws) -> set[str]:
    """ARNs of everything whose events are about the database."""
    if cluster is None:
        return {instance["DBInstanceArn"]}
    of_cluster = [{"Name": "db-cluster-id", "Values": [cluster["DBClusterIdentifier"]]}]
    members = aws("rds").describe_db_instances(Filters=of_cluster)["DBInstances"]
    assert len(members) == len(cluster["DBClusterMembers"])
    return {cluster["DBClusterArn"], *(member["DBInstanceArn"] for member in members)}


@pytest.fixture
def function(outputs: Outputs, aws: Aws) -> dict[str, Any]:
    """The validation function as Lambda describes it."""
    return dict(aws("lambda").get_function(FunctionName=outputs["validation_lambda_arn"])["Configuration"])


def test_the_stack_has_every_promised_output(outputs: Outputs) -> None:
    assert set(outputs) == set(DATABASE)


@pytest.mark.parametrize("tier", ["private", "application"])
def test_subnets_lie_in_zones_of_their_own(outputs: Outputs, aws: Aws, tier: str) -> None:
    ids = outputs[f"{tier}_subnet_ids"]
    subnets = aws("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
    assert {s["VpcId"] for s in subnets} == {outputs["vpc_id"]}
    assert len({s["AvailabilityZone"] for s in subnets}) == len(ids) >= 2


def test_the_database_has_no_way_out(outputs: Outputs, aws: Aws) -> None:
    by_subnet = [{"Name": "association.subnet-id", "Values": outputs["private_subnet_ids"]}]
    tables = aws("ec2").describe_route_tables(Filters=by_subnet)["RouteTables"]
    assert tables
    for table in tables:
        assert not [r for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]


def test_what_the_function_calls_can_be_reached(outputs: Outputs, aws: Aws) -> None:
    in_vpc = [{"Name": "vpc-id", "Values": [outputs["vpc_id"]]}]
    gateways = aws("ec2").describe_nat_gateways(Filters=in_vpc)["NatGateways"]
    endpoints = aws("ec2").describe_vpc_endpoints(Filters=in_vpc)["VpcEndpoints"]
    services = {e["ServiceName"].rsplit(".", 1)[-1] for e in endpoints if e["VpcEndpointType"] == "Interface"}
    assert gateways or {"secretsmanager", "sns"} <= services


def test_the_database_is_reached_on_its_port_only(outputs: Outputs, aws: Aws) -> None:
    by_id = [outputs["database_security_group_id"]]
    [group] = aws("ec2").describe_security_groups(GroupIds=by_id)["SecurityGroups"]
    port = int(outputs["rds_port"])
    assert {(p["FromPort"], p["ToPort"]) for p in group["IpPermissions"]} == {(port, port)}
    peers = {pair["GroupId"] for p in group["IpPermissions"] for pair in p["UserIdGroupPairs"]}
    assert outputs["application_security_group_id"] in peers
    assert group["IpPermissionsEgress"] == []


def test_the_database_is_private_encrypted_backed_up_and_logs(
    outputs: Outputs, instance: dict[str, Any], cluster: dict[str, Any] | None, database: dict[str, Any]
) -> None:
    assert instance["DBInstanceStatus"] == "available"
    assert not instance["PubliclyAccessible"]
    assert instance["MonitoringInterval"] == 60
    assert database["StorageEncrypted"]
    assert database["KmsKeyId"] == outputs["kms_key_arn"]
    assert database["BackupRetentionPeriod"] >= 1
    assert database["EnabledCloudwatchLogsExports"]
    assert (cluster["Endpoint"] if cluster else instance["Endpoint"]["Address"]) == outputs["rds_endpoint"]
    assert [g["VpcSecurityGroupId"] for g in database["VpcSecurityGroups"]] == [outputs["database_security_group_id"]]
    assert {tag["Key"] for tag in database["TagList"]} >= {"Environment", "ManagedBy", "Purpose"}


def test_its_parameters_are_those_of_its_engine(
    instance: dict[str, Any], cluster: dict[str, Any] | None, aws: Aws
) -> None:
    if cluster:
        name = cluster["DBClusterParameterGroup"]
        asked = {"DBClusterParameterGroupName": name, "Source": "user"}
        found = aws("rds").describe_db_cluster_parameters(**asked)["Parameters"]
    else:
        name = instance["DBParameterGroups"][0]["DBParameterGroupName"]
        found = aws("rds").describe_db_parameters(DBParameterGroupName=name, Source="user")["Parameters"]
    values = {p["ParameterName"]: p.get("ParameterValue") for p in found}
    name, value = ("binlog_format", "ROW") if "mysql" in instance["Engine"] else ("rds.logical_replication", "1")
    assert values[name] == value


def test_the_administrator_s_password_is_rotated(
    outputs: Outputs, instance: dict[str, Any], database: dict[str, Any], aws: Aws
) -> None:
    if instance.get("ReadReplicaDBInstanceIdentifiers"):  # RDS manages no password beside them
        assert "MasterUserSecret" not in instance
        return
    assert database["MasterUserSecret"]["SecretArn"] == outputs["db_secret_arn"]
    secret = aws("secretsmanager").describe_secret(SecretId=outputs["db_secret_arn"])
    assert secret["RotationEnabled"]
    assert 1 <= secret["RotationRules"]["AutomaticallyAfterDays"] <= 1000
    assert "RotationLambdaARN" not in secret, "RDS rotates what it manages; a function there would do nothing"


def test_the_function_finds_the_database_as_promised(outputs: Outputs, aws: Aws) -> None:
    answer = aws("lambda").invoke(FunctionName=outputs["validation_lambda_arn"], Payload=b"{}")
    assert "FunctionError" not in answer
    result = json.loads(answer["Payload"].read())
    assert [check["check"] for check in result["checks"]] == [
        "reachable",
        "version",
        "character set",
        "replication status",
    ]
    assert all(check["passed"] for check in result["checks"]), result
    assert result["outcome"] == "passed"
    assert result["database"] == outputs["rds_endpoint"]


def test_the_function_is_small_private_and_holds_no_password(
    outputs: Outputs, function: dict[str, Any], aws: Aws
) -> None:
    assert (function["Timeout"], function["MemorySize"]) == (300, 256)
    assert set(function["VpcConfig"]["SubnetIds"]) == set(outputs["application_subnet_ids"])
    assert function["KMSKeyArn"] == outputs["kms_key_arn"]
    assert function["CodeSize"] < 1_000_000
    password = json.loads(aws("secretsmanager").get_secret_value(SecretId=outputs["db_secret_arn"])["SecretString"])[
        "password"
    ]
    assert password not in json.dumps(function["Environment"])


def test_its_role_may_read_this_secret_and_tell_this_topic(
    outputs: Outputs, function: dict[str, Any], aws: Aws
) -> None:
    iam = aws("iam")
    role = function["Role"].rsplit("/", 1)[-1]
    [name] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    document = json.loads(document) if isinstance(document, str) else document
    allowed = {action: s["Resource"] for s in document["Statement"] if s["Effect"] == "Allow" for action in s["Action"]}
    log = allowed.pop("logs:PutLogEvents")
    assert log.endswith(f":log-group:/aws/lambda/{function['FunctionName']}:*") and log == allowed.pop(
        "logs:CreateLogStream"
    )
    # Lambda puts its interfaces into the network in the function's name; code may not, says the rights test.
    assert {allowed.pop(action) for action in list(allowed) if action.startswith("ec2:")} == {"*"}
    assert allowed == {
        "secretsmanager:GetSecretValue": outputs["db_secret_arn"],
        "sns:Publish": outputs["topic_arn"],
        "kms:Decrypt": outputs["kms_key_arn"],
        "kms:GenerateDataKey": outputs["kms_key_arn"],
    }


def test_events_of_the_database_call_the_function(
    outputs: Outputs, instance: dict[str, Any], cluster: dict[str, Any] | None, arns: set[str], aws: Aws
) -> None:
    events = aws("events")
    pattern = json.loads(events.describe_rule(Name=outputs["validation_rule_name"])["EventPattern"])
    assert set(pattern["resources"]) == arns
    assert pattern["detail"]["EventCategories"][:3] == ["availability", "backup", "configuration change"]
    event = {
        "id": "1",
        "account": instance["DBInstanceArn"].split(":")[4],
        "source": "aws.rds",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
    }
    categories = {"availability": True, "backup": True, "maintenance": False, "failover": cluster is not None}
    for arn in arns:
        kind = "Cluster" if ":cluster:" in arn else "Instance"
        about = {**event, "resources": [arn], "detail-type": f"RDS DB {kind} Event"}
        for category, wanted in categories.items():
            told = json.dumps({**about, "detail": {"EventCategories": [category], "Message": "any"}})
            assert events.test_event_pattern(EventPattern=json.dumps(pattern), Event=told)["Result"] is wanted
    [target] = events.list_targets_by_rule(Rule=outputs["validation_rule_name"])["Targets"]
    assert target["Arn"] == outputs["validation_lambda_arn"]


def test_alarms_watch_the_database_and_tell_the_topic(
    outputs: Outputs, instance: dict[str, Any], cluster: dict[str, Any] | None, aws: Aws
) -> None:
    found = aws("cloudwatch").describe_alarms(AlarmNames=outputs["alarm_names"])["MetricAlarms"]
    watched = {(a["MetricName"], a["Dimensions"][0]["Value"]) for a in found}
    # A cluster's storage grows by itself, and its readers share it.
    metrics = ("CPUUtilization", "DatabaseConnections", *(() if cluster else ("FreeStorageSpace",)))
    own = {(name, outputs["database_identifier"]) for name in metrics}
    assert watched == own | {("ReplicaLag", name) for name in instance.get("ReadReplicaDBInstanceIdentifiers", [])}
    assert all(alarm["AlarmActions"] == [outputs["topic_arn"]] for alarm in found)
    topic = aws("sns").get_topic_attributes(TopicArn=outputs["topic_arn"])["Attributes"]
    assert topic["KmsMasterKeyId"] == outputs["kms_key_arn"]
