"""Every row of two databases, on real PostgreSQL: every edit is found and named, and nothing else."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handlers.adapters.postgres import Database
from handlers.core import sql
from handlers.validation import cells, compare, plan, repair
from handlers.validation.compare import Sides, compare_chunk
from handlers.validation.plan import Chunk, Part
from handlers.validation.result import EXIT_CODES, Kind, Verdict
from sandbox.databases import ServerInfo
from sandbox.databases.binaries import versions
from tests.support.servers import room, started
from tests.support.validation import opened, pairs, validated

SCHEMA = """
DROP SCHEMA IF EXISTS app CASCADE;
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ({moods});
CREATE TYPE app.spot AS (x int8, mood app.mood);
CREATE DOMAIN app.amount AS numeric(12, 2) CHECK (VALUE > -1e9);
"""
MOODS = ("'sad', 'happy'", "'happy', 'sad'")
"""Labels of the same enum, made in another order: every value has another OID on the other side."""
TYPES: dict[str, tuple[str, ...]] = {
    "int2": ("0", "-5", "32767"),
    "int4": ("0", "-5", "2147483647"),
    "int8": ("-5", "4294967291", "0", "4294967296", "1"),
    "numeric": ("0", "1.5", "-1.5", "1e20", "NaN", "1e-20"),
    "numeric(12,2)": ("0", "1.50", "-1.50"),
    "app.amount": ("0", "1.50", "2"),
    "float4": ("0", "1.5", "NaN", "-Infinity"),
    "float8": ("0", "0.1", "0.30000000000000004", "0.3", "NaN", "Infinity"),
    "bool": ("t", "f"),
    "text": ("", "a", "A", "a ", "NULL", "ä", "ä", "\\", "%s", "('x',\"y\")"),
    "varchar(20)": ("", "a", "a "),
    "char(5)": ("a", "b"),
    "bytea": ("\\x", "\\x00", "\\x0000", "\\xff"),
    "uuid": ("00000000-0000-0000-0000-000000000001", "ffffffff-0000-0000-0000-000000000001"),
    "date": ("2026-01-01", "infinity", "0044-03-15 BC"),
    "time": ("00:00", "24:00", "12:00:00.000001"),
    "timetz": ("00:00+00", "01:00+01"),
    "timestamp": ("2026-01-01", "2026-01-01 00:00:00.000001", "-infinity"),
    "timestamptz": ("2026-01-01+00", "2026-01-01+01", "1969-12-31 23:59:59.999999+00"),
    "interval": ("0", "1 mon", "31 days", "-1 us"),
    "jsonb": ("null", "{}", "[]", '{"a": 1}', '{"a": "1"}', '{"a": null}', "[1, 2]", "[2, 1]"),
    "json": ("null", "{}", '{"a":1}', '{"a": 1}'),
    "inet": ("10.0.0.1", "10.0.0.1/8", "::1"),
    "cidr": ("10.0.0.0/8", "10.0.0.0/16"),
    "macaddr": ("08:00:2b:01:02:03", "08:00:2b:01:02:04"),
    "bit(3)": ("101", "100"),
    "money": ("1.00", "2.00"),
    "point": ("(1,2)", "(2,1)"),
    "tsvector": ("'a':1", "'a':2"),
    "app.mood": ("sad", "happy"),
    "app.spot": ("(1,sad)", "(1,happy)", "(4294967291,sad)", "(-5,sad)", "(,)"),
    "int4[]": ("{}", "{1,2}", "{2,1}", "{{1,2}}", "{NULL}", "{1,NULL}", "[0:1]={1,2}"),
    "int8[]": ("{-5}", "{4294967291}"),
    "text[]": ("{}", '{""}', "{NULL}", '{"NULL"}', '{"a,b"}', "{a,b}"),
    "app.mood[]": ("{sad}", "{happy}", "{sad,happy}"),
    "app.spot[]": ('{"(1,sad)"}', '{"(1,happy)"}'),
    "int4range": ("empty", "[1,5)", "[1,)", "(,)"),
    "int8range": ("[-5,9)", "[4294967291,4294967299)"),
    "numrange": ("[1,2]", "[1,2)", "(1,2)"),
    "tstzrange": ("empty", "[2026-01-01,2026-02-01)"),
    "int4multirange": ("{}", "{[1,5)}", "{[1,3),[4,5)}"),
    "regclass": ("pg_class", "pg_type"),
}
SINCE = {"int4multirange": 14}
"""Major versions from which types are there."""
KEYS = {
    "none": "",
    "bigint": "PRIMARY KEY (k1)",
    "composite": "PRIMARY KEY (k2, k1)",
    "uuid": "PRIMARY KEY (k3)",
    "text": "PRIMARY KEY (k2)",
    "numeric": "PRIMARY KEY (k4)",
}
KEY_COLUMNS = {"bigint": "k1", "composite": "k2, k1", "uuid": "k3", "text": "k2", "numeric": "k4"}
ROWS = 12


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Compare from 16 to 18, and between all versions there are where that is asked for."""
    if "servers" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-version")
        sides = [*combinations(versions(), 2)] if every else [("16", "18")]
        metafunc.parametrize("servers", sides, indirect=True, scope="module", ids="-".join)


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[ServerInfo, ServerInfo]]:
    old, new = request.param
    with room() as folder, started(folder, blue=old, green=new) as (blue, green):
        yield blue, green


