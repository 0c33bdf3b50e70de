"""Table mappings: the selection rules of a task, and which tables they take."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.dms.protocol import INVALID, Fault

ACTIONS = ("include", "exclude", "explicit")
TABLE_SETTINGS = {"rule-type", "rule-id", "rule-name", "object-locator", "parallel-load", "lob-settings"}
"""What a rule with one table's settings consists of. A parallel load makes it faster, and nothing else."""
LOB_MODES = ("limited", "unlimited", "none")
MOST_LOAD_ORDER, MOST_LOB_KB = 2**31 - 1, 102400
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
    can't do: filters and views. It begins with tables as it likes, whatever their load-order. Transformations are a
    module of their own.
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


def lob_limits(text: str) -> dict[tuple[str, str], int | None]:
    """Return the largest large object in KB, None for any, of the (schema, table) with settings of their own."""
    found: dict[tuple[str, str], int | None] = {}
    for rule in json.loads(text)["rules"]:
        settings = rule.get("lob-settings") or {"mode": "none"}
        mode = settings.get("mode", "limited")
        if mode != "none":
            names = rule["object-locator"]
            limit = int(settings["bulk-max-size"]) if mode == "limited" else None
            found[names["schema-name"], names["table-name"]] = limit
    return found


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
    settings = kind == "table-settings" and not rule.keys() - TABLE_SETTINGS
    if kind not in ("selection", "transformation") and not settings:
        raise wrong(name, f"the sandbox moves rows by PostgreSQL's own replication, which has no {kind} rules")
    missing = [key for key in ("rule-id", "rule-name") if not rule.get(key)]
    if missing:
        raise wrong(name, f"{', '.join(missing)} is missing")
    if settings:
        _check_settings(rule, name)
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
    if not _whole(rule.get("load-order", 1), MOST_LOAD_ORDER):
        raise wrong(name, f"load-order is {rule['load-order']!r}, no whole number from 1 to {MOST_LOAD_ORDER}")
    return Rule(action, str(locator["schema-name"]), str(locator["table-name"]))


def _check_settings(rule: Any, name: str) -> None:
    locator, lobs = rule.get("object-locator"), rule.get("lob-settings", {"mode": "none"})
    if not isinstance(locator, dict) or any("%" in str(locator.get(key, "%")) for key in ("schema-name", "table-name")):
        raise wrong(name, "object-locator needs schema-name and table-name without wildcards")
    mode = lobs.get("mode", "limited") if isinstance(lobs, dict) else None
    if mode not in LOB_MODES:
        raise wrong(name, f"the mode of lob-settings is {mode!r}, not one of {', '.join(LOB_MODES)}")
    if mode == "limited" and not _whole(lobs.get("bulk-max-size"), MOST_LOB_KB):
        raise wrong(name, f"bulk-max-size is {lobs.get('bulk-max-size')!r}, no whole number from 1 to {MOST_LOB_KB}")


def _whole(value: object, most: int) -> bool:
    return str(value).isdecimal() and 1 <= int(str(value)) <= most


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
