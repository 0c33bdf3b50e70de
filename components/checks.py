"""Checks of component arguments: pure functions that name the argument, its value and the remedy."""

import ipaddress
from collections.abc import Collection, Mapping

from components.refusal import Refusal


class ArgumentError(Refusal):
    """An argument a component can't work with. The message names it, shows the value and says what to write."""


def one_of(name: str, value: str, allowed: Collection[str]) -> str:
    """Return `value` if it is one of `allowed`."""
    if value not in allowed:
        raise ArgumentError(f"{name} is {value!r}: write one of {', '.join(sorted(allowed))}")
    return value


def within(name: str, value: float, least: float, most: float) -> float:
    """Return `value` if it lies between `least` and `most`, both included."""
    if not least <= value <= most:
        raise ArgumentError(f"{name} is {value}: write a number from {least} to {most}")
    return value


def whole(name: str, value: float, least: int, most: int) -> int:
    """Return `value` as an integer between `least` and `most`. Hosted components get their integers as floats."""
    if value != int(value):
        raise ArgumentError(f"{name} is {value}: write a whole number from {least} to {most}")
    return int(within(name, value, least, most))


def not_empty(name: str, value: Collection[object]) -> None:
    """Raise if `value` has no element."""
    if not value:
        raise ArgumentError(f"{name} is empty: give at least one")


def cidr(name: str, value: str) -> ipaddress.IPv4Network:
    """Return `value` as an IPv4 network whose host bits are zero."""
    try:
        return ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ArgumentError(f"{name} is {value!r}, no IPv4 block ({error}): write for example 10.20.0.0/16") from error


def tags_for(tags: Mapping[str, str], name: str) -> dict[str, str]:
    """Return `tags` with a Name, which the AWS consoles show."""
    return {**tags, "Name": name}
