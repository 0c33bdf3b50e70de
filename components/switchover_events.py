"""What has to be seen from outside the machine: events that call the observer, executions stopped by hand."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components import event_rules
from components.owner import Owner

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
    for purpose, description, pattern, schedule in (
        ("safe-to-switch", "It became safe to switch over, or no longer is", alarm, None),
        ("task-events", "State changes of the replication task", tasks, None),
        ("poll", "DMS's events are best effort: look as well", None, OBSERVE_SCHEDULE),
    ):
        rule = event_rules.declare(owner, purpose, description, pattern, schedule)
        event_rules.call(owner, purpose, rule, observer, target_id="observe", dead_letters=dead_letters)
    _tell(owner, machine_arn, topic_arn, dead_letters)


def _tell(
    owner: Owner, machine_arn: pulumi.Input[str], topic_arn: pulumi.Input[str], dead_letters: aws.sqs.Queue
) -> None:
    """Tell people of an execution that was stopped from outside: the machine can't."""
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [machine_arn], "status": list(STOPPED)},
    }
    left = "Executions that were stopped by hand: nobody undoes what they left"
    rule = event_rules.declare(owner, "stopped", left, pattern)
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
