"""Names that differ between the two sides: the transformation rules of a DMS task."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from components import checks

RENAME, REMOVE = "rename", "remove-column"
ACTIONS = (
    RENAME,
    REMOVE,
    "add-prefix",
    "add-suffix",
    "convert-lowercase",
    "convert-uppercase",
    "remove-prefix",
    "remove-suffix",
)
VALUED = frozenset({RENAME, "add-prefix", "add-suffix", "remove-prefix", "remove-suffix"})
"""Actions that need a value."""
SCHEMA, TABLE, COLUMN = "schema", "table", "column"
LEVELS = (SCHEMA, TABLE, COLUMN)


class TransformationRule(TypedDict):
    """One change of a name, or a column left behind. Names are the source's; `%` stands for any characters."""

    schema: str
    """Schema name; the schema is what changes where neither table nor column is given."""
    table: NotRequired[str | None]
    """Table name; the table is what changes where no column is given."""
    column: NotRequired[str | None]
    """Column name."""
    action: str
    """rename, add-prefix, add-suffix, remove-prefix, remove-suffix, convert-lowercase, convert-uppercase or
    remove-column."""
    value: NotRequired[str | None]
    """New name, prefix or suffix."""


def level(rule: TransformationRule) -> str:
    """Return what a rule changes: schema, table or column."""
    return COLUMN if rule.get("column") else TABLE if rule.get("table") else SCHEMA


def locator(rule: TransformationRule) -> tuple[str, ...]:
    """Return the names that say what a rule changes, one for each level down to its own."""
    names = (rule["schema"], rule.get("table"), rule.get("column"))
    return tuple(name for name in names if name)


def changed(name: str, rule: TransformationRule) -> str:
    """Return what a rule makes of a name, or of a pattern of names, at its own level."""
    value = rule.get("value") or ""
    return {
        RENAME: value,
        REMOVE: name,
        "add-prefix": value + name,
        "add-suffix": name + value,
        "remove-prefix": name.removeprefix(value),
        "remove-suffix": name.removesuffix(value),
        "convert-lowercase": name.lower(),
        "convert-uppercase": name.upper(),
    }[rule["action"]]


def documents(rules: Sequence[TransformationRule], first_id: int) -> list[dict[str, Any]]:
    """Return the rules as DMS's documents, numbered from `first_id`: schemas, tables, columns, each by name.

    Their order means nothing to DMS, which takes one rule for each object. Raises ArgumentError for an unknown action,
    and for a value that is missing or out of place.
    """
    for number, rule in enumerate(rules):
        where = f"transformations[{number}]"
        checks.one_of(f"{where}.action", rule["action"], ACTIONS)
        if bool(rule.get("value")) is not (rule["action"] in VALUED):
            remedy = "write one" if rule["action"] in VALUED else "leave it out"
            raise checks.ArgumentError(f"{where}.value is {rule.get('value')!r} with {rule['action']}: {remedy}")
        if rule["action"] == REMOVE and level(rule) != COLUMN:
            raise checks.ArgumentError(f"{where}.column is missing: write which one is removed")
        if rule.get("column") and not rule.get("table"):
            raise checks.ArgumentError(f"{where}.table is missing: write whose column {rule['column']} is")
    ordered = sorted(rules, key=lambda rule: (len(locator(rule)), locator(rule), rule["action"], rule.get("value")))
    return [_document(rule, number) for number, rule in enumerate(ordered, start=first_id)]


def _document(rule: TransformationRule, number: int) -> dict[str, Any]:
    keys = ("schema-name", "table-name", "column-name")
    return {
        "rule-type": "transformation",
        "rule-id": str(number),
        "rule-name": f"{rule['action']}-{number}",
        "rule-target": level(rule),
        "object-locator": dict(zip(keys, locator(rule), strict=False)),
        "rule-action": rule["action"],
        **({"value": rule["value"]} if rule.get("value") else {}),
    }
