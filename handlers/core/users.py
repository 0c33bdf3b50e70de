"""Names of the users that take turns for one application, all of them members of the role that owns what they make."""

from collections.abc import Iterable
from enum import StrEnum

SUFFIXES = ("_a", "_b")


class Strategy(StrEnum):
    """How a secret rotates: two users take turns, so that one password always holds, or one user changes its own."""

    ALTERNATING = "alternating"
    SINGLE = "single"


def family(name: str) -> tuple[str, ...]:
    """Return every user that may log in for `name`: itself, until two others take turns for it, and those."""
    return (name, *(f"{name}{suffix}" for suffix in SUFFIXES))


def families(names: Iterable[str]) -> frozenset[str]:
    """Return every user that may log in for any of `names`."""
    return frozenset(user for name in names for user in family(name))


def following(name: str, current: str, strategy: Strategy) -> str:
    """Return whose turn it is for `name` after `current`."""
    if strategy is Strategy.SINGLE:
        return name
    first, second = (f"{name}{suffix}" for suffix in SUFFIXES)
    return second if current == first else first


def allowed(name: str, strategy: Strategy) -> tuple[str, ...]:
    """Return which users a secret of `name` may hold."""
    return (name,) if strategy is Strategy.SINGLE else family(name)
