"""Which entries of a dump are restored when: what rows need before they are loaded, and what costs less afterwards."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

Oid = tuple[int, int]
ENTRY = re.compile(r"^(\d+); (\d+) (\d+) (.*)$")
OURS = re.compile(r"(^|[ .])(awsdms_|migration_control\b)")
"""What DMS and the migration have made on the source."""
LAST = ("EVENT TRIGGER ",)
"""Made one by one in the end: it would fire while the rest is made, and needs rights that not everybody has."""


@dataclass(frozen=True)
class Entry:
    """One line of a dump's list: catalog and row of the object on the source, and what it is called."""

    line: str
    oid: Oid
    what: str


def entries(listed: str) -> list[Entry]:
    """Return the entries of what `pg_restore --list` printed, in its order."""
    found = []
    for line in listed.splitlines():
        match = ENTRY.match(line)
        if match and not OURS.search(match[4]):
            found.append(Entry(line, (int(match[2]), int(match[3])), match[4]))
    return found


def before_load(pre: Iterable[Entry], post: Iterable[Entry], keys: Collection[Oid], attached: Collection[str]) -> str:
    """Return the list of what rows need: all of `pre`, and of `post` the constraints and indexes `keys`.

    `attached` are the names, as the list has them, of the keys' parts that partitions have.
    """
    parts = tuple(f"INDEX ATTACH {name} " for name in attached)
    return _listed([*pre, *(one for one in post if one.oid in keys or one.what.startswith(parts))])


def after_load(post: Iterable[Entry], there: Collection[Oid]) -> str:
    """Return the list of what is left of `post`, but for what is `there` already, or made by other means."""
    return _listed(one for one in post if one.oid not in there and not one.what.startswith(LAST))


def _listed(chosen: Iterable[Entry]) -> str:
    return "".join(f"{one.line}\n" for one in chosen)
