"""What a source's schemas, tables and columns are called on the target, by the transformation rules of a DMS task."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from handlers.core.comparison import Column, Table, like, selected, verdict
from handlers.core.sequences import Sequence as NumberSequence

Rules = Sequence[Mapping[str, Any]]
Tables = Mapping[Table, Sequence[Column]]
SCHEMA, TABLE, COLUMN = "schema", "table", "column"
REMOVE = "remove-column"
KEYS = {SCHEMA: "schema-name", TABLE: "table-name", COLUMN: "column-name"}
CHANGES: dict[str, Callable[[str, str], str]] = {
    "rename": lambda _, value: value,
    "add-prefix": lambda name, value: value + name,
    "add-suffix": lambda name, value: name + value,
    "remove-prefix": lambda name, value: name.removeprefix(value),
    "remove-suffix": lambda name, value: name.removesuffix(value),
    "convert-lowercase": lambda name, _: name.lower(),
    "convert-uppercase": lambda name, _: name.upper(),
}


class UnknownRule(ValueError):
    """A transformation rule that the stack never writes. The message names it and the remedy."""


@dataclass(frozen=True)
class Relation:
    """A table as one side has it, with its columns in the order of the source's: both digests have to have one."""

    table: Table
    columns: tuple[Column, ...]


def schema(name: str, rules: Rules) -> str:
    """Return what a schema of the source is called on the target."""
    return _changed((name,), rules) or name


def table(source: Table, rules: Rules) -> Table:
    """Return what a table of the source is called on the target."""
    return Table(schema(source.schema, rules), _changed((source.schema, source.name), rules) or source.name)


def columns(source: Table, found: Sequence[Column], rules: Rules) -> list[tuple[Column, Column]]:
    """Return each column of a source's table beside the same on the target, in the order given, removed ones left out.

    Types stay the source's.
    """
    named = [(column, _changed((source.schema, source.name, column.name), rules)) for column in found]
    return [(column, replace(column, name=name)) for column, name in named if name is not None]


def sequences(found: Iterable[NumberSequence], rules: Rules) -> list[NumberSequence]:
    """Return the source's sequences as the target has them: in the renamed schema, under the name they had.

    DMS carries none, so no rule speaks of one: who renames a table in place keeps its sequence's name.
    """
    return [replace(one, schema=schema(one.schema, rules)) for one in found]


def sides(source: Tables, target: Tables, rules: Rules) -> tuple[dict[Table, Relation], dict[Table, Relation]]:
    """Return what to compare on the source and on the target, both by the source's names.

    A table that the rules select is in the first, and in the second where the target has it. A table that only the
    target has is in the second, if the rules select it by that name and change nothing about it.
    """
    here, there = {}, {}
    for one, found in source.items():
        if selected(one, rules):
            pairs = columns(one, found, rules)
            here[one] = Relation(one, tuple(pair[0] for pair in pairs))
            if (name := table(one, rules)) in target:
                there[one] = Relation(name, tuple(pair[1] for pair in pairs))
    expected = {table(one, rules) for one in here}
    for extra in target.keys() - expected:
        if selected(extra, rules) and table(extra, rules) == extra:
            there[extra] = Relation(extra, tuple(target[extra]))
    return here, there


def missing(source: Tables, target: Tables, rules: Rules) -> list[str]:
    """Return, by the target's names, the tables that the target lacks, and the columns of those it has."""
    lacking = []
    for one, found in source.items():
        if not verdict(one, rules):
            continue
        name = table(one, rules)
        there = {column.name for column in target.get(name, ())}
        if name not in target:
            lacking.append(str(name))
        else:
            lacking += [f"{name}.{new.name}" for _, new in columns(one, found, rules) if new.name not in there]
    return lacking


def merged(source: Tables, rules: Rules) -> list[str]:
    """Return the names on the target that the rules give to more than one table, or column of a table: DMS takes none.

    Wildcards make it possible, `_` too, which is one in DMS's rules.
    """
    chosen = {one: found for one, found in source.items() if verdict(one, rules)}
    twice = _twice(str(table(one, rules)) for one in chosen)
    for one, found in chosen.items():
        twice += [f"{table(one, rules)}.{name}" for name in _twice(new.name for _, new in columns(one, found, rules))]
    return twice


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


def _changed(names: Sequence[str], rules: Rules) -> str | None:
    """Return what the last of `names`, which lead from a schema down to it, becomes; None where it is removed."""
    level, name = list(KEYS)[len(names) - 1], names[-1]
    for rule in rules:
        if rule["rule-type"] != "transformation" or rule["rule-target"] != level:
            continue
        locator = rule["object-locator"]
        if all(like(one, str(locator[key])) for one, key in zip(names, KEYS.values(), strict=False)):
            action = str(rule["rule-action"])
            if action == REMOVE:
                return None
            if action not in CHANGES:
                raise UnknownRule(
                    f"rule {rule['rule-id']} of the replication task is {action}, which the switchover can't follow: "
                    "deploy the stack again"
                )
            return CHANGES[action](name, str(rule.get("value", "")))
    return name
