"""Sequences: DMS does not carry them, and one that lags gives out keys that exist."""

from collections.abc import Iterable
from dataclasses import dataclass

from handlers.core import sql

GAP = 32
"""How many increments ahead the target starts: cached values of ended sessions, and prefetch by WAL, stay behind it."""


@dataclass(frozen=True)
class Sequence:
    """A sequence and the last value it gave out."""

    schema: str
    name: str
    last_value: int
    increment: int
    minimum: int
    maximum: int


def advanced(sequence: Sequence) -> int:
    """Return the value to set on the target: GAP increments ahead, within the sequence's bounds."""
    ahead = sequence.last_value + GAP * sequence.increment
    return max(sequence.minimum, min(sequence.maximum, ahead))


def set_all(sequences: Iterable[Sequence]) -> str | None:
    """Return one statement that sets every sequence, None where there is none: one round trip for all."""
    calls = [
        f"setval({sql.literal(sql.name(s.schema, s.name))}::regclass, {advanced(s)}, true)"
        for s in sorted(sequences, key=lambda s: (s.schema, s.name))
    ]
    return f"SELECT {', '.join(calls)}" if calls else None


def behind(wanted: Iterable[Sequence], found: Iterable[Sequence]) -> list[str]:
    """Return the names of sequences that the target lacks or that have not passed the source's last value."""
    there = {(s.schema, s.name): s for s in found}
    late = []
    for sequence in wanted:
        match = there.get((sequence.schema, sequence.name))
        if match is None or (match.last_value - sequence.last_value) * (1 if sequence.increment > 0 else -1) < 0:
            late.append(f"{sequence.schema}.{sequence.name}")
    return sorted(late)
