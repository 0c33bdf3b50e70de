"""A validation by many workers on real PostgreSQL 16 and 18: what it says is what every row says."""

import json
import random
from collections.abc import Iterator

import pytest

from handlers.adapters import postgres_cells
from handlers.adapters.postgres import Database
from handlers.clock import Clock
from handlers.validation import cells, plan, runs, tasks, weigh
from handlers.validation.compare import Sides
from handlers.validation.runs import About
from handlers.validation.suspects import Patience
from handlers.validation.tasks import Ask, Budget
from sandbox.databases import ServerInfo
from tests.support.chunks import FakeStore, Pool, planned
from tests.support.servers import room, two_servers
from tests.support.validation import opened, pairs

ROWS = 6_000
SCHEMA = f"""
CREATE SCHEMA app;
CREATE TABLE app.by_id (id bigint PRIMARY KEY, name text, amount numeric(12, 2));
INSERT INTO app.by_id SELECT n, 'row ' || n, n FROM generate_series(1, {ROWS}) n;
CREATE TABLE app.by_uuid (id uuid PRIMARY KEY, name text);
INSERT INTO app.by_uuid SELECT md5(n::text)::uuid, 'row ' || n FROM generate_series(1, {ROWS}) n;
CREATE TABLE app.no_key (name text, n bigint);
INSERT INTO app.no_key SELECT 'row ' || n % 100, n / 2 FROM generate_series(1, {ROWS}) n;
CREATE TABLE app.small (id int PRIMARY KEY, name text);
INSERT INTO app.small SELECT n, 'row ' || n FROM generate_series(1, 10) n;
"""
PLANTED = """
UPDATE app.by_id SET name = name || '!' WHERE id IN (7, 4321);
DELETE FROM app.by_id WHERE id = 3000;
INSERT INTO app.by_id VALUES (1000000, 'more', 1);
UPDATE app.by_uuid SET name = name || '!' WHERE id = md5('17')::uuid;
DELETE FROM app.by_uuid WHERE id = md5('5999')::uuid;
INSERT INTO app.no_key VALUES ('row 1', -1), ('row 1', -1);
"""


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Database, Database]]:
    with room() as folder, two_servers(folder) as servers:
        for server in servers:
            on(server, SCHEMA)
            on(server, "ANALYZE")
        with opened(servers[0]) as old, opened(servers[1]) as new:
            for database in (old, new):
                postgres_cells.calm(database, 60)
            yield old, new


def on(server: ServerInfo, statements: str) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute(statements)


def validate(
    both: tuple[Database, Database], seed: int, settle_seconds: float = 0.0
) -> tuple[dict[str, dict[str, object]], dict[str, int]]:
    """Validate with workers that die; return each table's result and how many chunks each kind of question had."""
    chance, store, sides, asked = random.Random(seed), FakeStore(), Sides(*both), {}
    new_sizes = postgres_cells.sizes(both[1], both[1].keys())
    budget = Budget(seconds=1, rows_per_second=500)
    first = [
        tasks.first(number, pair, size, new_sizes[pair.new.table], budget, 0.0)
        for number, (pair, size) in enumerate(sorted(pairs(both), key=lambda one: one[0].name))
    ]
    said = runs.begin(store, "r", first, [], About(False, (0, 0), 0.0))
    while said["outcome"] == "planned":
        items = planned(store, "r", said["round"])
        for item in items:
            ask = json.loads(store.get(runs.table_name("r", item.round, item.table)))["ask"]
            asked[ask] = asked.get(ask, 0) + 1
        Pool(chance).run(items, lambda item: runs.work(store, item, sides, Clock()))
        said = runs.conclude(store, "r", said["round"])
    return {one["table"]: one for one in json.loads(store.get(said["key"]))["tables"]}, asked


def test_equal_sides_are_equal_after_one_round(both: tuple[Database, Database]) -> None:
    found, asked = validate(both, 1)
    assert {name: (one["verdict"], one["rows"]) for name, one in found.items()} == {
        "app.by_id": ("equal", [ROWS, ROWS]),
        "app.by_uuid": ("equal", [ROWS, ROWS]),
        "app.no_key": ("equal", [ROWS, ROWS]),
        "app.small": ("equal", [10, 10]),
    }
    assert set(asked) == {Ask.COMPARE, Ask.SUMS}
    assert asked[Ask.COMPARE] == ROWS / 500 + 1
    assert asked[Ask.SUMS] > 40


