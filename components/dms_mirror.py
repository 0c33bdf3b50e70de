"""The way back of table mappings: what the task from target to source is told, so that every name finds home."""

from collections.abc import Iterator, Sequence

from components.checks import ArgumentError
from components.dms_settings import TableRule, TableSettings
from components.dms_transformations import (
    COLUMN,
    LEVELS,
    REMOVE,
    RENAME,
    SCHEMA,
    TABLE,
    TransformationRule,
    changed,
    level,
    locator,
)
from components.name_patterns import covers, is_exact, overlap

INVERSE = {"add-prefix": "remove-prefix", "add-suffix": "remove-suffix"}
"""Actions that another takes back whatever the name."""
Names = tuple[str, ...]


class NoWayBack(Exception):
    """A transformation can't be taken back. The message says why."""


def mirrored(
    tables: Sequence[TableRule], rules: Sequence[TransformationRule], settings: Sequence[TableSettings] = ()
) -> tuple[list[TableRule], list[TransformationRule], list[TableSettings]]:
    """Return the selection, transformations and tables' settings that carry back what these carry there.

    A removed column needs no rule: the target has none to send. Nothing is loaded on the way back, so what a load is
    told stays behind. Raises ArgumentError for what can't be taken back.
    """
    for number, why in obstacles(tables, rules):
        raise ArgumentError(f"transformations[{number}] has no way back: {why}")
    selection: list[TableRule] = []
    for table in tables:
        selection += [found for found in _selected(table, rules) if found not in selection]
    limits: list[TableSettings] = []
    for one in settings:
        if one.get("lob_maximum_kb") is not None:
            schema, name = _image((one["schema"], one["table"]), rules)
            limits.append({"schema": schema, "table": name, "lob_maximum_kb": one["lob_maximum_kb"]})
    return selection, [found for rule in rules if (found := _inverse(rule, rules))], limits


def obstacles(tables: Sequence[TableRule], rules: Sequence[TransformationRule]) -> Iterator[tuple[int, str]]:
    """Yield, by number, the transformations that can't be taken back, and why."""
    excluding = [table for table in tables if table.get("action") == "exclude"]
    for number, rule in enumerate(rules):
        try:
            _inverse(rule, rules)
            if level(rule) != COLUMN:
                _not_excluded(rule, rules, excluding)
        except NoWayBack as error:
            yield number, str(error)


def meets(table: TableRule, names: Names) -> bool:
    """Say whether a rule may speak of something in `names`, a schema or a schema and a table."""
    return all(overlap(*pair) for pair in zip(_names(table), names, strict=False))


def _names(table: TableRule) -> Names:
    return table["schema"], table.get("table", "%")


def _inverse(rule: TransformationRule, rules: Sequence[TransformationRule]) -> TransformationRule | None:
    """Return the rule that takes another back, None where nothing is to be taken back."""
    if rule["action"] == REMOVE:
        return None
    own, action = locator(rule)[-1], rule["action"]
    exact = is_exact(own)
    if exact and changed(own, rule) == own:
        return None
    if not exact and action not in INVERSE:
        raise NoWayBack(f"{action} of all that {own} matches forgets how the names were: name them one by one")
    places = dict(zip(LEVELS, _image(locator(rule), rules), strict=False))
    return {
        "schema": places[SCHEMA],
        "table": places.get(TABLE),
        "column": places.get(COLUMN),
        "action": RENAME if exact else INVERSE[action],
        "value": own if exact else rule.get("value"),
    }


def _image(names: Names, rules: Sequence[TransformationRule]) -> Names:
    """Return what names of the source, down to a schema, a table or a column, are called on the target."""
    found = []
    for depth, name in enumerate(names, start=1):
        touching = _touching(names[:depth], rules)
        if any(not all(map(covers, locator(rule), names)) for rule in touching):
            raise NoWayBack(f"{'.'.join(names)} matches names that other transformations change and names they do not")
        found.append(changed(name, touching[0]) if touching else name)
    return tuple(found)


def _touching(names: Names, rules: Sequence[TransformationRule]) -> list[TransformationRule]:
    """Return the rules that change something in `names` at its own level."""
    return [rule for rule in rules if len(locator(rule)) == len(names) and all(map(overlap, locator(rule), names))]


def _selected(table: TableRule, rules: Sequence[TransformationRule]) -> list[TableRule]:
    """Return what a selection rule is on the target: itself, and the names that transformations lead out of it."""
    names = _names(table)
    found: list[Names] = []
    for table_image, inner in _images(names, rules):
        for schema_image, _ in _images(inner[:1], rules):
            place = (schema_image[0], table_image[1])
            if not any(all(map(covers, one, place)) for one in found):
                found.append(place)
    action = table.get("action", "include")
    return [{"schema": schema, "table": name, "action": action} for schema, name in found]


def _images(names: Names, rules: Sequence[TransformationRule]) -> list[tuple[Names, Names]]:
    """Return `names` with their last one as it is on the target, each beside what of the source is meant.

    Where a rule changes only a part of them, both are there: what stays, and what the part becomes.
    """
    touching = _touching(names, rules)
    whole = next((rule for rule in touching if all(map(covers, locator(rule), names))), None)
    if whole is not None:
        return [((*names[:-1], changed(names[-1], whole)), names)]
    found = [(names, names)]
    for rule in touching:
        inner = tuple(part if covers(name, part) else name for name, part in zip(names, locator(rule), strict=True))
        found.append(((*inner[:-1], changed(inner[-1], rule)), inner))
    return found


def _not_excluded(
    rule: TransformationRule, rules: Sequence[TransformationRule], excluding: Sequence[TableRule]
) -> None:
    """Raise NoWayBack where a new name falls under a rule that excludes something else on the source."""
    image = _image(locator(rule), rules)
    for table in excluding:
        if meets(table, locator(rule)):
            continue
        for back in _selected(table, rules):
            if meets(back, image):
                raise NoWayBack(
                    f"the new name {'.'.join(image)} is excluded as {'.'.join(_names(back))}: choose another"
                )
