"""What the stack of an application that moves whole really deployed, by its outputs."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from components.stack_outputs import APPLICATION, SERVERLESS
from handlers import config as handlers_config

Aws = Callable[..., Any]
Outputs = dict[str, Any]
REPLICATION_SECONDS = 900.0
"""How long S3 may take to replicate an object: nearly all are there within that."""


@dataclass(frozen=True)
class Side:
    """One environment: its outputs without their side, and clients of its region."""

    name: str
    outputs: Outputs
    aws: Aws

    def client(self, service: str) -> Any:
        return self.aws(service, self.outputs["region"])

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]


def environment_of(name: str, outputs: Outputs, aws: Aws) -> Side:
    own = {key.removeprefix(f"{name}_"): value for key, value in outputs.items() if key.startswith(f"{name}_")}
    return Side(name, own, aws)


@pytest.fixture(params=["source", "target"])
def side(request: pytest.FixtureRequest, outputs: Outputs, aws: Aws) -> Side:
    """Each of the two environments."""
    return environment_of(request.param, outputs, aws)


@pytest.fixture
def target(outputs: Outputs, aws: Aws) -> Side:
    """The environment that also holds the replication and what carries the migration out."""
    return environment_of("target", outputs, aws)


@pytest.fixture
def database(side: Side) -> dict[str, Any]:
    """The environment's database as RDS describes it."""
    page = side.client("rds").describe_db_instances(DBInstanceIdentifier=side["database_identifier"])
    return dict(page["DBInstances"][0])


def test_the_stack_has_every_promised_output(outputs: Outputs) -> None:
    promised = SERVERLESS["application"] if "replication_config_arn" in outputs else APPLICATION
    assert set(outputs) == set(promised)


def test_the_environments_lie_in_two_regions(outputs: Outputs) -> None:
    assert outputs["source_region"] != outputs["target_region"]


