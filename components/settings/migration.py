"""Settings of a migration: from a database that runs somewhere to Aurora or RDS."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from components.settings import consistency
from components.settings.automation import Rotation, RowValidation, Switchover
from components.settings.ends import Source, Target
from components.settings.preflight import Preflight
from components.settings.replication import Replication
from components.settings.sections import Dns
from components.settings.stack import Stack

SERVICES = ("dms", "monitoring", "route53", "secretsmanager", "sns", "ssm", "states")
"""What the functions and DMS call, beside DynamoDB, which every network reaches."""


class Migration(Stack):
    """A database, where it is moved to, and how."""

    composition: Literal["migration"] = Field("migration", description="migration")
    source: Source
    target: Target = Field(default_factory=Target)
    replication: Replication = Field(default_factory=Replication)
    dns: Dns
    preflight: Preflight = Field(default_factory=Preflight)
    switchover: Switchover = Field(default_factory=Switchover)
    rotation: Rotation = Field(default_factory=Rotation)
    validation: RowValidation = Field(default_factory=RowValidation)

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong though every key alone is right."""
        yield from super().contradictions()
        yield from consistency.reach(self.network, SERVICES)
        yield from consistency.target(self.target)
        yield from consistency.postgres_alone(self.target)
        yield from consistency.rotation(self.rotation, self.target)
        yield from consistency.authority(self.source, "source")
        yield from consistency.authority(self.target, "target")
        yield from consistency.dns(self.dns)
        yield from consistency.functions(self.switchover)
        yield from consistency.switchover(
            self.switchover,
            {
                "target.applicationUsername": self.target.application_username,
                "target.replicationUsername": self.target.replication_username,
            },
        )
        yield from consistency.preflight(self.preflight)
        yield from consistency.write_gap(self.switchover, self.dns)
        yield from consistency.transformations(self.replication, self.switchover)
        yield from consistency.serverless(self.replication, self.switchover, self.network)

    @property
    def database(self) -> str:
        """Name of the database on the target."""
        return self.target.database or self.source.database