@pytest.fixture(scope="module")
def both(servers: tuple[ServerInfo, ServerInfo]) -> Iterator[tuple[Database, Database]]:
    with opened(servers[0]) as old, opened(servers[1]) as new:
        yield old, new


def make(both: tuple[Database, Database], *tables: str) -> None:
    for database, moods in zip(both, MOODS, strict=True):
        database.rows("SET default_transaction_read_only = off")
        database.rows(SCHEMA.format(moods=moods))
        for table in tables:
            database.rows(table)


def literal(value: str | None) -> str:
    return "NULL" if value is None else sql.literal(value)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[str], str, list[list[str | None]], list[tuple[int, int, str | None]]]:
    """Types of columns, a key, rows, and edits (row, column, value)."""
    types = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=6))
    value = [st.one_of(st.none(), st.sampled_from(TYPES[one])) for one in types]
    rows = [[draw(one) for one in value] for _ in range(ROWS)]
    places = st.tuples(st.integers(0, ROWS - 1), st.integers(0, len(types) - 1))
    edits = [(row, column, draw(value[column])) for row, column in draw(st.lists(places, max_size=4))]
    return types, draw(st.sampled_from(sorted(KEYS))), rows, edits


def texts(database: Database, columns: int) -> dict[int, tuple[Any, ...]]:
    chosen = ", ".join(f"c{n}::text" for n in range(columns))
    return {row[0]: row[1:] for row in database.rows(f"SELECT k1, {chosen} FROM app.things")}


