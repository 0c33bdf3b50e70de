"""A log of what flows in a network, in CloudWatch."""

import pulumi
import pulumi_aws as aws

from components import policies
from components.owner import Owner


def declare(owner: Owner, *, vpc_id: pulumi.Input[str], kms_key_arn: pulumi.Input[str], retention_days: int) -> None:
    """Make the log, the role that writes it, and what tells AWS to."""
    name = owner.name
    group = aws.cloudwatch.LogGroup(
        f"{name}-flow-logs",
        name=f"/migration/{name}/flow",
        retention_in_days=retention_days,
        kms_key_id=kms_key_arn,
        tags=owner.tagged(f"{name}-flow-logs"),
        opts=owner.child,
    )
    role = aws.iam.Role(
        f"{name}-flow-logs-role",
        name=f"{name}-flow-logs",
        assume_role_policy=policies.trust("vpc-flow-logs.amazonaws.com"),
        tags=owner.tagged(f"{name}-flow-logs"),
        opts=owner.child,
    )
    writes = ("logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:PutLogEvents")
    aws.iam.RolePolicy(
        f"{name}-flow-logs-policy",
        role=role.name,
        policy=policies.document([policies.allow(*writes, on=[group.arn, pulumi.Output.concat(group.arn, ":*")])]),
        opts=owner.child,
    )
    aws.ec2.FlowLog(
        f"{name}-flow-log",
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        tags=owner.tagged(f"{name}-flow-log"),
        opts=owner.child,
    )
