"""What DMS calls the same thing of a task and of a serverless replication: events, calls, dimensions, logs."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Kind:
    """One way to replicate. `describe` are calls that know no resource; the others take the replication's ARN."""

    detail_type: str
    describe: tuple[str, ...]
    statistics: str
    start: str
    stop: str


TASK = Kind(
    detail_type="DMS Replication Task State Change",
    describe=("dms:DescribeReplicationTasks",),
    statistics="dms:DescribeTableStatistics",
    start="dms:StartReplicationTask",
    stop="dms:StopReplicationTask",
)
SERVERLESS = Kind(
    detail_type="DMS Replication State Change",
    describe=("dms:DescribeReplicationConfigs", "dms:DescribeReplications"),
    statistics="dms:DescribeReplicationTableStatistics",
    start="dms:StartReplication",
    stop="dms:StopReplication",
)


def kind(instance: object | None) -> Kind:
    """Return how a replication is named by what it runs on: an instance, or none."""
    return SERVERLESS if instance is None else TASK


def resource_id(arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the last part of a replication's ARN: DMS's metrics carry that, not the identifier one gave."""
    return pulumi.Output.from_input(arn).apply(lambda text: str(text).rsplit(":", maxsplit=1)[-1])


def dimensions(arn: pulumi.Input[str], instance_id: pulumi.Input[str] | None) -> dict[str, pulumi.Input[str]]:
    """Return the dimensions of a replication's metrics."""
    if instance_id is None:
        account = pulumi.Output.from_input(arn).apply(lambda text: str(text).split(":")[4])
        return {"ReplicationConfigId": pulumi.Output.concat(account, ":", resource_id(arn))}
    return {"ReplicationInstanceIdentifier": instance_id, "ReplicationTaskIdentifier": resource_id(arn)}


def log_name(arn: pulumi.Input[str], instance_id: pulumi.Input[str] | None) -> pulumi.Output[str]:
    """Return the name of the log that DMS writes to."""
    if instance_id is None:
        return pulumi.Output.concat("dms-serverless-replication-", resource_id(arn))
    return pulumi.Output.concat("dms-tasks-", instance_id)
