"""What a validation says: a verdict per table, every row that differs by its key, and an exit code for all."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from handlers.core.comparison import Table
from handlers.validation.compare import Key
from handlers.validation.equality import Method


class Verdict(StrEnum):
    """How a table compares."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNSETTLED = "unsettled"
    """Rows differ, and kept changing, or the target did not catch up: neither right nor wrong."""


WORSE = (Verdict.EQUAL, Verdict.UNSETTLED, Verdict.DIFFERENT)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of verdicts; of none it is that all is equal."""
    return max(verdicts, key=WORSE.index, default=Verdict.EQUAL)


class Kind(StrEnum):
    """How a row differs, as seen from the target."""

    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"


EXIT_CODES = {Verdict.EQUAL: 0, Verdict.DIFFERENT: 4, Verdict.UNSETTLED: 8}


@dataclass(frozen=True)
class Difference:
    """A row that differs, by its key as text; `columns` that do, where both sides have it. No value of it is kept.

    Of a table without a key, `key` is the row's hash, and `times` how often each side has the row.
    """

    key: Key
    kind: Kind
    columns: tuple[str, ...] = ()
    times: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class TableResult:
    """A table's verdict. `more` says that more rows differ than are named; `reason` why it could not be compared."""

    table: Table
    verdict: Verdict
    method: Method | None
    rows: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()
    unsettled: tuple[Key, ...] = ()
    more: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """All tables' verdicts. `large_objects` are both sides', which belong to no table and are not compared."""

    tables: Sequence[TableResult]
    strict: bool
    large_objects: tuple[int, int] = (0, 0)
    warnings: Sequence[str] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """The worst of all tables'."""
        return worst(result.verdict for result in self.tables)

    @property
    def exit_code(self) -> int:
        """0 equal, 4 different, 8 unsettled; errors have one of their own."""
        return EXIT_CODES[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        tables = [{**asdict(result), "table": str(result.table)} for result in self.tables]
        return {
            "verdict": self.verdict,
            "strict": self.strict,
            "large_objects_not_compared": self.large_objects,
            "warnings": list(self.warnings),
            "tables": tables,
        }

    def lines(self) -> list[str]:
        """Return what people read: each table, and under it each row that differs."""
        found = []
        for result in self.tables:
            rows = f"{result.rows[0]:,} rows" + (
                f", {result.rows[1]:,} on the target" * (result.rows[0] != result.rows[1])
            )
            how = f", {result.method} hash" if result.method else ""
            found.append(f"{result.verdict:<9}  {result.table}  {result.reason or rows + how}")
            found += [f"           {_line(one)}" for one in result.differences]
            found += [f"           {', '.join(key)}: still changing" for key in result.unsettled]
            if result.more:
                found.append("           and more")
        if any(self.large_objects):
            found.append(
                f"large objects are not compared: {self.large_objects[0]:,}, {self.large_objects[1]:,} on the target"
            )
        return [*found, *self.warnings]


def _line(one: Difference) -> str:
    key = ", ".join(one.key)
    if one.times != (1, 1):
        return f"row with hash {key}: {one.times[0]} times on the source, {one.times[1]} on the target"
    return f"{key}: {one.kind}" + (f" in {', '.join(one.columns)}" if one.columns else "")
