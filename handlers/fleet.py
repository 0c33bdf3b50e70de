"""One step of a database of the fleet: noted before, done, read back, confirmed, and told after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handlers.adapters.cloud import Topic
from handlers.adapters.fleet_tracking import FleetTracking, Superseded
from handlers.adapters.route53 import NameGroup
from handlers.clients import say
from handlers.clock import Clock
from handlers.core import fleet as core
from handlers.core.fleet import Config, Record, Weights


@dataclass(frozen=True)
class Fleet:
    """The fleet as a function sees it. `group` opens names of its zone as one group."""

    config: Config
    tracking: FleetTracking
    group: Callable[[list[str]], NameGroup]
    topic: Topic
    clock: Clock

    def carry_out(self, database: str, step: Callable[[Record, Weights], Record], reason: str) -> dict[str, Any]:
        """Take a database through a step of the core and say what came of it.

        The step sees the record and the weights by role as they are. The new phase is stored before the names move: a
        rollback that has begun keeps anybody from finishing, and a function that dies in between leaves a record that
        says what to do again. Raises Superseded if overtaken, and what core and adapters raise.
        """
        names = self.config.names(database)
        group = self.group(list(names.values()))
        before, found = self.tracking.read(database), group.weights()
        after = step(before, {role: found[name] for role, name in names.items()})
        wanted = _by_name(after, names)
        if core.same(before, after) and found == wanted:
            return _outcome("nothing to do", before, found)
        moves = found != wanted
        noted = self.tracking.write(replace(after, settled=not moves), after.phase.value, self.clock.now())
        if moves:
            if self.tracking.read(database).version != noted.version:
                raise Superseded(f"{database} was changed by somebody else before its names moved: look again")
            group.shift(wanted, f"{after.phase}: {reason or database}")
            self._confirm(noted, group, names)
        outcome = _outcome(after.phase.value, noted, wanted)
        self._tell(f"Database {database} is {after.phase}", {**outcome, "reason": reason, "was": before.phase})
        return outcome

    def _confirm(self, noted: Record, group: NameGroup, names: Mapping[str, str]) -> None:
        """Note that the names are where the record says. If the record has changed meanwhile, it wins: names follow it.

        Raises Superseded then: a step that was overtaken must not have the last word.
        """
        try:
            self.tracking.write(replace(noted, settled=True), f"{noted.phase} confirmed", self.clock.now())
        except Superseded:
            self._follow(noted.database, group, names)
            raise

    def _follow(self, database: str, group: NameGroup, names: Mapping[str, str]) -> None:
        """Send the names where the record says, and look again in case it changed meanwhile."""
        newest = self.tracking.read(database)
        while True:
            group.shift(_by_name(newest, names), "after a step that was overtaken")
            seen, newest = newest, self.tracking.read(database)
            if seen.version == newest.version:
                return

    def _tell(self, subject: str, detail: Mapping[str, Any]) -> None:
        """Tell people. The step is done and confirmed by now, so a message that can't be sent is only logged."""
        try:
            self.topic.tell(subject, detail)
        except Exception as error:
            say("message not sent", __name__, subject=subject, error=type(error).__name__, reason=str(error))


def _by_name(record: Record, names: Mapping[str, str]) -> dict[str, dict[str, int]]:
    return {names[role]: sides for role, sides in core.weights(record).items()}


def _outcome(what: str, record: Record, weights: Mapping[str, Any]) -> dict[str, Any]:
    return {"outcome": what, "database": record.database, "phase": record.phase.value, "weights": dict(weights)}
