"""EventBridge's rules, and functions that they call."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components.owner import Owner


def declare(
    owner: Owner,
    purpose: str,
    description: str,
    pattern: Mapping[str, Any] | None = None,
    schedule: str | None = None,
) -> aws.cloudwatch.EventRule:
    """Make a rule that takes events of a pattern, or speaks up by the clock."""
    name = f"{owner.name}-{purpose}"
    return aws.cloudwatch.EventRule(
        name,
        name=name,
        description=description,
        event_pattern=None if pattern is None else pulumi.Output.json_dumps(pattern, sort_keys=True),
        schedule_expression=schedule,
        tags=owner.tagged(name),
        opts=owner.child,
    )


def call(
    owner: Owner,
    purpose: str,
    rule: aws.cloudwatch.EventRule,
    function: aws.lambda_.Function,
    *,
    target_id: str,
    dead_letters: aws.sqs.Queue | None = None,
) -> None:
    """Have a rule call a function, which lets it, and it alone."""
    name = f"{owner.name}-{purpose}"
    aws.lambda_.Permission(
        f"{name}-permission",
        statement_id=purpose,
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=owner.child,
    )
    aws.cloudwatch.EventTarget(
        f"{name}-target",
        rule=rule.name,
        target_id=target_id,
        arn=function.arn,
        dead_letter_config={"arn": dead_letters.arn} if dead_letters else None,
        opts=owner.child,
    )
