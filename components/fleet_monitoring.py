"""What people see of a fleet: a dashboard, an alarm for each database's lag, one for the tunnels, DMS's events."""

import json
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks
from components.fleet_dashboard import dashboard
from components.monitoring_suite import TASK_EVENTS

DEFAULT_LAG_SECONDS = 60
DEFAULT_LOG_RETENTION_DAYS = 30
LATENCIES = {
    "source": ("CDCLatencySource", "Changes are read too late"),
    "target": ("CDCLatencyTarget", "Changes are applied too late"),
}
BOTH_TUNNELS = 1


class WatchedTask(TypedDict):
    """The forward task of a database."""

    id: pulumi.Input[str]
    """Identifier of the task."""
    arn: pulumi.Input[str]
    """ARN of the task."""


class FleetMonitoringArgs(TypedDict):
    """What FleetMonitoring needs."""

    region: pulumi.Input[str]
    """AWS region of the metrics."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts the tasks' log."""
    topic_arn: pulumi.Input[str]
    """Topic that alarms and events go to."""
    replication_instance_id: pulumi.Input[str]
    """Identifier of the replication instance."""
    tasks: dict[str, WatchedTask]
    """Forward tasks by database."""
    vpn_connection_id: pulumi.Input[str]
    """VPN whose tunnels are watched."""
    function_names: pulumi.Input[list[str]]
    """Functions to show."""
    tracking_table_name: pulumi.Input[str]
    """Table to show."""
    lag_seconds: NotRequired[int]
    """Replication lag that raises the alarm. Default 60."""
    log_retention_days: NotRequired[int]
    """Days the tasks' log is kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class FleetMonitoring(pulumi.ComponentResource):
    """A dashboard over all databases, alarms, and the subscription to DMS's events."""

    dashboard_name: pulumi.Output[str]
    """Name of the dashboard."""

    def __init__(self, name: str, args: FleetMonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:FleetMonitoring", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        resource_ids = {
            database: pulumi.Output.from_input(task["arn"]).apply(lambda arn: str(arn).rsplit(":", maxsplit=1)[-1])
            for database, task in args["tasks"].items()
        }
        self._events()
        self._lag_alarms(resource_ids)
        self._tunnel_alarm()
        self._task_log()
        board = self._dashboard(resource_ids)

        self.dashboard_name = board.dashboard_name
        self.register_outputs({"dashboard_name": self.dashboard_name})

    def _events(self) -> None:
        name, args = f"{self._name}-task-events", self._args
        aws.dms.EventSubscription(
            name,
            name=name,
            source_type="replication-task",
            source_ids=[task["id"] for task in args["tasks"].values()],
            event_categories=TASK_EVENTS,
            sns_topic_arn=args["topic_arn"],
            enabled=True,
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )

    def _alarm(
        self, purpose: str, description: str, metric: tuple[str, str], dimensions: Mapping[str, Any], **rule: Any
    ) -> None:
        name, topic = f"{self._name}-{purpose}", self._args["topic_arn"]
        aws.cloudwatch.MetricAlarm(
            name,
            name=name,
            alarm_description=description,
            namespace=metric[0],
            metric_name=metric[1],
            dimensions=dict(dimensions),
            statistic="Average",
            period=alerting.PERIOD_SECONDS,
            alarm_actions=[topic],
            ok_actions=[topic],
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
            **rule,
        )

    def _lag_alarms(self, resource_ids: Mapping[str, pulumi.Output[str]]) -> None:
        threshold = int(self._args.get("lag_seconds", DEFAULT_LAG_SECONDS))
        for database, resource_id in resource_ids.items():
            dimensions = {
                "ReplicationInstanceIdentifier": self._args["replication_instance_id"],
                "ReplicationTaskIdentifier": resource_id,
            }
            for side, (metric, description) in LATENCIES.items():
                self._alarm(
                    f"{database}-lag-{side}",
                    f"{database}: {description}",
                    ("AWS/DMS", metric),
                    dimensions,
                    comparison_operator="GreaterThanThreshold",
                    threshold=threshold,
                    evaluation_periods=alerting.PERIODS,
                    # Databases wait for their turn: one that does not replicate yet, or any more, is no alarm.
                    treat_missing_data="notBreaching",
                )

    def _tunnel_alarm(self) -> None:
        self._alarm(
            "tunnels",
            "A tunnel of the VPN is down",
            ("AWS/VPN", "TunnelState"),
            {"VpnId": self._args["vpn_connection_id"]},
            comparison_operator="LessThanThreshold",
            threshold=BOTH_TUNNELS,
            evaluation_periods=alerting.PERIODS,
            treat_missing_data="breaching",
        )

    def _task_log(self) -> None:
        aws.cloudwatch.LogGroup(  # made here, or DMS makes it without a key and without an end
            f"{self._name}-task-log",
            name=pulumi.Output.concat("dms-tasks-", self._args["replication_instance_id"]),
            retention_in_days=int(self._args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
            kms_key_id=self._args["kms_key_arn"],
            tags=checks.tags_for(self._tags, f"{self._name}-task-log"),
            opts=self._child,
        )

    def _dashboard(self, resource_ids: Mapping[str, pulumi.Output[str]]) -> aws.cloudwatch.Dashboard:
        name, args = f"{self._name}-dashboard", self._args
        body = pulumi.Output.all(
            region=args["region"],
            instance_id=args["replication_instance_id"],
            tasks=dict(resource_ids),
            vpn_connection_id=args["vpn_connection_id"],
            functions=args["function_names"],
            table=args["tracking_table_name"],
        ).apply(lambda known: json.dumps(dashboard(**known)))
        return aws.cloudwatch.Dashboard(name, dashboard_name=name, dashboard_body=body, opts=self._child)
