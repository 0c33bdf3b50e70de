"""Weigh a round of a validation: ask on, or write the report and tell the tracking table."""

from typing import Any

from handlers.chunk_edge import Scene
from handlers.chunk_edge import handler as edge
from handlers.validation import runs
from handlers.validation.runs import Incomplete


def step(scene: Scene, event: dict[str, Any]) -> dict[str, Any]:
    """Weigh the `round` of the `run`.

    Returns `planned` with the next round, a verdict (`equal`, `different`, `unsettled`), or `incomplete` with the
    chunks that have no result: then nothing is said of any table.
    """
    run = event["run"]
    try:
        said = runs.conclude(scene.store, run, int(event["round"]))
    except Incomplete as lack:
        said = {"outcome": "incomplete", "reason": str(lack)}
    if said["outcome"] != "planned":
        scene.migration.tracking.keep_validation(run, said, scene.migration.clock.now())
    return said


handler = edge(step)
