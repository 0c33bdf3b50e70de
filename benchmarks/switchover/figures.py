"""Numbers of many runs in few."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def percentile(values: Sequence[float], per_cent: float) -> float:
    """Return the nearest rank: the smallest value that so many of a hundred do not exceed. Of 20, p99 is the most."""
    return sorted(values)[max(0, math.ceil(len(values) * per_cent / 100) - 1)]


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p99, the least and the most, rounded to milliseconds."""
    every = list(values)
    found = {"p50": percentile(every, 50), "p99": percentile(every, 99), "least": min(every), "most": max(every)}
    return {name: round(value, 3) for name, value in found.items()}


def steps(runs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the spread of every step over all runs, in the order of the first."""
    every = list(runs)
    return {step: spread(run["steps"][step] for run in every) for step in every[0]["steps"]}
