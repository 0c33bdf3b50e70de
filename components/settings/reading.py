"""From plain configuration to checked settings, or to one error that says all that is wrong."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from components.refusal import Refusal
from components.settings import arns
from components.settings.application import Application
from components.settings.database import Database
from components.settings.fleet import Fleet
from components.settings.migration import Migration
from components.settings.sections import Section
from components.settings.stack import Contradictions, Root
from components.settings.wording import key, one_line, problem_line, shown

DEFAULT = "migration"
COMPOSITIONS: dict[str, type[Root]] = {
    "application": Application,
    "database": Database,
    "fleet": Fleet,
    "migration": Migration,
}


class SettingsError(Refusal):
    """The stack configuration can't be used. The message lists every bad key, its value and the remedy, a line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(one_line(problem) for problem in problems)
        super().__init__("\n".join(["the stack configuration can't be used:", *(f"  {one}" for one in self.problems)]))


def load(raw: Mapping[str, Any], region: str | None = None, secrets: Collection[str] = ()) -> Root:
    """Return the settings in `raw`, a map of configuration keys (without the project's name) to plain values.

    `region` is the one the stack is deployed to: without it, what has to be there is not held against it. `secrets` are
    keys whose values are never shown.

    An empty section, or another composition's empty list, counts as not given: that is how the engine hands on a key of
    the schema nobody wrote. Raises SettingsError listing every bad key at once, with its value and the remedy.
    """
    name = raw.get("composition", DEFAULT)
    if not isinstance(name, str) or name not in COMPOSITIONS:
        raise SettingsError([f"composition is {shown(name)}: write one of {', '.join(sorted(COMPOSITIONS))}"])
    root = COMPOSITIONS[name]
    known = {field.alias for one in COMPOSITIONS.values() for field in one.model_fields.values()}
    foreign = known - {field.alias for field in root.model_fields.values()}
    given = {
        key: value
        for key, value in raw.items()
        if not (value == {} and key in known) and not (value == [] and key in foreign)
    }
    try:
        return root.model_validate(given, context={arns.REGION: region})
    except ValidationError as error:
        raise SettingsError(_lines(root, error, given, secrets)) from None


def _lines(root: type[Root], error: ValidationError, given: Mapping[str, Any], secrets: Collection[str]) -> list[str]:
    """Return what is wrong, a line each, in the order of the keys."""
    problems: list[dict[str, Any]] = [dict(problem) for problem in error.errors(include_url=False)]
    places = [problem["loc"] for problem in problems]
    lines: list[str] = []
    for problem in problems:
        where, cause = problem["loc"], problem.get("ctx", {}).get("error")
        # A list with a bad element is reported as too short as well: the element says it better.
        if any(place[: len(where)] == where != place for place in places):
            continue
        # A default that follows another key was not made because something else is bad: that is said already.
        if problem["type"] == "default_factory_not_called":
            continue
        lines += cause.lines if isinstance(cause, Contradictions) else [problem_line(root, problem, given, secrets)]
    return sorted(dict.fromkeys(lines))


def check_account(config: Root, account: str) -> None:
    """Raise SettingsError for every ARN of another account than the stack's.

    A load balancer takes certificates of its own account alone. A secret of another account can be read by roles
    that may use its key as well, and ours may use the stack's own key alone:
    docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html, 2026-12-01.
    """
    lines = [
        f"{where} is {shown(text)}, which is of account {arn.account}, not of the stack's, {account}: name one of this "
        "account"
        for where, text in _arns(config)
        if (arn := arns.parse(text)) and arn.account != account
    ]
    if lines:
        raise SettingsError(lines)


def _arns(section: Section, where: tuple[str | int, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield every ARN in the settings with its key."""
    for name, field in type(section).model_fields.items():
        place, value = (*where, field.alias or name), getattr(section, name)
        for number, each in enumerate(value) if isinstance(value, tuple) else [(None, value)]:
            below = place if number is None else (*place, number)
            if isinstance(each, Section):
                yield from _arns(each, below)
            elif isinstance(each, str) and str(place[-1]).endswith("Arn"):
                yield key(below), each
