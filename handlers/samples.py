"""Samples of the rows of both sides, compared while writes go on, each given the time a change may take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.clock import Clock
from handlers.core import samples
from handlers.core.comparison import Column, Table
from handlers.core.samples import Doubt, Key
from handlers.migration import Door
from handlers.survey import Survey
from handlers.validation.equality import Method

ROWS = 1000
"""Rows drawn of each table on each side."""
PAUSE_SECONDS = 0.5
DRAW_SHARE = 0.4
"""How much of the time drawing may take; the rest is for changes to arrive."""


@dataclass(frozen=True)
class Side:
    """A table as one side has it: its columns in an order that both hash them in, and its primary key."""

    door: Door
    table: Table
    columns: Sequence[Column]
    key: Key


@dataclass
class Samples:
    """Rows drawn from both sides' tables, and those that differ."""

    survey: Survey
    sides: dict[Table, tuple[Side, Side]]
    drawn: dict[Table, list[tuple[str, ...]]] = field(default_factory=dict)
    doubts: dict[Table, dict[int, Doubt]] = field(default_factory=dict)

    @classmethod
    def begin(cls, survey: Survey) -> "Samples":
        """Find the tables of both sides with the same primary key: others are left to the comparison behind the fence.

        A table goes by the old side's name, and both sides hash its columns in the old side's order.
        """
        old, new = survey.old.database.keys(), survey.new.database.keys()
        sides = {}
        for table in survey.tables:
            here, there = survey.old_tables.get(table), survey.new_tables.get(table)
            if here is None or there is None or here.table not in old or there.table not in new:
                continue
            called = {c.name: d.name for c, d in zip(here.columns, there.columns, strict=False)}
            if [called.get(name) for name in old[here.table].names] == new[there.table].names:
                sides[table] = (
                    Side(survey.old, here.table, here.columns, old[here.table]),
                    Side(survey.new, there.table, there.columns, new[there.table]),
                )
        return cls(survey, sides)

    def compare(self, clock: Clock, seconds: float, patience: float) -> list[str]:
        """Draw, compare, and look again at what differs; return a line for every table with rows that stay different.

        A change gets `patience`, in seconds. A row that the source keeps changing is left to the comparison behind the
        fence.
        """
        began = clock.now()
        for table in self.sides:
            if clock.now() >= began + seconds * DRAW_SHARE:
                break
            self._draw(table)
            self._look(table, range(len(self.drawn[table])), clock)
        while any(self.doubts.values()):
            wrong = {
                table: samples.overdue(found, clock.now(), patience) for table, found in self.doubts.items() if found
            }
            if any(wrong.values()):
                return [f"{len(rows)} rows of {table} differ" for table, rows in sorted(wrong.items()) if rows]
            if clock.now() >= began + seconds:
                return []
            clock.sleep(PAUSE_SECONDS)
            for table, found in self.doubts.items():
                self._look(table, list(found), clock)
        return []

    def evidence(self) -> dict[str, Any]:
        """Return what was compared."""
        return {
            "tables": len(self.drawn),
            "of_tables": len(self.survey.tables),
            "rows": sum(map(len, self.drawn.values())),
            "still_changing": sum(map(len, self.doubts.values())),
        }

    def _draw(self, table: Table) -> None:
        """Draw from both sides: one alone would never show the rows that only the other has."""
        both = [row for side in self.sides[table] for row in side.door.database.draw(side.table, side.key, ROWS)]
        self.drawn[table] = list(dict.fromkeys(both))

    def _look(self, table: Table, rows: Iterable[int], clock: Clock) -> None:
        rows = list(rows)
        wanted = [self.drawn[table][row] for row in rows]
        here, there = (
            {rows[place]: one for place, one in self._hashes(side, wanted).items()} for side in self.sides[table]
        )
        self.doubts[table] = samples.doubts(rows, here, there, self.doubts.get(table, {}), clock.now())

    def _hashes(self, side: Side, wanted: Sequence[tuple[str, ...]]) -> dict[int, str]:
        by_value = self.survey.comparison.method is Method.VALUE
        return side.door.database.hashes(side.table, side.key, wanted, side.columns, by_value=by_value)
