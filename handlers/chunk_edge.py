"""The edge of the functions that validate in chunks: the migration, and the store of the run."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from handlers.adapters import postgres_cells
from handlers.adapters.object_store import ObjectStore
from handlers.adapters.postgres import Database
from handlers.clients import carried_out, client
from handlers.config import Chunks, parse_chunks
from handlers.edge import Handler, open_migration, seconds_left
from handlers.migration import Migration
from handlers.validation.compare import Sides
from handlers.validation.runs import Store

CHUNKS = "CHUNKS"
"""Environment variable with what these functions know beside the migration, JSON."""


@dataclass(frozen=True)
class Scene:
    """What a step acts on."""

    migration: Migration
    config: Chunks
    store: Store
    seconds: float

    @contextmanager
    def databases(self) -> Iterator[tuple[Database, Database]]:
        """Open both, to read from and with no statement longer than this invocation, and close them."""
        opened: list[Database] = []
        try:
            for side in (self.migration.config.source, self.migration.config.target):
                credentials = self.migration.secrets.read(side.operator_secret_arn)
                opened.append(self.migration.connect(side, credentials, self.seconds))
                postgres_cells.calm(opened[-1], self.seconds)
            yield opened[0], opened[1]
        finally:
            for database in opened:
                database.close()

    @contextmanager
    def sides(self) -> Iterator[Sides]:
        """Open both to ask them at the same time."""
        with self.databases() as (old, new):
            yield Sides(old, new)


def handler(step: Callable[[Scene, dict[str, Any]], dict[str, Any]]) -> Handler:
    """Make a Lambda handler of a step. Errors are logged and let through: who called tries again."""

    @functools.wraps(step)
    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            found = parse_chunks(os.environ[CHUNKS])
            store = ObjectStore(client("s3"), found.bucket)
            return step(Scene(open_migration(), found, store, seconds_left(context)), event)

        return carried_out(step.__module__, act, run=event.get("run"))

    return handle
