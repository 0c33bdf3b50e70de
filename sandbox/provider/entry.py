"""One entry of the table: the API calls behind a resource type, and what differs from the rule."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath

from sandbox.provider.shapes import Json


@dataclass
class Resource:
    """A resource in the hands of the provider: its inputs, its id, and what was read of it so far."""

    name: str
    inputs: Json
    id: str = ""
    outputs: Json = field(default_factory=dict)

    def get(self, key: str) -> Any:
        """Return a value by name: the id, an input, or an output."""
        if key == "id":
            return self.id
        value = self.inputs.get(key)
        return self.outputs.get(key) if value is None else value


@dataclass(frozen=True)
class Call:
    """One API call.

    `operation` is its boto3 method. `params` are members with a fixed value, or `$name` for the id, an input or an
    output. `renames` maps properties (and their paths below) to members where the words differ. `only` limits which
    properties are sent; without it, every one that is a member of the input is. `service` is given where it is not the
    entry's.
    """

    operation: str
    params: Mapping[str, Any] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] | None = None
    service: str = ""


@dataclass(frozen=True)
class Reading:
    """How to look a resource up: the call, where in its answer the resource stands, and what says it is gone.

    `at` is JMESPath; `<name>` in it stands for one of the resource's own values. `pick` finds what JMESPath can't.
    """

    call: Call
    at: str = ""
    gone: tuple[str, ...] = ()
    pick: Callable[[Resource, Any], Any] | None = None


@dataclass(frozen=True)
class Tagging:
    """Calls that change tags after creation; `by` are the parameters that name the resource.

    `remove` is empty where `add` replaces all tags there are.
    """

    add: str
    remove: str
    by: Mapping[str, Any]
    keys: str = "TagKeys"
    tags: str = "Tags"


@dataclass(frozen=True)
class Entry:
    """What a resource type is made of.

    `id` is a template of the resource's values, or JMESPath over the creation's answer, or a function of that.
    `outputs` are JMESPath over what `read` finds, or functions of the cloud, the resource and that. `also` are calls
    made for the properties they name, after creation where the creation does not carry them, and when one changes.
    `instead` are calls that create it where the property they are under is given; `update` then carries the rest.
    `update` is called when any other property changes.
    `replace` are properties AWS can't change; `local` ones are used by functions here, or by the real provider only.
    `prepare` completes the request of `create` and `update`; `change` handles properties no call can, and says which.
    `ready` is JMESPath that must hold before creation counts as done. `name` is the property that is filled in when the
    program leaves it out. `tags` is the resource type in EC2's tag specifications. `truth` says what is not as on AWS.
    """

    type: str
    service: str
    create: Call
    read: Reading
    delete: Call | None
    id: str | Callable[[Any], str]
    outputs: Mapping[str, str | Callable[["Api", Resource, Any], Any]] = field(default_factory=dict)
    instead: Mapping[str, Call] = field(default_factory=dict)
    also: tuple[Call, ...] = ()
    update: Call | None = None
    replace: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()
    prepare: Callable[[Json, Resource], Json] | None = None
    change: Callable[["Api", Resource, Json, set[str]], set[str]] | None = None
    after: Callable[["Api", Resource], None] | None = None
    before_delete: Callable[["Api", Resource], None] | None = None
    ready: str = ""
    wait_gone: bool = False
    retry: tuple[str, ...] = ()
    name: str = ""
    name_limit: int = 63
    tags: str = ""
    tagging: Tagging | None = None
    secrets: frozenset[str] = frozenset()
    truth: str = ""

    def creation(self, inputs: Json) -> Call:
        """Return the call that creates a resource with these inputs."""
        return next((call for prop, call in self.instead.items() if inputs.get(prop) is not None), self.create)


class Api:
    """Calls one region's services. Implemented by the lifecycle; named here for the entries' functions."""

    region: str
    account: str

    def call(self, service: str, operation: str, /, **params: Any) -> Any:
        """Call an operation and return its answer."""
        raise NotImplementedError


def resolved(value: Any, resource: Resource) -> Any:
    """Return `value` with every `$name` replaced."""
    if isinstance(value, str) and value.startswith("$"):
        return resource.get(value[1:])
    if isinstance(value, Mapping):
        return {key: resolved(inner, resource) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(inner, resource) for inner in value]
    return value


def filled(template: str, resource: Resource) -> str:
    """Return `template` with every `{name}` replaced. What the resource lacks at the end is left out."""
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    known = {name: resource.get(name) for name in names}
    text = template.format_map({name: "" if value is None else value for name, value in known.items()})
    return text.rstrip("_") if known and known[names[-1]] is None else text


def search(expression: str, document: Any) -> Any:
    """Return what a JMESPath expression finds."""
    return jmespath.search(expression, document)
