import json
from typing import Any

import pytest

from components import ApplicationDns, ApplicationDnsArgs, ApplicationService, ApplicationServiceArgs
from components.checks import ArgumentError
from tests.support.pulumi_mocks import Recorder, deploy

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ARGS: ApplicationServiceArgs = {
    "region": "eu-west-1",
    "account_id": "123456789012",
    "short_name": "unit",
    "vpc_id": "vpc-1",
    "public_subnet_ids": ["public-1", "public-2"],
    "application_subnet_ids": ["private-1", "private-2"],
    "certificate_arn": "arn:certificate",
    "log_bucket": "logs",
    "kms_key_arn": "arn:key",
    "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/pay:1.0",
    "database": {
        "host": "writer.example.com",
        "port": 5432,
        "name": "payments",
        "secret_arn": "arn:secret",
        "security_group_id": "sg-database-clients",
    },
    "transaction_log_bucket_arn": "arn:aws:s3:::transactions",
    "environment": {"LOG_LEVEL": "info"},
    "tags": {"Environment": "unit"},
}


def service(**changes: object) -> Recorder:
    return deploy(lambda: ApplicationService("app", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def statements(recorder: Recorder, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(recorder.named(name).inputs["policy"])["Statement"]
    return found


def test_children_are_exactly_these() -> None:
    assert service().kinds() == {
        "app-cluster": "aws:ecs/cluster:Cluster",
        "app-service": "aws:ecs/service:Service",
        "app-task": "aws:ecs/taskDefinition:TaskDefinition",
        "app-log": "aws:cloudwatch/logGroup:LogGroup",
        "app-execution-role": "aws:iam/role:Role",
        "app-execution-policy": "aws:iam/rolePolicy:RolePolicy",
        "app-task-role": "aws:iam/role:Role",
        "app-task-policy": "aws:iam/rolePolicy:RolePolicy",
        "app-balancer": "aws:lb/loadBalancer:LoadBalancer",
        "app-targets": "aws:lb/targetGroup:TargetGroup",
        "app-https": "aws:lb/listener:Listener",
        "app-http": "aws:lb/listener:Listener",
        "app-balancer-group": "aws:ec2/securityGroup:SecurityGroup",
        "app-tasks-group": "aws:ec2/securityGroup:SecurityGroup",
        "app-balancer-from-anywhere-https": INGRESS,
        "app-balancer-from-anywhere-http": INGRESS,
        "app-tasks-from-balancer": INGRESS,
        "app-balancer-to-tasks": EGRESS,
        "app-tasks-to-services": EGRESS,
        "app-scaling": "aws:appautoscaling/target:Target",
        "app-scale-on-cpu": "aws:appautoscaling/policy:Policy",
        "app-scale-on-memory": "aws:appautoscaling/policy:Policy",
    }


def test_every_child_hangs_under_the_component() -> None:
    assert {parent for name, parent in service().parents().items() if name != "app"} == {"app"}


def test_people_come_in_by_https_only() -> None:
    recorder = service()
    balancer = recorder.one("aws:lb/loadBalancer:LoadBalancer")
    assert balancer["subnets"] == ["public-1", "public-2"]
    assert balancer["accessLogs"] == {"bucket": "logs", "prefix": "load-balancer", "enabled": True}
    assert balancer["dropInvalidHeaderFields"] is True
    assert balancer["enableDeletionProtection"] is True
    https, http = recorder.named("app-https").inputs, recorder.named("app-http").inputs
    assert (https["port"], https["protocol"], https["certificateArn"]) == (443, "HTTPS", "arn:certificate")
    assert https["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
    [action] = http["defaultActions"]
    assert action == {"type": "redirect", "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}}


def test_health_is_asked_on_the_health_path() -> None:
    check = service(health_path="/up").one("aws:lb/targetGroup:TargetGroup")["healthCheck"]
    assert (check["path"], check["matcher"], check["enabled"]) == ("/up", "200", True)


def test_only_the_load_balancer_reaches_the_tasks() -> None:
    recorder = service()
    rules = {n: r for n, r in recorder.of(INGRESS).items() if r["securityGroupId"] == "app-tasks-group-id"}
    [rule] = rules.values()
    assert (rule["referencedSecurityGroupId"], rule["fromPort"], rule["toPort"]) == (
        "app-balancer-group-id",
        8080,
        8080,
    )
    out = {n: r for n, r in recorder.of(EGRESS).items() if r["securityGroupId"] == "app-balancer-group-id"}
    assert set(out) == {"app-balancer-to-tasks"}


def test_the_service_is_private_and_rolls_back_on_its_own() -> None:
    recorder = service(minimum_tasks=3)
    found = recorder.one("aws:ecs/service:Service")
    assert found["networkConfiguration"] == {
        "subnets": ["private-1", "private-2"],
        "securityGroups": ["app-tasks-group-id", "sg-database-clients"],
        "assignPublicIp": False,
    }
    assert found["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert found["desiredCount"] == 3
    assert recorder.named("app-service").ignore_changes == ("desiredCount",)
    assert {"app-https", "app-execution-policy"} <= recorder.named("app-service").depends_on


def test_the_container_is_unprivileged_and_gets_its_password_from_the_secret() -> None:
    task = service().one("aws:ecs/taskDefinition:TaskDefinition")
    [container] = json.loads(task["containerDefinitions"])
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "1000:1000"
    plain = {one["name"]: one["value"] for one in container["environment"]}
    assert plain == {
        "DATABASE_HOST": "writer.example.com",
        "DATABASE_NAME": "payments",
        "DATABASE_PORT": "5432",
        "LOG_LEVEL": "info",
        "PORT": "8080",
        "TRANSACTION_LOG_BUCKET": "transactions",
    }
    secret = {one["name"]: one["valueFrom"] for one in container["secrets"]}
    assert secret == {
        "DATABASE_PASSWORD": "arn:secret:password::",
        "DATABASE_USERNAME": "arn:secret:username::",
    }
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/migration/app"


def test_roles_may_do_what_a_task_needs_and_no_more() -> None:
    recorder = service()
    execution = {tuple(s["Action"]): s["Resource"] for s in statements(recorder, "app-execution-policy")}
    assert execution["secretsmanager:GetSecretValue",] == "arn:secret"
    assert [actions for actions, on in execution.items() if on == "*"] == [("ecr:GetAuthorizationToken",)]
    repository = "arn:aws:ecr:eu-west-1:123456789012:repository/shop/pay"
    assert repository in execution.values()
    task = {tuple(s["Action"]): s["Resource"] for s in statements(recorder, "app-task-policy")}
    assert task["s3:GetObject", "s3:PutObject"] == "arn:aws:s3:::transactions/*"
    assert "*" not in task.values()
    trust = json.loads(recorder.named("app-task-role").inputs["assumeRolePolicy"])["Statement"][0]
    assert trust["Condition"] == {"ArnLike": {"aws:SourceArn": "arn:aws:ecs:eu-west-1:123456789012:*"}}


def test_an_image_from_elsewhere_needs_no_right_of_ecr() -> None:
    actions = [
        a for s in statements(service(image="registry.example/pay:1"), "app-execution-policy") for a in s["Action"]
    ]
    assert not [action for action in actions if action.startswith("ecr:")]


def test_it_scales_between_bounds_on_cpu_and_memory() -> None:
    recorder = service(maximum_tasks=9, cpu_percent=55)
    target = recorder.one("aws:appautoscaling/target:Target")
    assert (target["resourceId"], target["minCapacity"], target["maxCapacity"]) == ("service/app/app", 2, 9)
    cpu = recorder.named("app-scale-on-cpu").inputs["targetTrackingScalingPolicyConfiguration"]
    assert cpu["targetValue"] == 55
    assert cpu["predefinedMetricSpecification"] == {"predefinedMetricType": "ECSServiceAverageCPUUtilization"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"container_port": 80}, "container_port is 80: write a number from 1024 to 65535"),
        ({"minimum_tasks": 4, "maximum_tasks": 3}, "maximum_tasks is 3: write 4 or more"),
        ({"architecture": "sparc"}, "architecture is 'sparc': write one of arm64, x86_64"),
        ({"short_name": "x" * 30}, "length of short_name is 30: write a number from 1 to 29"),
        ({"cpu_percent": 99}, "cpu_percent is 99: write a number from 10 to 90"),
    ],
)
def test_bad_arguments_are_named_with_the_remedy(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        service(**changes)


# Its name

NAME: ApplicationDnsArgs = {
    "zone_id": "Z1",
    "name": "pay.example.com",
    "blue": {"dns_name": "old.elb.example", "zone_id": "ZOLD"},
    "green": {"dns_name": "new.elb.example", "zone_id": "ZNEW"},
}


def name(**changes: object) -> Recorder:
    return deploy(lambda: ApplicationDns("name", {**NAME, **changes}))  # type: ignore[typeddict-item]


def test_blue_has_all_the_weight_at_birth_and_both_sides_are_watched() -> None:
    recorder = name()
    records = recorder.of("aws:route53/record:Record")
    assert set(records) == {"name-blue", "name-green"}
    for side, weight, host, zone in (("blue", 100, "old.elb.example", "ZOLD"), ("green", 0, "new.elb.example", "ZNEW")):
        record = records[f"name-{side}"]
        assert (record["name"], record["type"], record["setIdentifier"]) == ("pay.example.com", "A", side)
        assert record["weightedRoutingPolicies"] == [{"weight": weight}]
        assert record["aliases"] == [{"name": host, "zoneId": zone, "evaluateTargetHealth": True}]
        assert record["healthCheckId"] == f"name-{side}-health-id"
        assert "ttl" not in record  # an alias has none of its own
        assert recorder.named(f"name-{side}").ignore_changes == ("weightedRoutingPolicies",)


def test_health_is_asked_over_https() -> None:
    check = name(health_path="/up").named("name-green-health").inputs
    assert (check["type"], check["port"], check["resourcePath"]) == ("HTTPS", 443, "/up")
    assert (check["fqdn"], check["enableSni"]) == ("new.elb.example", True)
    with pytest.raises(ArgumentError, match="health_path is 'up': write a path"):
        name(health_path="up")
