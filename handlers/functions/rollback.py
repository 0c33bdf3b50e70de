"""Take a database of the fleet back: both its names to blue in one change, recorded and told. Can be repeated."""

from typing import Any

from handlers.core import fleet as core
from handlers.core.fleet import Phase
from handlers.fleet import Fleet
from handlers.fleet_edge import handler as edge


def step(fleet: Fleet, event: dict[str, Any]) -> dict[str, Any]:
    """Roll `database` back for `reason`. No row is moved: what green took meanwhile comes by the fail-back task.

    Where green may have been written to it wants the caller's word: `writers_stopped`, or `accept_loss`.
    """
    asked = core.request(event, Phase.ROLLED_BACK)
    reason = (asked.reason or "asked for") + (" (loss accepted)" if asked.accept_loss else "")
    return fleet.carry_out(
        asked.database,
        lambda record, found: core.rolled_back(
            record, found, reason, writers_stopped=asked.writers_stopped, accept_loss=asked.accept_loss
        ),
        reason,
    )


handler = edge(step)
