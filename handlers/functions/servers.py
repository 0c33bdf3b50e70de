"""Set Application Migration Service up in this account and region as the stack's parameter says. Can be repeated.

Called by the operator, once before the first agent is installed and after every change of the settings.
"""

import os
from typing import Any

from handlers.adapters.servers import Servers
from handlers.clients import carried_out, client
from handlers.core import servers as core
from handlers.core.servers import KINDS, Refused, Settings

SETTINGS_PARAMETER = "SETTINGS_PARAMETER"
"""Environment variable that names the parameter."""


def step(servers: Servers, settings: Settings) -> dict[str, Any]:
    """Initialize the service, then make its two templates say what is wanted. Returns what was done about each."""
    servers.initialize()
    plans = {kind: core.plan(kind, settings[kind], servers.templates(kind)) for kind in KINDS}
    for kind, change in plans.items():
        servers.apply(kind, change)
    changed = any(change.act != "keep" for change in plans.values())
    return {
        "outcome": "applied" if changed else "nothing to do",
        **{kind: {"act": change.act, "fields": sorted(change.fields)} for kind, change in plans.items()},
    }


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    """Answer Lambda. What is refused is an answer with the reason; what fails is an error."""

    def act() -> dict[str, Any]:
        text = client("ssm").get_parameter(Name=os.environ[SETTINGS_PARAMETER])["Parameter"]["Value"]
        return step(Servers(client("mgn")), core.settings(text))

    return carried_out(__name__, act, {Refused: "refused"})
