"""What to read into a server's memory before it is opened, and in which order."""

from collections.abc import Iterable
from dataclasses import dataclass

SHARE = 0.75
"""How much of the shared buffers may be filled: the rest is what the server needs while it is at it."""


@dataclass(frozen=True)
class Relation:
    """A table or an index: its quoted name, its size in bytes, and how often the source has used it."""

    name: str
    index: bool
    size: int
    uses: int


def chosen(relations: Iterable[Relation], buffers: int) -> list[Relation]:
    """Return what fits into `buffers` bytes: indexes before tables, and of each what the source uses most.

    An index that is cold costs each of its readers several reads one after the other, a table's page one.
    """
    left, found = int(buffers * SHARE), []
    for one in sorted(relations, key=lambda one: (not one.index, -one.uses, one.size, one.name)):
        if 0 < one.size <= left and (one.uses or one.index):
            found.append(one)
            left -= one.size
    return found
