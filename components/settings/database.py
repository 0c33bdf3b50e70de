"""Settings of one database that is made, watched and checked, without anything being moved to it."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from components.settings import consistency
from components.settings.automation import Switchover, Validation
from components.settings.ends import MYSQL, Target
from components.settings.stack import Stack

SERVICES = ("secretsmanager", "sns")
"""What the validation function calls; its log needs no way out of the network."""


class Database(Stack):
    """A database in a network of its own."""

    composition: Literal["database"] = Field(description="database")
    target: Target
    validation: Validation = Field(default_factory=Validation)

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong though every key alone is right."""
        target, validation = self.target, self.validation
        yield from super().contradictions()
        yield from consistency.reach(self.network, SERVICES)
        yield from consistency.target(target)
        if target.database is None:
            yield "target.database is missing: write the name of the database to make"
        for key, alias in (
            ("application_username", "applicationUsername"),
            ("replication_username", "replicationUsername"),
        ):
            if key in target.model_fields_set:
                yield f"target.{alias} is given, but a database stack makes no users: leave it out"
        yield from consistency.authority(target, "target")
        if target.engine not in MYSQL:  # PyMySQL has no build
            runs_on = Switchover(runtime=validation.runtime, architecture=validation.architecture)
            yield from consistency.functions(runs_on, "validation")
