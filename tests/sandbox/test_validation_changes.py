"""What has changed since, on real PostgreSQL 16 and 18: whatever happens between rounds, the last word is right."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.adapters.postgres import Database
from handlers.core.comparison import Table
from handlers.validation import changes
from handlers.validation.changes import Watch
from sandbox.databases import ServerInfo
from tests.support.servers import room, two_servers
from tests.support.validation import digest, opened, pairs

BASE = """
DROP SCHEMA IF EXISTS app CASCADE;
CREATE SCHEMA app;
CREATE TABLE app.numbered (id bigint PRIMARY KEY, v text);
CREATE TABLE app.named (a int, b text, v text, n bigint, PRIMARY KEY (a, b));
CREATE TABLE app.nameless (id bigint, v text);
INSERT INTO app.numbered SELECT n, 'v' || n FROM generate_series(1, 30) n;
INSERT INTO app.named SELECT n, 'k' || n, 'v' || n, n FROM generate_series(1, 30) n;
INSERT INTO app.nameless SELECT n, 'v' || n FROM generate_series(1, 30) n;
"""
NAMES = ("numbered", "named", "nameless")
OLD, NEW, BOTH = (0,), (1,), (0, 1)
PUT = {
    "numbered": "INSERT INTO app.numbered VALUES ({k}, '{v}') ON CONFLICT (id) DO UPDATE SET v = '{v}'",
    "named": "INSERT INTO app.named VALUES ({k}, 'k{k}', '{v}', 1) ON CONFLICT (a, b) DO UPDATE SET v = '{v}'",
    "nameless": "INSERT INTO app.nameless VALUES ({k}, '{v}')",
}
TAKE = {
    "numbered": "DELETE FROM app.numbered WHERE id = {k}",
    "named": "DELETE FROM app.named WHERE a = {k}",
    "nameless": "DELETE FROM app.nameless WHERE id = {k}",
}
SWAP = {
    "numbered": "UPDATE app.numbered SET id = -id WHERE id = {k} OR id = -{k}",
    "named": "UPDATE app.named SET b = v, v = b WHERE a = {k}",
    "nameless": "UPDATE app.nameless SET v = v WHERE id = {k}",
}
OTHER = {
    "empty": "TRUNCATE app.{t}",
    "rewrite": "VACUUM (FULL, FREEZE) app.{t}",
    "freeze": "VACUUM (FREEZE) app.{t}",
    "alter": "ALTER TABLE app.{t} ALTER v TYPE varchar(99)",
    "nested": "BEGIN; SAVEPOINT one; {put}; ROLLBACK TO one; SAVEPOINT two; {put}; RELEASE two; COMMIT",
    "undone": "BEGIN; {put}; {take}; ROLLBACK",
    "frozen copy": "BEGIN; TRUNCATE app.{t}; {put}; COMMIT",
}
keys, values = st.integers(1, 40), st.sampled_from(["x", "y", "z"])
sides = st.sampled_from([OLD, NEW, BOTH, BOTH])
tables = st.sampled_from(NAMES)
act = st.tuples(
    st.sampled_from(["put", "put", "put", "take", "take", "take", "swap", "late put", "late take", *OTHER]),
    sides,
    tables,
    keys,
    values,
)
histories = st.lists(st.one_of(act, act, act, st.just("round"), st.just("land")), max_size=30)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerInfo, ServerInfo]]:
    with room() as folder, two_servers(folder) as found:
        yield found


@pytest.fixture(scope="module")
def both(servers: tuple[ServerInfo, ServerInfo]) -> Iterator[tuple[Database, Database]]:
    with opened(servers[0]) as old, opened(servers[1]) as new:
        yield old, new


@pytest.fixture(scope="module")
def late(servers: tuple[ServerInfo, ServerInfo]) -> Iterator[list[Any]]:
    """A session on each side whose transactions stay open while others go on."""
    with servers[0].superuser() as old, servers[1].superuser() as new:
        for connection in (old, new):
            connection.autocommit = False
        yield [old, new]


def truth(both: tuple[Database, Database], name: str) -> tuple[list[Any], list[Any]]:
    old, new = (sorted(map(str, database.rows(f"SELECT * FROM app.{name}"))) for database in both)
    return old, new


def statement(what: str, table: str, key: int, value: str) -> str:
    put, take = PUT[table].format(k=key, v=value), TAKE[table].format(k=key)
    known = {"put": put, "take": take, "swap": SWAP[table].format(k=key)}
    return known[what] if what in known else OTHER[what].format(t=table, put=put, take=take)


def play(both: tuple[Database, Database], late: list[Any], watch: Watch, history: list[Any]) -> None:
    for step in history:
        if step == "round":
            watch.round()
        elif step == "land":
            for connection in late:
                connection.commit()
        else:
            what, on, table, key, value = step
            for side in on:
                run = both[side].rows
                if what.startswith("late "):
                    what_late = what.removeprefix("late ")
                    with late[side].cursor() as cursor:
                        cursor.execute("SET LOCAL lock_timeout = '1ms'")
                        cursor.execute("SAVEPOINT whole")
                        try:
                            cursor.execute(statement(what_late, table, key, value))
                        except psycopg2.errors.LockNotAvailable:
                            cursor.execute("ROLLBACK TO whole")
                    continue
                try:
                    run("SET lock_timeout = '1ms'")
                    run(statement(what, table, key, value))
                except psycopg2.errors.LockNotAvailable:
                    run("ROLLBACK")


@given(history=histories)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_last_word_is_what_all_rows_say(
    both: tuple[Database, Database], late: list[Any], history: list[Any]
) -> None:
    for database in both:
        database.rows(BASE)
    watch = Watch(*both, pairs(both))
    watch.round()
    play(both, late, watch, history)
    for connection in late:
        connection.commit()
    found = watch.verdict()
    for name in NAMES:
        old, new = truth(both, name)
        verdict = found[Table("app", name)]
        assert verdict.equal == (old == new), (name, old, new, verdict)
        assert (verdict.old_rows, verdict.new_rows) == (len(old), len(new))
        if name == "numbered":
            values = [dict(both[side].rows("SELECT id::text, v FROM app.numbered")) for side in (0, 1)]
            wrong = {(key,) for key in values[0].keys() | values[1].keys() if values[0].get(key) != values[1].get(key)}
            assert set(verdict.differing) == wrong


def test_rows_that_either_side_lost_are_named_though_their_number_is_the_same(both: tuple[Database, Database]) -> None:
    for database in both:
        database.rows(BASE)
    watch = Watch(*both, pairs(both))
    assert watch.round() == 0
    both[0].rows("DELETE FROM app.named WHERE a = 7")
    both[1].rows("DELETE FROM app.named WHERE a = 9")
    assert watch.round() == 0, "a deletion leaves nothing behind to see"
    verdict = watch.verdict()[Table("app", "named")]
    assert not verdict.equal
    assert {key: (here is None, there is None) for key, (here, there) in verdict.differing.items()} == {
        ("7", "k7"): (True, False),
        ("9", "k9"): (False, True),
    }


def test_only_what_has_changed_is_looked_at_again(both: tuple[Database, Database]) -> None:
    for database in both:
        database.rows(BASE)
        database.rows("INSERT INTO app.numbered SELECT n, 'v' || n FROM generate_series(31, 5000) n")
    watch = Watch(*both, pairs(both))
    watch.round()
    asked: list[int] = []
    seek = watch.sides.seek
    watch.sides.seek = lambda pair, keys: asked.append(len(list(keys))) or seek(pair, keys)  # type: ignore[method-assign]
    both[0].rows("UPDATE app.numbered SET v = 'late' WHERE id IN (5, 4000)")
    assert watch.round([Table("app", "numbered")]) == 2
    both[1].rows("UPDATE app.numbered SET v = 'late' WHERE id IN (5, 4000)")
    verdict = watch.verdict([Table("app", "numbered")])[Table("app", "numbered")]
    assert verdict.equal
    assert not verdict.whole
    assert asked == [2, 2]


def test_too_many_changes_are_no_changes_to_follow_but_a_table_to_compare(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    for database in both:
        database.rows(BASE)
    watch = Watch(*both, pairs(both))
    watch.round()
    monkeypatch.setattr(changes, "MOST_CHANGES", 10)
    both[0].rows("UPDATE app.numbered SET v = 'new' WHERE id <= 11")
    both[1].rows("UPDATE app.numbered SET v = 'new' WHERE id <= 11")
    both[1].rows("UPDATE app.numbered SET v = 'lost' WHERE id = 12")
    verdict = watch.verdict()[Table("app", "numbered")]
    assert verdict.whole
    assert set(verdict.differing) == {("12",)}


def test_two_rows_that_exchange_a_value_are_not_equal_by_digest(both: tuple[Database, Database]) -> None:
    for database in both:
        database.rows(BASE)
    both[1].rows("UPDATE app.numbered SET v = CASE v WHEN 'v1' THEN 'v2' ELSE 'v1' END WHERE v IN ('v1', 'v2')")
    table = Table("app", "numbered")
    columns = both[0].tables()[table]
    for by_value in (True, False):
        old, new = (digest(database, table, columns, by_value=by_value) for database in both)
        assert old.rows == new.rows
        assert old.hash != new.hash
