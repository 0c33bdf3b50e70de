"""The look at both sides before the fence: what is equal already need not be compared while nobody can write.

A table's mark is its file and the counts of rows inserted, updated and deleted, as its server keeps them. A session's
counts are complete once it has ended, so behind the fence an unchanged mark means unchanged rows.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from handlers.clock import Clock
from handlers.core import mapping
from handlers.core.comparison import Digest, Table
from handlers.core.mapping import Relation, Rules
from handlers.migration import Door

Tables = Mapping[Table, Relation]
"""By the old side's names."""
Pair = tuple[Digest | None, Digest | None]


@dataclass
class Survey:
    """Both sides' tables and how they compare. `equal` holds, by table, both marks from before it was found equal."""

    old: Door
    new: Door
    rules: Rules
    old_tables: Tables
    new_tables: Tables
    record_hash: bool
    equal: dict[Table, tuple[str, str]] = field(default_factory=dict)
    rows: dict[Table, int] = field(default_factory=dict)
    seconds: dict[Table, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, old: Door, new: Door, rules: Rules) -> "Survey":
        """Read what tables there are and how they can be hashed. `rules` are those of the task from old to new."""
        here, there = mapping.sides(old.database.tables(), new.database.tables(), rules)
        first, second = old.database.self_test(), new.database.self_test()
        return cls(old, new, rules, here, there, record_hash=first is not None and first == second)

    @property
    def tables(self) -> list[Table]:
        """Every table of either side."""
        return sorted({*self.old_tables, *self.new_tables})

    def look(self, clock: Clock, until: float) -> None:
        """Compare table by table while writes go on, and remember what was equal. Stops at `until`."""
        marks = self._marks()
        for table in self.tables:
            began = clock.now()
            if began >= until:
                return
            [(here, there)] = self.digests([table]).values()
            self.seconds[table] = clock.now() - began
            if here is not None and here == there and table in marks:
                self.equal[table] = marks[table]
                self.rows[table] = here.rows

    def forget_changed(self) -> None:
        """Drop from `equal` what has changed since on either side, or may have."""
        marks = self._marks()
        self.equal = {table: seen for table, seen in self.equal.items() if marks.get(table) == seen}

    def busy_seconds(self) -> float:
        """Return how long the comparison of what is not known to be equal took, or would: what the fence will cost."""
        return sum(self.seconds.get(table, 0.0) for table in self.tables if table not in self.equal)

    def digests(self, tables: Sequence[Table]) -> dict[Table, Pair]:
        """Return both sides' digests, computed by both servers at once."""
        with ThreadPoolExecutor(max_workers=2) as both:
            halves = [
                both.submit(self._one_side, door, known, tables)
                for door, known in ((self.old, self.old_tables), (self.new, self.new_tables))
            ]
            here, there = (half.result() for half in halves)
        return {table: (here[table], there[table]) for table in tables}

    def _one_side(self, door: Door, known: Tables, tables: Sequence[Table]) -> dict[Table, Digest | None]:
        """Return one side's digests, by the old side's names."""
        return {
            table: door.database.digest(known[table].table, known[table].columns, record_hash=self.record_hash)
            if table in known
            else None
            for table in tables
        }

    def _marks(self) -> dict[Table, tuple[str, str]]:
        here, there = self.old.database.marks(), self.new.database.marks()
        return {
            table: (here[table], there[self.new_tables[table].table])
            for table in self.old_tables.keys() & self.new_tables.keys()
            if table in here and self.new_tables[table].table in there
        }
