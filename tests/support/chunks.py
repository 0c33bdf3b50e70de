"""A store that remembers, and workers that die, come late, and come twice."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.validation import runs
from handlers.validation.tasks import Item


class WorkerDied(Exception):
    """A worker is gone, whether it had written or not."""


@dataclass
class FakeStore:
    """Objects by name, and how often each was written."""

    objects: dict[str, str] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)

    def put(self, name: str, text: str) -> None:
        self.objects[name] = text
        self.written[name] = self.written.get(name, 0) + 1

    def get(self, name: str) -> str:
        return self.objects[name]

    def many(self, names: Sequence[str]) -> Iterator[str]:
        return map(self.get, names)

    def names(self, prefix: str) -> set[str]:
        return {name for name in self.objects if name.startswith(prefix)}


@dataclass
class Pool:
    """A distributed map over workers of which some die before they write, some after, and some come twice."""

    chance: random.Random
    dies: float = 0.2
    doubles: float = 0.1
    retries: int = 50
    died: dict[str, int] = field(default_factory=lambda: {"before": 0, "after": 0})
    doubled: int = 0

    def run(self, items: Sequence[Item], work: Callable[[Item], Any]) -> None:
        """Carry out all items in any order, each until a worker lives to say so."""
        waiting = [(item, 0) for item in items] + [(item, 0) for item in items if self.chance.random() < self.doubles]
        self.doubled += len(waiting) - len(items)
        self.chance.shuffle(waiting)
        while waiting:
            item, tried = waiting.pop()
            if self._one(item, work):
                continue
            assert tried < self.retries
            waiting.insert(self.chance.randrange(len(waiting) + 1), (item, tried + 1))

    def _one(self, item: Item, work: Callable[[Item], Any]) -> bool:
        if self.chance.random() < self.dies / 2:
            self.died["before"] += 1
            return False
        work(item)
        if self.chance.random() < self.dies / 2:
            self.died["after"] += 1
            return False
        return True


def planned(store: FakeStore, run: str, number: int) -> list[Item]:
    """Return the chunks of a round."""
    return [Item.from_dict(json.loads(line)) for line in store.get(runs.list_name(run, number)).splitlines()]
