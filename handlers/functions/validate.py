"""Called by RDS's events and by hand: is the database what the stack promised? Tells people when it is not.

It runs where no config parameter can be read: what it knows is in its environment, and no secret is.
"""

import functools
import importlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from handlers.adapters.cloud import Secrets, Topic
from handlers.clients import AUTHORITY, client, log, say
from handlers.config import Validation, parse_validation
from handlers.core.checks import Expectation, Observation, Unreachable, failed, judge

VALIDATION = "VALIDATION"
"""Environment variable with the config, JSON."""
ADAPTERS = {"mysql": "handlers.adapters.mysql", "postgres": "handlers.adapters.postgres_checks"}
"""Imported by name: each brings a driver along, and the function has one of them as its layer."""

Observe = Callable[[Validation, Mapping[str, str], Path], Observation]


def step(
    config: Validation, event: Mapping[str, Any], secrets: Secrets, observe: Observe, publish: Any
) -> dict[str, Any]:
    """Look, judge, tell people if a check failed, and return the verdicts."""
    seen: Observation | Unreachable
    try:
        seen = observe(config, secrets.read(config.secret_arn), AUTHORITY)
    except Unreachable as error:
        seen = error
    verdicts = judge(seen, Expectation(config.server, config.character_set, config.lag_seconds))
    wrong = failed(verdicts)
    result = {
        "outcome": "failed" if wrong else "passed",
        "database": config.host,
        "trigger": event.get("detail", {}).get("Message", "called by hand"),
        "checks": [verdict.to_dict() for verdict in verdicts],
    }
    if wrong:
        publish(f"Database check failed: {', '.join(wrong)}", result)
    return result


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Validate the database the environment names."""
    log.setLevel(logging.INFO)
    config = parse_validation(os.environ[VALIDATION])
    observe: Observe = importlib.import_module(ADAPTERS[config.engine]).observe
    result = step(
        config,
        event,
        Secrets(functools.partial(client, "secretsmanager")),
        observe,
        Topic(client("sns"), config.topic_arn).tell,
    )
    say(str(result["outcome"]), __name__, **result)
    return result
