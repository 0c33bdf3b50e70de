"""A fingerprint of a database's definition: short enough to be kept in a record, and able to say what has changed.

It holds a digest for every table with all that belongs to it, and for every other object.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable

from handlers.core.catalogue import Thing

VERSION = "1"
DIGEST_BYTES = 6
"""Enough that two definitions of one object never share a digest by chance."""
UNWATCHED = frozenset({"comment", "statistics"})
"""Kinds that change nothing for rows or for the application."""


def fingerprint(things: Iterable[Thing]) -> str:
    """Return the fingerprint of what `handlers.adapters.postgres_ddl.describe` found, about 15 bytes a table."""
    groups: dict[str, list[str]] = {}
    for one in things:
        if one.kind not in UNWATCHED:
            groups.setdefault(_group(one), []).append("\0".join((*one.key, one.meaning)))
    digests = {group: _digest("\1".join(sorted(lines))) for group, lines in groups.items()}
    packed = zlib.compress(json.dumps(digests, sort_keys=True, ensure_ascii=False).encode(), 9)
    return f"{VERSION}:{base64.b85encode(packed).decode()}"


def changes(before: str, after: str) -> list[str]:
    """Return what was added, dropped or changed between two fingerprints, a line each; none where they are the same."""
    if before == after:
        return []
    old, new = _unpacked(before), _unpacked(after)
    if old is None or new is None:
        return ["the definition was noted by another version of this program: note it again"]
    return [
        f"{group} was {_verb(group in old, group in new)}"
        for group in sorted({*old, *new})
        if old.get(group) != new.get(group)
    ]


def _verb(was: bool, is_: bool) -> str:
    return "changed" if was and is_ else "dropped" if was else "added"


def _group(one: Thing) -> str:
    """Return what an object is named by: the table it goes with, the object that a property is of, else itself."""
    if one.table is not None:
        return f"table {one.table}"
    return one.on or f"{one.kind} {one.name}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _unpacked(text: str) -> dict[str, str] | None:
    version, _, packed = text.partition(":")
    if version != VERSION:
        return None
    found: dict[str, str] = json.loads(zlib.decompress(base64.b85decode(packed)))
    return found
