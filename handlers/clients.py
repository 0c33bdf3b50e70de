"""Clients of AWS services and the log, as every edge needs them."""

import functools
import json
import logging
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

log = logging.getLogger("migration")


@functools.cache
def client(service: str, region: str | None = None) -> Any:
    """Return a client that retries what AWS asks to retry, made once. Endpoints come from the environment.

    `region` is given where it is not the function's own.
    """
    return boto3.client(
        service,
        region_name=region,
        config=ClientConfig(
            connect_timeout=5,
            read_timeout=20,
            retries={"mode": "standard", "max_attempts": 5},
            user_agent_extra="migration",
        ),
    )


def say(event: str, step: str, **fields: Any) -> None:
    """Log what a step does, as JSON. `step` is its module; no value may hold a secret."""
    log.info(json.dumps({"step": step.rsplit(".", maxsplit=1)[-1], "event": event, **fields}))
