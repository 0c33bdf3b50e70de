"""What people hear of one database: a topic, and alarms on CPU, connections, free storage and read replicas."""

from typing import NotRequired, TypedDict

import pulumi

from components import alerting
from components.alerting import WatchedDatabase
from components.owner import Owner

PUBLISHERS = ("cloudwatch.amazonaws.com",)


class DatabaseMonitoringArgs(TypedDict):
    """What DatabaseMonitoring needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts the topic."""
    database: WatchedDatabase
    """The database."""
    cpu_percent: NotRequired[int]
    """CPU use that raises the alarm. Default 80."""
    connections: NotRequired[int]
    """Connections that raise the alarm. Default 800."""
    free_storage_gb: NotRequired[int]
    """GB of free storage below which an instance raises the alarm. Default 10."""
    lag_seconds: NotRequired[int]
    """Lag of a read replica that raises its alarm. Default 60."""
    emails: NotRequired[list[str]]
    """Addresses that get every message; each has to confirm."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class DatabaseMonitoring(pulumi.ComponentResource):
    """A topic with its subscriptions, and the metric alarms of one database."""

    topic_arn: pulumi.Output[str]
    """ARN of the topic that every message goes to."""
    alarm_names: pulumi.Output[list[str]]
    """Names of the alarms."""

    def __init__(self, name: str, args: DatabaseMonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:DatabaseMonitoring", name, None, opts)
        owner = Owner(self, name, args.get("tags", {}))
        topic = alerting.topic(
            owner,
            title="Database",
            publishers=PUBLISHERS,
            account_id=args["account_id"],
            kms_key_arn=args["kms_key_arn"],
            emails=args.get("emails", []),
        )
        watches = alerting.database_watches(
            args["database"],
            cpu_percent=int(args.get("cpu_percent", alerting.DEFAULT_CPU_PERCENT)),
            connections=int(args.get("connections", alerting.DEFAULT_CONNECTIONS)),
            free_storage_gb=int(args.get("free_storage_gb", alerting.DEFAULT_FREE_STORAGE_GB)),
            lag_seconds=int(args.get("lag_seconds", alerting.DEFAULT_LAG_SECONDS)),
        )
        alarms = alerting.alarms(owner, topic.arn, watches)

        self.topic_arn = topic.arn
        self.alarm_names = pulumi.Output.all(*[alarm.name for alarm in alarms])
        self.register_outputs({"topic_arn": self.topic_arn, "alarm_names": self.alarm_names})
