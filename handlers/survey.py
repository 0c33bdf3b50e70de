"""The look at both sides before the fence: what is equal already need not be compared while nobody can write.

A table's mark is its file and the counts of rows inserted, updated and deleted, as its server keeps them. A session's
counts are complete once it has ended, so behind the fence an unchanged mark means unchanged rows. Of a table that has
changed, only rows written since it was looked at last are compared (`handlers.validation.changes`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from handlers.clock import Clock
from handlers.core import mapping
from handlers.core.comparison import Digest, Table, differences
from handlers.core.mapping import Relation, Rules
from handlers.core.names import BLUE, GREEN
from handlers.migration import Begin, Comparison, Door
from handlers.validation.changes import Verdict

Tables = Mapping[Table, Relation]
"""By the old side's names."""
CALLED = {BLUE: "source", GREEN: "target"}
ROUNDS = 5
"""So many times at most it is looked at what has changed meanwhile, as long as each time leaves less than the last."""
EXAMPLES = 3
"""So many rows that differ are named of a table."""


@dataclass
class Survey:
    """Both sides' tables and how they compare. `equal` holds, by table, both marks from before it was found equal.

    `seconds` is what the last look at a table took.
    """

    old: Door
    new: Door
    rules: Rules
    old_tables: Tables
    new_tables: Tables
    begin_comparison: Begin
    equal: dict[Table, tuple[str, str]] = field(default_factory=dict)
    rows: dict[Table, int] = field(default_factory=dict)
    seconds: dict[Table, float] = field(default_factory=dict)
    rows_per_second: float = 0.0

    @classmethod
    def begin(cls, old: Door, new: Door, rules: Rules, begin_comparison: Begin) -> "Survey":
        """Read what tables there are. `rules` are those of the task from old to new."""
        here, there = mapping.sides(old.database.tables(), new.database.tables(), rules)
        return cls(old, new, rules, here, there, begin_comparison)

    @property
    def tables(self) -> list[Table]:
        """Every table of either side."""
        return sorted({*self.old_tables, *self.new_tables})

    @property
    def shared(self) -> list[Table]:
        """Every table of both sides."""
        return sorted(self.old_tables.keys() & self.new_tables.keys())

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison of what both sides have: begun when it is first needed."""
        both = {table: (self.old_tables[table], self.new_tables[table]) for table in self.shared}
        return self.begin_comparison(self.old.database, self.new.database, both)

    def look(self, clock: Clock, until: float) -> None:
        """Compare table by table while writes go on, and remember what was equal. Stops at `until`."""
        marks, rows, began = self._marks(), 0, clock.now()
        for table in self.shared:
            if clock.now() >= until:
                break
            self._round(table, clock)
            rows += self.comparison.expected_rows(table)
            found = self.comparison.equal_rows(table)
            if found is not None:
                self.rows[table] = found
                if table in marks:
                    self.equal[table] = marks[table]
        self.rows_per_second = rows / max(clock.now() - began, 0.001)

    def keep_up(self, clock: Clock, until: float) -> None:
        """Look at what has changed since, again and again, until little is left for the fence. Stops at `until`."""
        self.forget_changed()
        left, looks = float("inf"), 0
        while looks < ROUNDS and clock.now() < until:
            changed = [table for table in self.seconds if table not in self.equal]
            before, left, looks = left, float(sum(self._round(table, clock) for table in changed)), looks + 1
            if left >= before or not changed:
                return

    def forget_changed(self) -> None:
        """Drop from `equal` what has changed since on either side, or may have."""
        marks = self._marks()
        self.equal = {table: seen for table, seen in self.equal.items() if marks.get(table) == seen}

    def busy_seconds(self) -> float:
        """Return how long the comparison of what is not known to be equal will take: what the fence will cost.

        A table that was not looked at costs what one of its size did.
        """
        unseen = [table for table in self.shared if table not in self.seconds]
        rows = sum(self.comparison.expected_rows(table) for table in unseen)
        known = sum(seconds for table, seconds in self.seconds.items() if table not in self.equal)
        return known + (rows / self.rows_per_second if rows and self.rows_per_second else 0.0)

    def differences(self, tables: Sequence[Table]) -> dict[Table, str]:
        """Compare tables in which nothing is written any more; return, for each that differs, a line that says how."""
        verdicts = self.comparison.verdict([table for table in tables if table in set(self.shared)])
        self.rows |= {table: found.old_rows for table, found in verdicts.items() if found.equal}
        return {table: self._line(table, verdicts) for table in tables if not _equal(verdicts.get(table))}

    def _round(self, table: Table, clock: Clock) -> int:
        began = clock.now()
        left = self.comparison.round([table])
        self.seconds[table] = clock.now() - began
        return left

    def _line(self, table: Table, verdicts: Mapping[Table, Verdict]) -> str:
        found = verdicts.get(table)
        here, there = (
            Digest(rows, side) if found else Digest(0, "") if table in known else None
            for known, rows, side in (
                (self.old_tables, found.old_rows if found else 0, "old"),
                (self.new_tables, found.new_rows if found else 0, "new"),
            )
        )
        [line] = differences({table: here}, {table: there}, (CALLED[self.old.side], CALLED[self.new.side]))
        if not found or not found.has_key:
            return line
        named = ", ".join("/".join(key) for key in sorted(found.differing)[:EXAMPLES])
        more = "more than " if found.cut else ""
        return f"{line}: {more}{len(found.differing)} differ, for example {named}" if named else line

    def _marks(self) -> dict[Table, tuple[str, str]]:
        here, there = self.old.database.marks(), self.new.database.marks()
        return {
            table: (here[self.old_tables[table].table], there[self.new_tables[table].table])
            for table in self.shared
            if self.old_tables[table].table in here and self.new_tables[table].table in there
        }


def _equal(found: Verdict | None) -> bool:
    return found is not None and found.equal
