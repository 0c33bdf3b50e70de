"""What is watched of a DMS task, whether it moves the one database or one of many: lag, events, log."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.alerting import ABOVE, SOON_SECONDS, Owner, Watch

EVENTS = ["configuration change", "creation", "deletion", "failure", "state change"]
LATENCIES = {
    "source": ("CDCLatencySource", "Changes are read too late"),
    "target": ("CDCLatencyTarget", "Changes are applied too late"),
}


def resource_id(arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the last part of a task's ARN: DMS's metrics carry that, not the identifier one gave."""
    return pulumi.Output.from_input(arn).apply(lambda text: str(text).rsplit(":", maxsplit=1)[-1])


def lag(
    instance_id: pulumi.Input[str],
    task_resource_id: pulumi.Input[str],
    seconds: float,
    missing: str,
    database: str | None = None,
) -> list[Watch]:
    """Return the watches of a task's lag; `missing` is what no data means, `database` whose it is among many."""
    task = {"ReplicationInstanceIdentifier": instance_id, "ReplicationTaskIdentifier": task_resource_id}
    purpose, text = (f"{database}-", f"{database}: ") if database else ("", "")
    return [
        Watch(f"{purpose}lag-{side}", "AWS/DMS", metric, task, ABOVE, seconds, text + said, missing, SOON_SECONDS)
        for side, (metric, said) in LATENCIES.items()
    ]


def events(owner: Owner, topic_arn: pulumi.Input[str], task_ids: Sequence[pulumi.Input[str]]) -> None:
    """Send what DMS reports of the tasks to the topic."""
    name = f"{owner.name}-task-events"
    aws.dms.EventSubscription(
        name,
        name=name,
        source_type="replication-task",
        source_ids=list(task_ids),
        event_categories=EVENTS,
        sns_topic_arn=topic_arn,
        enabled=True,
        tags=owner.tagged(name),
        opts=owner.child,
    )


def log(
    owner: Owner, instance_id: pulumi.Input[str], kms_key_arn: pulumi.Input[str], retention_days: int
) -> aws.cloudwatch.LogGroup:
    """Make the log of an instance's tasks: else DMS makes it, without a key and without an end."""
    return aws.cloudwatch.LogGroup(
        f"{owner.name}-task-log",
        name=pulumi.Output.concat("dms-tasks-", instance_id),
        retention_in_days=retention_days,
        kms_key_id=kms_key_arn,
        tags=owner.tagged(f"{owner.name}-task-log"),
        opts=owner.child,
    )
