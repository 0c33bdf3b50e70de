"""What the engine asks of a resource, done by its entry: check, diff, create, read, update, delete."""

import json
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ListShape, MapShape, StructureShape

from sandbox.provider import archives
from sandbox.provider.entry import Api, Call, Entry, Resource, filled, resolved, search
from sandbox.provider.shapes import (
    UNKNOWN,
    Json,
    Problem,
    camel,
    input_shape,
    member,
    to_request,
    violations,
)

WAIT_SECONDS = 120.0
POLL_SECONDS = 0.1
ALWAYS_LOCAL = frozenset({"tags", "region", "__defaults"})


class ProviderError(Exception):
    """A call failed or a resource can't be handled. The message names the type, the call and the reason."""


@dataclass(frozen=True)
class Difference:
    """What changed between two sets of inputs: the properties, and those that need a new resource."""

    changed: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    details: Mapping[str, str] = field(default_factory=dict)


def check(entry: Entry, inputs: Json, *, name: str, old: Json, seed: bytes) -> tuple[Json, list[Problem]]:
    """Return the inputs with a name filled in, and everything AWS would refuse, found in botocore's model."""
    checked = dict(inputs)
    if entry.name and checked.get(entry.name) is None:
        suffix = "".join(random.Random(seed or name).choices("0123456789abcdef", k=7))
        checked[entry.name] = old.get(entry.name) or f"{name[: entry.name_limit - 8]}-{suffix}"
    problems: list[Problem] = []
    handled: set[str] = set()
    resource = Resource(name, checked, id=UNKNOWN)
    creation = entry.creation(checked)
    if creation is not entry.create:  # what that call does not take, the source has
        handled |= build(entry, entry.create, resource, [], preview=True)[1]
    for call in (creation, *entry.also, *([entry.update] if entry.update else [])):
        if call is not creation and not _concerned(call, checked):
            continue
        request, sent = build(entry, call, resource, problems, preview=True)
        handled |= sent
        if call is creation or call.only is not None:
            shape = input_shape(call.service or entry.service, call.operation)
            problems += [_named(call, problem) for problem in violations(shape, request, "")]
    for prop in checked.keys() - handled - entry.local - ALWAYS_LOCAL:
        problems.append(
            Problem(
                prop,
                f"the sandbox does not know {prop} of {entry.type}: add it to the type's entry in sandbox/provider",
            )
        )
    return checked, _once(problems)


def difference(entry: Entry, old: Json, new: Json, ignored: Iterable[str] = ()) -> Difference:
    """Compare two sets of inputs property by property."""
    changed, details = set(), {}
    for prop in (old.keys() | new.keys()) - set(ignored) - {"__defaults"}:
        before, after = old.get(prop), new.get(prop)
        if _plain(before) != _plain(after):
            changed.add(prop)
            details[prop] = "ADD" if before is None else "DELETE" if after is None else "UPDATE"
    replaced = frozenset(changed & (entry.replace | {"region"}))
    return Difference(frozenset(changed), replaced, details)


def create(entry: Entry, api: Api, resource: Resource) -> Resource:
    """Create the resource and everything that belongs to it, and return it as it was read back."""
    resource.outputs = {"region": api.region}
    creation = entry.creation(resource.inputs)
    request, sent = build(entry, creation, resource, [], preview=False)
    _add_tags(entry, creation, resource, request)
    answer = _call(entry, api, creation, request)
    resource.outputs = dict(answer) if isinstance(answer, Mapping) else {}
    resource.id = _identify(entry, resource, answer)
    if creation is not entry.create and entry.update:
        _make(entry, api, entry.update, resource)
    for call in entry.also:
        if _concerned(call, resource.inputs, besides=sent):
            _make(entry, api, call, resource)
    if entry.tagging and resource.inputs.get("tags") and not _tags_at_creation(entry):
        read(entry, api, resource)
        _retag(entry, api, resource, {}, resource.inputs["tags"])
    if entry.after:
        entry.after(api, resource)
    found = _await(entry, api, resource)
    if found is None:
        raise ProviderError(f"{entry.type} {resource.name}: created as {resource.id} but can't be read back")
    return resource


def read(entry: Entry, api: Api, resource: Resource) -> Json | None:
    """Look the resource up, refresh its inputs and outputs, and return what was found, None if it is gone."""
    found = _find(entry, api, resource)
    if found is None:
        return None
    resource.outputs = {
        name: expression(api, resource, found) if callable(expression) else search(expression, found)
        for name, expression in entry.outputs.items()
    }
    return found


