"""A replication task as DMS has it: the only thing that tells whether one is at work."""

import functools
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from policy.rule import Resource, read


def task(resource: Resource) -> Mapping[str, Any] | None:
    """Return the task of this identifier where the instance it runs on is. None where there is none.

    Raises where DMS can't be asked: a rule that can't see must not say that all is well.
    """
    region = str(read(resource.props, "replicationInstanceArn")).split(":")[3]
    by_id = [{"Name": "replication-task-id", "Values": [read(resource.props, "replicationTaskId")]}]
    try:
        found = _dms(region).describe_replication_tasks(Filters=by_id)["ReplicationTasks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundFault":
            return None
        raise Unseen(f"DMS can't be asked for the task: {error}") from error
    except BotoCoreError as error:
        raise Unseen(f"DMS can't be asked for the task: {error}") from error
    return found[0] if found else None


class Unseen(Exception):
    """DMS can't be asked. The message says why."""


@functools.cache
def _dms(region: str) -> Any:
    return boto3.client("dms", region_name=region, config=Config(connect_timeout=5, read_timeout=20))
