"""What people see of a fleet: a dashboard, an alarm for each database's lag, one for the tunnels, DMS's events."""

import json
from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, replication_kinds, task_watching
from components.alerting import BELOW, Watch
from components.dashboard import Thresholds
from components.fleet_dashboard import dashboard
from components.owner import Owner

DEFAULT_LOG_RETENTION_DAYS = 30
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
        owner = Owner(self, name, args.get("tags", {}))
        resource_ids = {
            database: replication_kinds.resource_id(task["arn"]) for database, task in args["tasks"].items()
        }
        task_watching.events(owner, args["topic_arn"], [task["id"] for task in args["tasks"].values()])
        watches = self._watches()
        alerting.alarms(owner, args["topic_arn"], watches)
        retention = int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS))
        log_name = replication_kinds.log_name("", args["replication_instance_id"])
        task_watching.log(owner, log_name, args["kms_key_arn"], retention)
        board = self._dashboard(resource_ids, alerting.thresholds(watches))

        self.dashboard_name = board.dashboard_name
        self.register_outputs({"dashboard_name": self.dashboard_name})

    def _watches(self) -> list[Watch]:
        """Return what raises an alarm: a database's lag, and a tunnel that is down."""
        args = self._args
        seconds = int(args.get("lag_seconds", alerting.DEFAULT_LAG_SECONDS))
        watches = [
            watch
            for database, task in args["tasks"].items()
            for dimensions in [replication_kinds.dimensions(task["arn"], args["replication_instance_id"])]
            # Databases wait for their turn: one that does not replicate yet, or any more, is no alarm.
            for watch in task_watching.lag(dimensions, seconds, "notBreaching", database)
        ]
        vpn, down, soon = {"VpnId": args["vpn_connection_id"]}, "A tunnel of the VPN is down", alerting.SOON_SECONDS
        watches.append(Watch("tunnels", "AWS/VPN", "TunnelState", vpn, BELOW, BOTH_TUNNELS, down, "breaching", soon))
        return watches

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
