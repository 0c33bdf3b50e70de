"""Samples of the rows of both sides, compared while writes go on, each given the time a change may take."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from handlers.clock import Clock
from handlers.core import samples
from handlers.core.comparison import Table
from handlers.core.samples import Doubt, Key
from handlers.survey import Survey

ROWS = 1000
"""Rows drawn of each table on each side."""
PAUSE_SECONDS = 0.5
DRAW_SHARE = 0.4
"""How much of the time drawing may take; the rest is for changes to arrive."""


@dataclass
class Samples:
    """Rows drawn from both sides' tables, and those that differ."""

    survey: Survey
    keys: tuple[dict[Table, Key], dict[Table, Key]]
    drawn: dict[Table, list[tuple[str, ...]]] = field(default_factory=dict)
    doubts: dict[Table, dict[int, Doubt]] = field(default_factory=dict)

    @classmethod
    def begin(cls, survey: Survey) -> "Samples":
        """Read what primary keys there are."""
        return cls(survey, (survey.old.database.keys(), survey.new.database.keys()))

    @property
    def comparable(self) -> list[Table]:
        """Tables of both sides with the same primary key: others are left to the comparison behind the fence."""
        old, new = self.keys
        shared = self.survey.old_tables.keys() & self.survey.new_tables.keys() & old.keys() & new.keys()
        return sorted(table for table in shared if old[table].names == new[table].names)

    def compare(self, clock: Clock, seconds: float, patience: float) -> list[str]:
        """Draw, compare, and look again at what differs; return a line for every table with rows that stay different.

        A change gets `patience`, in seconds. A row that the source keeps changing is left to the comparison behind the
        fence.
        """
        began = clock.now()
        for table in self.comparable:
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
        sides = zip((self.survey.old, self.survey.new), self.keys, strict=True)
        both = [row for door, keys in sides for row in door.database.draw(table, keys[table], ROWS)]
        self.drawn[table] = list(dict.fromkeys(both))

    def _look(self, table: Table, rows: Iterable[int], clock: Clock) -> None:
        rows = list(rows)
        wanted, columns = [self.drawn[table][row] for row in rows], self.survey.old_tables[table]
        here, there = (
            {
                rows[place]: found
                for place, found in door.database.hashes(
                    table, keys[table], wanted, columns, record_hash=self.survey.record_hash
                ).items()
            }
            for door, keys in zip((self.survey.old, self.survey.new), self.keys, strict=True)
        )
        self.doubts[table] = samples.doubts(rows, here, there, self.doubts.get(table, {}), clock.now())
