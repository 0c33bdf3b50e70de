"""The migration's dashboard as data. Metrics with dimensions are flat arrays: namespace, name, dimension, value."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Metric = list[Any]
Metrics = Callable[..., Metric]
"""Writes a metric of one thing by its name."""
Chart = tuple[str, list[Metric]]
"""A title and what is drawn."""
Thresholds = Mapping[tuple[str, str], float]
"""What raises an alarm, by namespace and name of the metric."""
WIDTH, HEIGHT = 12, 6


def dashboard(
    *,
    region: str,
    replication: Mapping[str, str],
    instance_id: str | None,
    dimension: str,
    identifier: str,
    readers: list[str],
    task_log: str,
    more: Sequence[Mapping[str, Any]] = (),
    thresholds: Thresholds | None = None,
) -> dict[str, Any]:
    """Return the body of a CloudWatch dashboard.

    `replication` are the dimensions of the replication's metrics. `instance_id` is None where it is serverless: DMS has
    other metrics of it. `dimension` is the one of the target's metrics, DBClusterIdentifier or
    DBInstanceIdentifier, with `identifier` as value. `readers` are instance identifiers. `more` are charts beside the
    migration's own, each {title, region, metrics}, a metric being {namespace, name, dimensions, statistic}. A line
    shows the threshold of a metric that has one.
    """
    task = _metrics_of("AWS/DMS", replication)
    database = _metrics_of("AWS/RDS", {dimension: identifier})
    charts = [
        (
            "Replication lag (s)",
            [task("CDCLatencySource", label="reading"), task("CDCLatencyTarget", label="applying")],
        ),
        ("Database connections", [database("DatabaseConnections")]),
        (
            "Rows per second",
            [
                task("CDCThroughputRowsTarget", label="changes"),
                task("FullLoadThroughputRowsTarget", label="full load (right)", yAxis="right"),
            ],
        ),
        (
            "DMS bandwidth (KB/s)",
            [
                task("CDCThroughputBandwidthTarget", label="changes"),
                task("FullLoadThroughputBandwidthTarget", label="full load (right)", yAxis="right"),
            ],
        ),
        (
            "Changes waiting",
            [task("CDCIncomingChanges")]
            if instance_id is None
            else [task("CDCChangesMemoryTarget", label="in memory"), task("CDCChangesDiskTarget", label="on disk")],
        ),
        ("Target free memory (bytes)", [database("FreeableMemory")]),
        *_charts_of_engine(database, dimension, readers),
        _chart_of_capacity(task, instance_id),
    ]
    widgets = [chart(region, number, title, metrics, thresholds) for number, (title, metrics) in enumerate(charts)]
    widgets += [
        chart(wanted["region"], number, wanted["title"], [_metric(metric) for metric in wanted["metrics"]])
        for number, wanted in enumerate(more, start=len(charts))
    ]
    widgets.append(_log(region, len(widgets), task_log))
    return {"widgets": widgets}


def _metrics_of(namespace: str, dimensions: Mapping[str, str]) -> Metrics:
    """Return what writes metrics of one thing, by name and options, as a dashboard has them."""
    named = [part for pair in dimensions.items() for part in pair]
    return lambda name, **options: [namespace, name, *named, options]


def _charts_of_engine(database: Metrics, dimension: str, readers: Sequence[str]) -> list[Chart]:
    """Return the charts that Aurora has of a cluster, or RDS of an instance."""
    if dimension == "DBClusterIdentifier":
        lag = [["AWS/RDS", "AuroraReplicaLag", "DBInstanceIdentifier", reader, {}] for reader in readers]
        return [
            ("Aurora CPU and capacity (%)", [database("CPUUtilization"), database("ACUUtilization")]),
            ("Aurora replica lag (ms)", lag or [database("AuroraReplicaLagMaximum")]),
        ]
    behind = [["AWS/RDS", "ReplicaLag", "DBInstanceIdentifier", reader, {}] for reader in readers]
    return [
        ("Target CPU (%)", [database("CPUUtilization")]),
        ("Target free storage (bytes)", [database("FreeStorageSpace")]),
        *([("Read replica lag (s)", behind)] if behind else []),
    ]


def _chart_of_capacity(task: Metrics, instance_id: str | None) -> Chart:
    if instance_id is None:
        return "Replication capacity used (%)", [task("CapacityUtilization")]
    instance = _metrics_of("AWS/DMS", {"ReplicationInstanceIdentifier": instance_id})
    return "Replication instance", [
        instance("CPUUtilization", label="CPU (%)"),
        instance("FreeStorageSpace", label="free storage (bytes, right)", yAxis="right"),
    ]


def _place(number: int) -> dict[str, int]:
    return {"x": WIDTH * (number % 2), "y": HEIGHT * (number // 2), "width": WIDTH, "height": HEIGHT}


def _metric(metric: Mapping[str, Any]) -> Metric:
    """Write a metric as a dashboard has it."""
    write = _metrics_of(metric["namespace"], metric["dimensions"])
    return write(metric["name"], stat=metric.get("statistic", "Average"))


def chart(
    region: str, number: int, title: str, metrics: list[Metric], thresholds: Thresholds | None = None
) -> dict[str, Any]:
    """Return a chart of metrics at its place, two to a row, with a line for every threshold."""
    known = thresholds or {}
    values = {known[(metric[0], metric[1])] for metric in metrics if (metric[0], metric[1]) in known}
    lines = [{"label": f"alarm at {value:g}", "value": value, "color": "#d13212"} for value in sorted(values)]
    return {
        "type": "metric",
        **_place(number),
        "properties": {
            "title": title,
            "region": region,
            "view": "timeSeries",
            "stat": "Average",
            "period": 60,
            "metrics": metrics,
            **({"annotations": {"horizontal": lines}} if lines else {}),
        },
    }


def _log(region: str, number: int, group: str) -> dict[str, Any]:
    wanted = "filter @message like /]E:|]W:/ | sort @timestamp desc | limit 50"
    query = f"SOURCE '{group}' | fields @timestamp, @message | {wanted}"
    return {
        "type": "log",
        **_place(number),
        "properties": {"title": "Task errors and warnings", "region": region, "query": query, "view": "table"},
    }