def test_subnets_lie_in_zones_of_their_own(side: Side) -> None:
    for tier in ("public", "application", "database"):
        ids = side[f"{tier}_subnet_ids"]
        subnets = side.client("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
        assert {s["VpcId"] for s in subnets} == {side["vpc_id"]}
        assert len({s["AvailabilityZone"] for s in subnets}) == len(ids) >= 2
        assert all(s["AvailabilityZone"].startswith(side["region"]) for s in subnets)


# Databases


def test_databases_are_encrypted_private_and_backed_up(side: Side, database: dict[str, Any]) -> None:
    assert database["DBInstanceStatus"] == "available"
    assert database["StorageEncrypted"]
    assert database["KmsKeyId"] == side["kms_key_arn"]
    assert not database["PubliclyAccessible"]
    assert database["BackupRetentionPeriod"] >= 7
    assert database["MasterUserSecret"]["SecretArn"] == side["master_secret_arn"]
    assert database["Endpoint"]["Address"] == side["database_endpoint"]


def test_both_databases_can_be_read_by_replication(side: Side, database: dict[str, Any]) -> None:
    group = database["DBParameterGroups"][0]["DBParameterGroupName"]
    found = side.client("rds").describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"]
    values = {p["ParameterName"]: p.get("ParameterValue") for p in found}
    assert values["rds.logical_replication"] == "1"


def test_databases_are_reached_on_their_port_only(side: Side) -> None:
    ids = [side["database_security_group_id"]]
    [group] = side.client("ec2").describe_security_groups(GroupIds=ids)["SecurityGroups"]
    port = int(side["database_port"])
    assert {(p["FromPort"], p["ToPort"]) for p in group["IpPermissions"]} == {(port, port)}
    assert group["IpPermissionsEgress"] == []


def test_secrets_lead_to_their_database(side: Side) -> None:
    for purpose in ("application", "replication"):
        arn = side[f"{purpose}_secret_arn"]
        secrets = side.aws("secretsmanager", arn.split(":")[3])
        fields = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        assert fields["host"] == side["database_endpoint"]
        assert len(fields["password"]) == 32


def test_the_application_logs_in_with_one_name_and_password_on_both_sides(outputs: Outputs, aws: Aws) -> None:
    found = []
    for name in ("source", "target"):
        side = environment_of(name, outputs, aws)
        text = side.client("secretsmanager").get_secret_value(SecretId=side["application_secret_arn"])["SecretString"]
        found.append({key: value for key, value in json.loads(text).items() if key in ("username", "password")})
    assert found[0] == found[1]


# Between the environments


def test_the_secrets_of_dms_s_users_rotate_beside_dms(outputs: Outputs, target: Side) -> None:
    for name, function in outputs["rotation_function_names"].items():
        arn = outputs[f"{name}_replication_secret_arn"]
        assert arn.split(":")[3] == target["region"]
        secret = target.client("secretsmanager").describe_secret(SecretId=arn)
        assert secret["RotationEnabled"] and secret["KmsKeyId"] == target["kms_key_arn"]
        assert secret["RotationLambdaARN"].endswith(f":function:{function}")


def test_the_networks_are_peered_and_resolve_each_other(outputs: Outputs, side: Side) -> None:
    ids = [outputs["peering_connection_id"]]
    [found] = side.client("ec2").describe_vpc_peering_connections(VpcPeeringConnectionIds=ids)["VpcPeeringConnections"]
    assert found["Status"]["Code"] == "active"
    assert found["RequesterVpcInfo"]["VpcId"] == outputs["source_vpc_id"]
    assert found["AccepterVpcInfo"]["VpcId"] == outputs["target_vpc_id"]
    own = found["RequesterVpcInfo" if side.name == "source" else "AccepterVpcInfo"]
    assert own["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"]


def test_private_tiers_lead_to_the_other_network_and_the_database_lets_it_in(
    outputs: Outputs, side: Side, aws: Aws
) -> None:
    other = environment_of("target" if side.name == "source" else "source", outputs, aws)
    [vpc] = other.client("ec2").describe_vpcs(VpcIds=[other["vpc_id"]])["Vpcs"]
    ec2 = side.client("ec2")
    for tier in ("application", "database"):
        by_subnet = [{"Name": "association.subnet-id", "Values": side[f"{tier}_subnet_ids"]}]
        tables = ec2.describe_route_tables(Filters=by_subnet)["RouteTables"]
        assert tables
        for table in tables:
            routes = {r["DestinationCidrBlock"]: r for r in table["Routes"] if "DestinationCidrBlock" in r}
            assert routes[vpc["CidrBlock"]]["VpcPeeringConnectionId"] == outputs["peering_connection_id"]
    [group] = ec2.describe_security_groups(GroupIds=[side["database_security_group_id"]])["SecurityGroups"]
    assert vpc["CidrBlock"] in {r["CidrIp"] for p in group["IpPermissions"] for r in p["IpRanges"]}


def test_endpoints_hold_no_password_and_read_secrets_of_their_region(outputs: Outputs, target: Side) -> None:
    dms, secrets = target.client("dms"), target.client("secretsmanager")
    for name in ("source", "target"):
        by_arn = [{"Name": "endpoint-arn", "Values": [outputs[f"{name}_endpoint_arn"]]}]
        [found] = dms.describe_endpoints(Filters=by_arn)["Endpoints"]
        settings = found["PostgreSQLSettings"]
        assert not settings.get("Password") and not found.get("Password")
        assert found["KmsKeyId"] == target["kms_key_arn"]
        arn = settings["SecretsManagerSecretId"]
        assert arn.split(":")[3] == target["region"]
        fields = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        assert fields["host"] == outputs[f"{name}_database_endpoint"]


def test_replication_is_declared_and_not_started(outputs: Outputs, target: Side) -> None:
    if "replication_config_arn" in outputs:
        by_arn = [{"Name": "replication-config-arn", "Values": [outputs["replication_config_arn"]]}]
        [config] = target.client("dms").describe_replication_configs(Filters=by_arn)["ReplicationConfigs"]
        assert config["ReplicationType"] == "full-load-and-cdc"
        assert config["ComputeConfig"]["KmsKeyId"] == target["kms_key_arn"]
        assert json.loads(config["TableMappings"])["rules"]
        return
    for task, kind in (("replication_task_arn", "full-load-and-cdc"), ("failback_task_arn", "cdc")):
        by_task = [{"Name": "replication-task-arn", "Values": [outputs[task]]}]
        [found] = target.client("dms").describe_replication_tasks(Filters=by_task)["ReplicationTasks"]
        assert found["MigrationType"] == kind
        assert json.loads(found["TableMappings"])["rules"]


# Transaction logs


def test_buckets_are_private_versioned_encrypted_and_logged(outputs: Outputs, side: Side) -> None:
    s3, bucket = side.client("s3"), outputs[f"{side.name}_transaction_log_bucket"]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": side["kms_key_arn"],
    }
    assert rule["BucketKeyEnabled"]
    [owned] = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owned["ObjectOwnership"] == "BucketOwnerEnforced"
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetBucket"] == side["access_log_bucket"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert any(r.get("AbortIncompleteMultipartUpload") for r in rules)
    assert any(r.get("Transitions") and r.get("NoncurrentVersionExpiration") for r in rules)


