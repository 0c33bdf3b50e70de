"""The tables of two databases, ready to compare."""

from collections.abc import Iterable, Mapping, Sequence

from handlers.adapters import postgres_cells
from handlers.adapters.postgres import Database
from handlers.core import mapping
from handlers.core.comparison import Column, Table
from handlers.core.mapping import Relation, Rules
from handlers.validation.changes import Watch
from handlers.validation.equality import common_method
from handlers.validation.plan import pair_up
from handlers.validation.result import TableResult, Verdict
from handlers.validation.run import Subject, tables_named

Relations = Mapping[Table, Relation]
"""By the source's names."""


def find(
    old: Database, new: Database, rules: Rules, wanted: Sequence[str], *, strict: bool
) -> tuple[list[Subject], list[TableResult]]:
    """Return the tables to compare, by the source's names, and verdicts on those that one side lacks.

    `wanted` are names as schema.table, none for all that `rules` select. Raises ValueError for one that neither side
    has, and as `read` does.
    """
    found = new.tables()
    both = mapping.sides(old.tables(), found, rules)
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

    `sides` are what `mapping.sides` returns, `found` all tables of the new side. Two queries on each side for their
    keys and statistics, and the self-tests, after which both sides are known to hash alike. Raises ValueError where
    they do not.
    """
    here, there = sides
    method = common_method(postgres_cells.self_tests(old), postgres_cells.self_tests(new))
    old_keys, new_keys = old.keys(), new.keys()
    old_sizes, new_sizes = postgres_cells.sizes(old, old_keys), postgres_cells.sizes(new, new_keys)
    subjects, lacking = [], {}
    for table in wanted:
        if table not in here or table not in there:
            lacking[table] = f"missing on the {'source' if table not in here else 'target'}"
            continue
        first, second = here[table], there[table]
        keys = old_keys.get(first.table), new_keys.get(second.table)
        try:
            pair = pair_up(first, second, found[second.table], keys, method, strict=strict)
        except ValueError as error:
            lacking[table] = str(error)
            continue
        subjects.append(Subject(pair, old_sizes[first.table], new_sizes[second.table]))
    return subjects, lacking


def watch(old: Database, new: Database, tables: Mapping[Table, tuple[Relation, Relation]]) -> Watch:
    """Begin to compare these tables of both sides, each by the old side's name.

    Raises ValueError where the new side lacks a column, and where the servers hash nothing alike.
    """
    sides = {name: pair[0] for name, pair in tables.items()}, {name: pair[1] for name, pair in tables.items()}
    subjects, lacking = read(old, new, sides, new.tables(), tables)
    if lacking:
        raise ValueError("; ".join(f"{table}: {why}" for table, why in sorted(lacking.items())))
    return Watch(old, new, [(one.pair, one.old) for one in subjects])
