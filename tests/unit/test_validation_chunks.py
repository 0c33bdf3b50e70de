"""A validation by many workers: planned, carried out by workers that die, and weighed, without a database."""

import json
import random
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import pytest

from handlers.clock import Clock
from handlers.core.comparison import Column, Table
from handlers.core.mapping import Relation
from handlers.core.samples import Key as KeyOf
from handlers.core.samples import KeyPart
from handlers.validation import plan, runs, tasks, worker
from handlers.validation.compare import Sides
from handlers.validation.equality import Method
from handlers.validation.plan import Cells, Pair, Part, Size, pair_up
from handlers.validation.result import Difference, Kind, TableResult, Verdict
from handlers.validation.runs import About, Incomplete
from handlers.validation.tasks import Ask, Budget, Item, Task
from handlers.validation.weigh import ROWS_LOOKED_INTO, merged, weigh
from tests.support.chunks import FakeStore, Pool, planned

ROWS = 50_000_000_000
CHUNKS = 10_241
BY_ID = Size(ROWS, ROWS // 40, 1.0, tuple(range(0, ROWS + 1, ROWS // 100)))
BY_UUID = Size(20_000_000, 400_000)
ABOUT = About(False, (0, 0), 0.0)


def pair(kind: str | None = "bigint", table: str = "orders") -> Pair:
    columns = (Column("id", "int8" if kind == "bigint" else "uuid"), Column("state", "text"))
    relation = Relation(Table("shop", table), columns)
    key = KeyOf((KeyPart("id", kind),), 100) if kind else None
    return pair_up(relation, relation, columns, (key, key), Method.VALUE)


def first(one: Pair, size: Size, budget: Budget | None = None) -> Task:
    return tasks.first(0, one, size, size, budget or Budget(), 0.0)


def sums(cells: dict[int, tuple[int, int]]) -> dict[str, Any]:
    return {"sums": [[cell, rows, total] for cell, (rows, total) in cells.items()]}


def of(side: str, chunk: int = 0) -> Item:
    return Item("r", 1, 0, chunk, side)


def test_a_chunk_fits_its_time_by_rows_and_by_bytes() -> None:
    narrow, wide = Size(10**9, 10**9 // 40), Size(10**9, 10**9 * 10)
    assert Budget().rows(narrow, narrow) == 4_882_812  # 204.8 bytes a row, 1 GB
    assert Budget(rows_per_second=10_000).rows(narrow, narrow) == 1_000_000
    assert Budget().rows(wide, narrow) == 12_207  # 80 kB a row
    assert Budget().rows(Size(0, 0), Size(0, 0)) == plan.CHUNK_ROWS


def test_ranges_are_as_many_as_the_budget_asks_for_however_coarse_the_statistics_are() -> None:
    found = list(tasks.items(first(pair(), BY_ID), "r", 1))
    assert len(found) == CHUNKS
    parts = [item.part for item in found]
    assert parts[0].low is None and parts[-1].high is None
    assert all(a.high == b.low for a, b in pairwise(parts))
    widths = [b - a for a, b in pairwise(part.low for part in parts[1:]) if a is not None and b is not None]
    assert max(widths) <= 5_000_000


def test_what_is_sent_about_is_small_and_plain() -> None:
    task = first(pair(), BY_ID)
    for item in tasks.items(task, "a-run-with-a-name-of-its-own", 1):
        text = json.dumps(item.to_dict())
        assert len(text) < 250
        assert Item.from_dict(json.loads(text)) == item
    looked = replace(task, ask=Ask.SETTLE, suspects=((("7",), 1, 0),), within=Part(modulus=4, chosen=(1, 2)), cut=True)
    for one in (task, looked, first(pair("uuid"), BY_UUID)):
        assert Task.from_dict(json.loads(json.dumps(one.to_dict()))) == one


@pytest.mark.parametrize("seed", range(2))
def test_of_ten_thousand_chunks_none_is_lost_and_none_counts_twice_when_workers_die(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, store = random.Random(seed), FakeStore()
    wrong = frozenset(chance.sample(range(ROWS), 40))

    def carried_out(_: object, task: Task, item: Item, *__: object) -> dict[str, Any]:
        low = item.part.low or 0
        high = ROWS if item.part.high is None else item.part.high
        found = tuple(Difference((str(key),), Kind.CHANGED, ("state",)) for key in sorted(wrong) if low <= key < high)
        verdict = Verdict.DIFFERENT if found else Verdict.EQUAL
        return asdict(TableResult(task.pair.name, verdict, task.pair.method, (high - low, high - low), 0.0, found))

    monkeypatch.setattr(worker, "carry_out", carried_out)
    said = runs.begin(store, "r", [first(pair(), BY_ID)], [], ABOUT)
    items, pool = planned(store, "r", said["round"]), Pool(chance)
    assert said["count"] == len(items) == CHUNKS
    nobody = Sides(None, None)  # type: ignore[arg-type]
    pool.run(items, lambda item: runs.work(store, item, nobody, Clock()))
    assert min(*pool.died.values(), pool.doubled) > 500
    assert max(store.written.values()) > 1

    said = runs.conclude(store, "r", 1)
    assert (said["outcome"], said["chunks"]) == ("different", CHUNKS)
    report = json.loads(store.get(said["key"]))
    [table] = report["tables"]
    assert table["rows"] == [ROWS, ROWS]
    assert sorted(int(one["key"][0]) for one in table["differences"]) == sorted(wrong)
    assert not table["more"]

    for lost in chance.sample(items, 3):
        kept = store.objects.pop(runs.result_name(lost))
        with pytest.raises(Incomplete, match="1 of 10241 chunks have no result"):
            runs.conclude(store, "r", 1)
        store.put(runs.result_name(lost), kept)


def test_a_round_is_weighed_only_with_the_one_result_of_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore()
    equal = TableResult(Table("shop", "orders"), Verdict.EQUAL, Method.VALUE, (1, 1))
    monkeypatch.setattr(worker, "carry_out", lambda *_: asdict(equal))
    small = Size(10_000_000, 250_000, 1.0, tuple(range(0, 10_000_001, 100_000)))
    runs.begin(store, "r", [first(pair(), small)], [], ABOUT)
    items = planned(store, "r", 1)
    for item in items:
        runs.work(store, item, Sides(None, None), Clock())  # type: ignore[arg-type]
    store.put("runs/r/01/results/00007-000000.json", "{}")
    with pytest.raises(Incomplete, match="not planned"):
        runs.conclude(store, "r", 1)
    del store.objects["runs/r/01/results/00007-000000.json"]
    store.put(runs.result_name(items[0]), store.get(runs.result_name(items[1])))
    with pytest.raises(Incomplete, match="of another chunk"):
        runs.conclude(store, "r", 1)
    runs.work(store, items[0], Sides(None, None), Clock())  # type: ignore[arg-type]
    assert runs.conclude(store, "r", 1)["outcome"] == "equal"


def test_nothing_to_compare_is_a_report_too() -> None:
    store = FakeStore()
    missing = TableResult(Table("shop", "a"), Verdict.DIFFERENT, None, reason="missing on the target")
    assert runs.begin(store, "r", [], [missing], ABOUT)["outcome"] == "nothing"
    assert runs.conclude(store, "r", 1)["outcome"] == "different"


def test_sums_of_blocks_are_added_up_however_they_are_cut() -> None:
    task = first(pair("uuid"), BY_UUID)
    assert task.ask is Ask.SUMS
    here = [(of("old", 0), sums({1: (2, 10), 2: (1, 5)})), (of("old", 1), sums({1: (1, -4)}))]
    there = [(of("new", 0), sums({1: (3, 6)})), (of("new", 1), sums({2: (1, 5)}))]
    equal = weigh(task, [*here, *there])
    assert isinstance(equal, TableResult)
    assert (equal.verdict, equal.rows) == (Verdict.EQUAL, (4, 4))
    looked = weigh(task, [*here, (of("new"), sums({1: (3, 7), 2: (1, 5)}))])
    assert isinstance(looked, Task)
    assert (looked.ask, looked.within, looked.rows) == (Ask.ROWS, Part(modulus=16_384, chosen=(1,)), (4, 4))


def test_cells_with_too_many_rows_are_divided_before_rows_are_fetched() -> None:
    task = first(pair("uuid"), BY_UUID)
    finer = weigh(task, [(of("old"), sums({5: (ROWS_LOOKED_INTO + 1, 1)})), (of("new"), sums({}))])
    assert isinstance(finer, Task)
    assert (finer.ask, finer.cells) == (Ask.SUMS, Cells(modulus=16_384 * 64))
    assert finer.within == Part(modulus=16_384, chosen=(5,))
    bad = 5 + 16_384 * 3
    rows = weigh(finer, [(of("old"), sums({bad: (900, 1)})), (of("new"), sums({bad: (900, 2)}))])
    assert isinstance(rows, Task)
    assert (rows.ask, rows.within) == (Ask.ROWS, Part(modulus=16_384 * 64, chosen=(bad,)))
    assert rows.rows == (ROWS_LOOKED_INTO + 1, 0)


def test_what_is_not_looked_into_is_never_called_equal() -> None:
    task = first(pair("uuid"), BY_UUID)
    many = dict.fromkeys(range(300), (ROWS_LOOKED_INTO, 1))
    finer = weigh(task, [(of("old"), sums(many)), (of("new"), sums({}))])
    assert isinstance(finer, Task) and finer.cut
    gone = weigh(finer, [(of("old"), sums({})), (of("new"), sums({}))])
    assert isinstance(gone, TableResult)
    assert (gone.verdict, gone.more) == (Verdict.UNSETTLED, True)


def test_rows_of_cells_that_differ_are_told_apart_by_key() -> None:
    task = replace(first(pair("uuid"), BY_UUID), ask=Ask.ROWS)
    old = {"rows": [["a", 1, 1], ["b", 2, 1], ["c", 3, 1]]}
    new = {"rows": [["a", 1, 1], ["b", 9, 1]]}
    found = weigh(task, [(of("old"), old), (of("new"), new)])
    assert isinstance(found, Task)
    assert (found.ask, [key for key, _, _ in found.suspects]) == (Ask.SETTLE, [("b",), ("c",)])
    again = {"rows": [["a", 1, 1]]}
    both_sides = [(of("old"), old), (of("old", 1), again), (of("new"), old), (of("new", 1), again)]
    moved = weigh(task, both_sides)
    assert isinstance(moved, Task)
    assert [key for key, _, _ in moved.suspects] == [("a",)]
    assert weigh(task, [(of("old"), old), (of("new"), old)]).verdict is Verdict.EQUAL  # type: ignore[union-attr]


def test_rows_without_a_key_have_to_differ_twice_the_same_way() -> None:
    task = replace(first(pair(None), BY_UUID), ask=Ask.ROWS, looks=0)
    old, new = {"rows": [["1", 1, 2], ["2", 2, 1]]}, {"rows": [["1", 1, 1], ["3", 3, 1]]}
    again = weigh(task, [(of("old"), old), (of("new"), new)])
    assert isinstance(again, Task) and again.ask is Ask.ROWS
    later = {"rows": [["1", 1, 1], ["2", 2, 1]]}
    third = weigh(again, [(of("old"), old), (of("new"), later)])
    assert isinstance(third, TableResult)
    assert (third.verdict, [one.times for one in third.differences]) == (Verdict.DIFFERENT, [(2, 1)])
    clear = weigh(again, [(of("old"), old), (of("new"), old)])
    assert isinstance(clear, TableResult) and clear.verdict is Verdict.EQUAL


def test_a_table_is_as_bad_as_its_worst_part_and_names_a_row_once() -> None:
    row = Difference(("1",), Kind.MISSING)
    name = Table("shop", "orders")
    parts = [
        TableResult(name, Verdict.EQUAL, Method.VALUE, (5, 5)),
        TableResult(name, Verdict.UNSETTLED, Method.VALUE, (5, 5), unsettled=(("9",),)),
        TableResult(name, Verdict.DIFFERENT, Method.VALUE, (5, 4), differences=(row,)),
        TableResult(name, Verdict.DIFFERENT, Method.VALUE, (0, 0), differences=(row,)),
        TableResult(name, Verdict.EQUAL, Method.VALUE, (1, 1)),
    ]
    found = merged(parts)
    assert (found.verdict, found.rows, found.differences) == (Verdict.DIFFERENT, (16, 15), (row,))
    assert found.unsettled == (("9",),)
    with pytest.raises(ValueError, match="without a chunk"):
        merged([])
