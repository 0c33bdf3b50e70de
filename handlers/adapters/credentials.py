"""DMS after the password of its user has changed. It reads the secret when it connects, and is told to do that.

What runs is left alone: its sessions stay, and where one is lost DMS connects with what the secret then holds.
"""

from collections.abc import Sequence
from typing import Any

from handlers.adapters.dms import Endpoints
from handlers.adapters.serverless import is_serverless
from handlers.clock import Clock, wait_for

PAUSE_SECONDS = 0.5
FAILED = "failed"
UNTESTED = "not tested: DMS Serverless tests them itself when it connects"


class Replications:
    """What connects as the user: tasks or serverless replications, by their ARNs, and the instance's connections."""

    def __init__(
        self, dms: Any, clock: Clock, instance_arn: str, endpoint_arns: Sequence[str], arns: Sequence[str]
    ) -> None:
        self._dms = dms
        self._clock = clock
        self._endpoints = Endpoints(dms, instance_arn, endpoint_arns) if instance_arn else None
        self._arns = arns

    def reconnect(self, since: float, seconds: float) -> dict[str, Any]:
        """Have DMS connect with the new password, and what failed `since` then (seconds since the epoch) go on.

        It goes on from where it was. Raises ConnectionFailed with DMS's reason, DeadlineExceeded after `seconds`.
        """
        tested = self._test(self._clock.now() + seconds)
        return {"connections": tested, "resumed": [arn for arn in self._arns if self._resume(arn, since)]}

    def _test(self, until: float) -> str:
        endpoints = self._endpoints
        if endpoints is None:
            return UNTESTED
        endpoints.begin_tests()
        what = "DMS's test of its connections"
        wait_for(lambda: not endpoints.untested(), clock=self._clock, until=until, pause=PAUSE_SECONDS, what=what)
        return "tested by DMS"

    def _resume(self, arn: str, since: float) -> bool:
        """Start what failed since then; what failed before, or was stopped, is a person's or the switchover's."""
        if is_serverless(arn):
            by_arn = [{"Name": "replication-config-arn", "Values": [arn]}]
            [found] = self._dms.describe_replications(Filters=by_arn)["Replications"]
            stopped = found.get("ReplicationLastStopTime")
        else:
            by_arn = [{"Name": "replication-task-arn", "Values": [arn]}]
            [found] = self._dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
            stopped = found.get("ReplicationTaskStats", {}).get("StopDate")
        if found["Status"] != FAILED or stopped is None or stopped.timestamp() < since:
            return False
        if is_serverless(arn):
            self._dms.start_replication(ReplicationConfigArn=arn, StartReplicationType="resume-processing")
        else:
            self._dms.start_replication_task(ReplicationTaskArn=arn, StartReplicationTaskType="resume-processing")
        return True
