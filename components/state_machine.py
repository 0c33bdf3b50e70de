"""A Step Functions machine, with the role that calls its functions and a log that is delivered."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components import policies
from components.owner import Owner
from components.policies import Statement, allow

DELIVERY = (
    *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:GetLogDelivery"),
    *("logs:DescribeResourcePolicies", "logs:ListLogDeliveries", "logs:PutResourcePolicy"),
    "logs:UpdateLogDelivery",
)
"""What Step Functions does in a machine's name to have its log delivered."""


def declare(
    owner: Owner,
    *,
    definition: pulumi.Input[str],
    functions: Sequence[aws.lambda_.Function],
    kms_key_arn: pulumi.Input[str],
    log_retention_days: int,
    rights: Sequence[Statement] = (),
) -> aws.sfn.StateMachine:
    """Make the machine of this name, its role and its log.

    `rights` are what it does beside calling `functions`. Logs that AWS's own service delivers lie below
    /aws/vendedlogs.
    """
    name = owner.name
    logs = aws.cloudwatch.LogGroup(
        f"{name}-machine-log",
        name=f"/aws/vendedlogs/states/{name}",
        retention_in_days=log_retention_days,
        kms_key_id=kms_key_arn,
        tags=owner.tagged(f"{name}-machine"),
        opts=owner.child,
    )
    role = aws.iam.Role(
        f"{name}-machine-role",
        name=f"{name}-machine",
        assume_role_policy=policies.trust("states.amazonaws.com"),
        tags=owner.tagged(f"{name}-machine"),
        opts=owner.child,
    )
    arns = [function.arn for function in functions]
    policy = aws.iam.RolePolicy(
        f"{name}-machine-policy",
        name="what-it-calls",
        role=role.name,
        policy=policies.document(
            [
                allow("lambda:InvokeFunction", on=[*arns, *(pulumi.Output.concat(arn, ":*") for arn in arns)]),
                *rights,
                policies.allow_everywhere(*DELIVERY),
                policies.allow_everywhere("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
                allow("kms:Decrypt", "kms:GenerateDataKey", on=kms_key_arn),
            ]
        ),
        opts=owner.child,
    )
    return aws.sfn.StateMachine(
        f"{name}-machine",
        name=name,
        type="STANDARD",
        role_arn=role.arn,
        definition=definition,
        logging_configuration={
            "level": "ALL",
            "include_execution_data": True,
            "log_destination": pulumi.Output.concat(logs.arn, ":*"),
        },
        tracing_configuration={"enabled": True},
        tags=owner.tagged(name),
        opts=pulumi.ResourceOptions(parent=owner.parent, depends_on=[policy]),
    )
