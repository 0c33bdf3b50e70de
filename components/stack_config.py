"""Read the stack's configuration from Pulumi as plain values, whatever its keys: settings judges them."""

import json
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env


def read() -> dict[str, Any]:
    """Return every key of this project's namespace with its value, parsed where it is JSON."""
    prefix = f"{pulumi.get_project()}:"
    known = {**get_config_env(), **CONFIG.get()}
    return {key.removeprefix(prefix): _plain(value) for key, value in known.items() if key.startswith(prefix)}


def _plain(value: Any) -> Any:
    """Return objects and lists as such: the engine hands every value over as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
