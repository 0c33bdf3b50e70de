"""JSON 1.1 as DMS speaks it: the operation a request names, whether its members fit, how an answer is written."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

Json = dict[str, Any]
CONTENT_TYPE = "application/x-amz-json-1.1"
DEFAULT_REGION = "us-east-1"
INVALID = "InvalidParameterValueException"
COMBINATION = "InvalidParameterCombinationException"
STATE = "InvalidResourceStateFault"
MISSING = "ResourceNotFoundFault"
EXISTS = "ResourceAlreadyExistsFault"

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/([a-z0-9-]+)/[a-z0-9-]+/aws4_request")
# DMS takes and gives more than its model says: tasks are a source of events too.
_LARGER_ENUMS = {"SourceType": ("replication-task",)}


class Fault(Exception):
    """An error as DMS answers it: `code` is its type, the message names what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of DMS."""
    return botocore.session.get_session().get_service_model("dms")


def operation(target: str | None) -> OperationModel:
    """Return the operation that an `X-Amz-Target` header names. Raises Fault where there is none."""
    model = service_model()
    prefix, _, name = (target or "").partition(".")
    if prefix != model.metadata["targetPrefix"] or name not in model.operation_names:
        raise Fault("UnknownOperationException", f"X-Amz-Target {target!r} names no operation of DMS")
    return model.operation_model(name)


def region(authorization: str | None) -> str:
    """Return the region in the credential scope of an `Authorization` header."""
    found = _SCOPE.search(authorization or "")
    return found[1] if found else DEFAULT_REGION


def checked(model: OperationModel, value: Any) -> Json:
    """Return a request without null members. Raises Fault naming every member that is unknown, missing or mistyped."""
    request = _without_nulls(value)
    shape = model.input_shape
    problems = list(misfits(shape, request, "")) if shape is not None else []
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise Fault("ValidationException", count + "; ".join(problems))
    return dict(request)


def misfits(shape: Shape, value: Any, where: str) -> Iterator[str]:
    """Yield where `value` breaks the model: unknown and missing members, types, enumerations."""
    if isinstance(shape, ListShape) and isinstance(value, list):
        for number, inner in enumerate(value):
            yield from misfits(shape.member, inner, f"{where}[{number}]")
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for key, inner in value.items():
            yield from misfits(shape.value, inner, f"{where}.{key}")
    elif isinstance(shape, StructureShape) and isinstance(value, dict):
        yield from _members(shape, value, where)
    elif isinstance(shape, StructureShape | ListShape | MapShape):
        yield f"{where or 'the request'} is no {shape.type_name}"
    else:
        yield from _scalar(shape, value, where)


def _members(shape: StructureShape, value: Mapping[str, Any], where: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield f"{_dotted(where, name)} is missing"
    for name, inner in value.items():
        if name in shape.members:
            yield from misfits(shape.members[name], inner, _dotted(where, name))
        else:
            yield f"{_dotted(where, name)} is unknown"


def _scalar(shape: Shape, value: Any, where: str) -> Iterator[str]:
    kind = shape.type_name
    types: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "boolean": (bool,),
        "integer": (int,),
        "long": (int,),
        "double": (int, float),
        "float": (int, float),
        "timestamp": (int, float, datetime),
    }
    wanted = types.get(kind, (object,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        yield f"{where} is no {kind}"
        return
    allowed = shape.metadata.get("enum") or getattr(shape, "enum", None)
    if allowed and value not in (*allowed, *_LARGER_ENUMS.get(shape.name, ())):
        yield f"{where} is {value!r}, not one of {', '.join(allowed)}"


def written(value: Any) -> Any:
    """Return an answer with its times as JSON 1.1 has them: seconds since 1970."""
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, Mapping):
        return {key: written(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [written(inner) for inner in value]
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
