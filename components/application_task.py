"""A Fargate task: one container that may write nothing to its disk, its log, and the two roles it runs under."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components import checks, policies
from components.policies import Statement, allow

ARCHITECTURES = {"x86_64": "X86_64", "arm64": "ARM64"}
ECR = re.compile(r"^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([^:@]+)")
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
SECRETS = {"DATABASE_PASSWORD": "password", "DATABASE_USERNAME": "username"}
"""Variables that come from the secret, and the member each is."""


@dataclass(frozen=True)
class TaskPlan:
    """A task to declare. `name` is the resources' name, `container` the container's in the task."""

    name: str
    region: pulumi.Input[str]
    account_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    image: str
    container: str
    port: int
    user: str
    cpu: int
    memory_mb: int
    architecture: str
    variables: Mapping[str, str]
    database_host: pulumi.Input[str]
    database_port: pulumi.Input[int]
    database_name: pulumi.Input[str]
    secret_arn: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    log_retention_days: int
    options: pulumi.ResourceOptions
    tags: Mapping[str, str]

    def tagged(self, name: str) -> dict[str, str]:
        """Return the tags of what is called `name`."""
        return checks.tags_for(dict(self.tags), name)


def declare(plan: TaskPlan) -> tuple[aws.ecs.TaskDefinition, pulumi.Resource]:
    """Declare the task; the second resource is what its service has to wait for."""
    name = plan.name
    logs = aws.cloudwatch.LogGroup(
        f"{name}-log",
        name=f"/migration/{name}",
        retention_in_days=plan.log_retention_days,
        kms_key_id=plan.kms_key_arn,
        tags=plan.tagged(f"{name}-log"),
        opts=plan.options,
    )
    execution, rights = _role(plan, "execution", _execution_rights(plan, logs))
    task, _ = _role(plan, "task", _task_rights(plan))
    definition = aws.ecs.TaskDefinition(
        f"{name}-task",
        family=name,
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(plan.cpu),
        memory=str(plan.memory_mb),
        runtime_platform={
            "operating_system_family": "LINUX",
            "cpu_architecture": ARCHITECTURES[plan.architecture],
        },
        execution_role_arn=execution.arn,
        task_role_arn=task.arn,
        container_definitions=_containers(plan, logs),
        tags=plan.tagged(name),
        opts=plan.options,
    )
    return definition, rights


def _containers(plan: TaskPlan, logs: aws.cloudwatch.LogGroup) -> pulumi.Output[str]:
    def container(known: dict[str, Any]) -> str:
        plain = {
            **plan.variables,
            "DATABASE_HOST": known["host"],
            "DATABASE_NAME": known["database"],
            "DATABASE_PORT": str(int(known["port"])),
            "PORT": str(plan.port),
            "TRANSACTION_LOG_BUCKET": known["bucket"].rsplit(":", maxsplit=1)[-1],
        }
        log = {
            "awslogs-group": known["log"],
            "awslogs-region": known["region"],
            "awslogs-stream-prefix": plan.container,
        }
        one = {
            "name": plan.container,
            "image": plan.image,
            "essential": True,
            "user": plan.user,
            "readonlyRootFilesystem": True,
            "portMappings": [{"containerPort": plan.port, "hostPort": plan.port, "protocol": "tcp"}],
            "environment": [{"name": key, "value": plain[key]} for key in sorted(plain)],
            "secrets": [{"name": key, "valueFrom": f"{known['secret']}:{member}::"} for key, member in SECRETS.items()],
            "logConfiguration": {"logDriver": "awslogs", "options": log},
        }
        return json.dumps([one], sort_keys=True)

    return pulumi.Output.all(
        host=plan.database_host,
        port=plan.database_port,
        database=plan.database_name,
        secret=plan.secret_arn,
        bucket=plan.bucket_arn,
        log=logs.name,
        region=plan.region,
    ).apply(container)


def _role(plan: TaskPlan, purpose: str, rights: list[Statement]) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
    name = f"{plan.name}-{purpose}"
    tasks = pulumi.Output.concat("arn:aws:ecs:", plan.region, ":", plan.account_id, ":*")
    role = aws.iam.Role(
        f"{name}-role",
        name=name,
        assume_role_policy=tasks.apply(
            lambda arn: policies.trust("ecs-tasks.amazonaws.com", when={"ArnLike": {"aws:SourceArn": arn}})
        ),
        tags=plan.tagged(name),
        opts=plan.options,
    )
    policy = aws.iam.RolePolicy(
        f"{name}-policy", name="what-it-calls", role=role.name, policy=policies.document(rights), opts=plan.options
    )
    return role, policy


def _execution_rights(plan: TaskPlan, logs: aws.cloudwatch.LogGroup) -> list[Statement]:
    """Return what starting a task takes: its image, its secret, its log."""
    rights = [
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=pulumi.Output.concat(logs.arn, ":*")),
        allow("secretsmanager:GetSecretValue", on=plan.secret_arn),
        _key(plan, "secretsmanager", "kms:Decrypt"),
    ]
    found = ECR.match(plan.image)
    if found:
        account, region, repository = found.groups()
        rights.append(allow(*PULL, on=f"arn:aws:ecr:{region}:{account}:repository/{repository}"))
        rights.append(policies.allow_everywhere("ecr:GetAuthorizationToken"))
    return rights


def _task_rights(plan: TaskPlan) -> list[Statement]:
    """Return what the application itself may do: keep its transaction logs."""
    return [
        allow("s3:GetObject", "s3:PutObject", on=pulumi.Output.concat(plan.bucket_arn, "/*")),
        allow("s3:ListBucket", on=plan.bucket_arn),
        _key(plan, "s3", "kms:Decrypt", "kms:GenerateDataKey"),
    ]


def _key(plan: TaskPlan, service: str, *actions: str) -> Statement:
    via = pulumi.Output.concat(service, ".", plan.region, ".amazonaws.com")
    return allow(*actions, on=plan.kms_key_arn, when={"StringEquals": {"kms:ViaService": via}})
