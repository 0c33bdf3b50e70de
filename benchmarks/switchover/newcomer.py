"""Somebody who holds no session: looks the writer's name up and connects for every write, as a script a minute does."""

import threading
import time
from itertools import pairwise
from typing import Any

import psycopg2

from benchmarks.switchover.stage import Stage
from sandbox.rehearsal.client import connect
from sandbox.rehearsal.resolver import NameFailure, Resolver

PAUSE_SECONDS = 0.05


class Newcomer:
    """Connects again and again from a thread of its own. Use as a context manager: leaving it ends it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        instance = stage.instance
        self._resolver = Resolver(stage.operator.outputs["writer_name"], "127.0.0.1", instance.ports.dns)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._moments: list[float] = []

    def __enter__(self) -> "Newcomer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def longest_gap(self, since: float, until: float) -> float:
        """Return the longest time without a session, of those that lie at least partly in these epoch seconds."""
        return max(later - sooner for sooner, later in pairwise(self._moments) if sooner < until and later > since)

    def _run(self) -> None:
        source = self._stage.source
        where: dict[str, Any] = {"port": self._stage.instance.source.port, "database": source.database}
        while not self._over.wait(PAUSE_SECONDS):
            try:
                connect(address=self._resolver.address(), user=source.role, password=source.password, **where).close()
            except (psycopg2.Error, NameFailure):
                continue
            self._moments.append(time.time())