def test_a_row_that_is_only_late_is_not_called_different(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"by_id": "50", "by_uuid": "md5('50')::uuid"}
    change = "UPDATE app.{} SET name = '{}' WHERE id = {}"
    both[1].rows("SET default_transaction_read_only = off")
    for table, key in keys.items():
        both[1].rows(change.format(table, "old", key))
    on_their_way = [change.format(table, "row 50", key) for table, key in keys.items()]

    class Arriving(Patience):
        def mark(self) -> str:
            both[1].rows(on_their_way.pop(0))
            return super().mark()

    monkeypatch.setattr(runs, "Patience", Arriving)
    found, asked = validate(both, 3)
    assert on_their_way == []
    assert asked[Ask.SETTLE] == 1
    assert {one["verdict"] for one in found.values()} == {"equal"}


def test_planted_differences_are_found_and_nothing_else(both: tuple[Database, Database]) -> None:
    both[1].rows("SET default_transaction_read_only = off")
    both[1].run(PLANTED.strip().split("\n"))
    found, asked = validate(both, 2)
    assert set(asked) == set(Ask)
    assert {name: one["verdict"] for name, one in found.items()} == {
        "app.by_id": "different",
        "app.by_uuid": "different",
        "app.no_key": "different",
        "app.small": "equal",
    }

    def named(table: str) -> set[tuple[str, str, str]]:
        return {(one["key"][0], one["kind"], ",".join(one["columns"])) for one in found[table]["differences"]}  # type: ignore[attr-defined]

    assert named("app.by_id") == {
        ("7", "changed", "name"),
        ("4321", "changed", "name"),
        ("3000", "missing", ""),
        ("1000000", "extra", ""),
    }
    uuids = [row[0] for row in both[0].rows("SELECT md5(n::text)::uuid::text FROM unnest(ARRAY[17, 5999]) n")]
    assert named("app.by_uuid") == {(uuids[0], "changed", "name"), (uuids[1], "missing", "")}
    [extra] = found["app.no_key"]["differences"]  # type: ignore[misc]
    assert (extra["kind"], extra["times"]) == ("extra", [0, 2])
    assert found["app.by_uuid"]["rows"] == [ROWS, ROWS - 1]


def test_cells_with_too_many_rows_are_divided_until_few_are_fetched(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, asked_before = validate(both, 3)
    monkeypatch.setattr(weigh, "ROWS_LOOKED_INTO", 100)
    found, asked = validate(both, 3)
    assert asked[Ask.SUMS] > asked_before[Ask.SUMS]
    for table, one in found.items():
        assert (one["verdict"], one["differences"]) == (before[table]["verdict"], before[table]["differences"])
        assert not one["more"]


def test_no_chunk_is_sorted_on_the_servers_disk(both: tuple[Database, Database]) -> None:
    """Planners take the cells of a part for as many as its rows, and would sort them where memory is short."""
    asked = 0
    for database in both:
        database.rows("SELECT set_config('work_mem', '64kB', false)")
    for pair, size in pairs(both):
        for one in plan.chunks(pair, size, size, ROWS // 4):
            for database, half in ((both[0], pair.old), (both[1], pair.new)):
                query = cells.cells_query(half, pair.method, one.part, one.cells)
                lines = [line for (line,) in database.rows(f"EXPLAIN {query}")]
                assert not any("Sort" in line for line in lines), lines
                asked += 1
    assert asked > 20


def test_workers_share_a_chunk_where_they_are_allowed(both: tuple[Database, Database]) -> None:
    for database in both:
        postgres_cells.calm(database, 60, workers=2)
        database.rows("SELECT set_config('min_parallel_table_scan_size', '0', false)")
    large = [(pair, size) for pair, size in pairs(both) if size.rows >= ROWS]
    assert len(large) > 2
    for pair, size in large:
        [one] = plan.chunks(pair, size, size, 10 * ROWS)
        for database, half in ((both[0], pair.old), (both[1], pair.new)):
            query = cells.cells_query(half, pair.method, one.part, one.cells)
            lines = [line for (line,) in database.rows(f"EXPLAIN {query}")]
            assert any("Workers Planned: 2" in line for line in lines), lines
