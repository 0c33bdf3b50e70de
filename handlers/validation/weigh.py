"""What the results of a table's chunks come to: its verdict, or what the next round has to ask."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from handlers.validation.compare import FINEST, MOST_DIFFERENCES, Both, Key, Seen, Sums, add, agree, bad_cells
from handlers.validation.plan import Cells, Part
from handlers.validation.result import TableResult, Verdict, worst
from handlers.validation.run import Options, differences
from handlers.validation.tasks import Ask, Item, Task, result_from_dict

ROWS_LOOKED_INTO = 100_000
"""So many rows of a side are fetched of a table's cells that differ: about 100 MB in all."""
CELLS_DIVIDED, FINER = 256, 64
"""So many cells that hold more than that are divided further, each into so many."""
MOST_LOOKS = 5
NAMED = Options().named

Result = Mapping[str, Any]


def weigh(task: Task, results: Iterable[tuple[Item, Result]]) -> Task | TableResult:
    """Return a table's verdict, or the next thing to ask. `results` are one of every chunk, in the chunks' order."""
    match task.ask:
        case Ask.SUMS:
            return _weigh_sums(task, results)
        case Ask.ROWS:
            return _weigh_rows(task, results)
    return merged(result_from_dict(found) for _, found in results)


def merged(parts: Iterable[TableResult]) -> TableResult:
    """Return the result of a table by those of its parts: as bad as the worst of them."""
    whole: TableResult | None = None
    for part in parts:
        if whole is None:
            whole = part
            continue
        # Where servers round large keys, a row can be named by two neighbours.
        named = tuple(dict.fromkeys((*whole.differences, *part.differences)))
        whole = replace(
            whole,
            verdict=worst((whole.verdict, part.verdict)),
            rows=(whole.rows[0] + part.rows[0], whole.rows[1] + part.rows[1]),
            seconds=round(whole.seconds + part.seconds, 3),
            differences=named[:NAMED],
            unsettled=(*whole.unsettled, *part.unsettled)[:NAMED],
            more=whole.more or part.more or len(named) > NAMED,
        )
    if whole is None:
        raise ValueError("a table without a chunk has no result")
    return whole


def _weigh_sums(task: Task, results: Iterable[tuple[Item, Result]]) -> Task | TableResult:
    sides: dict[str, Sums] = {"old": {}, "new": {}}
    for item, found in results:
        add(sides[item.side], {cell: (rows, total) for cell, rows, total in found["sums"]})
    old, new = sides["old"], sides["new"]
    if not task.looks:
        task = replace(task, rows=(sum(rows for rows, _ in old.values()), sum(rows for rows, _ in new.values())))
    bad = list(bad_cells(task.within, task.cells, old, new))
    if not bad:
        return _result(task, {}, ())
    modulus = task.cells.modulus
    if sum(rows for _, rows in bad) > ROWS_LOOKED_INTO and modulus < FINEST:
        chosen, finer = _cells([part for part, _ in bad[:CELLS_DIVIDED]]), Cells(modulus=min(FINEST, modulus * FINER))
        cut = task.cut or len(bad) > CELLS_DIVIDED
        return replace(task, cells=finer, within=Part(modulus=modulus, chosen=chosen), looks=task.looks + 1, cut=cut)
    few: list[Part] = []
    held = 0
    for part, rows in bad:
        if few and held + rows > ROWS_LOOKED_INTO:
            break
        few.append(part)
        held += rows
    within = Part(modulus=modulus, chosen=_cells(few))
    return replace(task, ask=Ask.ROWS, within=within, looks=0, cut=task.cut or len(few) < len(bad))


def _cells(parts: Iterable[Part]) -> tuple[int, ...]:
    return tuple(cell for part in parts for cell in part.chosen)


def _weigh_rows(task: Task, results: Iterable[tuple[Item, Result]]) -> Task | TableResult:
    sides: dict[str, dict[Key, Seen]] = {"old": {}, "new": {}}
    moved: dict[Key, Both] = {}
    for item, found in results:
        for *texts, hashed, times in found["rows"]:
            key = tuple(texts)
            kept = sides[item.side].get(key)
            if kept and task.pair.has_key:  # updated between two chunks: which of both counts, nobody knows
                moved[key] = (None, None)
            sides[item.side][key] = Seen(hashed, times=times + (kept.times if kept else 0))
    differing = {**_differing(sides["old"], sides["new"]), **moved}
    cut = task.cut or len(differing) > MOST_DIFFERENCES
    few = dict(list(differing.items())[:MOST_DIFFERENCES])
    suspects = tuple((key, _times(here), _times(there)) for key, (here, there) in few.items())
    if not suspects:
        return _result(replace(task, cut=cut), {}, ())
    if task.pair.has_key:
        return replace(task, ask=Ask.SETTLE, suspects=suspects, cut=cut)
    # Rows without a key have no version: what differs the same way twice, with time in between, is proven.
    again = set(suspects) & set(task.suspects)
    if not task.looks or (len(again) < len(suspects) and task.looks < MOST_LOOKS - 1):
        return replace(task, suspects=suspects, looks=task.looks + 1, cut=cut)
    confirmed = {key: few[key] for key, _, _ in sorted(again)}
    return _result(replace(task, cut=cut), confirmed, tuple(key for key in few if key not in confirmed))


def _differing(old: Mapping[Key, Seen], new: Mapping[Key, Seen]) -> dict[Key, Both]:
    both: dict[Key, Both] = {key: (old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys())}
    return {key: pair for key, pair in both.items() if not agree(pair)}


def _times(seen: Seen | None) -> int:
    return seen.times if seen else 0


def _result(task: Task, confirmed: Mapping[Key, Both], unsettled: tuple[Key, ...]) -> TableResult:
    named = dict(list(confirmed.items())[:NAMED])
    return TableResult(
        task.pair.name,
        Verdict.DIFFERENT if confirmed else Verdict.UNSETTLED if unsettled or task.cut else Verdict.EQUAL,
        task.pair.method,
        task.rows,
        0.0,
        tuple(differences(task.pair, named, {})),
        unsettled[:NAMED],
        more=task.cut or len(named) < len(confirmed),
    )
