"""Table mappings: the transformation rules of a task, and what they make of the source's tables."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.dms.catalog import Table
from sandbox.dms.limits import is_lob
from sandbox.dms.mappings import pattern, wrong
from sandbox.dms.sides import SideError

KIND = "transformation"
REMOVE = "remove-column"
KEYS = {"schema": "schema-name", "table": "table-name", "column": "column-name"}
ACTIONS: dict[str, Callable[[str, str], str]] = {
    "rename": lambda _, value: value,
    "convert-lowercase": lambda name, _: name.lower(),
    "convert-uppercase": lambda name, _: name.upper(),
    "add-prefix": lambda name, value: value + name,
    "add-suffix": lambda name, value: name + value,
    "remove-prefix": lambda name, value: name.removeprefix(value),
    "remove-suffix": lambda name, value: name.removesuffix(value),
    REMOVE: lambda name, _: name,
}
WITHOUT_VALUE = frozenset({"convert-lowercase", "convert-uppercase", REMOVE})


@dataclass(frozen=True)
class Transformation:
    """One transformation rule. `names` are the patterns that lead to what it changes, the last of them its own."""

    id: str
    target: str
    action: str
    value: str
    names: tuple[str, ...]

    def matches(self, *names: str) -> bool:
        """Say whether the rule is about what `names` lead to. Case counts."""
        return len(names) == len(self.names) and all(
            pattern(known).fullmatch(name) for known, name in zip(self.names, names, strict=True)
        )


@dataclass(frozen=True)
class Mapped:
    """A table of the source, the same as the target is to have it, and the target's names of the columns it gets."""

    source: Table
    target: Table
    columns: dict[str, str]


def parse(text: str) -> tuple[Transformation, ...]:
    """Return the transformations in a task's table mappings, which are mappings otherwise.

    Raises Fault for one that DMS does not know, and for those the sandbox can't carry out.
    """
    return tuple(_transformation(rule) for rule in json.loads(text)["rules"] if rule.get("rule-type") == KIND)


def mapped(rules: Sequence[Transformation], tables: Sequence[Table]) -> tuple[Mapped, ...]:
    """Return what becomes of tables. Raises SideError for what DMS would not carry out."""
    found = tuple(_mapped(rules, table) for table in tables)
    seen: dict[tuple[str, str], Table] = {}
    for one in found:
        other = seen.setdefault(one.target.id, one.source)
        if other is not one.source:
            raise SideError(f"{other} and {one.source} would both become {one.target}: DMS replicates table to table")
    return found


def _mapped(rules: Sequence[Transformation], table: Table) -> Mapped:
    schema = _changed(rules, table.schema)
    name = _changed(rules, table.schema, table.name)
    columns: dict[str, str] = {}
    for column in table.columns:
        new = _changed(rules, table.schema, table.name, column.name)
        if new is None and column.name in table.key:
            raise SideError(f"column {column.name} of {table} is part of its key: without it no row can be told")
        if new is not None and new != column.name and is_lob(column):
            raise SideError(f"column {column.name} of {table} is a large object: DMS can remove it, not rename it")
        if new in columns.values():
            raise SideError(f"two columns of {table} would become {new}: DMS replicates column to column")
        if new is not None:
            columns[column.name] = new
    target = replace(
        table,
        schema=str(schema),
        name=str(name),
        key=tuple(columns[one] for one in table.key),
        columns=tuple(replace(one, name=columns[one.name]) for one in table.columns if one.name in columns),
    )
    return Mapped(table, target, columns)


def _changed(rules: Sequence[Transformation], *names: str) -> str | None:
    """Return what the last of `names` becomes, None where it is removed. Raises SideError where rules compete."""
    taken = [rule for rule in rules if rule.matches(*names)]
    if len(taken) > 1:
        raise SideError(f"rules {', '.join(rule.id for rule in taken)} change {'.'.join(names)}: DMS takes one each")
    if not taken:
        return names[-1]
    return None if taken[0].action == REMOVE else ACTIONS[taken[0].action](names[-1], taken[0].value)


def _transformation(rule: dict[str, Any]) -> Transformation:
    name, target, action = str(rule.get("rule-id")), rule.get("rule-target"), rule.get("rule-action")
    if target not in KEYS:
        raise wrong(name, f"the sandbox changes schemas, tables and columns, not rule-target {target!r}")
    if action not in ACTIONS:
        raise wrong(name, f"rule-action is {action!r}; the sandbox knows {', '.join(sorted(ACTIONS))}")
    if action == REMOVE and target != "column":
        raise wrong(name, "remove-column needs the rule-target column")
    wanted = list(KEYS.values())[: list(KEYS).index(target) + 1]
    locator = rule.get("object-locator")
    if not isinstance(locator, dict) or set(locator) != set(wanted) or not all(locator.values()):
        raise wrong(name, f"object-locator needs {', '.join(wanted)} and nothing else for rule-target {target}")
    if (action in WITHOUT_VALUE) is bool(rule.get("value")):
        raise wrong(name, f"{action} {'takes no' if action in WITHOUT_VALUE else 'needs a'} value")
    return Transformation(name, target, action, str(rule.get("value") or ""), tuple(str(locator[k]) for k in wanted))
