"""A Lambda function inside the VPC with a role of its own that may do what its code calls, and nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components import checks, function_archives, policies
from components.policies import Statement, allow

DEFAULT_RUNTIME = "python3.13"
DEFAULT_ARCHITECTURE = "x86_64"
DEFAULT_LOG_RETENTION_DAYS = 30
MEMORY_MB = 512
IN_THE_VPC = (
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
)
"""What Lambda does in a function's name to put it into the VPC."""
BY_KEY = {
    "dynamodb": ("kms:Decrypt",),
    "s3": ("kms:Decrypt",),
    "secretsmanager": ("kms:Decrypt",),
    "sns": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs": ("kms:Decrypt", "kms:GenerateDataKey"),
}
"""What services do with the key in the name of who calls them; Lambda itself decrypts the environment."""
ENCRYPTS = {"secretsmanager:PutSecretValue": "secretsmanager", "s3:PutObject": "s3"}
"""What has a service encrypt under the key."""


@dataclass(frozen=True)
class Surroundings:
    """What all functions of a component have in common."""

    parent: pulumi.Resource
    subnet_ids: pulumi.Input[list[str]]
    security_group_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    runtime: str
    architecture: str
    log_retention_days: int
    tags: Mapping[str, str]


def surroundings(
    parent: pulumi.Resource, args: Mapping[str, Any], security_group_id: pulumi.Input[str]
) -> Surroundings:
    """Return the surroundings a component's arguments name, by the keys that all such components have.

    Raises ArgumentError for an architecture Lambda has not.
    """
    architecture = args.get("architecture", DEFAULT_ARCHITECTURE)
    return Surroundings(
        parent=parent,
        subnet_ids=args["subnet_ids"],
        security_group_id=security_group_id,
        kms_key_arn=args["kms_key_arn"],
        runtime=args.get("runtime", DEFAULT_RUNTIME),
        architecture=checks.one_of("architecture", architecture, function_archives.PLATFORMS),
        log_retention_days=int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
        tags=args.get("tags", {}),
    )


def driver_layer(name: str, around: Surroundings, kind: str) -> aws.lambda_.LayerVersion:
    """Make the layer with the driver of a kind of database, postgres or mysql."""
    return aws.lambda_.LayerVersion(
        name,
        layer_name=name,
        description=f"The driver of {kind}",
        code=function_archives.layer_archive(around.runtime, around.architecture, kind),
        compatible_runtimes=[around.runtime],
        compatible_architectures=[around.architecture],
        opts=pulumi.ResourceOptions(parent=around.parent),
    )


def declare(
    name: str,
    around: Surroundings,
    *,
    module: str,
    seconds: int,
    rights: Sequence[Statement],
    environment: Mapping[str, pulumi.Input[str]],
    description: str | None = None,
    memory_mb: int = MEMORY_MB,
    code: pulumi.Archive | None = None,
    layers: Sequence[pulumi.Input[str]] = (),
    dead_letters: pulumi.Input[str] | None = None,
    by_other_keys: Collection[str] = (),
) -> aws.lambda_.Function:
    """Make the function of `handlers/functions/<module>.py`, its log and its role.

    `rights` are what its code calls. To write its log, to be in the VPC, and to use the key through the services it
    calls is added to them. Among them must be to send to `dead_letters`, the ARN of a queue or topic. `code` is given
    where it is more than the handlers, `by_other_keys` names services it calls for what another key encrypts.
    """
    child = pulumi.ResourceOptions(parent=around.parent)
    logs = aws.cloudwatch.LogGroup(
        f"{name}-log",
        name=f"/aws/lambda/{name}",
        retention_in_days=around.log_retention_days,
        kms_key_id=around.kms_key_arn,
        tags=checks.tags_for(around.tags, name),
        opts=child,
    )
    role = aws.iam.Role(
        f"{name}-role",
        name=name,
        assume_role_policy=policies.trust("lambda.amazonaws.com"),
        tags=checks.tags_for(around.tags, name),
        opts=child,
    )
    policy = aws.iam.RolePolicy(
        f"{name}-policy",
        name="what-it-calls",
        role=role.name,
        policy=policies.document([*rights, *_of_every_function(name, logs, around.kms_key_arn, rights, by_other_keys)]),
        opts=child,
    )
    return aws.lambda_.Function(
        name,
        name=name,
        description=description or f"Migration step: {module}",
        runtime=around.runtime,
        architectures=[around.architecture],
        handler=f"handlers.functions.{module}.handler",
        code=code or function_archives.code_archive(),
        layers=list(layers) or None,
        role=role.arn,
        timeout=seconds,
        memory_size=memory_mb,
        environment={"variables": dict(environment)},
        kms_key_arn=around.kms_key_arn,
        dead_letter_config={"target_arn": dead_letters} if dead_letters is not None else None,
        tracing_config={"mode": "PassThrough"},
        vpc_config={"subnet_ids": around.subnet_ids, "security_group_ids": [around.security_group_id]},
        tags=checks.tags_for(around.tags, name),
        opts=pulumi.ResourceOptions(parent=around.parent, depends_on=[policy, logs]),
    )


def _of_every_function(
    name: str,
    logs: aws.cloudwatch.LogGroup,
    key_arn: pulumi.Input[str],
    rights: Sequence[Statement],
    by_other_keys: Collection[str],
) -> list[Statement]:
    """Return what Lambda and the services that `rights` call do in the function's name. Its code may not do as Lambda.

    See https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html.
    """
    actions = {action for right in rights for action in right["Action"]}
    called = {action.split(":")[0] for action in actions} & (BY_KEY.keys() - set(by_other_keys))
    both = {service for service in called if len(BY_KEY[service]) > 1}
    both |= {service for action, service in ENCRYPTS.items() if action in actions}
    if "s3:GetObject" not in actions:
        called -= {"s3"}
    own = {"ArnLike": {"lambda:SourceFunctionArn": f"arn:aws*:lambda:*:*:function:{name}"}}
    return [
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=pulumi.Output.concat(logs.arn, ":*")),
        policies.allow_everywhere(*IN_THE_VPC),
        {**policies.allow_everywhere(*IN_THE_VPC), "Effect": "Deny", "Condition": own},
        policies.allow_key(key_arn, {"lambda", *called}, "kms:Decrypt"),
        *([policies.allow_key(key_arn, both, "kms:GenerateDataKey")] if both else []),
    ]
