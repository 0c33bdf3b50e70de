"""How far a task is: seconds behind, and what each table's counters say. No input or output here."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sandbox.dms.catalog import Table
from sandbox.dms.run import Changes, TableFigures, TableState

TableId = tuple[str, str]
NOTHING = Changes()
BUSY = (TableState.BEFORE_LOAD, TableState.LOADING)
STATES = {
    "i": TableState.BEFORE_LOAD,
    "d": TableState.LOADING,
    "f": TableState.LOADING,
    "s": TableState.LOADING,
    "r": TableState.COMPLETED,
}
"""States of a subscription's table, by PostgreSQL's letters."""


class Lag:
    """Seconds since a reader of the log was last seen at its end. Positions are bytes."""

    def __init__(self, now: float) -> None:
        self._ahead: deque[tuple[float, int]] = deque()
        self._clear_at = now

    def observe(self, now: float, end: int | None, reached: int | None) -> float:
        """Note where the log ends and what was reached, where that is seen; return the seconds behind."""
        if end is not None:
            self._ahead.append((now, end))
        if reached is not None:
            while self._ahead and self._ahead[0][1] <= reached:
                self._clear_at = self._ahead.popleft()[0]
        # Once something lies ahead, what was first seen ahead tells the time; else the last clear sight does.
        return max(0.0, now - (self._ahead[0][0] if self._ahead else self._clear_at))


@dataclass(frozen=True)
class Counts:
    """What both servers count for the tables, where they answered, and the load states, which were asked first."""

    source: Mapping[TableId, Changes]
    target: Mapping[TableId, Changes]
    states: Mapping[TableId, str]
    caught_up: bool


@dataclass
class Ledger:
    """The figures of a task's tables over time. `base_source` and `base_target` are what was counted before it."""

    tables: Sequence[Table]
    suspended: Sequence[TableId]
    loads: bool
    reloaded: bool
    base_source: Mapping[TableId, Changes] = field(default_factory=dict)
    base_target: Mapping[TableId, Changes] = field(default_factory=dict)
    _figures: dict[TableId, TableFigures] = field(default_factory=dict)

    def __post_init__(self) -> None:
        state = TableState.BEFORE_LOAD if self.loads else TableState.COMPLETED
        for table in self.tables:
            self._figures[table.id] = TableFigures(table.schema, table.name, state, reloaded=self.reloaded)
        for schema, name in self.suspended:
            self._figures[schema, name] = TableFigures(schema, name, TableState.ERROR)

    @property
    def figures(self) -> tuple[TableFigures, ...]:
        """The newest figures, by schema and name."""
        return tuple(self._figures[one] for one in sorted(self._figures))

    @property
    def loaded(self) -> bool:
        """Whether no table waits for its load or is in it."""
        return all(figures.state not in BUSY for figures in self._figures.values())

    @property
    def applied(self) -> int:
        """Changes applied after the load, over all tables."""
        return sum(figures.applied.total for figures in self._figures.values())

    @property
    def pending(self) -> int:
        """Changes captured and not applied, over all tables."""
        return sum(figures.captured.total for figures in self._figures.values()) - self.applied

    @property
    def load_rows(self) -> int:
        """Rows loaded, over all tables."""
        return sum(figures.load_rows for figures in self._figures.values())

    def update(self, now: datetime, counts: Counts) -> None:
        """Take in what the servers count now."""
        for table in self.tables:
            figures = self._loaded(table.id, now, counts)
            captured, applied = changes(
                source=_since(counts.source.get(table.id), self.base_source.get(table.id)),
                target=_since(counts.target.get(table.id), self.base_target.get(table.id)),
                load_rows=figures.load_rows,
                identified=table.identified,
                caught_up=counts.caught_up,
            )
            if figures.state is TableState.COMPLETED:
                figures = replace(figures, captured=captured, applied=applied)
            if figures != self._figures[table.id]:
                self._figures[table.id] = replace(figures, updated=now)

    def fail(self, tables: Sequence[TableId]) -> None:
        """Put tables in error."""
        for one in tables:
            if one in self._figures:
                self._figures[one] = replace(self._figures[one], state=TableState.ERROR)

    def _loaded(self, table: TableId, now: datetime, counts: Counts) -> TableFigures:
        """Return a table's figures with its load brought up to date."""
        figures = self._figures[table]
        if figures.state not in BUSY:
            return figures
        state = STATES[counts.states.get(table, "i")]
        # The worker that loads counts its rows before it is done; the one that follows counts changes a moment later.
        rows = _since(counts.target.get(table), self.base_target.get(table)).inserts
        return replace(
            figures,
            state=state,
            load_rows=max(rows, figures.load_rows),
            load_started=figures.load_started or (None if state is TableState.BEFORE_LOAD else now),
            load_ended=now if state is TableState.COMPLETED else None,
        )


def changes(
    *, source: Changes, target: Changes, load_rows: int, identified: bool, caught_up: bool
) -> tuple[Changes, Changes]:
    """Return what was captured and what was applied.

    The target counts its application's own writes as well, the source rows of transactions that were rolled back: what
    was applied is the smaller. Where everything has arrived, what was captured is what was applied.
    """
    applied = Changes(
        min(max(0, target.inserts - load_rows), source.inserts),
        min(target.updates, source.updates) if identified else 0,
        min(target.deletes, source.deletes) if identified else 0,
    )
    if caught_up:
        return applied, applied
    return (source if identified else Changes(source.inserts)), applied


def _since(now: Changes | None, base: Changes | None) -> Changes:
    if now is None:
        return NOTHING
    before = base or NOTHING
    return Changes(
        max(0, now.inserts - before.inserts),
        max(0, now.updates - before.updates),
        max(0, now.deletes - before.deletes),
    )
