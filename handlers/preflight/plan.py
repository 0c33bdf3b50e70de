"""What preflight makes beside a verdict: configuration for the replication, what else to carry, and how long it takes.

Configuration is as the stack takes it: a piece of `replication`, to be written there whole or in part.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from handlers.core import mapping
from handlers.core.comparison import Column, Table, like
from handlers.preflight.facts import Counters, Facts, Lobs, NotRead, Objects, Relation, Relations
from handlers.preflight.remedies import MOST_LOB_KB, TASK_LOB_KB, rounded
from handlers.preflight.rule import Case

T = TypeVar("T")
STREAMS = 8
"""Tables that the task loads at a time, MaxFullLoadSubTasks."""
BYTES_PER_SECOND = 10_000_000
"""What one stream is assumed to carry; what is read and written beside it, or a line that is thin, makes it less."""
LARGE_BYTES = 5 << 30
"""A table from here on is split into ranges, if its key allows it."""
RANGES = 8
MOST_ORDERED = 100
"""So many tables, the largest, are told when to begin: the order of small ones changes nothing."""


@dataclass(frozen=True)
class Load:
    """One table's full load: its place in the order, its size, and how long it takes by itself.

    `lob_kilobytes` is the LobMaxSize that its largest value needs, None where that is not known.
    """

    table: str
    order: int
    rows: int
    bytes: int
    seconds: int
    lob_kilobytes: int | None
    ranges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything that was made. `missing` says what could not be, because nobody could read it."""

    replication: Mapping[str, Any]
    loads: tuple[Load, ...]
    bytes: int
    seconds: int
    carry: Mapping[str, int]
    sequences: tuple[str, ...]
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def plan(case: Case) -> Plan:
    """Return the plan for a pair. Sections that nobody could read leave their part empty and are named."""
    missing: list[str] = []

    def part(make: Callable[[Case], T], instead: T) -> T:
        try:
            return make(case)
        except NotRead as gap:
            missing.append(f"{gap.section}: {gap}")
            return instead

    none: tuple[Load, ...] = ()
    loads = part(_loads, none)
    return Plan(
        replication=part(_replication, {}),
        loads=loads,
        bytes=sum(load.bytes for load in loads),
        seconds=_together(loads),
        carry=part(_carry, {}),
        sequences=part(_sequences, ()),
        missing=tuple(dict.fromkeys(missing)),
    )


def _replication(case: Case) -> dict[str, Any]:
    """Return the piece of configuration: tables in and out, their order, columns left behind, LobMaxSize and ranges."""
    found: dict[str, Any] = {"tables": _tables(case)}
    removed = [
        {"schema": one.table.schema, "table": one.table.name, "column": column.name, "remove": True}
        for one, column in case.columns()
        if column.generated and mapping.columns(one.table, [Column(column.name, column.base)], case.terms.rules)
    ]
    if removed:
        found["transformations"] = removed
    sizes = _lob_sizes(case)
    limit = _task_limit(case.terms.lob_kilobytes, sizes.values())
    if sizes and limit is not None:
        found["lobMaximumKb"] = limit
    settings = []
    for one in case.taken():
        own: dict[str, Any] = {}
        if limit is not None and sizes.get(one.table, 0) > limit:
            own["lobMaximumKb"] = min(MOST_LOB_KB, rounded(sizes[one.table]))
        if ranges := _ranges(one):
            own["parallelLoad"] = {"column": one.key[0], "boundaries": list(ranges)}
        settings += [{"schema": one.table.schema, "table": one.table.name, **own}] if own else []
    if settings:
        found["tableSettings"] = settings
    return found


def _lob_sizes(case: Case) -> dict[Table, int]:
    """Return the LobMaxSize that the largest value of each table needs, of those that were measured and are taken."""
    return {table: size for table, size in _lobs(case.source).needed.items() if case.terms.takes(table)}


def _task_limit(limit: int | None, sizes: Iterable[int]) -> int | None:
    """Return the LobMaxSize for all tables: the task's `limit`, or more if that is little. None where it has none."""
    small = [size for size in map(rounded, sizes) if size <= TASK_LOB_KB]
    return None if limit is None else max([limit, *small])