@given(world=worlds(), swapped=st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_edit_is_found_and_nothing_else(
    servers: tuple[ServerInfo, ServerInfo], both: tuple[Database, Database], world: Any, swapped: bool
) -> None:
    types, key, rows, edits = world
    assume(all(int(server.version) >= SINCE.get(one, 0) for one in types for server in servers))
    columns = ", ".join(f"c{n} {one}" for n, one in enumerate(types))
    tail = f", {KEYS[key]}" if KEYS[key] else ""
    make(both, f"CREATE TABLE app.things (k1 bigint, k2 text, k3 uuid, k4 numeric, {columns}{tail})")
    values = ", ".join(
        f"({n}, 'k{n}', md5('{n}')::uuid, {n}.50, {', '.join(map(literal, row))})" for n, row in enumerate(rows)
    )
    for database in both:
        database.rows(f"INSERT INTO app.things VALUES {values}")
    old, new = both
    for row, column, value in edits:
        new.rows(f"UPDATE app.things SET c{column} = {literal(value)} WHERE k1 = {row}")
    if swapped:  # two rows exchange the value of a column
        new.rows("UPDATE app.things a SET c0 = b.c0 FROM app.things b WHERE (a.k1, b.k1) IN ((1, 2), (2, 1))")
    here, there = texts(old, len(types)), texts(new, len(types))
    wrong = {n for n in here if here[n] != there[n]}
    [(pair, size)] = pairs(both, strict=True)
    found = compare_chunk(Sides(*both), plan.whole(pair, size))
    assert not found.cut
    if key == "none":
        assert bool(found.differing) == (sorted(map(str, here.values())) != sorted(map(str, there.values()))) or wrong
        assert bool(found.differing) == bool(wrong)
    else:
        named = {tuple(map(str, row[1:])): row[0] for row in keyed(old, key)}
        assert {named[one] for one in found.differing} == wrong
    lenient = compare_chunk(Sides(*both), plan.whole(*pairs(both)[0]))
    assert set(lenient.differing) <= set(found.differing) or key == "none"


def keyed(database: Database, key: str) -> list[tuple[Any, ...]]:
    chosen = ", ".join(f"{one}::text" for one in KEY_COLUMNS[key].split(", "))
    found = database.rows(f"SELECT k1, {chosen} FROM app.things")
    return [(row[0], *(one.removesuffix("0") if key == "numeric" else one for one in row[1:])) for row in found]


LARGE = """CREATE TABLE app.large (id bigint PRIMARY KEY, u uuid NOT NULL, v text, n int);
INSERT INTO app.large SELECT n, md5(n::text)::uuid, 'v' || n, n FROM generate_series(1, 20000) n;
INSERT INTO app.large VALUES (9000000000000000000, md5('x')::uuid, 'far', 0);
CREATE TABLE app.uuids (u uuid PRIMARY KEY, cell text);
INSERT INTO app.uuids SELECT u, v FROM app.large;
CREATE TABLE app.heap (hash text, cell int);
INSERT INTO app.heap SELECT 'v' || n % 5000, n % 10 FROM generate_series(1, 20000) n;
ANALYZE app.large, app.uuids, app.heap"""
SPOIL = """UPDATE app.large SET v = 'changed' WHERE id IN (1, 777, 20000);
UPDATE app.large SET n = 7, v = NULL WHERE id = 9000000000000000000;
DELETE FROM app.large WHERE id IN (10000, 10001);
INSERT INTO app.large VALUES (-3, md5('y')::uuid, 'extra', 1);
UPDATE app.uuids SET cell = 'changed' WHERE cell IN ('v5', 'v19999');
DELETE FROM app.heap WHERE ctid = (SELECT min(ctid) FROM app.heap WHERE hash = 'v7');
INSERT INTO app.heap VALUES ('v8', 8)"""
WRONG = {"1", "777", "20000", "9000000000000000000", "10000", "10001", "-3"}


@pytest.mark.parametrize("words", [(), ("--chunk-rows", "3000"), ("--strict",)])
def test_rows_are_named_with_the_columns_that_differ(both: tuple[Database, Database], words: tuple[str, ...]) -> None:
    make(both, LARGE)
    assert validated(both, *words)[0] == 0
    make(both, LARGE)
    both[1].rows(SPOIL)
    code, report = validated(both, *words)
    assert code == EXIT_CODES[Verdict.DIFFERENT] == 4
    large, heap, uuids = (
        next(one for one in report["tables"] if one["table"] == f"app.{name}") for name in ("large", "heap", "uuids")
    )
    found = {one["key"][0]: (one["kind"], one["columns"]) for one in large["differences"]}
    assert found.keys() == WRONG
    assert found["1"] == (Kind.CHANGED, ["v"])
    assert found["9000000000000000000"] == (Kind.CHANGED, ["n", "v"])
    assert found["10000"] == (Kind.MISSING, [])
    assert found["-3"] == (Kind.EXTRA, [])
    assert len(uuids["differences"]) == 2
    assert sorted(one["times"] for one in heap["differences"]) == [[4, 3], [4, 5]] or len(heap["differences"]) == 2
    assert large["rows"] == [20001, 20000]


@pytest.mark.parametrize("most", [100, 3_000])
def test_cells_with_too_many_rows_are_divided_again(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    make(both, LARGE)
    both[1].rows(SPOIL)
    monkeypatch.setattr(compare, "ROWS_AT_ONCE", most)
    for pair, _ in pairs(both):
        found = compare_chunk(Sides(*both), Chunk(pair, Part(), plan.Cells()))
        wanted = {"large": WRONG, "uuids": 2, "heap": 2}[pair.name.name]
        assert {key[0] for key in found.differing} == wanted if isinstance(wanted, set) else len(found.differing) == 2


def test_keys_that_statistics_do_not_know_of_fill_no_memory(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(both, "CREATE TABLE app.spread (id bigint PRIMARY KEY, v int)")
    for database in both:
        database.rows("INSERT INTO app.spread SELECT n, n FROM generate_series(1, 5000) n")
        database.rows("ANALYZE app.spread")
        database.rows("INSERT INTO app.spread SELECT n * 1000000007::bigint, n FROM generate_series(1, 500) n")
    both[1].rows("UPDATE app.spread SET v = 0 WHERE id IN (7, 7000000049)")
    monkeypatch.setattr(cells, "MOST_RANGES", 100)
    monkeypatch.setattr(compare, "MOST_RANGES", 100)
    asked: list[plan.Cells] = []
    sums = compare.sums

    def noted(sides: Sides, pair: plan.Pair, part: Part, how: plan.Cells) -> tuple[compare.Sums, compare.Sums]:
        asked.append(how)
        return sums(sides, pair, part, how)

    monkeypatch.setattr(compare, "sums", noted)
    code, report = validated(both)
    assert code == 4
    [table] = report["tables"]
    assert [how.modulus for how in asked] == [1, plan.MOST_CELLS] and asked[0].shift is not None
    assert [one["key"] for one in table["differences"]] == [["7"], ["7000000049"]] and table["rows"] == [5500, 5500]


def test_a_repair_makes_the_target_equal_and_keeps_what_it_overwrites(both: tuple[Database, Database]) -> None:
    extra = """CREATE TABLE app.made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text UNIQUE,
    twice text GENERATED ALWAYS AS (v || v) STORED, "odd ""name%" bytea)"""
    make(both, LARGE, extra)
    for database in both:
        database.rows("INSERT INTO app.made (v, \"odd \"\"name%\") VALUES ('a', '\\x00'), (E'b\\\\''\\n', NULL)")
        database.rows("DROP SCHEMA IF EXISTS migration_control CASCADE")
    both[1].rows(SPOIL)
    both[1].rows("DELETE FROM app.made WHERE id = 2; UPDATE app.made SET v = 'c' WHERE id = 1; DROP TABLE app.heap")
    both[1].rows("INSERT INTO app.made (v) OVERRIDING SYSTEM VALUE VALUES ('a')")
    both[0].rows("DROP TABLE app.heap")
    code, report = validated(both, "--repair")
    assert code == 4
    assert sum("made" in line for line in report["repair"]) == 3
    assert validated(both)[0] == 4, "without --apply nothing is changed"
    assert validated(both, "--repair", "--apply")[0] == 4
    assert validated(both)[0] == 0
    kept = both[1].rows(f"SELECT what, row_before FROM {repair.BACKUP} WHERE table_name LIKE '%large%'")
    assert sorted(what for what, _ in kept) == ["changed"] * 4 + ["extra"]
    assert any(before.startswith("(1,") and "changed" in before for _, before in kept)


def test_what_one_side_lacks_is_said(both: tuple[Database, Database]) -> None:
    make(both, "CREATE TABLE app.a (id int PRIMARY KEY, v text)", "CREATE TABLE app.b (id int)")
    both[0].rows("DROP TABLE app.b")
    both[1].rows("ALTER TABLE app.a DROP v")
    code, report = validated(both)
    assert code == 4
    assert {one["table"]: one["reason"] for one in report["tables"]} == {
        "app.a": "app.a lacks v",
        "app.b": "missing on the source",
    }
    with pytest.raises(ValueError, match=r"no table app.c: name tables as schema.table"):
        validated(both, "--table", "app.c")


def test_sessions_only_read(both: tuple[Database, Database]) -> None:
    make(both, "CREATE TABLE app.a (id int PRIMARY KEY)")
    validated(both)
    for database in both:
        assert database.rows("SHOW default_transaction_read_only") == [("on",)]
        assert database.rows("SHOW max_parallel_workers_per_gather") == [("0",)]
        database.rows("SET default_transaction_read_only = off")
