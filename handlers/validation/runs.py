"""A run of a validation: rounds of chunks whose results lie in a store, each under the one name its chunk gives it.

A worker that is tried again, or that comes twice, writes the same object: nothing is counted twice. A round is weighed
only once every chunk that was planned has its result: nothing is lost without a word.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Protocol

from handlers.clock import Clock
from handlers.validation import tasks, worker
from handlers.validation.compare import Sides
from handlers.validation.result import Report, TableResult
from handlers.validation.suspects import Patience
from handlers.validation.tasks import Item, Task
from handlers.validation.weigh import weigh

FOLDER = "runs"
NAMED = 10
"""So many chunks without a result are named."""


class Store(Protocol):
    """Where objects lie under names. What was written is read."""

    def put(self, name: str, text: str) -> None:
        """Write an object, in the place of one of that name."""

    def get(self, name: str) -> str:
        """Return an object. Raises KeyError where there is none."""

    def many(self, names: Sequence[str]) -> Iterator[str]:
        """Return objects in this order."""

    def names(self, prefix: str) -> set[str]:
        """Return the names that begin so."""


class Incomplete(Exception):
    """A round lacks results: whatever the others say, nobody can call the tables equal."""


@dataclass(frozen=True)
class About:
    """What is known of a run from its first round on."""

    strict: bool
    large_objects: tuple[int, int]
    settle_seconds: float


def begin(
    store: Store, run: str, asked: Sequence[Task], finished: Sequence[TableResult], about: About
) -> dict[str, Any]:
    """Write the first round. `finished` are tables that can't be compared, with the reason."""
    return _round(store, run, 1, asked, finished, about, 0)


def work(store: Store, item: Item, sides: Sides, clock: Clock) -> dict[str, Any]:
    """Carry out a chunk and write its result."""
    task = Task.from_dict(json.loads(store.get(table_name(item.run, item.round, item.table))))
    found = worker.carry_out(sides, task, item, Patience(clock, task.settle_seconds), clock)
    store.put(result_name(item), json.dumps({"of": item.to_dict(), "found": found}))
    return {"outcome": "done", "table": str(task.pair.name), "chunk": item.chunk}


def conclude(store: Store, run: str, number: int) -> dict[str, Any]:
    """Weigh a round: write the next one, or the report. Raises Incomplete where a chunk has no result."""
    known = json.loads(store.get(f"{_folder(run, number)}/round.json"))
    items = [Item.from_dict(json.loads(line)) for line in store.get(list_name(run, number)).splitlines()]
    _complete(store, run, number, items)
    about = About(known["strict"], tuple(known["large_objects"]), known["settle_seconds"])
    finished, asked = [tasks.result_from_dict(one) for one in known["finished"]], []
    for table, chunks in groupby(items, key=lambda item: item.table):
        task = Task.from_dict(json.loads(store.get(table_name(run, number, table))))
        came_to = weigh(task, _results(store, list(chunks)))
        if isinstance(came_to, Task):
            asked.append(came_to)
        else:
            finished.append(came_to)
    chunks_before = known["chunks"] + len(items)
    if asked:
        return _round(store, run, number + 1, asked, finished, about, chunks_before)
    report = Report(sorted(finished, key=lambda one: one.table), about.strict, about.large_objects)
    name = f"{FOLDER}/{run}/report.json"
    counts = {"run": run, "rounds": number, "chunks": chunks_before}
    store.put(name, json.dumps({**counts, **report.to_dict()}, indent=1))
    differing = sum(len(one.differences) for one in finished)
    return {"outcome": str(report.verdict), "key": name, **counts, "tables": len(finished), "differing": differing}


def _complete(store: Store, run: str, number: int, items: Sequence[Item]) -> None:
    there = store.names(f"{_folder(run, number)}/results/")
    planned = {result_name(item) for item in items}
    lacking = sorted(planned - there)
    if len(planned) != len(items) or there - planned:
        raise Incomplete(f"round {number} has results that were not planned, or chunks of the same name")
    if lacking:
        more = f" and {len(lacking) - NAMED} more" * (len(lacking) > NAMED)
        raise Incomplete(f"{len(lacking)} of {len(items)} chunks have no result: {', '.join(lacking[:NAMED])}{more}")


def _results(store: Store, items: Sequence[Item]) -> Iterator[tuple[Item, Any]]:
    for item, text in zip(items, store.many([result_name(item) for item in items]), strict=True):
        found = json.loads(text)
        if found["of"] != item.to_dict():
            raise Incomplete(f"{result_name(item)} is the result of another chunk: {found['of']}")
        yield item, found["found"]


def _round(
    store: Store,
    run: str,
    number: int,
    asked: Iterable[Task],
    finished: Sequence[TableResult],
    about: About,
    chunks_before: int,
) -> dict[str, Any]:
    lines = []
    for task in asked:
        store.put(table_name(run, number, task.table), json.dumps(task.to_dict()))
        lines += [json.dumps(item.to_dict()) for item in tasks.items(task, run, number)]
    store.put(list_name(run, number), "\n".join(lines))
    known = {**asdict(about), "chunks": chunks_before, "finished": [asdict(one) for one in finished]}
    store.put(f"{_folder(run, number)}/round.json", json.dumps(known))
    return {
        "outcome": "planned" if lines else "nothing",
        "round": number,
        "key": list_name(run, number),
        "prefix": f"{_folder(run, number)}/map",
        "count": len(lines),
        "wait_seconds": 0 if number == 1 else round(about.settle_seconds),
    }


def _folder(run: str, number: int) -> str:
    return f"{FOLDER}/{run}/{number:02d}"


def list_name(run: str, number: int) -> str:
    """Return the name of a round's list of chunks: a line of JSON each."""
    return f"{_folder(run, number)}/chunks.jsonl"


def table_name(run: str, number: int, table: int) -> str:
    """Return the name of what a round asks of a table."""
    return f"{_folder(run, number)}/tables/{table:05d}.json"


def result_name(item: Item) -> str:
    """Return the one name under which a chunk's result lies."""
    return f"{_folder(item.run, item.round)}/results/{item.table:05d}-{item.chunk:06d}.json"
