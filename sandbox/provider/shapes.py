"""Between Pulumi's properties and AWS's requests, by botocore's own service models."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that is not known yet, at preview."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """What is wrong with one property, in words that name the remedy."""

    property: str
    reason: str


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Return the model of an operation given by its boto3 method name."""
    model = service_model(service)
    for name in model.operation_names:
        if _squeeze(name) == _squeeze(operation):
            return model.operation_model(name)
    raise LookupError(f"{service} has no operation {operation}")


def input_shape(service: str, operation: str) -> StructureShape:
    """Return the shape of an operation's input, an empty one where it takes none."""
    shape = operation_model(service, operation).input_shape
    return shape if shape is not None else StructureShape("Empty", {"type": "structure", "members": {}})


def member(shape: StructureShape, name: str) -> str | None:
    """Return the member of `shape` that the property `name` is: the same word, whatever its case or ending."""
    return _members(shape).get(_squeeze(name))


@cache
def _members(shape: StructureShape) -> Mapping[str, str]:
    exact = {_squeeze(name): name for name in shape.members}
    plural = {_squeeze(name) + "s": name for name in shape.members if not name.endswith("s")}
    singular = {_squeeze(name)[:-1]: name for name in shape.members if name.endswith("s")}
    return {**singular, **plural, **exact}


def to_request(shape: Shape, value: Any, where: str, renames: Mapping[str, str], problems: list[Problem]) -> Any:
    """Return `value`, a property's value, as a request wants it. What does not fit is added to `problems`.

    `where` is the property's path, `renames` maps such paths to members where the words differ.
    """
    if value == UNKNOWN or value is None:
        return value
    if isinstance(shape, StructureShape):
        value = _nested(shape, value)
        if not isinstance(value, Mapping):
            problems.append(Problem(where, f"{value!r} is no object"))
            return value
        request = {}
        for key, inner in value.items():
            if inner is None or key == "__defaults":
                continue
            path = f"{where}.{key}"
            name = renames.get(path) or member(shape, key)
            if name is None:
                known = ", ".join(sorted(shape.members))
                problems.append(Problem(path, f"{shape.name} has no such member; it has {known}"))
                continue
            request[name] = to_request(shape.members[name], inner, path, renames, problems)
        return request
    if isinstance(shape, ListShape):
        if isinstance(value, Mapping) and isinstance(shape.member, StructureShape):
            names = list(shape.member.members)
            if {name.lower() for name in names} == {"name", "value"}:  # such as CloudWatch's dimensions
                value = [dict(zip(sorted(names), pair, strict=True)) for pair in value.items()]
        items = value if isinstance(value, list) else [value]
        return [to_request(shape.member, item, where, renames, problems) for item in items]
    if isinstance(shape, MapShape):
        return {k: to_request(shape.value, v, f"{where}.{k}", renames, problems) for k, v in dict(value).items()}
    return _scalar(shape, value, where, problems)


def _nested(shape: StructureShape, value: Any) -> Any:
    """Return a structure's value with the nesting AWS has and Pulumi's schema leaves out, or the other way round."""
    if _leaves_out_list(shape, value):
        return {next(iter(shape.members)): value}  # such as {"Rules": [...]}
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # Pulumi lists what AWS nests, where its schema allows only one
    if not isinstance(value, Mapping) and len(shape.members) == 1:
        value = {next(iter(shape.members)): value}  # such as {"Value": true}
    return value


def _leaves_out_list(shape: StructureShape, value: Any) -> bool:
    """Say whether `shape` is just a wrapping around a list of structures, and `value` those without the wrapping."""
    [*members] = shape.members.values()
    if len(members) != 1 or not isinstance(members[0], ListShape):
        return False
    if not isinstance(members[0].member, StructureShape):
        return False
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, Mapping) and not any(member(shape, key) for key in item) for item in items)


