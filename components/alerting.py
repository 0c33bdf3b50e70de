"""What the monitoring components share: the topic people subscribe to, and alarms on metrics that tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import policies
from components.owner import Owner

PERIOD_SECONDS, PERIODS = 300, 2
"""Seconds of a period, and how many in a row raise an alarm. What has to be known sooner says so."""
SOON_SECONDS = 60
INSTANCE = "DBInstanceIdentifier"
MIGRATION = ("cloudwatch.amazonaws.com", "dms.amazonaws.com", "events.amazonaws.com", "events.rds.amazonaws.com")
"""Services that have something to say of a migration: the topics take it, and the stack's key lets them encrypt it."""
ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"
DEFAULT_CPU_PERCENT = 80
DEFAULT_CONNECTIONS = 800
DEFAULT_FREE_STORAGE_GB = 10
DEFAULT_LAG_SECONDS = 60


class WatchedDatabase(TypedDict):
    """A database whose metrics are watched."""

    dimension: str
    """Dimension of its metrics: DBClusterIdentifier or DBInstanceIdentifier."""
    identifier: pulumi.Input[str]
    """Identifier of the cluster or the instance."""
    readers: NotRequired[list[str]]
    """Instance identifiers of its readers."""


@dataclass(frozen=True)
class Watch:
    """A metric and the threshold that raises its alarm. `missing` is what no data means."""

    purpose: str
    namespace: str
    metric: str
    dimensions: Mapping[str, Any]
    comparison: str
    threshold: float
    description: str
    missing: str = "notBreaching"
    period: int = PERIOD_SECONDS


def topic(
    owner: Owner,
    *,
    title: str,
    publishers: Sequence[str],
    account_id: pulumi.Input[str],
    kms_key_arn: pulumi.Input[str],
    emails: Sequence[str],
) -> aws.sns.Topic:
    """Make an encrypted topic that these services of the account may publish to, over TLS, and its subscriptions."""
    name = owner.name
    made = aws.sns.Topic(
        f"{name}-topic",
        name=f"{name}-topic",
        display_name=title,
        kms_master_key_id=kms_key_arn,
        tags=owner.tagged(f"{name}-topic"),
        opts=owner.child,
    )
    aws.sns.TopicPolicy(
        f"{name}-topic-policy",
        arn=made.arn,
        policy=policies.document(
            [
                {
                    "Sid": "ServicesPublish",
                    "Effect": "Allow",
                    "Principal": {"Service": list(publishers)},
                    "Action": "sns:Publish",
                    "Resource": made.arn,
                    "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
                },
                {
                    "Sid": "OnlyTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": made.arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ]
        ),
        opts=owner.child,
    )
    for number, address in enumerate(emails, start=1):
        aws.sns.TopicSubscription(
            f"{name}-email-{number}", topic=made.arn, protocol="email", endpoint=address, opts=owner.child
        )
    return made


def database_watches(
    database: WatchedDatabase, *, cpu_percent: float, connections: float, free_storage_gb: float, lag_seconds: float
) -> list[Watch]:
    """Return what is watched of a database: CPU and connections, of an instance also storage and its read replicas.

    A cluster's storage grows by itself, and its readers share it.
    """
    dimensions = {database["dimension"]: database["identifier"]}
    watches = [
        Watch("cpu", "AWS/RDS", "CPUUtilization", dimensions, ABOVE, cpu_percent, "The target is busy"),
        Watch("connections", "AWS/RDS", "DatabaseConnections", dimensions, ABOVE, connections, "Many connections"),
    ]
    if INSTANCE in dimensions:
        least, text = free_storage_gb * 2**30, "The target's storage runs out"
        watches.append(Watch("storage", "AWS/RDS", "FreeStorageSpace", dimensions, BELOW, least, text))
        for number, reader in enumerate(database.get("readers", []), start=1):
            late = "A read replica is behind"
            purpose, replica = f"replica-{number}-lag", {INSTANCE: reader}
            watches.append(Watch(purpose, "AWS/RDS", "ReplicaLag", replica, ABOVE, lag_seconds, late))
    return watches


def alarms(owner: Owner, topic_arn: pulumi.Input[str], watches: Sequence[Watch]) -> list[aws.cloudwatch.MetricAlarm]:
    """Make an alarm per watch that tells the topic when it is raised and when it is over."""
    return [
        aws.cloudwatch.MetricAlarm(
            f"{owner.name}-{watch.purpose}",
            name=f"{owner.name}-{watch.purpose}",
            alarm_description=watch.description,
            namespace=watch.namespace,
            metric_name=watch.metric,
            dimensions=watch.dimensions,
            statistic="Average",
            comparison_operator=watch.comparison,
            threshold=watch.threshold,
            period=watch.period,
            evaluation_periods=PERIODS,
            treat_missing_data=watch.missing,
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            tags=owner.tagged(f"{owner.name}-{watch.purpose}"),
            opts=owner.child,
        )
        for watch in watches
    ]


def thresholds(watches: Sequence[Watch]) -> dict[tuple[str, str], float]:
    """Return what raises an alarm, by namespace and name of the metric, for a dashboard to draw."""
    return {(watch.namespace, watch.metric): watch.threshold for watch in watches}
