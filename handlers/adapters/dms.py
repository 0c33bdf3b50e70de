"""DMS: a task with its metrics, and the connections to its endpoints."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handlers.core.readiness import TaskState

LATENCIES = ("CDCLatencySource", "CDCLatencyTarget")
METRIC_SECONDS = 300
"""How far back a latency counts: DMS reports once a minute."""
AT_REST = frozenset({"ready", "stopped", "failed", "created"})
"""States in which a task does nothing, and can be started."""
FIRST_START = "start-replication"
ERRORED_STATES = frozenset({"Table error", "Error", "Suspended", "Table cancelled"})


class ConnectionFailed(Exception):
    """DMS can't connect to a database. The message holds its reason."""


class Task:
    """A DMS task and its metrics."""

    def __init__(self, dms: Any, cloudwatch: Any, instance_id: str, task_arn: str) -> None:
        self._dms = dms
        self._cloudwatch = cloudwatch
        self._arn = task_arn
        self._dimensions = {
            "ReplicationInstanceIdentifier": instance_id,
            "ReplicationTaskIdentifier": task_arn.rsplit(":", maxsplit=1)[-1],
        }

    def state(self, now: float) -> TaskState:
        """Return the task's state, its tables in error, and the newest latencies."""
        task = self._describe()
        stats = task.get("ReplicationTaskStats", {})
        return state(task["Status"], stats, self._tables(), latencies(self._cloudwatch, self._dimensions, now))

    def mappings(self) -> list[dict[str, Any]]:
        """Return the rules of the task's table mappings."""
        rules: list[dict[str, Any]] = json.loads(self._describe()["TableMappings"])["rules"]
        return rules

    def settings(self) -> dict[str, Any]:
        """Return the task's settings."""
        settings: dict[str, Any] = json.loads(self._describe()["ReplicationTaskSettings"])
        return settings

    def start(self) -> None:
        """Start the task for the first time."""
        self._dms.start_replication_task(ReplicationTaskArn=self._arn, StartReplicationTaskType=FIRST_START)

    def counters(self) -> dict[str, int]:
        """Return how many changes DMS has read and how many it has applied, over all tables: evidence, no gate."""
        return counters(self._tables())

    def stop(self) -> bool:
        """Ask a running task to stop and say whether there was anything to stop. It takes DMS a minute."""
        if self.status() != "running":
            return False
        self._dms.stop_replication_task(ReplicationTaskArn=self._arn)
        return True

    def status(self) -> str:
        """Return the task's status as DMS words it."""
        return str(self._describe()["Status"])

    def failure(self) -> str:
        """Return why DMS says that the task failed, empty where it did not."""
        return str(self._describe().get("LastFailureMessage", ""))

    def at_rest(self) -> bool:
        """Say whether the task neither runs nor is about to start or stop."""
        return self.status() in AT_REST

    def start_from(self, position: str, since: float) -> None:
        """Start a task for changes alone from a position in the source's log, or let it go on.

        It goes on if it was started after `since`, seconds since the epoch: then it has a place of its own.
        """
        task = self._describe()
        if task["Status"] not in AT_REST:
            return
        began = task.get("ReplicationTaskStartDate")
        if began is not None and began.timestamp() >= since:
            how = {"StartReplicationTaskType": "resume-processing"}
        else:
            how = {"StartReplicationTaskType": "start-replication", "CdcStartPosition": position}
        self._dms.start_replication_task(ReplicationTaskArn=self._arn, **how)

    def _describe(self) -> dict[str, Any]:
        by_arn = [{"Name": "replication-task-arn", "Values": [self._arn]}]
        found: list[dict[str, Any]] = self._dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
        return found[0]

    def _tables(self) -> list[dict[str, Any]]:
        asked = functools.partial(self._dms.describe_table_statistics, ReplicationTaskArn=self._arn)
        return paged(asked, "TableStatistics")


def paged(ask: Callable[..., Any], member: str) -> list[dict[str, Any]]:
    """Return what a call of DMS lists under `member`, over all its pages."""
    found: list[dict[str, Any]] = []
    marker: str | None = None
    while True:
        page = ask(**({"Marker": marker} if marker else {}))
        found += page[member]
        marker = page.get("Marker")
        if not marker:
            return found


def state(
    status: str, stats: Mapping[str, Any], tables: Sequence[Mapping[str, Any]], latency: dict[str, float | None]
) -> TaskState:
    """Return a replication's state from what DMS says of it and of its tables."""
    bad = [t for t in tables if t["TableState"] in ERRORED_STATES]
    return TaskState(
        status=status,
        full_load_percent=int(stats.get("FullLoadProgressPercent", 0)),
        tables_errored=max(len(bad), int(stats.get("TablesErrored", 0))),
        suspended=tuple(sorted(f"{t['SchemaName']}.{t['TableName']}" for t in bad)),
        latency=latency,
    )


def counters(tables: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many changes DMS has read and how many it has applied, over these tables."""
    kinds = ("Inserts", "Updates", "Deletes")
    return {
        "read": sum(int(t.get(kind, 0)) for t in tables for kind in kinds),
        "applied": sum(int(t.get(f"Applied{kind}", 0)) for t in tables for kind in kinds),
    }


def latencies(cloudwatch: Any, dimensions: Mapping[str, str], now: float) -> dict[str, float | None]:
    """Return the newest CDC latencies in seconds by their metric, None where none was reported of late."""
    return {name: _latest(cloudwatch, name, dimensions, now) for name in LATENCIES}


def _latest(cloudwatch: Any, metric: str, dimensions: Mapping[str, str], now: float) -> float | None:
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {
                "Id": "latest",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/DMS",
                        "MetricName": metric,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
        ],
        StartTime=now - METRIC_SECONDS,
        EndTime=now + 1,
        ScanBy="TimestampDescending",
    )
    values = answer["MetricDataResults"][0]["Values"] if answer["MetricDataResults"] else []
    return float(values[0]) if values else None


class Endpoints:
    """Connections from the replication instance to its endpoints. DMS starts no task before they were tested."""

    def __init__(self, client: Any, instance_arn: str, endpoint_arns: Sequence[str]) -> None:
        self._client = client
        self._instance_arn = instance_arn
        self._endpoint_arns = endpoint_arns

    def begin_tests(self) -> None:
        """Ask DMS to test every connection. It takes about a minute."""
        for arn in self._endpoint_arns:
            self._client.test_connection(ReplicationInstanceArn=self._instance_arn, EndpointArn=arn)

    def untested(self) -> list[str]:
        """Return the endpoints whose test has not ended. Raises ConnectionFailed with DMS's reason if one failed."""
        by_instance = [{"Name": "replication-instance-arn", "Values": [self._instance_arn]}]
        found = self._client.describe_connections(Filters=by_instance)["Connections"]
        status = {connection["EndpointArn"]: connection for connection in found}
        failed = [status[arn] for arn in self._endpoint_arns if status.get(arn, {}).get("Status") == "failed"]
        if failed:
            reasons = [f"{c['EndpointIdentifier']}: {c.get('LastFailureMessage', 'no reason given')}" for c in failed]
            raise ConnectionFailed(f"DMS can't reach {'; '.join(reasons)}")
        return [arn for arn in self._endpoint_arns if status.get(arn, {}).get("Status") != "successful"]
