"""Who connects to the source, over days: a switchover may want that everybody comes by the managed name first.

A server does not see by which name a client came. So a connection string with the managed name also sets an application
name of its own, by which its sessions are known, and whoever else is right to come is excused by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

DAY = 86400.0
MOST = 2000
"""So many clients are kept, those that were seen last."""

Seen = Mapping[str, tuple[float, float]]
"""When each client was seen first and last. A client is `user from address (application name)`."""


@dataclass(frozen=True)
class ExcusedClient:
    """Clients that match `client`, a pattern with `*`, and why they may come as they do."""

    client: str
    reason: str


@dataclass(frozen=True)
class Census:
    """What is asked of clients: for how many days, and how those that come by the managed name call themselves."""

    required: bool
    days: int
    managed: tuple[str, ...]
    excused: tuple[ExcusedClient, ...]


def noted(seen: Seen, clients: Iterable[str], now: float, days: int) -> dict[str, tuple[float, float]]:
    """Return what was seen with who is there now. Who was not there for so many days is forgotten."""
    found = dict(seen)
    for client in clients:
        found[client] = (found.get(client, (now, now))[0], now)
    recent = [(client, times) for client, times in found.items() if now - times[1] <= days * DAY]
    return dict(sorted(recent, key=lambda one: -one[1][1])[:MOST])


def astray(seen: Seen, now: float, asked: Census) -> list[str]:
    """Return who was seen within the days asked for, and neither comes by the managed name nor is excused."""
    known = [*(f"* ({name})" for name in asked.managed), *(one.client for one in asked.excused)]
    return sorted(
        client
        for client, (_, last) in seen.items()
        if now - last <= asked.days * DAY and not any(fnmatchcase(client, pattern) for pattern in known)
    )