def _scalar(shape: Shape, value: Any, where: str, problems: list[Problem]) -> Any:
    kind = shape.type_name
    wrong = None
    if kind == "string":
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            wrong = "a string"
        elif not isinstance(value, str):
            value = str(value)
    elif kind in ("integer", "long"):
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            wrong = "a whole number"
        else:
            value = int(value)
    elif kind in ("double", "float"):
        wrong = None if isinstance(value, int | float) and not isinstance(value, bool) else "a number"
    elif kind == "boolean":
        if value in ("true", "false"):
            value = value == "true"
        wrong = None if isinstance(value, bool) else "true or false"
    if wrong:
        problems.append(Problem(where, f"{value!r} is not {wrong}: write {wrong}"))
    return value


def violations(shape: Shape, value: Any, where: str) -> Iterator[Problem]:
    """Yield where `value` breaks what the model says: enumerations, patterns, lengths, ranges, required members."""
    if value == UNKNOWN or value is None:
        return
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name in shape.required_members:
            if value.get(name) is None:
                yield Problem(_dotted(where, name), f"{shape.name} requires {name}: add it")
        for name, inner in value.items():
            if name in shape.members:
                yield from violations(shape.members[name], inner, _dotted(where, name))
        return
    if isinstance(shape, ListShape) and isinstance(value, list):
        yield from _sized(shape, len(value), where, "elements")
        for number, inner in enumerate(value):
            yield from violations(shape.member, inner, f"{where}[{number}]")
        return
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from violations(shape.key, key, where)
            yield from violations(shape.value, inner, f"{where}.{key}")
        return
    yield from _scalar_violations(shape, value, where)


def _scalar_violations(shape: Shape, value: Any, where: str) -> Iterator[Problem]:
    if isinstance(value, str):
        allowed = getattr(shape, "enum", None) or shape.metadata.get("enum")
        if allowed and value not in allowed:
            yield Problem(where, f"{value!r} is not allowed: write one of {', '.join(allowed)}")
        yield from _sized(shape, len(value), where, "characters")
        pattern = _pattern(shape.metadata.get("pattern"))
        if pattern is not None and not pattern.search(value):
            yield Problem(where, f"{value!r} does not match {pattern.pattern}: write it so")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if (least is not None and value < least) or (most is not None and value > most):
            yield Problem(where, f"{value} is out of range: write a number from {least} to {most}")


def _sized(shape: Shape, size: int, where: str, what: str) -> Iterator[Problem]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield Problem(where, f"{size} {what}: write {least or 0} to {most if most is not None else 'any number of'}")


@cache
def _pattern(text: str | None) -> re.Pattern[str] | None:
    """Compile a pattern of a service model. They are Java's: what Python can't read is not checked."""
    if not text:
        return None
    try:
        return re.compile(rf"^(?:{text})$")
    except re.error:
        return None


def as_declared(declared: Any, wanted: Any, live: Any) -> Any:
    """Return a nested property after a read: as the program wrote it if what it wanted is there, else what is there.

    `wanted` is `declared` as a request has it, `live` what the cloud answers; that may hold defaults besides.
    """
    return declared if _holds(live, wanted) else _camelled(live)


def _holds(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return all(_holds(live.get(key), inner) for key, inner in wanted.items() if inner is not None)
    if isinstance(wanted, list) and isinstance(live, list):
        return len(live) == len(wanted) and all(map(_holds, live, wanted))
    return bool(live == wanted)


def _camelled(live: Any) -> Any:
    if isinstance(live, Mapping):
        return {camel(key): _camelled(inner) for key, inner in live.items()}
    return [_camelled(inner) for inner in live] if isinstance(live, list) else live


def camel(name: str) -> str:
    """Return a member's name as Pulumi writes it: DBClusterArn becomes dbClusterArn."""
    head = re.match(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]+$|[A-Z]", name)
    return name[: head.end()].lower() + name[head.end() :] if head else name


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _squeeze(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
