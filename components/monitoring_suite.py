"""What people see and hear of a migration: a topic, a dashboard, alarms, and the events that reach the topic."""

import json
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks, event_rules, replication_kinds, task_watching
from components.alerting import INSTANCE, Watch, WatchedDatabase
from components.dashboard import Thresholds, dashboard
from components.owner import Owner

DEFAULT_LOG_RETENTION_DAYS = 30
DATABASE_EVENTS = ["configuration change", "failover", "failure", "maintenance", "notification"]


class MetricArgs(TypedDict):
    """A metric in a chart."""

    namespace: str
    """Namespace, for example AWS/ECS."""
    name: str
    """Name of the metric."""
    dimensions: dict[str, pulumi.Input[str]]
    """Dimensions and their values."""
    statistic: NotRequired[str]
    """Statistic, for example Sum. Default Average."""


class ChartArgs(TypedDict):
    """A chart on the dashboard."""

    title: str
    """Title."""
    region: pulumi.Input[str]
    """AWS region of the metrics."""
    metrics: list[MetricArgs]
    """Metrics it shows."""


class MonitoringSuiteArgs(TypedDict):
    """What MonitoringSuite needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits."""
    region: pulumi.Input[str]
    """AWS region of the metrics."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts the topic and the logs."""
    replication_instance_id: NotRequired[pulumi.Input[str] | None]
    """Identifier of the replication instance. Leave it out where the replication is serverless."""
    replication_task_id: pulumi.Input[str]
    """Identifier of the replication task, or of the serverless replication."""
    replication_task_arn: pulumi.Input[str]
    """ARN of the same."""
    database: WatchedDatabase
    """The target."""
    lag_seconds: NotRequired[int]
    """Lag of the replication, or of an instance's read replica, that raises the alarm. Default 60."""
    cpu_percent: NotRequired[int]
    """CPU use of the target that raises the alarm. Default 80."""
    connections: NotRequired[int]
    """Connections to the target that raise the alarm. Default 800."""
    free_storage_gb: NotRequired[int]
    """GB of free storage below which an instance raises the alarm. Default 10."""
    emails: NotRequired[list[str]]
    """Addresses that get every message; each has to confirm."""
    log_retention_days: NotRequired[int]
    """Days the task's log is kept. Default 30."""
    charts: NotRequired[list[ChartArgs]]
    """Charts beside the migration's own. Default none."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class MonitoringSuite(pulumi.ComponentResource):
    """A topic with its subscriptions and event rules, a dashboard, metric alarms and one composite: safe to switch."""

    topic_arn: pulumi.Output[str]
    """ARN of the topic that every message goes to."""
    dashboard_name: pulumi.Output[str]
    """Name of the dashboard."""
    safe_to_switch_alarm: pulumi.Output[str]
    """Name of the composite alarm that is in ALARM while nothing speaks against a switchover."""
    alarm_names: pulumi.Output[list[str]]
    """Names of the metric alarms."""

    def __init__(self, name: str, args: MonitoringSuiteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:MonitoringSuite", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        self._owner = Owner(self, name, self._tags)
        topic = self._topic()
        self._events(topic)
        watches = self._watches()
        alarms = alerting.alarms(self._owner, topic.arn, watches)
        safe = self._safe_to_switch(alarms, topic)
        board = self._dashboard(alerting.thresholds(watches))

        self.topic_arn = topic.arn
        self.dashboard_name = board.dashboard_name
        self.safe_to_switch_alarm = safe.alarm_name
        self.alarm_names = pulumi.Output.all(*[alarm.name for alarm in alarms])
        self.register_outputs(
            {
                "topic_arn": self.topic_arn,
                "dashboard_name": self.dashboard_name,
                "safe_to_switch_alarm": self.safe_to_switch_alarm,
                "alarm_names": self.alarm_names,
            }
        )

    def _topic(self) -> aws.sns.Topic:
        args = self._args
        return alerting.topic(
            self._owner,
            title="Database migration",
            publishers=alerting.MIGRATION,
            account_id=args["account_id"],
            kms_key_arn=args["kms_key_arn"],
            emails=args.get("emails", []),
        )

    def _events(self, topic: aws.sns.Topic) -> None:
        """Send to the topic what DMS and RDS report: by their own subscriptions and, for task states, by rule."""
        name, args = self._name, self._args
        if args.get("replication_instance_id") is not None:
            task_watching.events(self._owner, topic.arn, [args["replication_task_id"]])
        aws.rds.EventSubscription(
            f"{name}-database-events",
            name=f"{name}-database-events",
            source_type="db-instance" if args["database"]["dimension"] == INSTANCE else "db-cluster",
            source_ids=[args["database"]["identifier"]],
            event_categories=DATABASE_EVENTS,
            sns_topic=topic.arn,
            enabled=True,
            tags=checks.tags_for(self._tags, f"{name}-database-events"),
            opts=self._child,
        )
        rule = event_rules.declare(
            self._owner,
            "milestones",
            "Milestones and failures of the replication task, to the topic",
            {
                "source": ["aws.dms"],
                "detail-type": [replication_kinds.kind(args.get("replication_instance_id")).detail_type],
                "resources": [args["replication_task_arn"]],
            },
        )
        aws.cloudwatch.EventTarget(
            f"{name}-milestones-target", rule=rule.name, target_id="topic", arn=topic.arn, opts=self._child
        )

    def _watches(self) -> list[Watch]:
        """Return what raises an alarm."""
        args = self._args
        lag = int(args.get("lag_seconds", alerting.DEFAULT_LAG_SECONDS))
        return [
            # No lag reported means no replication: that is not safe. A quiet target reports all the same.
            *task_watching.lag(self._dimensions(), lag, missing="breaching"),
            *alerting.database_watches(
                args["database"],
                cpu_percent=int(args.get("cpu_percent", alerting.DEFAULT_CPU_PERCENT)),
                connections=int(args.get("connections", alerting.DEFAULT_CONNECTIONS)),
                free_storage_gb=int(args.get("free_storage_gb", alerting.DEFAULT_FREE_STORAGE_GB)),
                lag_seconds=lag,
            ),
        ]

    def _dimensions(self) -> dict[str, pulumi.Input[str]]:
        args = self._args
        return replication_kinds.dimensions(args["replication_task_arn"], args.get("replication_instance_id"))

    def _safe_to_switch(
        self, alarms: list[aws.cloudwatch.MetricAlarm], topic: aws.sns.Topic
    ) -> aws.cloudwatch.CompositeAlarm:
        name = f"{self._name}-safe-to-switch"
        rule = pulumi.Output.all(*[alarm.name for alarm in alarms]).apply(
            lambda names: " AND ".join(f'OK("{alarm}")' for alarm in names)
        )
        return aws.cloudwatch.CompositeAlarm(
            name,
            alarm_name=name,
            alarm_description="In ALARM while lag, CPU and connections all allow a switchover",
            alarm_rule=rule,
            alarm_actions=[topic.arn],
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )

    def _dashboard(self, thresholds: Thresholds) -> aws.cloudwatch.Dashboard:
        name, args = self._name, self._args
        retention = int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS))
        instance_id = args.get("replication_instance_id")
        log_name = replication_kinds.log_name(args["replication_task_arn"], instance_id)
        log = task_watching.log(self._owner, log_name, args["kms_key_arn"], retention)
        body = pulumi.Output.all(
            region=args["region"],
            replication=self._dimensions(),
            instance_id=instance_id,
            dimension=args["database"]["dimension"],
            identifier=args["database"]["identifier"],
            readers=args["database"].get("readers", []),
            task_log=log.name,
            more=args.get("charts", []),
        ).apply(lambda known: json.dumps(dashboard(**known, thresholds=thresholds)))
        return aws.cloudwatch.Dashboard(
            f"{name}-dashboard", dashboard_name=f"{name}-dashboard", dashboard_body=body, opts=self._child
        )
