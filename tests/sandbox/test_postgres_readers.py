"""What a canary asks of a database, on real PostgreSQL 16 and 18: who only reads, and rows drawn by their keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from handlers.adapters.postgres import Database
from handlers.config import Side
from handlers.core.comparison import Table
from handlers.core.samples import KeyPart
from sandbox.databases import ServerInfo
from sandbox.source import make_role
from tests.support.servers import room, two_servers

SCHEMA = """
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE TABLE app.items (id bigint PRIMARY KEY, name text, mood app.mood);
CREATE TABLE app."50%" (mood app.mood, code char(3), at timestamptz, "the %" numeric(10, 2), n int,
    PRIMARY KEY (mood, code, at, "the %") INCLUDE (n));
CREATE TABLE app.keyless (id int);
CREATE SEQUENCE app.numbers;
CREATE VIEW app.shown AS SELECT * FROM app.items;
INSERT INTO app.items SELECT n, 'item ' || n, 'happy' FROM generate_series(1, 5000) n;
INSERT INTO app."50%" SELECT 'sad', n::text, timestamptz '2026-01-01' + n * interval '1 hour', n / 4.0, n
    FROM generate_series(1, 20) n;
GRANT USAGE ON SCHEMA app TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA app TO reader, writes_one, writes_column, writes_view, member, counts;
GRANT INSERT ON app.items TO writes_one;
GRANT UPDATE (name) ON app.items TO writes_column;
GRANT DELETE ON app.shown TO writes_view;
GRANT USAGE ON SEQUENCE app.numbers TO counts;
GRANT TRUNCATE ON app.items TO editors;
GRANT editors TO member;
GRANT pg_write_all_data TO everything;
ALTER TABLE app.keyless OWNER TO owner;
REVOKE ALL ON app.keyless FROM owner;
"""
ROLES = {
    **dict.fromkeys(("operator", "reader", "writes_one", "writes_column", "writes_view", "counts", "owner"), ""),
    "member": "NOINHERIT",
    "everything": "",
    "maker": "CREATEROLE",
    "root": "SUPERUSER",
}
ITEMS, ODD = Table("app", "items"), Table("app", "50%")


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerInfo, ServerInfo]]:
    with room() as folder, two_servers(folder) as both:
        for server in both:
            with server.superuser() as connection, connection.cursor() as cursor:
                for role, attributes in ROLES.items():
                    make_role(cursor, role, f"{role}'s password", attributes)
                cursor.execute("CREATE ROLE editors")
                cursor.execute("CREATE DATABASE shop OWNER operator")
                cursor.execute("GRANT pg_signal_backend, pg_read_all_data, pg_read_all_stats TO operator")
            with server.superuser("shop") as connection, connection.cursor() as cursor:
                cursor.execute(SCHEMA)
        yield both


@pytest.fixture(params=[0, 1], ids=["16", "18"])
def server(request: pytest.FixtureRequest, servers: tuple[ServerInfo, ServerInfo]) -> ServerInfo:
    return servers[request.param]


@contextmanager
def opened(server: ServerInfo) -> Iterator[Database]:
    side = Side(server.address, server.port, "shop", "none", "", "")
    database = Database.connect(side, {"username": "operator", "password": "operator's password"}, 20)
    try:
        yield database
    finally:
        database.close()


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("reader", None),
        ("nobody", "role nobody can't log in"),
        ("editors", "role editors can't log in"),
        ("root", "root is a superuser, makes roles or replicates"),
        ("maker", "maker is a superuser, makes roles or replicates"),
        ("writes_one", "writes_one may write to app.items: revoke that"),
        ("writes_column", "writes_column may write to app.items"),
        ("writes_view", "writes_view may write to app.shown"),
        ("member", "member may write to app.items"),
        ("counts", "counts may write to app.numbers"),
        ("owner", "owner may write to app.keyless"),
        ("everything", "everything may write to "),
    ],
)
def test_who_may_do_more_than_read_is_told_with_why(server: ServerInfo, role: str, said: str | None) -> None:
    with opened(server) as database:
        found = database.lacks_to_only_read([role])
    if said is None:
        assert found == []
    else:
        assert len(found) == 1
        assert said in found[0]


def test_the_sessions_of_readers_end_and_no_others(server: ServerInfo) -> None:
    def connect(role: str) -> Any:
        return psycopg2.connect(
            host=server.address, port=server.port, dbname="shop", user=role, password=f"{role}'s password"
        )

    reader, other = connect("reader"), connect("owner")
    with opened(server) as database:
        assert database.end_sessions_of(["reader"]) == 1
    with pytest.raises(psycopg2.OperationalError), reader.cursor() as cursor:
        cursor.execute("SELECT 1")
    with other.cursor() as cursor:
        cursor.execute("SELECT 1")
    other.close()


def test_keys_are_told_with_their_types_and_without_what_they_include(server: ServerInfo) -> None:
    with opened(server) as database:
        keys = database.keys()
    assert keys[ITEMS].columns == (KeyPart("id", "bigint"),)
    assert keys[ITEMS].pages > 10
    assert keys[ODD].columns == (
        KeyPart("mood", "app.mood"),
        KeyPart("code", "character(3)"),
        KeyPart("at", "timestamp with time zone"),
        KeyPart("the %", "numeric(10,2)"),
    )
    assert Table("app", "keyless") not in keys


@pytest.mark.parametrize("by_value", [True, False])
def test_rows_drawn_are_found_on_both_sides_and_hash_alike_until_one_changes(
    servers: tuple[ServerInfo, ServerInfo], by_value: bool
) -> None:
    with opened(servers[0]) as old, opened(servers[1]) as new:
        tables = old.tables()
        for table, count in ((ITEMS, 100), (ODD, 20)):
            key = old.keys()[table]
            drawn = old.draw(table, key, 100)
            assert len(set(drawn)) == count
            here, there = (
                side.hashes(table, side.keys()[table], drawn, tables[table], by_value=by_value) for side in (old, new)
            )
            assert set(here) == set(range(count))
            assert here == there
        wanted = [("1",), ("999999",), ("2",)]
        key, columns = old.keys()[ITEMS], tables[ITEMS]
        before = old.hashes(ITEMS, key, wanted, columns, by_value=by_value)
        assert set(before) == {0, 2}
        with servers[0].superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE app.items SET name = name || '!' WHERE id = 2")
        after = old.hashes(ITEMS, key, wanted, columns, by_value=by_value)
        assert (after[0], after[2] != before[2]) == (before[0], True)
        with servers[0].superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE app.items SET name = rtrim(name, '!') WHERE id = 2")


def test_only_so_many_pages_of_a_large_table_are_looked_into(server: ServerInfo) -> None:
    with opened(server) as database:
        key = database.keys()[ITEMS]
        large = type(key)(key.columns, key.pages * 100_000)
        assert len(database.draw(ITEMS, large, 10_000)) < 5000
