"""The edge between Lambda and a step of the fleet: config, clients, log, and refusals as answers."""

import functools
import json
import os
from collections.abc import Callable
from typing import Any

from handlers.adapters.cloud import Topic
from handlers.adapters.fleet_tracking import FleetTracking, Superseded
from handlers.adapters.route53 import NameGroup
from handlers.clients import carried_out, client
from handlers.clock import Clock
from handlers.core.fleet import Config, Refused
from handlers.fleet import Fleet

CONFIG_PARAMETER = "CONFIG_PARAMETER"
"""Environment variable that names the config parameter."""

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def open_fleet() -> Fleet:
    """Read the config parameter, as the stack writes it, and return the fleet."""
    text = client("ssm").get_parameter(Name=os.environ[CONFIG_PARAMETER])["Parameter"]["Value"]
    found = json.loads(text)
    config = Config(**{**found, "databases": tuple(found["databases"])})
    return Fleet(
        config=config,
        tracking=FleetTracking(client("dynamodb"), config.tracking_table),
        group=lambda names: NameGroup(client("route53"), config.zone_id, names),
        topic=Topic(client("sns"), config.topic_arn),
        clock=Clock(),
    )


def handler(step: Callable[[Fleet, dict[str, Any]], dict[str, Any]]) -> Handler:
    """Make a Lambda handler of a step. What is refused or overtaken is an answer with the reason, a failure an error.

    `refused` promises that nothing was changed, `overtaken` does not: the record then says what holds.
    """

    @functools.wraps(step)
    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
        answers: dict[type[Exception], str] = {Refused: "refused", Superseded: "overtaken"}
        return carried_out(
            step.__module__, lambda: step(open_fleet(), event), answers, database=str(event.get("database"))
        )

    return handle
