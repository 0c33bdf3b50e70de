"""The tables of two databases, ready to compare."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from handlers.adapters import postgres_cells
from handlers.adapters.postgres import Database
from handlers.core import mapping
from handlers.core.comparison import Column, Table
from handlers.core.mapping import Relation, Rules
from handlers.core.samples import Key
from handlers.validation.changes import Watch
from handlers.validation.compare import Sides
from handlers.validation.equality import Method, common_method
from handlers.validation.plan import Size, pair_up
from handlers.validation.result import TableResult, Verdict
from handlers.validation.run import Subject, tables_named

Relations = Mapping[Table, Relation]
"""By the source's names."""


@dataclass(frozen=True)
class _Side:
    """What a comparison has to know of a side beside its tables' columns."""

    answers: Mapping[Method, str | None]
    keys: Mapping[Table, Key]
    sizes: Mapping[Table, Size]


def find(
    old: Database, new: Database, rules: Rules, wanted: Sequence[str], *, strict: bool
) -> tuple[list[Subject], list[TableResult]]:
    """Return the tables to compare, by the source's names, and verdicts on those that one side lacks.

    `wanted` are names as schema.table, none for all that `rules` select. Raises ValueError for one that neither side
    has, and as `read` does.
    """
    here, found = Sides(old, new).both(old.tables, new.tables)
    both = mapping.sides(here, found, rules)
    named = tables_named([*{*both[0], *both[1]}], wanted)
    subjects, lacking = read(old, new, both, found, named, strict=strict)
    return subjects, [TableResult(table, Verdict.DIFFERENT, None, reason=reason) for table, reason in lacking.items()]


def read(
    old: Database,
    new: Database,
    sides: tuple[Relations, Relations],
    found: Mapping[Table, Sequence[Column]],
    wanted: Iterable[Table],
    *,
    strict: bool = False,
) -> tuple[list[Subject], dict[Table, str]]:
    """Return these tables in pairs, and by table why it can't be compared: a side lacks it, or one of its columns.

    `sides` are what `mapping.sides` returns, `found` all tables of the new side. Both sides are asked at once for keys,
    statistics and the self-tests, after which they are known to hash alike. Raises ValueError where they do not.
    """
    here, there = sides
    on_old, on_new = Sides(old, new).both(lambda: _side(old), lambda: _side(new))
    method = common_method(on_old.answers, on_new.answers)
    subjects, lacking = [], {}
    for table in wanted:
        if table not in here or table not in there:
            lacking[table] = f"missing on the {'source' if table not in here else 'target'}"
            continue
        first, second = here[table], there[table]
        keys = on_old.keys.get(first.table), on_new.keys.get(second.table)
        try:
            pair = pair_up(first, second, found[second.table], keys, method, strict=strict)
        except ValueError as error:
            lacking[table] = str(error)
            continue
        subjects.append(Subject(pair, on_old.sizes[first.table], on_new.sizes[second.table]))
    return subjects, lacking


def _side(database: Database) -> _Side:
    keys = database.keys()
    return _Side(postgres_cells.self_tests(database), keys, postgres_cells.sizes(database, keys))


def watch(old: Database, new: Database, tables: Mapping[Table, tuple[Relation, Relation]]) -> Watch:
    """Begin to compare these tables of both sides, each by the old side's name.

    Raises ValueError where the new side lacks a column, and where the servers hash nothing alike.
    """
    sides = {name: pair[0] for name, pair in tables.items()}, {name: pair[1] for name, pair in tables.items()}
    subjects, lacking = read(old, new, sides, new.tables(), tables)
    if lacking:
        raise ValueError("; ".join(f"{table}: {why}" for table, why in sorted(lacking.items())))
    return Watch(old, new, [(one.pair, one.old) for one in subjects])
