"""RDS's and DMS's metrics in the sandbox come from the real processes."""

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.instance import Instance


def newest(
    sandbox: Instance, metric: str, identifier: str, since: datetime, dimension: str = "DBClusterIdentifier"
) -> float | None:
    query: dict[str, Any] = {
        "Metric": {
            "Namespace": "AWS/RDS" if dimension.startswith("DB") else "AWS/DMS",
            "MetricName": metric,
            "Dimensions": [{"Name": dimension, "Value": identifier}],
        },
        "Period": 1,
        "Stat": "Maximum",
    }
    answer = sandbox.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": query}],
        StartTime=since,
        EndTime=datetime.now(UTC) + timedelta(seconds=1),
        ScanBy="TimestampDescending",
    )
    values = answer["MetricDataResults"][0]["Values"]
    return float(values[0]) if values else None


def test_connections_and_room_are_those_of_the_server(sandbox: Instance, outputs: dict[str, Any]) -> None:
    identifier = outputs["database_identifier"]
    with ExitStack() as opened:
        for _ in range(7):
            opened.enter_context(sandbox.target.superuser())
        since, until = datetime.now(UTC), time.monotonic() + 60
        seen: float | None = None
        while (seen is None or seen < 7) and time.monotonic() < until:
            time.sleep(0.5)
            seen = newest(sandbox, "DatabaseConnections", identifier, since)
        assert seen is not None and 7 <= seen < 60
    for metric in ("CPUUtilization", "FreeableMemory", "FreeStorageSpace"):
        assert newest(sandbox, metric, identifier, since - timedelta(seconds=30)) is not None, metric
    free = newest(sandbox, "FreeStorageSpace", identifier, since - timedelta(seconds=30))
    assert free is not None and free > 2**20
    mover = sandbox.client("dms").describe_replication_instances()["ReplicationInstances"][0]
    for metric in ("CPUUtilization", "FreeableMemory", "FreeStorageSpace"):
        name, begin = mover["ReplicationInstanceIdentifier"], since - timedelta(seconds=30)
        assert newest(sandbox, metric, name, begin, "ReplicationInstanceIdentifier") is not None, metric