def refreshed(entry: Entry, inputs: Json, found: Json) -> Json:
    """Return `inputs` with what is otherwise in the cloud: scalars, lists of scalars and documents.

    A key of `found` that is a property's name behind `=` holds that property's value as the program would write it.
    """
    fresh = dict(inputs)
    renames = {**entry.create.renames, **entry.read.call.renames}
    by_word = {key.replace("_", "").lower(): key for key in found}
    for prop, old in inputs.items():
        if prop in ALWAYS_LOCAL or prop in entry.secrets:
            continue
        if f"={prop}" in found:
            fresh[prop] = old if _plain(old) == _plain(found[f"={prop}"]) else found[f"={prop}"]
            continue
        word = renames.get(prop, prop).replace("_", "").lower()
        key = by_word.get(word) or by_word.get(word + "s") or (by_word.get(word[:-1]) if word.endswith("s") else None)
        if key is None:
            continue
        live = found[key]
        if isinstance(live, list) and not isinstance(old, list) and len(live) == 1:
            [live] = live
        if _comparable(old) and _comparable(live) and not _same(old, live):
            fresh[prop] = live
    return fresh


def update(entry: Entry, api: Api, resource: Resource, old: Json, ignored: Iterable[str] = ()) -> Resource:
    """Change what differs between `old` and the resource's inputs, and return it as it was read back."""
    changed = set(difference(entry, old, resource.inputs, ignored).changed)
    read(entry, api, resource)
    if "tags" in changed:
        _retag(entry, api, resource, old.get("tags") or {}, resource.inputs.get("tags") or {})
        changed.discard("tags")
    for call in entry.also:
        mine = changed & set(call.only or ())
        if mine:
            _make(entry, api, call, resource)
            changed -= mine
    if changed and entry.change:
        changed -= entry.change(api, resource, old, changed)
    if changed and entry.update is not None:
        changed -= _make(entry, api, entry.update, resource) | entry.local
    if changed:
        raise ProviderError(f"{entry.type} {resource.name}: the sandbox can't change {', '.join(sorted(changed))}")
    if _await(entry, api, resource) is None:
        raise ProviderError(f"{entry.type} {resource.name}: {resource.id} is gone")
    return resource


def delete(entry: Entry, api: Api, resource: Resource) -> None:
    """Delete the resource; one that is gone already is no error."""
    try:
        if entry.before_delete:
            entry.before_delete(api, resource)
        if entry.delete:
            _call(entry, api, entry.delete, _clean(resolved(dict(entry.delete.params), resource)))
    except ClientError as error:
        if not _is_gone(entry, error):
            raise
    until = time.monotonic() + WAIT_SECONDS
    while entry.wait_gone and _find(entry, api, resource) is not None:
        if time.monotonic() > until:
            raise ProviderError(
                f"{entry.type} {resource.name}: {resource.id} is still there after {WAIT_SECONDS:.0f} s"
            )
        time.sleep(POLL_SECONDS)


def build(
    entry: Entry, call: Call, resource: Resource, problems: list[Problem], *, preview: bool
) -> tuple[Json, set[str]]:
    """Return the request of a call and the properties it carries."""
    shape = input_shape(call.service or entry.service, call.operation)
    request = resolved(dict(call.params), resource)
    sent: set[str] = set()
    for prop, value in resource.inputs.items():
        if prop in ALWAYS_LOCAL or prop in entry.local or (call.only is not None and prop not in call.only):
            continue
        name = call.renames.get(prop) or member(shape, prop)
        if name not in shape.members:
            continue
        sent.add(prop)
        if value is None or name in request:
            continue
        if archives.is_archive(value):
            request[name] = UNKNOWN if preview else _content(shape.members[name], value)
        else:
            request[name] = to_request(shape.members[name], value, prop, call.renames, problems)
    if entry.prepare and call in (entry.create, entry.update):
        request = entry.prepare(request, resource)
    return (request if preview else _clean(request)), sent


def _content(shape: Any, archive: Json) -> Any:
    content = archives.zipped(archive)
    return {"ZipFile": content} if isinstance(shape, StructureShape) else content


def _make(entry: Entry, api: Api, call: Call, resource: Resource) -> set[str]:
    """Make a call and return the properties it carried."""
    request, sent = build(entry, call, resource, [], preview=False)
    _call(entry, api, call, request)
    return sent


def _call(entry: Entry, api: Api, call: Call, request: Json) -> Any:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return api.call(call.service or entry.service, call.operation, **request)
        except ClientError as error:
            if error.response["Error"]["Code"] not in entry.retry or time.monotonic() > until:
                raise
            time.sleep(POLL_SECONDS)
        except BotoCoreError as error:
            raise ProviderError(f"{entry.type}: {call.operation}: {error}") from error


def _find(entry: Entry, api: Api, resource: Resource) -> Json | None:
    request = _clean(resolved(dict(entry.read.call.params), resource))
    try:
        answer = _call(entry, api, entry.read.call, request)
    except ClientError as error:
        if _is_gone(entry, error):
            return None
        raise
    if entry.read.pick:
        return entry.read.pick(resource, answer) or None
    return (search(_inserted(entry.read.at, resource), answer) if entry.read.at else answer) or None


def _inserted(expression: str, resource: Resource) -> str:
    """Put the resource's own values into an expression: `<name>` stands for a quoted one."""
    for key in ("id", *resource.inputs, *resource.outputs):
        if f"<{key}>" in expression:
            expression = expression.replace(f"<{key}>", "'" + str(resource.get(key)) + "'")
    return expression


