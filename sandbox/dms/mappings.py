"""Table mappings: the selection rules of a task, and which tables they take."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.dms.protocol import INVALID, Fault

ACTIONS = ("include", "exclude", "explicit")
PARALLEL_LOAD = {"rule-type", "rule-id", "rule-name", "object-locator", "parallel-load"}
"""What a rule that splits a table's full load consists of."""
OWN_PREFIX = "awsdms_"
"""DMS never replicates its own tables."""


@dataclass(frozen=True)
class Rule:
    """One selection rule."""

    action: str
    schema: str
    table: str

    def matches(self, schema: str, table: str) -> bool:
        """Say whether the rule speaks of a table. Case counts; explicit rules know no wildcards."""
        if self.action == "explicit":
            return (schema, table) == (self.schema, self.table)
        return bool(pattern(self.schema).fullmatch(schema) and pattern(self.table).fullmatch(table))


def parse(text: str) -> tuple[Rule, ...]:
    """Return the rules in a task's table mappings.

    Raises Fault for what is no table mapping, and for what PostgreSQL's own replication, which moves the rows here,
    can't do: filters, table settings and views. Transformations are a module of their own.
    """
    try:
        rules = json.loads(text)["rules"]
    except (ValueError, KeyError, TypeError):
        raise Fault(INVALID, "Invalid Table mappings document: it has to be JSON with a list of rules") from None
    if not isinstance(rules, list) or not rules:
        raise Fault(INVALID, "Invalid Table mappings document: no rules")
    parsed, ids = [], set()
    for number, rule in enumerate(rules, start=1):
        name = str(rule.get("rule-id", f"number {number}")) if isinstance(rule, dict) else f"number {number}"
        found = _rule(rule, name)
        parsed += [found] if found else []
        if name in ids:
            raise wrong(name, "rule-id is used twice")
        ids.add(name)
    if all(rule.action == "exclude" for rule in parsed):
        raise Fault(INVALID, "Invalid Table mappings document: at least one rule has to include")
    return tuple(parsed)


def select(rules: Sequence[Rule], tables: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the (schema, table) that the rules take: included or explicit, and not excluded."""
    return [
        (schema, table)
        for schema, table in tables
        if not table.startswith(OWN_PREFIX)
        and any(rule.matches(schema, table) for rule in rules if rule.action != "exclude")
        and not any(rule.matches(schema, table) for rule in rules if rule.action == "exclude")
    ]


def _rule(rule: Any, name: str) -> Rule | None:
    if not isinstance(rule, dict):
        raise wrong(name, "it is no object")
    kind, action, locator = rule.get("rule-type"), rule.get("rule-action"), rule.get("object-locator")
    in_ranges = kind == "table-settings" and not rule.keys() - PARALLEL_LOAD  # makes it faster, and nothing else
    if kind not in ("selection", "transformation") and not in_ranges:
        raise wrong(name, f"the sandbox moves rows by PostgreSQL's own replication, which has no {kind} rules")
    missing = [key for key in ("rule-id", "rule-name") if not rule.get(key)]
    if missing:
        raise wrong(name, f"{', '.join(missing)} is missing")
    if kind != "selection":
        return None
    if action not in ACTIONS:
        raise wrong(name, f"rule-action is {action!r}, not one of {', '.join(ACTIONS)}")
    if not isinstance(locator, dict) or not locator.get("schema-name") or not locator.get("table-name"):
        raise wrong(name, "object-locator needs schema-name and table-name")
    if rule.get("filters"):
        raise wrong(name, "the sandbox moves rows by PostgreSQL's own replication, which has no filters of DMS's")
    if locator.get("table-type", "table") != "table":
        raise wrong(name, f"the sandbox replicates tables only, not table-type {locator['table-type']!r}")
    return Rule(action, str(locator["schema-name"]), str(locator["table-name"]))


def wrong(rule: str, why: str) -> Fault:
    """Return the refusal of a rule, by its id."""
    return Fault(INVALID, f"Error in mapping rules. Rule with ruleId = {rule} failed validation: {why}")


def pattern(name: str) -> re.Pattern[str]:
    """Compile DMS's wildcards: % any characters, _ one, [..] one of these."""
    parts = re.split(r"(%|_|\[[^\]]+\])", name)
    known = {"%": ".*", "_": "."}
    return re.compile(
        "".join(
            known.get(part)
            or (f"[{re.escape(part[1:-1])}]" if part.startswith("[") and len(part) > 1 else re.escape(part))
            for part in parts
        ),
        re.DOTALL,
    )
