"""What a person is told of a key that can't be used: where it is, its value, what to write. One line, in plain words.

pydantic finds what is wrong. Its own sentences show patterns and Python's names of types, so none of them is passed on.
"""

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from components.settings.sections import Hidden, Section

SECRET = "[secret]"  # noqa: S105 - what is shown instead of one
LONGEST = 120
"""Characters of a value that are shown."""
_ONE_LINE = dict.fromkeys((*range(32), 127, 0x85, 0x2028, 0x2029), " ")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_CREDENTIALS = re.compile(r"://.*@", re.DOTALL)
"""What stands between a scheme and a host, as in a connection string."""
_NOT = {
    "string": "not text",
    "int": "not a whole number",
    "float": "not a number",
    "finite": "not a number",
    "tuple": "not a list",
    "dict": "not a map",
    "model": "not a map",
}
"""What is said of a value of the wrong type, by how pydantic's name of the problem begins and ends."""
_TYPE = re.compile(r"(string|int|float|finite|tuple|dict|model)(?:_\w+)?_(?:type|parsing|float|number|size)\Z")


def key(where: Sequence[str | int]) -> str:
    """Return a place in the configuration as `pulumi config set --path` takes it: `databases[0].source.host`."""
    parts: list[str] = []
    for part in where:
        if isinstance(part, str) and _PLAIN.match(part):
            parts.append(f".{part}" if parts else part)
        else:
            parts.append(f"[{json.dumps(_cut(part) if isinstance(part, str) else part)}]")
    return "".join(parts)


def shown(value: Any) -> str:
    """Return a value as a person knows it from the configuration, on one line, cut where it is long."""
    match value:
        case str():
            veiled = _CREDENTIALS.sub(f"://{SECRET}@", value)
            return repr(_cut(veiled)) + (f" ({len(value)} characters)" if len(veiled) > LONGEST else "")
        case Mapping() if value:
            return _cut(f"a map of {', '.join(_cut(str(each)) for each in value)}".translate(_ONE_LINE))
        case list() | tuple() if value:
            return f"a list of {len(value)}"
        case _:
            return _cut(json.dumps(value, default=repr))


def one_line(text: str) -> str:
    """Return a text without line breaks: what is in a configuration may have some."""
    return text.translate(_ONE_LINE)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


@dataclass(frozen=True)
class Place:
    """What the settings know of a place in the configuration: the section it is in, and what is to be written."""

    section: type[Section]
    takes: str
    hidden: bool
    required: bool
    known: bool = True


def problem_line(root: type[Section], problem: Mapping[str, Any], given: Any, secrets: Collection[str] = ()) -> str:
    """Return one of pydantic's problems as a line. Keys in `secrets` are shown without their values."""
    where, kind = tuple(problem["loc"]), str(problem["type"])
    of_key = where[-1:] == ("[key]",)
    place = _find(root, where)
    value = _value(given, where)
    if kind in ("extra_forbidden", "invalid_key") or not place.known:
        return f"{key(where)}: there is no such key; {_near(str(where[-1]), place.section)}"
    if kind == "missing":
        return f"{key(where)} is missing: write {place.takes}"
    if of_key:
        return f"{key(where[:-2])} has the key {shown(where[-2])}: write {place.takes}"
    reason = str(problem["ctx"]["error"]) if kind == "value_error" else ""
    if reason and isinstance(value, Mapping):  # what keys of one section say together: the reason has the remedy
        return f"{key(where)}: {one_line(reason)}"
    hidden = where[0] in secrets or (place.hidden and not str(value).startswith("arn:"))
    said = SECRET if hidden else shown(value)
    return f"{key(where)} is {said}{_why(kind, reason, value)}: write {place.takes}{_after(kind, value, place)}"


def _why(kind: str, reason: str, value: Any) -> str:
    """Return what is wrong with a value, where the remedy does not say it."""
    if reason:
        return f", {one_line(reason)}"
    found = _TYPE.match(kind)
    return f", {_NOT[found[1]]}" if found and value is not None else ""


def _after(kind: str, value: Any, place: Place) -> str:
    """Return what follows the remedy: how YAML takes a number for text, and that a key need not be there."""
    if kind == "string_type" and isinstance(value, int | float):
        return ", in quotes"
    return ", or leave it out" if value is None and not place.required and "leave it out" not in place.takes else ""


def _near(name: str, section: type[Section]) -> str:
    """Return which key may have been meant, or all there are."""
    allowed = sorted(_fields(section))
    near = difflib.get_close_matches(name, allowed, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(allowed)}"


def _fields(section: type[Section]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _find(root: type[Section], where: Sequence[str | int]) -> Place:
    """Follow a place down the settings: through sections, lists and maps."""
    here: Any = root
    section, takes, hidden, required = root, _describe(root), False, True
    for number, part in enumerate(where):
        here, more, veiled = _bare(here)
        takes, hidden = more or takes, hidden or veiled
        if isinstance(here, type) and issubclass(here, Section):
            section = here
            field = _fields(section).get(str(part))
            if field is None:
                return Place(section, takes, hidden, required, known=False)
            here, required = field.annotation, field.is_required()
            takes = field.description or _describe(here)
            hidden = hidden or any(isinstance(one, Hidden) for one in field.metadata)
        elif get_origin(here) is tuple:
            here, required = get_args(here)[0], True
            takes = _describe(here) or takes
        elif get_origin(here) is dict:
            here, required = get_args(here)[0 if where[number + 1 :] == ("[key]",) else 1], True
    _, more, veiled = _bare(here)
    return Place(section, more or takes, hidden or veiled, required)


def _bare(annotation: Any) -> tuple[Any, str, bool]:
    """Return an annotation without what is written around it, and what that says: a description, to be hidden."""
    description, hidden = "", False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *around = get_args(annotation)
            description = next(
                (one.description for one in around if isinstance(one, FieldInfo) and one.description), ""
            )
            hidden = hidden or any(isinstance(one, Hidden) for one in around)
        elif type(None) in get_args(annotation):
            [annotation] = [each for each in get_args(annotation) if each is not type(None)]
        else:
            return annotation, description, hidden


def _describe(annotation: Any) -> str:
    """Return in words what a section takes: its description where it has one, else its keys."""
    here, description, _ = _bare(annotation)
    if description or not (isinstance(here, type) and issubclass(here, Section)):
        return description
    needed = [alias for alias, field in sorted(_fields(here).items()) if field.is_required()]
    more = [alias for alias in sorted(_fields(here)) if alias not in needed]
    return f"a map with {', '.join(needed or more)}" + (
        f", and where wanted {', '.join(more)}" if needed and more else ""
    )


def _value(given: Any, where: Sequence[str | int]) -> Any:
    value = given
    for part in where:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
