"""What replicates forward, by a stack's outputs: a task on an instance, or a serverless replication."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Progress:
    """How far it is; `failure` is empty while nothing failed."""

    status: str
    full_load_percent: int
    failure: str


class Replication(Protocol):
    """What an operator and an onlooker need of it."""

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

    def progress(self) -> Progress:
        """Return how far it is."""
        by_arn = [{"Name": "replication-task-arn", "Values": [self.arn]}]
        [found] = self.dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
        percent = found.get("ReplicationTaskStats", {}).get("FullLoadProgressPercent", 0)
        return Progress(found["Status"], percent, found.get("LastFailureMessage", ""))

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
