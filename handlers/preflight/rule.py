"""What a rule is, and what it is asked about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.core import mapping
from handlers.core.comparison import Table, verdict
from handlers.preflight.excuse import Excuse
from handlers.preflight.facts import Facts, Field, Fields, Relation, Relations
from handlers.preflight.findings import Found, Severity, Side


@dataclass(frozen=True)
class Terms:
    """What is going to be done with the pair, as the stack and its replication task say.

    `rules` are those of the task's table mappings. `lob_kilobytes` is the largest large object it carries of a table
    that has no limit of its own, None where it carries any. `weights` are of both names, by side. `slot` is that of the
    way back, empty where there is none. `carries_later` says that the task has still to stop for what rows can be
    loaded without.
    """

    rules: Sequence[Mapping[str, Any]]
    lob_kilobytes: int | None
    slot: str
    longest_transaction_seconds: int
    ttl_seconds: int
    weights: Mapping[str, Mapping[str, int]]
    application_roles: tuple[str, ...] = ()
    excuses: tuple[Excuse, ...] = ()
    carries_later: bool = False

    @property
    def way_back(self) -> bool:
        """Say whether changes will be carried back."""
        return bool(self.slot)

    def takes(self, table: Table) -> bool:
        """Say whether the task takes a table."""
        return verdict(table, self.rules) is True

    def lob_limit(self, table: Table) -> int | None:
        """Return the largest large object in KB that the task carries of a table, None where it carries any."""
        if self.lob_kilobytes == 0:
            return 0
        for rule in self.rules:
            settings = rule.get("lob-settings", {}) if rule.get("rule-type") == "table-settings" else {}
            locator = rule.get("object-locator", {})
            if settings.get("mode") == "limited" and locator == {"schema-name": table.schema, "table-name": table.name}:
                return int(settings["bulk-max-size"])
        return self.lob_kilobytes

    def there(self, table: Table) -> Table:
        """Return what a table of the source is called on the target."""
        return mapping.table(table, self.rules)


@dataclass(frozen=True)
class Case:
    """The pair that is judged."""

    source: Facts
    target: Facts
    terms: Terms

    def side(self, side: Side) -> Facts:
        """Return the facts of one side."""
        return self.source if side is Side.SOURCE else self.target

    @property
    def read_from(self) -> tuple[Side, ...]:
        """The sides whose log DMS reads: the target's as well where there is a way back."""
        return (Side.SOURCE, Side.TARGET) if self.terms.way_back else (Side.SOURCE,)

    @property
    def written_to(self) -> tuple[Side, ...]:
        """The sides that DMS writes to: the source as well where there is a way back."""
        return (Side.TARGET, Side.SOURCE) if self.terms.way_back else (Side.TARGET,)

    def columns(self) -> Iterator[tuple[Relation, Field]]:
        """Yield the columns of the tables that the task takes."""
        taken = {one.table: one for one in self.taken()}
        for column in self.source.read(Fields).all:
            if column.table in taken:
                yield taken[column.table], column

    def taken(self) -> list[Relation]:
        """Return the source's tables that the task takes."""
        return [one for one in self.source.read(Relations).all if self.terms.takes(one.table)]


Look = Callable[[Case], Iterator[Found]]


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong.

    `modes` are the failure modes it is about, by their numbers in docs/preflight.md. `again` says that it counts once
    more before the fence: it needs no scan, and what it finds does not follow from the running replication itself.
    """

    id: str
    modes: tuple[int, ...]
    severity: Severity
    side: Side
    what: str
    why: str
    look: Look
    again: bool = True


def rule(
    identity: str,
    *modes: int,
    severity: Severity,
    side: Side,
    what: str,
    why: str,
    again: bool = True,
) -> Callable[[Look], Rule]:
    """Make a Rule of the function that looks."""

    def made(look: Look) -> Rule:
        return Rule(identity, modes, severity, side, what, why, look, again)

    return made