def test_buckets_take_tls_and_our_encryption_only(outputs: Outputs, side: Side) -> None:
    bucket = outputs[f"{side.name}_transaction_log_bucket"]
    policy = json.loads(side.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    denied = {s["Sid"]: s for s in policy["Statement"] if s["Effect"] == "Deny"}
    assert set(denied) == {"OnlyTls", "OnlyKms", "OnlyOurKey"}
    assert denied["OnlyTls"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert side["kms_key_arn"] in json.dumps(denied["OnlyOurKey"]["Condition"])


def test_an_object_is_encrypted_and_replicated_under_the_other_region_s_key(outputs: Outputs, aws: Aws) -> None:
    source, target = environment_of("source", outputs, aws), environment_of("target", outputs, aws)
    here, there = outputs["source_transaction_log_bucket"], outputs["target_transaction_log_bucket"]
    key = f"integration/{time.time_ns()}"
    source.client("s3").put_object(Bucket=here, Key=key, Body=b"a transaction")
    try:
        written = source.client("s3").get_object(Bucket=here, Key=key)
        assert written["Body"].read() == b"a transaction"
        assert (written["ServerSideEncryption"], written["SSEKMSKeyId"]) == ("aws:kms", source["kms_key_arn"])
        until = time.monotonic() + REPLICATION_SECONDS
        while "Contents" not in target.client("s3").list_objects_v2(Bucket=there, Prefix=key):
            assert time.monotonic() < until, "the object was not replicated"
            time.sleep(5)
        replica = target.client("s3").get_object(Bucket=there, Key=key)
        assert replica["Body"].read() == b"a transaction"
        assert (replica["ReplicationStatus"], replica["SSEKMSKeyId"]) == ("REPLICA", target["kms_key_arn"])
    finally:
        for one, bucket in ((source, here), (target, there)):
            s3 = one.client("s3")
            for version in s3.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", []):
                s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


# The application


def test_the_load_balancer_takes_https_only_and_keeps_logs(side: Side) -> None:
    elb, arn = side.client("elbv2"), side["load_balancer_arn"]
    [balancer] = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    assert (balancer["Scheme"], balancer["DNSName"]) == ("internet-facing", side["load_balancer_dns_name"])
    assert {z["SubnetId"] for z in balancer["AvailabilityZones"]} == set(side["public_subnet_ids"])
    attributes = {
        a["Key"]: a["Value"] for a in elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    }
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == side["access_log_bucket"]
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    listeners = {one["Port"]: one for one in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]}
    assert set(listeners) == {80, 443}
    assert "TLS13" in listeners[443]["SslPolicy"]
    assert listeners[443]["Certificates"][0]["CertificateArn"].split(":")[3] == side["region"]
    [redirect] = listeners[80]["DefaultActions"]
    assert (redirect["Type"], redirect["RedirectConfig"]["Protocol"]) == ("redirect", "HTTPS")


def test_targets_are_asked_for_their_health(side: Side) -> None:
    arns = [side["target_group_arn"]]
    [group] = side.client("elbv2").describe_target_groups(TargetGroupArns=arns)["TargetGroups"]
    assert group["HealthCheckEnabled"]
    assert group["HealthCheckPath"] == "/health"
    assert group["Matcher"] == {"HttpCode": "200"}
    assert group["TargetType"] == "ip"


def test_the_service_is_private_and_rolls_back(side: Side) -> None:
    ecs, cluster = side.client("ecs"), side["cluster_name"]
    [service] = ecs.describe_services(cluster=cluster, services=[side["service_name"]])["services"]
    assert service["status"] == "ACTIVE"
    assert service["launchType"] == "FARGATE"
    assert service["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    place = service["networkConfiguration"]["awsvpcConfiguration"]
    assert set(place["subnets"]) == set(side["application_subnet_ids"])
    assert side["application_security_group_id"] in place["securityGroups"]
    assert place["assignPublicIp"] == "DISABLED"
    [found] = ecs.describe_clusters(clusters=[cluster], include=["SETTINGS"])["clusters"]
    assert {"name": "containerInsights", "value": "enabled"} in found["settings"]


def test_containers_run_without_rights_they_need_not_have(outputs: Outputs, side: Side) -> None:
    ecs = side.client("ecs")
    [service] = ecs.describe_services(cluster=side["cluster_name"], services=[side["service_name"]])["services"]
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    [container] = task["containerDefinitions"]
    assert container["readonlyRootFilesystem"] is True
    assert container["user"].split(":")[0] not in ("", "0", "root")
    plain = {e["name"]: e["value"] for e in container["environment"]}
    assert plain["DATABASE_HOST"] == outputs["writer_name"]
    assert plain["TRANSACTION_LOG_BUCKET"] == outputs[f"{side.name}_transaction_log_bucket"]
    assert not [name for name in plain if "PASSWORD" in name]
    secrets = {s["name"]: s["valueFrom"] for s in container["secrets"]}
    assert secrets["DATABASE_PASSWORD"] == f"{side['application_secret_arn']}:password::"
    assert container["logConfiguration"]["options"]["awslogs-region"] == side["region"]


def test_the_service_scales_on_cpu_and_memory(side: Side) -> None:
    scaling = side.client("application-autoscaling")
    where = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
    resource = f"service/{side['cluster_name']}/{side['service_name']}"
    [found] = scaling.describe_scalable_targets(ResourceIds=[resource], **where)["ScalableTargets"]
    assert 1 <= found["MinCapacity"] <= found["MaxCapacity"]
    policies = scaling.describe_scaling_policies(ResourceId=resource, **where)["ScalingPolicies"]
    metrics = {
        p["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]["PredefinedMetricType"]
        for p in policies
    }
    assert metrics == {"ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization"}


# Names


def records(outputs: Outputs, aws: Aws, name: str) -> dict[str, dict[str, Any]]:
    page = aws("route53").list_resource_record_sets(HostedZoneId=outputs["hosted_zone_id"], StartRecordName=name)
    return {r["SetIdentifier"]: r for r in page["ResourceRecordSets"] if r["Name"].rstrip(".") == name}


def test_the_application_s_name_is_weighted_between_watched_load_balancers(outputs: Outputs, aws: Aws) -> None:
    found = records(outputs, aws, outputs["application_name"])
    assert set(found) == {"blue", "green"}
    assert sum(r["Weight"] for r in found.values()) == 100
    for set_identifier, name in (("blue", "source"), ("green", "target")):
        record = found[set_identifier]
        assert record["Type"] == "A"
        assert record["AliasTarget"]["DNSName"].rstrip(".").endswith(outputs[f"{name}_load_balancer_dns_name"])
        assert record["AliasTarget"]["HostedZoneId"] == outputs[f"{name}_load_balancer_zone_id"]
        assert record["HealthCheckId"] == outputs[f"{name}_health_check_id"]


def test_health_is_asked_over_https(outputs: Outputs, side: Side, aws: Aws) -> None:
    check = aws("route53").get_health_check(HealthCheckId=outputs[f"{side.name}_health_check_id"])["HealthCheck"]
    wanted = check["HealthCheckConfig"]
    assert (wanted["Type"], wanted["Port"], wanted["ResourcePath"]) == ("HTTPS", 443, "/health")
    assert wanted["EnableSNI"]
    assert wanted["FullyQualifiedDomainName"] == side["load_balancer_dns_name"]


@pytest.mark.parametrize("role", ["writer", "reader"])
def test_the_database_s_names_have_no_health_check(outputs: Outputs, aws: Aws, role: str) -> None:
    found = records(outputs, aws, outputs[f"{role}_name"])
    assert set(found) == {"blue", "green"}
    assert found["blue"]["ResourceRecords"] == [{"Value": outputs["source_database_endpoint"]}]
    assert found["green"]["ResourceRecords"] == [{"Value": outputs["target_database_endpoint"]}]
    assert not any("HealthCheckId" in record for record in found.values())


# What watches and what acts


def test_the_dashboard_shows_both_sides_and_lag_raises_an_alarm(outputs: Outputs, target: Side) -> None:
    cloudwatch = target.client("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName=outputs["dashboard_name"])["DashboardBody"])
    charts = [w["properties"] for w in body["widgets"] if w["type"] == "metric"]
    for name in ("source", "target"):
        shown = {m[1] for c in charts if c["region"] == outputs[f"{name}_region"] for m in c["metrics"]}
        assert {"DatabaseConnections", "CPUUtilization", "ReadIOPS", "WriteIOPS"} <= shown
        assert {"RunningTaskCount", "HealthyHostCount", "RequestCount", "HTTPCode_Target_5XX_Count"} <= shown
    prefix = outputs["dashboard_name"].removesuffix("-dashboard")
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    limits = {alarm["MetricName"]: alarm["Threshold"] for alarm in alarms}
    assert limits["CDCLatencySource"] == limits["CDCLatencyTarget"] == 60
    assert all(alarm["AlarmActions"] == [outputs["topic_arn"]] for alarm in alarms)


def test_the_functions_know_the_whole_migration(outputs: Outputs, target: Side) -> None:
    ssm = target.client("ssm")
    text = ssm.get_parameter(Name=outputs["config_parameter_name"])["Parameter"]["Value"]
    config = handlers_config.parse(text)
    assert config.source.host == outputs["source_database_endpoint"]
    assert config.target.host == outputs["target_database_endpoint"]
    assert config.source.operator_secret_arn == outputs["source_master_secret_arn"]
    assert config.source_application_secret_arn.split(":")[3] == target["region"]
    assert config.dns.writer_name == outputs["writer_name"]
    assert config.state_machine_arn == outputs["state_machine_arn"]


def test_the_functions_are_active(outputs: Outputs, target: Side) -> None:
    machine = target.client("stepfunctions").describe_state_machine(stateMachineArn=outputs["state_machine_arn"])
    states = json.loads(machine["definition"])["States"].values()
    functions = {s["Parameters"]["FunctionName"] for s in states if s["Type"] == "Task"}
    called = [outputs[f"{purpose}_function_name"] for purpose in ("prepare", "preflight", "start")]
    for name in (*functions, *called):
        assert target.client("lambda").get_function(FunctionName=name)["Configuration"]["State"] == "Active"


def test_the_tracking_table_is_recoverable(outputs: Outputs, target: Side) -> None:
    found = target.client("dynamodb").describe_continuous_backups(TableName=outputs["tracking_table_name"])
    recovery = found["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


def test_everything_that_costs_is_tagged_with_its_side(side: Side, database: dict[str, Any]) -> None:
    [vpc] = side.client("ec2").describe_vpcs(VpcIds=[side["vpc_id"]])["Vpcs"]
    for listed in (vpc["Tags"], database["TagList"]):
        tags = {tag["Key"]: tag["Value"] for tag in listed}
        assert {"Environment", "ManagedBy", "Name"} <= set(tags)
        assert tags["Side"] == side.name