def _await(entry: Entry, api: Api, resource: Resource) -> Json | None:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        found = read(entry, api, resource)
        if found is None or not entry.ready or search(entry.ready, found):
            return found
        if time.monotonic() > until:
            raise ProviderError(f"{entry.type} {resource.name}: not ready after {WAIT_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _identify(entry: Entry, resource: Resource, answer: Any) -> str:
    if callable(entry.id):
        return entry.id(answer)
    if entry.id.startswith("$"):
        return str(resolved(entry.id, resource))
    if "{" in entry.id:
        return filled(entry.id, resource)
    found = search(entry.id, answer)
    if not found:
        raise ProviderError(f"{entry.type} {resource.name}: {entry.create.operation} answered without {entry.id}")
    return str(found)


def _concerned(call: Call, inputs: Json, besides: Iterable[str] = ()) -> bool:
    return any(inputs.get(prop) is not None for prop in set(call.only or ()) - set(besides))


def _tags_at_creation(entry: Entry) -> bool:
    members = input_shape(entry.service, entry.create.operation).members
    return any(name in members for name in (("TagSpecifications",) if entry.tags else ("Tags", "tags")))


def _add_tags(entry: Entry, call: Call, resource: Resource, request: Json) -> None:
    tags = resource.inputs.get("tags")
    shape = input_shape(call.service or entry.service, call.operation)
    wanted = ("TagSpecifications",) if entry.tags else ("Tags", "tags")
    name = next((n for n in wanted if n in shape.members), None)
    if not tags or name is None:
        return
    if name == "TagSpecifications":
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        request[name] = [{"ResourceType": entry.tags, "Tags": listed}]
    else:
        request[name] = _tags(shape.members[name], tags)


def _tags(shape: Any, tags: Mapping[str, str]) -> Any:
    """Write tags as a service wants them: a map, or a list of pairs under its own names."""
    if isinstance(shape, MapShape):
        return dict(tags)
    if isinstance(shape, StructureShape):  # a set of tags in a wrapping of its own
        [(wrapping, inner)] = shape.members.items()
        return {wrapping: _tags(inner, tags)}
    if not isinstance(shape, ListShape) or not isinstance(shape.member, StructureShape):
        raise ProviderError(f"tags of shape {shape} are not known: mend the entry")
    key = next(name for name in shape.member.members if name.lower().endswith("key"))
    value = next(name for name in shape.member.members if name.lower().endswith("value"))
    return [{key: k, value: v} for k, v in tags.items()]


def _retag(entry: Entry, api: Api, resource: Resource, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    how = entry.tagging
    if how is None:
        raise ProviderError(f"{entry.type}: the sandbox can't change its tags: add `tagging` to its entry")
    by = resolved(dict(how.by), resource)
    gone = sorted(old.keys() - new.keys())
    if gone and how.remove:
        listed = input_shape(entry.service, how.remove).members[how.keys]
        pairs = isinstance(listed, ListShape) and isinstance(listed.member, StructureShape)
        api.call(entry.service, how.remove, **by, **{how.keys: [{"Key": key} for key in gone] if pairs else gone})
    if new or not how.remove:
        shape = input_shape(entry.service, how.add).members[how.tags]
        api.call(entry.service, how.add, **by, **{how.tags: _tags(shape, new)})


def _is_gone(entry: Entry, error: ClientError) -> bool:
    code = str(error.response["Error"].get("Code", ""))
    return code in entry.read.gone or "NotFound" in code or code in ("404", "NoSuchEntity")


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _clean(v) for k, v in value.items() if v is not None}
    return [_clean(v) for v in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Return a value in which equal things look equal: numbers as such, archives by hash, nothing for empty."""
    value = archives.digest(value)
    if isinstance(value, Mapping):
        inner = {k: _plain(v) for k, v in value.items() if k != "__defaults"}
        return {k: v for k, v in inner.items() if v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def _comparable(value: Any) -> bool:
    scalar = isinstance(value, str | int | float | bool)
    return scalar or (isinstance(value, list) and all(isinstance(v, str | int | float | bool) for v in value))


def _same(old: Any, live: Any) -> bool:
    if isinstance(old, list) or isinstance(live, list):
        return sorted(map(_word, old if isinstance(old, list) else [old])) == sorted(
            map(_word, live if isinstance(live, list) else [live])
        )
    return _word(old) == _word(live) or _document(old) == _document(live) is not None


def _word(value: Any) -> str:
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except ValueError:
            return None
    return None


def _named(call: Call, problem: Problem) -> Problem:
    """Give a problem found in a request the name of the property it came from, where that can be told."""
    head = problem.property.split(".")[0].split("[")[0]
    back = {member_name: prop for prop, member_name in call.renames.items() if "." not in prop}
    prop = back.get(head)
    if prop is None:
        prop = camel(head) if head else ""
    return Problem(prop + problem.property[len(head) :], problem.reason)


def _once(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
