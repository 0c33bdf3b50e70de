"""What a migration's stack really deployed, by its outputs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from components.stack_outputs import MIGRATION, SERVERLESS, VALIDATED
from handlers import config as handlers_config

Aws = Callable[[str], Any]
Outputs = dict[str, Any]


def is_serverless(outputs: Outputs) -> bool:
    """Say whether DMS Serverless replicates, rather than tasks on an instance."""
    return "replication_config_arn" in outputs


def test_the_stack_has_every_promised_output(outputs: Outputs) -> None:
    always = set(outputs) - VALIDATED.keys()
    assert always == set(SERVERLESS["migration"] if is_serverless(outputs) else MIGRATION)
    assert set(outputs) - always in ({*VALIDATED}, set())


def test_the_key_rotates_and_answers_to_its_alias(outputs: Outputs, aws: Aws) -> None:
    kms = aws("kms")
    key = kms.describe_key(KeyId=outputs["kms_key_alias"])["KeyMetadata"]
    assert key["Arn"] == outputs["kms_key_arn"]
    assert key["Enabled"]
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]


@pytest.mark.parametrize("user", ["application", "replication"])
def test_the_target_s_secrets_rotate_by_functions_of_their_own(outputs: Outputs, aws: Aws, user: str) -> None:
    secret = aws("secretsmanager").describe_secret(SecretId=outputs[f"{user}_secret_arn"])
    assert secret["RotationEnabled"]
    assert 1 <= secret["RotationRules"]["AutomaticallyAfterDays"] <= 90
    name = outputs["rotation_function_names"][user]
    assert secret["RotationLambdaARN"].endswith(f":function:{name}")
    [statement] = json.loads(aws("lambda").get_policy(FunctionName=name)["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "secretsmanager.amazonaws.com"}
    assert secret["ARN"] in json.dumps(statement["Condition"])


@pytest.mark.parametrize("tier", ["application", "database"])
def test_subnets_lie_in_zones_of_their_own(outputs: Outputs, aws: Aws, tier: str) -> None:
    ids = outputs[f"{tier}_subnet_ids"]
    assert not set(ids) & set(outputs["public_subnet_ids"])
    subnets = aws("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
    assert {s["VpcId"] for s in subnets} == {outputs["vpc_id"]}
    assert len({s["AvailabilityZone"] for s in subnets}) == len(ids) >= 2


def test_a_way_to_the_internet_is_where_the_public_subnets_are(outputs: Outputs, aws: Aws) -> None:
    """A network without public subnets has no way at all."""
    by_vpc = [{"Name": "attachment.vpc-id", "Values": [outputs["vpc_id"]]}]
    gateways = aws("ec2").describe_internet_gateways(Filters=by_vpc)["InternetGateways"]
    assert len(gateways) == bool(outputs["public_subnet_ids"])
    tables = aws("ec2").describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [outputs["vpc_id"]]}])
    leading_out = [
        {association.get("SubnetId") for association in table["Associations"]}
        for table in tables["RouteTables"]
        if any(route.get("GatewayId", "").startswith("igw-") for route in table["Routes"])
    ]
    assert set().union(*leading_out) == set(outputs["public_subnet_ids"])


def test_the_database_tier_has_no_way_out(outputs: Outputs, aws: Aws) -> None:
    by_subnet = [{"Name": "association.subnet-id", "Values": outputs["database_subnet_ids"]}]
    for table in aws("ec2").describe_route_tables(Filters=by_subnet)["RouteTables"]:
        assert not [r for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]


def test_the_database_is_reached_on_its_port_only(outputs: Outputs, aws: Aws) -> None:
    by_id = [outputs["database_security_group_id"]]
    [group] = aws("ec2").describe_security_groups(GroupIds=by_id)["SecurityGroups"]
    port = int(outputs["database_port"])
    assert {(p["FromPort"], p["ToPort"]) for p in group["IpPermissions"]} == {(port, port)}
    peers = {pair["GroupId"] for p in group["IpPermissions"] for pair in p["UserIdGroupPairs"]}
    assert outputs["application_security_group_id"] in peers
    assert group["IpPermissionsEgress"] == []


@pytest.fixture
def is_cluster(outputs: Outputs, aws: Aws) -> bool:
    """Whether the target is an Aurora cluster rather than an RDS instance, by what DMS was told."""
    by_arn = [{"Name": "endpoint-arn", "Values": [outputs["target_endpoint_arn"]]}]
    [endpoint] = aws("dms").describe_endpoints(Filters=by_arn)["Endpoints"]
    return bool(endpoint["EngineName"] == "aurora-postgresql")


@pytest.fixture
def database(outputs: Outputs, aws: Aws, is_cluster: bool) -> dict[str, Any]:
    """The cluster or the instance as RDS describes it."""
    name = outputs["database_identifier"]
    if is_cluster:
        return dict(aws("rds").describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0])
    return dict(aws("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def test_the_database_is_encrypted_backed_up_and_logs(
    outputs: Outputs, database: dict[str, Any], is_cluster: bool
) -> None:
    assert database["StorageEncrypted"]
    assert database["KmsKeyId"] == outputs["kms_key_arn"]
    assert database["BackupRetentionPeriod"] >= 7
    assert database["EnabledCloudwatchLogsExports"] == (["postgresql"] if is_cluster else ["postgresql", "upgrade"])
    assert database["MasterUserSecret"]["SecretArn"] == outputs["master_secret_arn"]


def test_the_database_is_there_under_its_hosts(outputs: Outputs, database: dict[str, Any], is_cluster: bool) -> None:
    hosts = (outputs["database_endpoint"], outputs["database_reader_endpoint"])
    if is_cluster:
        assert database["Status"] == "available"
        assert (database["Endpoint"], database["ReaderEndpoint"]) == hosts
        assert any(member["IsClusterWriter"] for member in database["DBClusterMembers"])
    else:
        assert database["DBInstanceStatus"] == "available"
        assert (database["Endpoint"]["Address"],) * 2 == hosts


def test_the_target_is_ready_for_the_way_back(database: dict[str, Any], aws: Aws, is_cluster: bool) -> None:
    if is_cluster:
        group = {"DBClusterParameterGroupName": database["DBClusterParameterGroup"]}
        found = aws("rds").describe_db_cluster_parameters(**group, Source="user")
    else:
        group = {"DBParameterGroupName": database["DBParameterGroups"][0]["DBParameterGroupName"]}
        found = aws("rds").describe_db_parameters(**group, Source="user")
    values = {p["ParameterName"]: p.get("ParameterValue") for p in found["Parameters"]}
    assert values["rds.logical_replication"] == "1"


def test_instances_are_private_and_monitored(
    outputs: Outputs, database: dict[str, Any], aws: Aws, is_cluster: bool
) -> None:
    by_cluster = [{"Name": "db-cluster-id", "Values": [outputs["database_identifier"]]}]
    instances = aws("rds").describe_db_instances(Filters=by_cluster)["DBInstances"] if is_cluster else [database]
    assert instances
    for instance in instances:
        assert instance["DBInstanceStatus"] == "available"
        assert not instance["PubliclyAccessible"]
        assert instance["MonitoringInterval"] == 60


@pytest.mark.parametrize("purpose", ["application", "replication"])
def test_secrets_can_be_read_and_lead_to_the_cluster(outputs: Outputs, aws: Aws, purpose: str) -> None:
    text = aws("secretsmanager").get_secret_value(SecretId=outputs[f"{purpose}_secret_arn"])["SecretString"]
    fields = json.loads(text)
    assert fields["host"] == outputs["database_endpoint"]
    assert int(fields["port"]) == int(outputs["database_port"])
    assert len(fields["password"]) == 32


def test_replication_is_declared_and_not_started(outputs: Outputs, aws: Aws) -> None:
    dms = aws("dms")
    if is_serverless(outputs):
        by_arn = [{"Name": "replication-config-arn", "Values": [outputs["replication_config_arn"]]}]
        [config] = dms.describe_replication_configs(Filters=by_arn)["ReplicationConfigs"]
        assert config["ReplicationType"] == "full-load-and-cdc"
        assert config["ComputeConfig"]["KmsKeyId"] == outputs["kms_key_arn"]
        assert "migration_control" in config["TableMappings"]
        assert dms.describe_replications(Filters=by_arn)["Replications"]
        return
    by_arn = [{"Name": "replication-instance-arn", "Values": [outputs["replication_instance_arn"]]}]
    [instance] = dms.describe_replication_instances(Filters=by_arn)["ReplicationInstances"]
    assert instance["ReplicationInstanceStatus"] == "available"
    assert not instance["PubliclyAccessible"]
    for task, kind in (("replication_task_arn", "full-load-and-cdc"), ("failback_task_arn", "cdc")):
        by_task = [{"Name": "replication-task-arn", "Values": [outputs[task]]}]
        [found] = dms.describe_replication_tasks(Filters=by_task)["ReplicationTasks"]
        assert found["MigrationType"] == kind
        assert "migration_control" in found["TableMappings"]


def test_endpoints_hold_no_password(outputs: Outputs, aws: Aws) -> None:
    dms = aws("dms")
    for name in ("source_endpoint_arn", "target_endpoint_arn"):
        [found] = dms.describe_endpoints(Filters=[{"Name": "endpoint-arn", "Values": [outputs[name]]}])["Endpoints"]
        assert found["PostgreSQLSettings"]["SecretsManagerSecretId"].startswith("arn:aws")
        assert not found["PostgreSQLSettings"].get("Password")
        assert found["KmsKeyId"] == outputs["kms_key_arn"]


@pytest.mark.parametrize("role", ["writer", "reader"])
def test_names_have_a_blue_and_a_green_record(outputs: Outputs, aws: Aws, role: str) -> None:
    name = outputs[f"{role}_name"]
    page = aws("route53").list_resource_record_sets(HostedZoneId=outputs["hosted_zone_id"], StartRecordName=name)
    records = {r["SetIdentifier"]: r for r in page["ResourceRecordSets"] if r["Name"].rstrip(".") == name}
    assert set(records) == {"blue", "green"}
    assert sum(r["Weight"] for r in records.values()) == 100
    endpoint = outputs["database_endpoint" if role == "writer" else "database_reader_endpoint"]
    assert records["green"]["ResourceRecords"] == [{"Value": endpoint}]


def test_the_dashboard_and_the_alarms_are_there(outputs: Outputs, aws: Aws, is_cluster: bool) -> None:
    cloudwatch = aws("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName=outputs["dashboard_name"])["DashboardBody"])
    assert len(body["widgets"]) == 10
    prefix = outputs["dashboard_name"].removesuffix("-dashboard")
    found = cloudwatch.describe_alarms(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    watched = {"CDCLatencySource", "CDCLatencyTarget", "CPUUtilization", "DatabaseConnections"}
    assert {a["MetricName"] for a in found["MetricAlarms"]} == watched | (set() if is_cluster else {"FreeStorageSpace"})
    assert len(found["CompositeAlarms"]) == 1
    assert all(alarm["AlarmActions"] == [outputs["topic_arn"]] for alarm in found["MetricAlarms"])


def test_the_functions_know_the_whole_migration(outputs: Outputs, aws: Aws) -> None:
    ssm = aws("ssm")
    text = ssm.get_parameter(Name=outputs["config_parameter_name"])["Parameter"]["Value"]
    config = handlers_config.parse(text)
    assert config.target.host == outputs["database_endpoint"]
    assert config.tracking_table == outputs["tracking_table_name"]
    assert config.state_machine_arn == outputs["state_machine_arn"]
    state = json.loads(ssm.get_parameter(Name=outputs["state_parameter_name"])["Parameter"]["Value"])
    assert state["phase"]


def test_the_machine_s_functions_are_active(outputs: Outputs, aws: Aws) -> None:
    machine = aws("stepfunctions").describe_state_machine(stateMachineArn=outputs["state_machine_arn"])
    assert machine["type"] == "STANDARD"
    states = json.loads(machine["definition"])["States"].values()
    functions = {s["Parameters"]["FunctionName"] for s in states if s["Type"] == "Task"}
    steps = {arn.rsplit("-", maxsplit=1)[-1] for arn in functions}
    assert steps >= {"gate", "announce", "switch", "settle", "finish", "undo"}
    for arn in functions:
        found = aws("lambda").get_function(FunctionName=arn)["Configuration"]
        assert found["State"] == "Active"
        assert found["VpcConfig"]["SubnetIds"]
    for purpose in ("prepare", "preflight", "start"):
        assert aws("lambda").get_function(FunctionName=outputs[f"{purpose}_function_name"])


def test_every_row_can_be_compared_by_many_workers_where_that_is_wanted(outputs: Outputs, aws: Aws) -> None:
    if "validation_machine_arn" not in outputs:
        return
    machine = aws("stepfunctions").describe_state_machine(stateMachineArn=outputs["validation_machine_arn"])
    states = json.loads(machine["definition"])["States"]
    chunks, bucket = states["Compare"], outputs["validation_bucket_name"]
    assert chunks["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    assert {chunks[key]["Parameters"]["Bucket"] for key in ("ItemReader", "ResultWriter")} == {bucket}
    tasks = [states["Partition"], states["Conclude"], *chunks["ItemProcessor"]["States"].values()]
    for task in tasks:
        found = aws("lambda").get_function(FunctionName=task["Parameters"]["FunctionName"])["Configuration"]
        assert (found["State"], found["MemorySize"]) == ("Active", 512)
    [rule] = aws("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == outputs["kms_key_arn"]
    assert all(aws("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())


def test_backups_are_planned_for_what_is_tagged(outputs: Outputs, aws: Aws) -> None:
    backup = aws("backup")
    vault = backup.describe_backup_vault(BackupVaultName=outputs["backup_vault_name"])
    assert vault["EncryptionKeyArn"] == outputs["kms_key_arn"]
    [plan] = [
        p
        for listed in backup.list_backup_plans()["BackupPlansList"]
        for p in [backup.get_backup_plan(BackupPlanId=listed["BackupPlanId"])]
        if p["BackupPlan"]["Rules"][0]["TargetBackupVaultName"] == outputs["backup_vault_name"]
    ]
    assert plan["BackupPlan"]["Rules"][0]["ScheduleExpression"] == "cron(0 5 * * ? *)"


def test_the_tracking_table_is_recoverable(outputs: Outputs, aws: Aws) -> None:
    dynamodb = aws("dynamodb")
    name = outputs["tracking_table_name"]
    assert dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_everything_that_costs_is_tagged(outputs: Outputs, aws: Aws, database: dict[str, Any]) -> None:
    [vpc] = aws("ec2").describe_vpcs(VpcIds=[outputs["vpc_id"]])["Vpcs"]
    assert {tag["Key"] for tag in vpc["Tags"]} >= {"Environment", "ManagedBy", "Name"}
    assert {tag["Key"] for tag in database["TagList"]} >= {"Environment", "ManagedBy", "Purpose"}
