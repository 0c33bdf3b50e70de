"""What replicates forward, by a stack's outputs: a task on an instance, or a serverless replication."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

RESUME = "resume-processing"
AFTER_LOAD = "STOPPED_AFTER_FULL_LOAD"
"""Why a task has stopped that is set to stop before it applies what has changed during its load."""


@dataclass(frozen=True)
class Progress:
    """How far it is; `failure` is empty while nothing failed."""

    status: str
    full_load_percent: int
    failure: str
    waits_for_indexes: bool = False


class Replication(Protocol):
    """What an operator and an onlooker need of it."""

    def resume(self) -> None:
        """Let it go on after a stop."""

    def stops_after_load(self) -> bool:
        """Say whether it stops once all rows are loaded."""

    def progress(self) -> Progress:
        """Return how far it is."""

    def dimensions(self) -> dict[str, str]:
        """Return the dimensions of its metrics."""


@dataclass(frozen=True)
class Task:
    """A task on a replication instance."""

    dms: Any
    arn: str
    instance_arn: str

    def resume(self) -> None:
        """Let it go on after a stop."""
        self.dms.start_replication_task(ReplicationTaskArn=self.arn, StartReplicationTaskType=RESUME)

    def stops_after_load(self) -> bool:
        """Say whether it stops once all rows are loaded."""
        settings = json.loads(self._shown()["ReplicationTaskSettings"])
        return bool(settings["FullLoadSettings"]["StopTaskCachedChangesNotApplied"])

    def progress(self) -> Progress:
        """Return how far it is."""
        found = self._shown()
        percent = found.get("ReplicationTaskStats", {}).get("FullLoadProgressPercent", 0)
        waits = found["Status"] == "stopped" and AFTER_LOAD in found.get("StopReason", "")
        return Progress(found["Status"], percent, found.get("LastFailureMessage", ""), waits)

    def _shown(self) -> dict[str, Any]:
        by_arn = [{"Name": "replication-task-arn", "Values": [self.arn]}]
        [found] = self.dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
        shown: dict[str, Any] = found
        return shown

    def dimensions(self) -> dict[str, str]:
        """Return the dimensions of its metrics."""
        by_arn = [{"Name": "replication-instance-arn", "Values": [self.instance_arn]}]
        [instance] = self.dms.describe_replication_instances(Filters=by_arn)["ReplicationInstances"]
        return {
            "ReplicationInstanceIdentifier": instance["ReplicationInstanceIdentifier"],
            "ReplicationTaskIdentifier": self.arn.rsplit(":", maxsplit=1)[-1],
        }


@dataclass(frozen=True)
class Serverless:
    """A serverless replication."""

    dms: Any
    arn: str

    def resume(self) -> None:
        """Let it go on after a stop."""
        self.dms.start_replication(ReplicationConfigArn=self.arn, StartReplicationType=RESUME)

    def stops_after_load(self) -> bool:
        """Say whether it stops once all rows are loaded: the settings let no serverless one do so."""
        return False

    def progress(self) -> Progress:
        """Return how far it is."""
        by_arn = [{"Name": "replication-config-arn", "Values": [self.arn]}]
        [found] = self.dms.describe_replications(Filters=by_arn)["Replications"]
        percent = found.get("ReplicationStats", {}).get("FullLoadProgressPercent", 0)
        return Progress(found["Status"], percent, "; ".join(found.get("FailureMessages", [])))

    def dimensions(self) -> dict[str, str]:
        """Return the dimensions of its metrics."""
        _, _, _, _, account, _, resource_id = self.arn.split(":")
        return {"ReplicationConfigId": f"{account}:{resource_id}"}


def of(outputs: Mapping[str, Any], client: Callable[[str], Any]) -> Replication:
    """Return what a stack's outputs tell of."""
    if "replication_config_arn" in outputs:
        return Serverless(client("dms"), outputs["replication_config_arn"])
    return Task(client("dms"), outputs["replication_task_arn"], outputs["replication_instance_arn"])
