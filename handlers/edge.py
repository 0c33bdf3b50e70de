"""The edge between Lambda and a step: clients, config, logging. Nothing here is reached by the steps themselves."""

import functools
import os
from collections.abc import Callable
from typing import Any

from handlers import config
from handlers.adapters.cloud import Endpoints, Machine, NameGroup, Notices, Secrets, Task
from handlers.adapters.postgres import Database
from handlers.adapters.tracking import Tracking
from handlers.adapters.waiting import limit_waits
from handlers.clients import carried_out, client
from handlers.clock import Clock
from handlers.migration import Migration

CONFIG_PARAMETER = "CONFIG_PARAMETER"
"""Environment variable that names the config parameter."""
MARGIN_SECONDS = 30.0
"""Time kept back from a function's own limit, so that it can still undo."""

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def open_migration() -> Migration:
    """Read the config parameter and return the migration. Connections to the databases are opened by the steps."""
    limit_waits()
    name = os.environ[CONFIG_PARAMETER]
    found = config.parse(client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    replication = found.replication
    task = functools.partial(Task, client("dms"), client("cloudwatch"), replication.instance_id)
    return Migration(
        config=found,
        tracking=Tracking(client("dynamodb"), found.tracking_table, found.migration_id),
        router=NameGroup(client("route53"), found.dns.zone_id, (found.dns.writer_name, found.dns.reader_name)),
        task=task(replication.task_arn),
        failback_task=task(replication.failback_task_arn),
        endpoints=Endpoints(client("dms"), replication.instance_arn, replication.endpoint_arns),
        machine=Machine(client("stepfunctions"), found.state_machine_arn),
        notices=Notices(client("sns"), client("ssm"), found.topic_arn, found.state_parameter),
        secrets=Secrets(functools.partial(client, "secretsmanager")),
        clock=Clock(),
        connect=Database.connect,
    )


def seconds_left(context: Any) -> float:
    """Return how long this invocation may still act before it must begin to undo."""
    return max(1.0, float(context.get_remaining_time_in_millis()) / 1000 - MARGIN_SECONDS)


def handler(step: Callable[[Migration, dict[str, Any], float], dict[str, Any]]) -> Handler:
    """Make a Lambda handler of a step: it opens the migration, logs begin and end as JSON, and lets errors through."""

    @functools.wraps(step)
    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            return step(open_migration(), event, seconds_left(context))

        return carried_out(step.__module__, act, execution=event.get("execution"))

    return handle
