"""What Route 53's name servers answer from while changes are on their way to them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Zones = Sequence[Mapping[str, Any]]
"""Every zone with its `Name` and its `Records`."""


@dataclass
class Propagation:
    """All changes since the start. Each is in force `seconds` after it was made, whole, and none before an earlier one.

    `clock` returns seconds that never go back.
    """

    seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _due: dict[str, float] = field(default_factory=dict)
    _zones: list[tuple[float, Zones]] = field(default_factory=lambda: [(float("-inf"), ())])

    def changed(self, change: str, zones: Zones) -> None:
        """Take note of a change, by its id, and of the zones as it leaves them."""
        self._due[change] = self.clock() + self.seconds
        self._zones.append((self._due[change], zones))

    def pending(self, change: str) -> bool:
        """Say whether a change is still on its way. One that nobody knows is not."""
        return self.clock() < self._due.get(change, float("-inf"))

    def served(self) -> Zones:
        """Return the zones as the name servers have them now."""
        now = self.clock()
        while len(self._zones) > 1 and self._zones[1][0] <= now:
            del self._zones[0]
        return self._zones[0][1]
