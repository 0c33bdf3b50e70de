"""Names as DMS's rules match them: `%` stands for any characters, `_` for one, `[ab]` for one of these."""

import re
from functools import cache

ANY, ONE = "%", "_"
_PART = re.compile(r"\[[^\]]+\]|.", re.DOTALL)


def is_exact(pattern: str) -> bool:
    """Say whether a pattern names one thing. `_` counts as itself: names are full of it, and DMS users leave it so."""
    return not set(pattern) & {ANY, "["}


def covers(pattern: str, other: str) -> bool:
    """Say whether `pattern` surely matches all that `other` matches."""
    return pattern in (ANY, other) or (is_exact(other) and overlap(pattern, other))


def overlap(one: str, other: str) -> bool:
    """Say whether some name matches both patterns. A set of characters counts as any one character."""
    return _meet(tuple(_PART.findall(one)), tuple(_PART.findall(other)))


@cache
def _meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if other[:1] == (ANY,):
        one, other = other, one
    if one[:1] == (ANY,):
        return _meet(one[1:], other) or (bool(other) and _meet(one, other[1:]))
    if not one or not other:
        return not one and not other
    alike = one[0] == other[0] or any(part == ONE or len(part) > 1 for part in (one[0], other[0]))
    return alike and _meet(one[1:], other[1:])
