"""What a rule is: a control, the types it looks at, and a judgement that says what to mend."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pulumi_policy.proxy import UnknownValueError


class Level(StrEnum):
    """How bad a violation is. What is low or medium is only advised in development, and mandatory elsewhere."""

    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Resource:
    """One resource as it is going to be. A property nobody knows yet raises UnknownValueError when it is read."""

    type: str
    name: str
    props: Mapping[str, Any]
    ignored: Sequence[str] = ()
    protected: bool = False
    urn: str = ""
    depends_on: Sequence[str] = ()
    """URNs of the resources it depends on."""


Judge = Callable[[Resource], Iterator[str]]
JudgeAll = Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]


@dataclass(frozen=True)
class Control:
    """What any rule says of itself.

    `control` is what AWS's Foundational Security Best Practices call it, or `mission` for one of our own.
    """

    control: str
    name: str
    title: str
    level: Level
    types: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """The control and the name, as one says it: rds-3-encrypted."""
        return f"{self.control.lower().replace('.', '-').replace(' ', '-')}-{self.name}"


@dataclass(frozen=True)
class Rule(Control):
    """A rule about single resources of some types: `judge` yields what is wrong and the remedy."""

    judge: Judge


@dataclass(frozen=True)
class StackRule(Control):
    """A rule about how resources belong together."""

    judge: JudgeAll


def wants(key: str, good: Callable[[Any], bool], remedy: str) -> Judge:
    """Return a judgement of one property, named as the provider does, with dots where it lies deeper."""

    def judge(resource: Resource) -> Iterator[str]:
        try:
            value = read(resource.props, key)
        except UnknownValueError:
            if good is given:
                return  # nobody knows yet what it will be, but it is there
            raise
        if not good(value):
            shown = "not given" if value is None else json.dumps(plain(value))
            yield f"{key} is {shown}: {remedy}"

    return judge


def own_key(control: str, what: str, types: tuple[str, ...], key: str) -> Rule:
    """Return the rule that resources name the stack's key, in the property `key`. `what` begins its title."""
    title = f"{what} encrypted under the stack's own key"
    return Rule(control, "own-key", title, Level.HIGH, types, wants(key, given, "name the stack's key"))


def read(props: Mapping[str, Any], path: str) -> Any:
    """Return a property, None where it or what it lies in is not given."""
    found: Any = props
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def plain(value: Any) -> Any:
    """Return a value as plain data."""
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value


def is_true(value: Any) -> bool:
    """Say whether a switch is on."""
    return value is True


def is_off(value: Any) -> bool:
    """Say whether a switch is off, or left to a default that is off."""
    return value in (None, False)


def given(value: Any) -> bool:
    """Say whether there is a value."""
    return bool(value)


def attached(parts: Sequence[Resource], to: Resource) -> list[Resource]:
    """Return those resources that depend on `to`."""
    return [part for part in parts if to.urn in part.depends_on]


def of(resources: Sequence[Resource], *types: str) -> list[Resource]:
    """Return the resources of these types."""
    return [resource for resource in resources if resource.type in types]


def statements(text: Any) -> list[dict[str, Any]]:
    """Return the statements of a policy document, JSON."""
    found = json.loads(text).get("Statement", []) if isinstance(text, str) else []
    return found if isinstance(found, list) else [found]


def listed(value: Any) -> list[Any]:
    """Return one or many as a list."""
    return list(value) if isinstance(value, list | tuple) else [value]
