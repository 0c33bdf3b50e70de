"""What a worker does with a chunk: one invocation, two connections, plain data as its answer."""

from dataclasses import asdict
from typing import Any

from handlers.clock import Clock
from handlers.validation import plan
from handlers.validation.cells import cells_query, rows_query
from handlers.validation.compare import Database, Found, Sides, as_sums, compare_chunk
from handlers.validation.plan import Part
from handlers.validation.result import TableResult
from handlers.validation.run import Options, Subject, judged, patience, validate
from handlers.validation.suspects import Stream
from handlers.validation.tasks import Ask, Item, Task


def carry_out(sides: Sides, task: Task, item: Item, stream: Stream, clock: Clock) -> dict[str, Any]:
    """Answer what a task asks of a chunk. Doing it again is always allowed; what changes meanwhile settles later."""
    match task.ask:
        case Ask.COMPARE:
            return asdict(_compare(sides, task, item.part, stream, clock))
        case Ask.SETTLE:
            return asdict(_settle(sides, task, stream, clock))
        case Ask.SUMS:
            query = cells_query(_half(task, item), task.pair.method, _part(task, item), task.cells)
            sums = as_sums(_database(sides, item).rows(query))
            return {"sums": [[cell, rows, total] for cell, (rows, total) in sorted(sums.items())]}
        case Ask.ROWS:
            query = rows_query(_half(task, item), task.pair.method, [_part(task, item)])
            found = _database(sides, item).rows(query)
            return {"rows": [[*row, 1] for row in found] if task.pair.has_key else _texts(found)}


def _compare(sides: Sides, task: Task, part: Part, stream: Stream, clock: Clock) -> TableResult:
    options, began = _options(task), clock.now()
    if not task.pair.has_key:  # whole, then: parts are ranges of the key
        return validate(sides, Subject(task.pair, task.old, task.new), stream, clock, options)
    chunk = plan.chunk(task.pair, plan.best_known(task.old, task.new), part)
    return judged(sides, task.pair, compare_chunk(sides, chunk), stream, clock, options, began)


def _settle(sides: Sides, task: Task, stream: Stream, clock: Clock) -> TableResult:
    found = Found(*task.rows, {key: (None, None) for key, _, _ in task.suspects}, task.cut)
    return judged(sides, task.pair, found, stream, clock, _options(task), clock.now())


def _options(task: Task) -> Options:
    return Options(chunk_rows=max(task.most, task.old.rows, task.new.rows), patience=patience(task.settle_seconds))


def _part(task: Task, item: Item) -> Part:
    return Part(first=item.part.first, last=item.part.last, modulus=task.within.modulus, chosen=task.within.chosen)


def _half(task: Task, item: Item) -> plan.Half:
    return task.pair.old if item.side == "old" else task.pair.new


def _database(sides: Sides, item: Item) -> Database:
    return sides.old if item.side == "old" else sides.new


def _texts(found: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Of a table without a key a row's hash is its key, which is text."""
    return [[str(hashed), hashed, times] for hashed, times in found]
