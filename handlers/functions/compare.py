"""Compare one chunk of a validation and write its result, under the one name that the chunk has."""

from typing import Any

from handlers.chunk_edge import Scene
from handlers.chunk_edge import handler as edge
from handlers.validation import runs
from handlers.validation.tasks import Item


def step(scene: Scene, event: dict[str, Any]) -> dict[str, Any]:
    """Carry out the chunk that is the event. Whoever comes again writes the same object."""
    with scene.sides() as sides:
        return runs.work(scene.store, Item.from_dict(event), sides, scene.migration.clock)


handler = edge(step)
