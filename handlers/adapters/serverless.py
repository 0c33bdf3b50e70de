"""A serverless DMS replication, behind the calls that a task has."""

import functools
import json
from typing import Any

from botocore.exceptions import ClientError

from handlers.adapters import dms
from handlers.core.readiness import TaskState

RESOURCE = "replication-config"
"""Part of the ARN of every serverless replication."""


def is_serverless(arn: str) -> bool:
    """Say whether an ARN names a serverless replication rather than a task."""
    return arn.split(":")[5:6] == [RESOURCE]


class Serverless:
    """A serverless replication and its metrics."""

    def __init__(self, dms: Any, cloudwatch: Any, config_arn: str) -> None:
        self._dms = dms
        self._cloudwatch = cloudwatch
        self._arn = config_arn
        self._by_arn = [{"Name": "replication-config-arn", "Values": [config_arn]}]
        _, _, _, _, account, _, resource_id = config_arn.split(":")
        self._dimensions = {"ReplicationConfigId": f"{account}:{resource_id}"}

    def state(self, now: float) -> TaskState:
        """Return the replication's state, its tables in error, and the newest latencies."""
        found = self._describe()
        stats = found.get("ReplicationStats", {})
        latencies = dms.latencies(self._cloudwatch, self._dimensions, now)
        return dms.state(found["Status"], stats, self._tables(), latencies)

    def mappings(self) -> list[dict[str, Any]]:
        """Return the rules of the replication's table mappings."""
        rules: list[dict[str, Any]] = json.loads(self._config()["TableMappings"])["rules"]
        return rules

    def settings(self) -> dict[str, Any]:
        """Return the replication's settings."""
        settings: dict[str, Any] = json.loads(self._config()["ReplicationSettings"])
        return settings

    def start(self) -> None:
        """Start the replication for the first time. Its capacity is made first, which takes up to an hour."""
        self._dms.start_replication(ReplicationConfigArn=self._arn, StartReplicationType=dms.FIRST_START)

    def counters(self) -> dict[str, int]:
        """Return how many changes DMS has read and how many it has applied, over all tables: evidence, no gate."""
        return dms.counters(self._tables())

    def stop(self) -> bool:
        """Ask the replication to stop and say whether there was anything to stop."""
        if self.status() != "running":
            return False
        self._dms.stop_replication(ReplicationConfigArn=self._arn)
        return True

    def status(self) -> str:
        """Return the replication's status as DMS words it."""
        return str(self._describe()["Status"])

    def failure(self) -> str:
        """Return why DMS says that the replication failed, empty where it did not."""
        return "; ".join(self._describe().get("FailureMessages", []))

    def at_rest(self) -> bool:
        """Say whether the replication neither runs nor is about to start or stop."""
        return self.status() in dms.AT_REST

    def _config(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = self._dms.describe_replication_configs(Filters=self._by_arn)["ReplicationConfigs"]
        return found[0]

    def _describe(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = self._dms.describe_replications(Filters=self._by_arn)["Replications"]
        return found[0]

    def _tables(self) -> list[dict[str, Any]]:
        """Return the tables' statistics, none where no capacity is provisioned: DMS has none then."""
        asked = functools.partial(self._dms.describe_replication_table_statistics, ReplicationConfigArn=self._arn)
        try:
            return dms.paged(asked, "ReplicationTableStatistics")
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidResourceStateFault":
                return []
            raise
