"""Processes that a test has ended: the system takes a moment to do so."""

import time
from collections.abc import Callable
from pathlib import Path


def alive(group: int) -> bool:
    """Whether a process of that group still runs; one that has ended and was not waited for does not."""
    return any(runs(path) and _fields(path)[2:3] == [str(group)] for path in Path("/proc").glob("[0-9]*"))


def runs(process: Path) -> bool:
    """Whether the process of a folder in /proc runs."""
    return _fields(process)[:1] not in ([], ["Z"], ["X"])


def _fields(process: Path) -> list[str]:
    """Return state, parent and group, or nothing where the process is gone."""
    try:
        return (process / "stat").read_text().rpartition(") ")[2].split()[:3]
    except OSError:
        return []


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()
