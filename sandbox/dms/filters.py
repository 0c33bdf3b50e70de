"""Filters and pages of the describe operations."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sandbox.dms.protocol import INVALID, MISSING, Fault, Json

Item = TypeVar("Item")
DEFAULT_PAGE = 100
PAGE_LIMITS = (20, 100)


def select(
    items: Sequence[Item],
    filters: Sequence[Json],
    readers: Mapping[str, Callable[[Item], str | Sequence[str]]],
    what: str,
) -> list[Item]:
    """Return the items that every filter lets through; `readers` tells what each filter name compares, one or several.

    Raises Fault for a filter that the operation does not know, and, as DMS does, where filters let nothing through.
    """
    found = list(items)
    for one in filters:
        reader = readers.get(one["Name"])
        if reader is None:
            raise Fault(INVALID, f"Filter {one['Name']!r} isn't valid: use one of {', '.join(sorted(readers))}")
        wanted = set(one["Values"])
        found = [item for item in found if wanted & _several(reader(item))]
    if filters and not found:
        described = ", ".join(f"{one['Name']}={'|'.join(one['Values'])}" for one in filters)
        raise Fault(MISSING, f"No {what} found matching {described}.")
    return found


def page(
    items: Sequence[Item], request: Json, limits: tuple[int, int] = PAGE_LIMITS
) -> tuple[list[Item], dict[str, str]]:
    """Return one page of the items and, where there are more, the Marker that asks for them.

    Raises Fault for a page size out of bounds and for a Marker that is none of ours.
    """
    size = request.get("MaxRecords", DEFAULT_PAGE)
    if not limits[0] <= size <= limits[1]:
        raise Fault(INVALID, f"MaxRecords {size} isn't valid: from {limits[0]} to {limits[1]}")
    start = _start(request.get("Marker", ""))
    rest = {"Marker": base64.b64encode(str(start + size).encode()).decode()} if len(items) > start + size else {}
    return list(items[start : start + size]), rest


def _several(value: str | Sequence[str]) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


def _start(marker: str) -> int:
    if not marker:
        return 0
    try:
        return int(base64.b64decode(marker, validate=True))
    except ValueError:
        raise Fault(INVALID, f"Marker {marker!r} isn't valid: send the one of the last answer") from None
