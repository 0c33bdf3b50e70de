"""Read from Pulumi what the stack is made from, as plain values: its configuration, region and account."""

import json
import os
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret


def read() -> dict[str, Any]:
    """Return every key of this project's namespace with its value, parsed where it is JSON: settings judges them."""
    prefix = f"{pulumi.get_project()}:"
    known = {**get_config_env(), **CONFIG.get()}
    return {key.removeprefix(prefix): _plain(value) for key, value in known.items() if key.startswith(prefix)}


def secrets() -> frozenset[str]:
    """Return the keys of which some value is encrypted in the configuration."""
    return frozenset(key for key in read() if is_config_secret(f"{pulumi.get_project()}:{key}"))


def region() -> str:
    """Return the region the stack is deployed to, where the provider looks for it: it is asked where only it knows."""
    written = pulumi.Config("aws").get("region")
    return str(
        written or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or aws.get_region().region
    )


def account() -> str:
    """Return the account the stack is deployed to."""
    return aws.get_caller_identity().account_id


def _plain(value: Any) -> Any:
    """Return objects and lists as such: the engine hands every value over as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
