"""What is watched of a replication, whether it moves the one database or one of many: lag, events, log."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.alerting import ABOVE, SOON_SECONDS, Watch
from components.owner import Owner

EVENTS = ["configuration change", "creation", "deletion", "failure", "state change"]
LATENCIES = {
    "source": ("CDCLatencySource", "Changes are read too late"),
    "target": ("CDCLatencyTarget", "Changes are applied too late"),
}


def lag(
    dimensions: Mapping[str, pulumi.Input[str]], seconds: float, missing: str, database: str | None = None
) -> list[Watch]:
    """Return the watches of a replication's lag.

    `dimensions` are those of its metrics, `missing` is what no data means, `database` whose it is among many.
    """
    purpose, text = (f"{database}-", f"{database}: ") if database else ("", "")
    return [
        Watch(f"{purpose}lag-{side}", "AWS/DMS", metric, dimensions, ABOVE, seconds, text + said, missing, SOON_SECONDS)
        for side, (metric, said) in LATENCIES.items()
    ]


def events(owner: Owner, topic_arn: pulumi.Input[str], task_ids: Sequence[pulumi.Input[str]]) -> None:
    """Send what DMS reports of the tasks to the topic. Of serverless replications it tells EventBridge alone."""
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
    owner: Owner, name: pulumi.Input[str], kms_key_arn: pulumi.Input[str], retention_days: int
) -> aws.cloudwatch.LogGroup:
    """Make the log that DMS writes to: else DMS makes it, without a key and without an end."""
    return aws.cloudwatch.LogGroup(
        f"{owner.name}-task-log",
        name=name,
        retention_in_days=retention_days,
        kms_key_id=kms_key_arn,
        tags=owner.tagged(f"{owner.name}-task-log"),
        opts=owner.child,
    )
