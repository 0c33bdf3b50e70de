"""What people see of a fleet: a dashboard, an alarm for each database's lag, one for the tunnels, DMS's events."""

import json
from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks
from components.alerting import ABOVE, BELOW, Watch
from components.dashboard import Thresholds
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
        watches = self._watches(resource_ids)
        alerting.alarms(alerting.Owner(self, name, self._tags), args["topic_arn"], watches)
        self._task_log()
        board = self._dashboard(resource_ids, {(w.namespace, w.metric): w.threshold for w in watches})

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

    def _watches(self, resource_ids: Mapping[str, pulumi.Output[str]]) -> list[Watch]:
        """Return what raises an alarm: a database's lag, and a tunnel that is down."""
        args, soon = self._args, alerting.SOON_SECONDS
        threshold = int(args.get("lag_seconds", DEFAULT_LAG_SECONDS))
        watches = []
        for database, resource_id in resource_ids.items():
            task = {
                "ReplicationInstanceIdentifier": args["replication_instance_id"],
                "ReplicationTaskIdentifier": resource_id,
            }
            for side, (metric, text) in LATENCIES.items():
                name, said = f"{database}-lag-{side}", f"{database}: {text}"
                # Databases wait for their turn: one that does not replicate yet, or any more, is no alarm.
                watches.append(Watch(name, "AWS/DMS", metric, task, ABOVE, threshold, said, "notBreaching", soon))
        vpn, down = {"VpnId": args["vpn_connection_id"]}, "A tunnel of the VPN is down"
        watches.append(Watch("tunnels", "AWS/VPN", "TunnelState", vpn, BELOW, BOTH_TUNNELS, down, "breaching", soon))
        return watches

    def _task_log(self) -> None:
        aws.cloudwatch.LogGroup(  # made here, or DMS makes it without a key and without an end
            f"{self._name}-task-log",
            name=pulumi.Output.concat("dms-tasks-", self._args["replication_instance_id"]),
            retention_in_days=int(self._args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
            kms_key_id=self._args["kms_key_arn"],
            tags=checks.tags_for(self._tags, f"{self._name}-task-log"),
            opts=self._child,
        )

    def _dashboard(
        self, resource_ids: Mapping[str, pulumi.Output[str]], thresholds: Thresholds
    ) -> aws.cloudwatch.Dashboard:
        name, args = f"{self._name}-dashboard", self._args
        body = pulumi.Output.all(
            region=args["region"],
            instance_id=args["replication_instance_id"],
            tasks=dict(resource_ids),
            vpn_connection_id=args["vpn_connection_id"],
            functions=args["function_names"],
            table=args["tracking_table_name"],
        ).apply(lambda known: json.dumps(dashboard(**known, thresholds=thresholds)))
        return aws.cloudwatch.Dashboard(name, dashboard_name=name, dashboard_body=body, opts=self._child)
