"""What every state machine needs for its log."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components import checks
from components.vpc_function import DEFAULT_LOG_RETENTION_DAYS

DELIVERY = (
    *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:GetLogDelivery"),
    *("logs:DescribeResourcePolicies", "logs:ListLogDeliveries", "logs:PutResourcePolicy"),
    "logs:UpdateLogDelivery",
)
"""What Step Functions does in a machine's name to have its log delivered."""


def group(
    name: str, args: Mapping[str, Any], options: pulumi.ResourceOptions, tags: Mapping[str, str]
) -> aws.cloudwatch.LogGroup:
    """Make the log of the machine `name`. Logs that are delivered by AWS's own service lie below /aws/vendedlogs."""
    return aws.cloudwatch.LogGroup(
        f"{name}-machine-log",
        name=f"/aws/vendedlogs/states/{name}",
        retention_in_days=int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
        kms_key_id=args["kms_key_arn"],
        tags=checks.tags_for(tags, f"{name}-machine"),
        opts=options,
    )
