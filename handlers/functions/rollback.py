"""Take a database of the fleet back: both its names to blue in one change, recorded and told. Can be repeated."""

from typing import Any

from handlers.core import fleet as core
from handlers.core.fleet import Phase
from handlers.fleet import Fleet
from handlers.fleet_edge import handler as edge


def step(fleet: Fleet, event: dict[str, Any]) -> dict[str, Any]:
    """Roll `database` back for `reason`. No row is moved: what green took meanwhile comes by the fail-back task."""
    asked = core.request(event, Phase.ROLLED_BACK)
    reason = asked.reason or "asked for"
    return fleet.carry_out(asked.database, lambda record: core.rolled_back(record, reason), reason)


handler = edge(step)
