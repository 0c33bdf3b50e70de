"""One step of a database of the fleet: noted before, done, read back, told, and confirmed after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handlers.adapters.cloud import NameGroup, Topic
from handlers.adapters.fleet_tracking import FleetTracking, Superseded
from handlers.clock import Clock
from handlers.core import fleet as core
from handlers.core.fleet import Config, Record


@dataclass(frozen=True)
class Fleet:
    """The fleet as a function sees it. `group` opens names of its zone as one group."""

    config: Config
    tracking: FleetTracking
    group: Callable[[list[str]], NameGroup]
    topic: Topic
    clock: Clock

    def carry_out(self, database: str, step: Callable[[Record], Record], reason: str) -> dict[str, Any]:
        """Take a database through a step of the core and say what came of it.

        The new phase is stored before the names move: a rollback that has begun keeps anybody from finishing, and a
        function that dies in between leaves a record that says what to do again. Raises what core and adapters raise.
        """
        names = self.config.names(database)
        before = self.tracking.read(database)
        after = step(before)
        group = self.group(list(names.values()))
        wanted = {names[role]: sides for role, sides in (core.weights(after) or {}).items()}
        found = group.weights() if wanted else {}
        if core.same(before, after) and found == wanted:
            return _outcome("nothing to do", before, found)
        moves = found != wanted
        noted = self.tracking.write(replace(after, settled=not wanted), after.phase.value, self.clock.now())
        if moves:
            group.shift(wanted, f"{after.phase}: {reason or database}")
            found = group.weights()
        outcome = _outcome(after.phase.value, noted, found)
        self.topic.tell(f"Database {database} is {after.phase}", {**outcome, "reason": reason, "was": before.phase})
        if wanted:
            self._confirm(noted, group, names)
        return outcome

    def _confirm(self, noted: Record, group: NameGroup, names: Mapping[str, str]) -> None:
        """Note that the names are where the record says. If the record has changed meanwhile, it wins: names follow it.

        Raises Superseded then: a step that was overtaken must not have the last word.
        """
        try:
            self.tracking.write(replace(noted, settled=True), f"{noted.phase} confirmed", self.clock.now())
        except Superseded:
            newer = core.weights(self.tracking.read(noted.database))
            if newer is not None:
                group.shift({names[role]: sides for role, sides in newer.items()}, "after a step that was overtaken")
            raise


def _outcome(what: str, record: Record, weights: Mapping[str, Any]) -> dict[str, Any]:
    return {"outcome": what, "database": record.database, "phase": record.phase.value, "weights": dict(weights)}
