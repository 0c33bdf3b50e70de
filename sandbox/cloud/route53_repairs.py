"""How slowly MiniStack's Route 53 is true, repaired in its process like `ministack_repairs`."""

import json
import os
from typing import Any

from ministack.services import route53
from propagation import Propagation

SERVED = "/2013-04-01/sandbox/served"
"""Where the sandbox's DNS asks what the name servers have. AWS has no such path."""


def repair() -> None:
    """Apply every repair."""
    _changes_take_time(Propagation(float(os.environ.get("SANDBOX_DNS_PROPAGATION", "0"))))


def _changes_take_time(propagation: Propagation) -> None:
    """AWS lists a change at once and has it PENDING until all name servers have it, up to a minute.

    MiniStack has it PENDING until somebody asked.
    """
    noted, got, handled = route53._new_change, route53._get_change, route53.handle_request

    def note(comment: str = "") -> Any:
        change = noted(comment)
        zones = [
            {"Name": zone["name"], "Records": list(route53._records.get(identity, []))}
            for identity, zone in route53._zones.items()
        ]
        propagation.changed(change["id"], zones)
        return change

    def get(change_id: str) -> Any:
        change = route53._changes.get(change_id)
        if change is not None:
            change["status"] = "PENDING" if propagation.pending(change_id) else "INSYNC"
        return got(change_id)

    async def handle(method: str, path: str, headers: Any, body: Any, query_params: Any) -> Any:
        if path == SERVED:
            return 200, {"Content-Type": "application/json"}, json.dumps(propagation.served()).encode()
        return await handled(method, path, headers, body, query_params)

    route53._new_change, route53._get_change, route53.handle_request = note, get, handle
