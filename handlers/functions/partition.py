"""Cut what is replicated into chunks, by the servers' statistics, for as many workers as there may be."""

from typing import Any

from handlers.adapters import postgres_cells
from handlers.chunk_edge import Scene
from handlers.chunk_edge import handler as edge
from handlers.validation import runs, subjects, tasks
from handlers.validation.plan import CHUNK_ROWS
from handlers.validation.runs import About
from handlers.validation.tasks import Budget

FEWEST_ROWS = 100
"""A chunk of fewer rows takes longer to be sent about than to be compared."""


def step(scene: Scene, event: dict[str, Any]) -> dict[str, Any]:
    """Write the first round's list of chunks.

    `run` names it. `input` may hold `tables`, names as schema.table, `strict`, `chunk_rows`, most rows of a chunk, and
    `settle_seconds`. Returns `planned`, or `nothing` where there is no table to compare. Raises ValueError for a table
    nobody has.
    """
    wanted, config = event.get("input") or {}, scene.config
    strict = bool(wanted.get("strict", False))
    settle_seconds = _number(wanted, "settle_seconds", 0, config.settle_seconds)
    with scene.databases() as (old, new):
        rules = scene.migration.task.mappings()
        pairs, missing = subjects.find(old, new, rules, wanted.get("tables", []), strict=strict)
        objects = postgres_cells.large_objects(old), postgres_cells.large_objects(new)
    most = _number(wanted, "chunk_rows", FEWEST_ROWS, CHUNK_ROWS)
    budget = Budget(seconds=config.chunk_seconds, rows_per_second=config.rows_per_second, most_rows=most)
    asked = [
        tasks.first(number, one.pair, one.old, one.new, budget, settle_seconds) for number, one in enumerate(pairs)
    ]
    return runs.begin(scene.store, event["run"], asked, missing, About(strict, objects, settle_seconds))


def _number(wanted: dict[str, Any], name: str, least: int, most: int) -> int:
    """Return a number from what was asked for, `most` where it says nothing of it."""
    found = wanted.get(name, most)
    if not isinstance(found, int) or not least <= found <= most:
        raise ValueError(f"{name} is {found!r}: give a number from {least} to {most}")
    return found


handler = edge(step)
