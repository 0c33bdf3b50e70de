"""Move a database of the fleet on to its next phase, and its names with it. Can be repeated."""

from typing import Any

from handlers.core import fleet as core
from handlers.fleet import Fleet
from handlers.fleet_edge import handler as edge


def step(fleet: Fleet, event: dict[str, Any]) -> dict[str, Any]:
    """Move `database` on to `phase`.

    `shifting` sends `reader_percent` of the reads to green; `switched` moves both names whole; `finished` wants them
    there already; in every phase before, both are blue. Whatever moves the writer wants the caller's word,
    `writers_stopped`.
    """
    asked = core.request(event)
    return fleet.carry_out(
        asked.database,
        lambda record, found: core.advanced(
            record, asked.phase, found, reader_percent=asked.reader_percent, writers_stopped=asked.writers_stopped
        ),
        asked.reason,
    )


handler = edge(step)
