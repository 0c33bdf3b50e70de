"""From plain configuration to checked settings, or to one error that says all that is wrong."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from components.refusal import Refusal
from components.settings.application import Application
from components.settings.database import Database
from components.settings.fleet import Fleet
from components.settings.migration import Migration
from components.settings.sections import Section
from components.settings.stack import Root

DEFAULT = "migration"
COMPOSITIONS: dict[str, type[Root]] = {
    "application": Application,
    "database": Database,
    "fleet": Fleet,
    "migration": Migration,
}


class SettingsError(Refusal):
    """The stack configuration can't be used. The message lists every bad key, its value and the remedy."""


def load(raw: Mapping[str, Any]) -> Root:
    """Return the settings in `raw`, a map of configuration keys (without the project's name) to plain values.

    An empty section, or another composition's empty list, counts as not given: that is how the engine hands on a key of
    the schema nobody wrote. Raises SettingsError listing every bad key at once, with its value and the remedy.
    """
    name = raw.get("composition", DEFAULT)
    if name not in COMPOSITIONS:
        raise SettingsError(
            "the stack configuration can't be used:\n"
            f"  composition is {name!r}: write one of {', '.join(sorted(COMPOSITIONS))}"
        )
    root = COMPOSITIONS[name]
    known = {field.alias for one in COMPOSITIONS.values() for field in one.model_fields.values()}
    foreign = known - {field.alias for field in root.model_fields.values()}
    given = {
        key: value
        for key, value in raw.items()
        if not (value == {} and key in known) and not (value == [] and key in foreign)
    }
    try:
        return root.model_validate(given)
    except ValidationError as error:
        places = [problem["loc"] for problem in error.errors()]
        lines = sorted(
            _line(root, dict(problem), given)
            for problem in error.errors()
            # A list with a bad element is reported as too short as well: the element says it better.
            if not any(place[: len(problem["loc"])] == problem["loc"] != place for place in places)
            # A default that follows another key was not made because something else is bad: that is said already.
            and problem["type"] != "default_factory_not_called"
        )
        raise SettingsError(
            "the stack configuration can't be used:\n" + "\n".join(f"  {line}" for line in lines)
        ) from None


def _line(root: type[Section], problem: dict[str, Any], raw: Mapping[str, Any]) -> str:
    """Say one problem in a line: the key, the value, what is wrong, the remedy."""
    where = tuple(problem["loc"])
    key = ".".join(str(part) for part in where)
    message = re.sub(r"^Value error, ", "", str(problem["msg"]))
    if not where:
        return message
    section, field = _find(root, where)
    allowed = sorted(f.alias or name for name, f in section.model_fields.items())
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(where[-1]), allowed, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(allowed)}"
        return f"{key}: there is no such key; {hint}"
    remedy = f"; write {field.description}" if field is not None and field.description else ""
    if problem["type"] == "missing":
        return f"{key}: missing{remedy}"
    return f"{key} is {_value(raw, where)!r}: {message}{remedy}"


def _find(root: type[Section], where: tuple[Any, ...]) -> tuple[type[Section], Any]:
    """Return the section a location lies in, and the field, by following aliases down the tree."""
    section = root
    field = None
    for part in where:
        fields = {f.alias or name: f for name, f in section.model_fields.items()}
        if part not in fields:
            if isinstance(part, str) and field is not None and _section_of(field.annotation) is None:
                break  # inside a map or a union: the field found last is the one to explain
            if isinstance(part, str):
                return section, None
            continue  # an index of a list
        field = fields[part]
        section = _section_of(field.annotation) or section
    return section, field


def _section_of(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((inner for arg in get_args(annotation) if (inner := _section_of(arg))), None)


def _value(raw: Any, where: tuple[Any, ...]) -> Any:
    value = raw
    for part in where:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return value
    return value
