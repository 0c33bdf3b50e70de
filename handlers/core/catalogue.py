"""What a database is made of, as canonical text: the same object has the same text on every server."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from handlers.core.comparison import Table

PRIVILEGES = frozenset({"grant", "column grant", "default privileges"})
MAINTAIN = re.compile(r"MAINTAIN(?: WITH GRANT OPTION)?(?:, )?|, MAINTAIN(?: WITH GRANT OPTION)?$")


QUOTED = re.compile(r'"([a-z_][a-z0-9_]*)"')


def plain(text: str) -> str:
    """Return SQL with no quotes around names that are plain: which keywords need them differs between versions."""
    return QUOTED.sub(r"\1", text)


@dataclass(frozen=True)
class Thing:
    """An object of a database, or one property of it.

    `on` is what it belongs to and `name` what it is called there, both quoted as SQL has them; either may be empty.
    `text` defines it. `table` is the table that the object goes with, where there is one. `oid` is where its own
    server keeps it: catalog and row.
    """

    kind: str
    on: str
    name: str
    text: str
    table: Table | None = None
    oid: tuple[int, int] = (0, 0)

    @property
    def key(self) -> tuple[str, str, str]:
        """What two servers have in common of the same object."""
        return (self.kind, plain(self.on), plain(self.name))

    @property
    def meaning(self) -> str:
        """What two servers have in common of the same definition."""
        return plain(self.text)

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, f"on {self.on}" if self.on else "") if part)


def without_maintain(things: Iterable[Thing]) -> list[Thing]:
    """Return the things without the privilege MAINTAIN: PostgreSQL 17 brought it, and ALL includes it from there on."""
    return [replace(one, text=MAINTAIN.sub("", one.text)) if one.kind in PRIVILEGES else one for one in things]
