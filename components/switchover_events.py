"""What has to be seen from outside the machine: events that call the observer, executions stopped by hand."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.alerting import Owner

OBSERVE_SCHEDULE = "rate(1 minute)"
STOPPED = ("ABORTED", "TIMED_OUT")
"""How an execution ends without having told anybody itself."""
WHAT_TO_DO = (
    '"Execution <name> of the switchover has ended as <status>, and nobody undid what it had begun. Call the undo '
    'function with {\\"abort\\": \\"your reason\\"} to take it back, or start another execution: once the lease of '
    'the first is over, it takes up what was left."'
)


def declare(
    owner: Owner,
    *,
    observer: aws.lambda_.Function,
    dead_letters: aws.sqs.Queue,
    machine_arn: pulumi.Input[str],
    topic_arn: pulumi.Input[str],
    task_arns: Sequence[pulumi.Input[str]],
    task_events: str,
    safe_to_switch_alarm: pulumi.Input[str],
) -> None:
    """Declare the rules. `task_events` is what EventBridge calls events of this kind of replication."""
    tasks = {"source": ["aws.dms"], "detail-type": [task_events], "resources": task_arns}
    alarm = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [safe_to_switch_alarm]},
    }
    triggers: dict[str, dict[str, Any]] = {
        "safe-to-switch": {
            "event_pattern": pulumi.Output.json_dumps(alarm, sort_keys=True),
            "description": "It became safe to switch over, or no longer is",
        },
        "task-events": {
            "event_pattern": pulumi.Output.json_dumps(tasks, sort_keys=True),
            "description": "State changes of the replication task",
        },
        "poll": {
            "schedule_expression": OBSERVE_SCHEDULE,
            "description": "DMS's events are best effort: look as well",
        },
    }
    for purpose, trigger in triggers.items():
        _call(owner, purpose, trigger, observer, dead_letters)
    _tell(owner, machine_arn, topic_arn, dead_letters)


def _call(
    owner: Owner, purpose: str, trigger: dict[str, Any], observer: aws.lambda_.Function, dead_letters: aws.sqs.Queue
) -> None:
    """Call the observer whenever `trigger` says so."""
    rule = _rule(owner, purpose, trigger)
    name = f"{owner.name}-{purpose}"
    aws.lambda_.Permission(
        f"{name}-permission",
        statement_id=purpose,
        action="lambda:InvokeFunction",
        function=observer.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=owner.child,
    )
    aws.cloudwatch.EventTarget(
        f"{name}-target",
        rule=rule.name,
        target_id="observe",
        arn=observer.arn,
        dead_letter_config={"arn": dead_letters.arn},
        opts=owner.child,
    )


def _tell(
    owner: Owner, machine_arn: pulumi.Input[str], topic_arn: pulumi.Input[str], dead_letters: aws.sqs.Queue
) -> None:
    """Tell people of an execution that was stopped from outside: the machine can't."""
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [machine_arn], "status": list(STOPPED)},
    }
    rule = _rule(
        owner,
        "stopped",
        {
            "event_pattern": pulumi.Output.json_dumps(pattern, sort_keys=True),
            "description": "Executions that were stopped by hand: nobody undoes what they left",
        },
    )
    aws.cloudwatch.EventTarget(
        f"{owner.name}-stopped-target",
        rule=rule.name,
        target_id="topic",
        arn=topic_arn,
        input_transformer={
            "input_paths": {"name": "$.detail.name", "status": "$.detail.status"},
            "input_template": WHAT_TO_DO,
        },
        dead_letter_config={"arn": dead_letters.arn},
        opts=owner.child,
    )


def _rule(owner: Owner, purpose: str, trigger: dict[str, Any]) -> aws.cloudwatch.EventRule:
    name = f"{owner.name}-{purpose}"
    return aws.cloudwatch.EventRule(name, name=name, tags=owner.tagged(name), opts=owner.child, **trigger)
