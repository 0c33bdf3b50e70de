"""What a stack is made of, by its settings: one module per composition, each wiring components and naming outputs."""

from collections.abc import Callable
from typing import Any

from components.settings import Application, Database, Fleet, Migration, Root
from compositions import application, database, fleet, migration

Outputs = dict[str, Any]

_DECLARE: dict[type[Root], Callable[[Any], Outputs]] = {
    Application: application.declare,
    Database: database.declare,
    Fleet: fleet.declare,
    Migration: migration.declare,
}


def declare(config: Root) -> Outputs:
    """Declare everything a stack's settings ask for and return its outputs by name."""
    return _DECLARE[type(config)](config)
