"""The edge between Lambda and a step: clients, config, logging. Nothing here is reached by the steps themselves."""

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

from handlers import config
from handlers.adapters import catalogue
from handlers.adapters.cloud import Alarms, Machine, Notices, Secrets
from handlers.adapters.dms import Endpoints, Task
from handlers.adapters.postgres import Database
from handlers.adapters.route53 import NameGroup
from handlers.adapters.serverless import Serverless, is_serverless
from handlers.adapters.tracking import Tracking
from handlers.adapters.waiting import limit_waits
from handlers.clients import AUTHORITY, carried_out, client
from handlers.clock import Clock
from handlers.migration import Migration, Replication
from handlers.validation import subjects

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
    task, failback_task, endpoints = replication(found.replication)
    dns = found.dns
    return Migration(
        config=found,
        tracking=Tracking(client("dynamodb"), found.tracking_table, found.migration_id),
        router=NameGroup(client("route53"), dns.zone_id, (dns.writer_name, dns.reader_name), dns.token_name),
        task=task,
        failback_task=failback_task,
        endpoints=endpoints,
        machine=Machine(client("stepfunctions"), found.state_machine_arn),
        alarms=Alarms(client("cloudwatch"), found.alarms.safe_to_switch, found.alarms.names),
        notices=Notices(client("sns"), client("ssm"), found.topic_arn, found.state_parameter),
        secrets=Secrets(functools.partial(client, "secretsmanager")),
        clock=Clock(),
        begin_comparison=subjects.watch,
        connect=functools.partial(Database.connect, authority=AUTHORITY),
        inspect=functools.partial(catalogue.look, authority=AUTHORITY),
    )


def replication(found: config.Replication) -> tuple[Replication, Task | None, Endpoints | None]:
    """Return what replicates there and back, and the connections of its instance: the latter two where they are."""
    dms, cloudwatch = client("dms"), client("cloudwatch")
    if is_serverless(found.task_arn):
        return Serverless(dms, cloudwatch, found.task_arn), None, None
    task = functools.partial(Task, dms, cloudwatch, found.instance_id)
    endpoints = Endpoints(dms, found.instance_arn, found.endpoint_arns)
    return task(found.task_arn), task(found.failback_task_arn), endpoints


def seconds_left(context: Any) -> float:
    """Return how long this invocation may still act before it must begin to undo."""
    return max(1.0, float(context.get_remaining_time_in_millis()) / 1000 - MARGIN_SECONDS)


def handler(
    step: Callable[[Migration, dict[str, Any], float], dict[str, Any]],
    answers: Mapping[type[Exception], str] | None = None,
) -> Handler:
    """Make a Lambda handler of a step: it opens the migration, logs begin and end as JSON, and lets errors through.

    An error in `answers` becomes an answer with that outcome and the reason.
    """

    @functools.wraps(step)
    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            return step(open_migration(), event, seconds_left(context))

        return carried_out(step.__module__, act, answers, execution=event.get("execution"))

    return handle
