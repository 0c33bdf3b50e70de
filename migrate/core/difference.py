"""How two databases' definitions differ: every difference named, in the order in which it can be mended."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from handlers.core.catalogue import Thing
from migrate.core import mending

ORDER = (
    *("role", "role attribute", "membership", "setting", "extension", "extension version", "schema", "type", "domain"),
    *("sequence", "table", "foreign table", "column", "function", "procedure", "aggregate", "operator"),
    *("default", "generated", "identity", "not null", "storage", "constraint", "view", "materialized view"),
    *("index", "statistics", "replica identity", "foreign key", "rule", "trigger", "firing", "policy", "row security"),
    *("event trigger", "owner", "grant", "column grant", "default privileges", "comment"),
)
NOT_MISSED = frozenset({"role", "role attribute", "membership"})
"""Kinds of which the target may have more: roles belong to the server, not to the database."""
PROPERTIES = re.compile(
    r"^(?:TABLE|FOREIGN TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|FUNCTION|PROCEDURE|AGGREGATE|TYPE|SCHEMA|INDEX|OPERATOR"
    r"|COLLATION|TEXT SEARCH CONFIGURATION|TEXT SEARCH DICTIONARY|STATISTICS|STATISTICS OBJECT) (.*)$"
)
HELD_BACK = {"ENABLE ALWAYS": "ENABLE", "ENABLE REPLICA": "DISABLE"}
"""How triggers that fire for replicated rows are kept while rows are replicated: on the source they have fired."""


@dataclass(frozen=True)
class Difference:
    """What differs: `source` and `target` are the definitions, None where a side lacks it. `mend` are statements for
    the target. A `noted` one is meant to be so, or harmless; `why` says so."""

    kind: str
    what: str
    source: str | None
    target: str | None
    mend: tuple[str, ...]
    noted: bool = False
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def __str__(self) -> str:
        if self.target is None:
            return f"{self.what} is missing on the target"
        if self.source is None:
            return f"{self.what} is on the target alone"
        return f"{self.what} differs"


def compare(source: Iterable[Thing], target: Iterable[Thing], kinds: Iterable[str] | None = None) -> list[Difference]:
    """Return the differences, of these kinds or of all.

    What belongs to an object that one side lacks is not named besides.
    """
    wanted = None if kinds is None else set(kinds)
    here, there = ({one.key: one for one in things} for things in (source, target))
    gone, alone = _names(here, there), _names(there, here)
    found = []
    for key in sorted({*here, *there}, key=_place):
        old, new = here.get(key), there.get(key)
        if (old and new and old.meaning == new.meaning) or (wanted is not None and key[0] not in wanted):
            continue
        if new is None and old is not None and _goes_with(old, gone):
            continue
        if old is None and new is not None and (new.kind in NOT_MISSED or _goes_with(new, alone)):
            continue
        found.append(_difference(old, new))
    return found


def wrong(found: Iterable[Difference]) -> list[Difference]:
    """Return the differences that are not merely noted."""
    return [one for one in found if not one.noted]


def _difference(old: Thing | None, new: Thing | None) -> Difference:
    one = old or new
    assert one is not None  # noqa: S101 - one of both is there
    if old is None:
        mend = mending.surplus(one)
    elif new is None:
        mend = mending.missing(one)
    else:
        mend = mending.changed(old, new)
    why = _why_noted(old, new)
    return Difference(
        one.kind, str(one), old.text if old else None, new.text if new else None, tuple(mend), noted=bool(why), why=why
    )


def _why_noted(old: Thing | None, new: Thing | None) -> str:
    if old is None or new is None:
        return ""
    if old.kind == "extension version":
        return "each server brings its own version"
    if old.kind == "firing" and HELD_BACK.get(old.text) == new.text:
        return "it would fire for replicated rows: to be done when the migration is over"
    return ""


def _names(here: Mapping[tuple[str, str, str], Thing], there: Mapping[tuple[str, str, str], Thing]) -> set[str]:
    """Return what only the first side has, by the names under which others belong to it."""
    only = [one for key, one in here.items() if key not in there]
    names = {one.name for one in only if not one.on}
    names |= {one.name for one in only if one.kind in ("index", "statistics")}
    # How a trigger fires goes with it, by the table's name beside its own.
    return names | {f"{one.on} {one.name}" for one in only if one.kind == "trigger"}


def _goes_with(one: Thing, missing: set[str]) -> bool:
    if not one.on:
        return False
    match = PROPERTIES.match(one.on)
    of = match[1] if match else one.on.removeprefix("COLUMN ").rpartition(".")[0]
    return one.on in missing or of in missing or (one.kind == "firing" and f"{one.on} {one.name}" in missing)


def _place(key: tuple[str, str, str]) -> tuple[int, str, str, str]:
    kind, on, name = key
    # A property of a schema comes before those of what lies in it.
    return (ORDER.index(kind) if kind in ORDER else len(ORDER), "" if on.startswith("SCHEMA ") else on, name, on)
