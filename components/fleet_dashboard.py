"""The fleet's dashboard as data: lag of every database, tunnels, functions, tracking table, replication instance."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.dashboard import Metric, Thresholds, chart


def dashboard(
    *,
    region: str,
    instance_id: str,
    tasks: Mapping[str, str],
    vpn_connection_id: str,
    functions: Sequence[str],
    table: str,
    thresholds: Thresholds | None = None,
) -> dict[str, Any]:
    """Return the body of a CloudWatch dashboard.

    `tasks` are the last parts of the forward tasks' ARNs by database: that is what DMS puts into the dimension
    ReplicationTaskIdentifier. A line shows the threshold of a metric that has one.
    """

    def lag(metric: str) -> list[Metric]:
        return [
            *(
                [
                    *("AWS/DMS", metric, "ReplicationInstanceIdentifier", instance_id),
                    *("ReplicationTaskIdentifier", task, {"label": database}),
                ]
                for database, task in tasks.items()
            )
        ]

    def instance(metric: str, **options: Any) -> Metric:
        return ["AWS/DMS", metric, "ReplicationInstanceIdentifier", instance_id, options]

    def counted(metric: str) -> list[Metric]:
        return [["AWS/Lambda", metric, "FunctionName", name, {"stat": "Sum"}] for name in functions]

    def activity(metric: str) -> Metric:
        return ["AWS/DynamoDB", metric, "TableName", table, {"stat": "Sum"}]

    charts = [
        ("Lag of reading, by database (s)", lag("CDCLatencySource")),
        ("Lag of applying, by database (s)", lag("CDCLatencyTarget")),
        ("VPN tunnels (1 up, 0.5 one of two, 0 down)", [["AWS/VPN", "TunnelState", "VpnId", vpn_connection_id, {}]]),
        ("Replication instance", [instance("CPUUtilization"), instance("FreeStorageSpace", yAxis="right")]),
        ("Function invocations", counted("Invocations")),
        ("Function errors", counted("Errors")),
        (
            "Tracking table (units)",
            [activity("ConsumedReadCapacityUnits"), activity("ConsumedWriteCapacityUnits")],
        ),
    ]
    return {
        "widgets": [chart(region, number, title, metrics, thresholds) for number, (title, metrics) in enumerate(charts)]
    }