def _tables(case: Case) -> list[dict[str, Any]]:
    """Return rules that say of every table whether it is taken, schemas first, and which begin to load first."""
    relations = case.source.read(Relations).all
    names = {one.table.schema for one in relations}, {one.table.name for one in relations}
    schemas = sorted({one.table.schema for one in relations if case.terms.takes(one.table)})
    rules: list[dict[str, Any]] = [{"schema": schema} for schema in schemas]
    for one in relations:
        out = one.kind in ("p", "f") or one.unlogged or not case.terms.takes(one.table)
        if out and (one.table.schema in schemas or one.kind == "r"):
            rules.append({**_named(one.table, *names), "action": "exclude"})
    loads = _by_size(case)
    if len(loads) > STREAMS:
        first = loads[:MOST_ORDERED]
        rules += [{**_named(one.table, *names), "loadOrder": len(first) - place} for place, one in enumerate(first)]
    return rules


def _named(table: Table, schemas: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Return a table as a rule names it alone among all others."""
    return {"schema": _alone(table.schema, schemas), "table": _alone(table.name, names)}


def _alone(name: str, others: Iterable[str]) -> str:
    """Return the pattern for one name: `_` stands for any one character, but in brackets."""
    alike = (other for other in others if len(other) == len(name) and other != name)
    if "%" in name or any(like(other, name) for other in alike):
        return re.sub("[%_]", r"[\g<0>]", name)
    return name


def _by_size(case: Case) -> list[Relation]:
    """Return the tables that are loaded, the largest first: what takes long must not begin last."""
    return sorted((one for one in case.taken() if one.kind == "r"), key=lambda one: (-one.bytes, one.table))


def _loads(case: Case) -> tuple[Load, ...]:
    """Return the loads, the largest first."""
    lobs, taken = _lob_sizes(case), _by_size(case)
    unknown = {lob.table for lob in _lobs(case.source).all if lob.how != "exact"}
    return tuple(
        Load(
            table=str(one.table),
            order=len(taken) - place,
            rows=one.rows,
            bytes=one.bytes,
            seconds=-(-one.bytes // (BYTES_PER_SECOND * (len(_ranges(one)) + 1))),
            lob_kilobytes=None if one.table in unknown else lobs.get(one.table, 0),
            ranges=_ranges(one),
        )
        for place, one in enumerate(taken)
    )


def _ranges(one: Relation) -> tuple[str, ...]:
    """Return where a large table is split: at bounds of its key that part it evenly, by the planner's sample."""
    if one.bytes < LARGE_BYTES or len(one.key) != 1 or len(one.bounds) < RANGES:
        return ()
    step = (len(one.bounds) - 1) / RANGES
    return tuple(one.bounds[round(number * step)] for number in range(1, RANGES))


def _together(loads: Sequence[Load]) -> int:
    """Return how long all loads take, so many at a time: no less than the longest, no less than an even share."""
    if not loads:
        return 0
    total = sum(load.bytes for load in loads)
    return max(-(-total // (BYTES_PER_SECOND * STREAMS)), *(load.seconds for load in loads))


def _lobs(facts: Facts) -> Lobs:
    try:
        return facts.read(Lobs)
    except NotRead:
        return Lobs(())


def _carry(case: Case) -> dict[str, int]:
    """Return what has to be carried beside rows, by kind."""
    kinds = Counter(one.split(" ", 1)[0] for one in case.source.read(Objects).all)
    return dict(sorted(kinds.items()))


def _sequences(case: Case) -> tuple[str, ...]:
    return tuple(f"{one.schema}.{one.name}" for one in case.source.read(Counters).all)


def text(made: Plan) -> list[str]:
    """Return the plan in lines: how much, how long, and what to carry."""
    carried = ", ".join(f"{count} {PLURALS.get(kind, f'{kind}s')}" for kind, count in made.carry.items())
    time = "less than a minute" if made.seconds < 60 else f"about {made.seconds / 60:.0f} min"
    lines = [
        "",
        f"PLAN {len(made.loads)} tables, {made.bytes / 1e9:.2f} GB: {time} to load at "
        f"{BYTES_PER_SECOND / 1e6:.0f} MB/s a stream, {STREAMS} at a time",
        f"  to carry beside rows: {carried or 'nothing'}; {len(made.sequences)} sequences are set at the switchover",
    ]
    return lines + [f"  not known: {one}" for one in made.missing]


PLURALS = {"index": "indexes", "policy": "policies", "statistics": "statistics"}
