"""What an operation is given: the request, and the region and engine it acts on."""

from dataclasses import dataclass

from sandbox.dms.engine import Engine
from sandbox.dms.protocol import Json
from sandbox.dms.region import Region
from sandbox.dms.store import Store


@dataclass(frozen=True)
class Call:
    """One request of one operation."""

    request: Json
    region: Region
    engine: Engine

    @property
    def store(self) -> Store:
        """The region's records."""
        return self.region.store
