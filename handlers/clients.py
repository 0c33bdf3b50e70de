"""What every edge needs: clients of AWS services, the log, and a step carried out with its story in it."""

import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from handlers.redaction import cleanse, guard, redacted

AUTHORITY = Path(__file__).parent.parent / "authority.pem"
"""Certificates that verify-full trusts, beside the code, where a stack gives any."""
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
    """Log what a step does, as JSON. `step` is its module. Secrets are blotted out."""
    log.info(json.dumps({"step": step.rsplit(".", maxsplit=1)[-1], "event": event, **fields}))


def carried_out(
    step: str, act: Callable[[], dict[str, Any]], answers: Mapping[type[Exception], str] | None = None, **fields: Any
) -> dict[str, Any]:
    """Act and return the result; log begin, with `fields`, and end. `step` is its module.

    An error in `answers` becomes an answer with that outcome and the reason; any other is logged and let through.
    """
    outcomes = dict(answers or {})
    log.setLevel(logging.INFO)
    guard(log)
    guard(logging.getLogger())
    say("begins", step, **fields)
    try:
        result = act()
    except tuple(outcomes) as stopped:
        outcome, reason = outcomes[type(stopped)], redacted(str(stopped))
        say(outcome, step, reason=reason)
        return {"outcome": outcome, "reason": reason}
    except Exception as error:
        cleanse(error)  # Lambda logs it, and Step Functions keeps it
        say("failed", step, error=type(error).__name__, reason=str(error))
        raise
    say("ended", step, outcome=result.get("outcome"))
    return result
