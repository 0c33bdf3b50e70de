"""The verdict and the comparison find every kind of damage, and nothing where there is none."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.rehearsal import shop
from sandbox.rehearsal.ledger import DELETE, INSERT, UPDATE, Ledger, Record
from sandbox.rehearsal.progress import Progress, progress_path
from sandbox.rehearsal.verify import EXAMPLES, Verification, compare_all, verify
from sandbox.rehearsal.writes import MODES, Chooser, create_own_table
from tests.support.servers import room, two_servers

BLUE, GREEN = "127.0.0.60", "127.0.0.61"
PASSWORDS = {shop.OWNER: "x", shop.APPLICATION: "y"}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerInfo, ServerInfo]]:
    with room() as folder, two_servers(folder) as (blue, green):
        for server in (blue, green):
            shop.create(server, 2000, 1, PASSWORDS)
        with blue.superuser("shop") as connection:
            create_own_table(connection, shop.APPLICATION)
        yield blue, green


@pytest.fixture
def database(servers: tuple[ServerInfo, ServerInfo]) -> Iterator[Any]:
    """A connection to the shop, with replication's rights to do damage past triggers and keys."""
    with servers[0].superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE accounts SET writes = 0; UPDATE warehouse.stock SET writes = 0")
        cursor.execute("UPDATE rehearsal.writes SET writes = 0")
        cursor.execute("SET session_replication_role = replica")
        yield connection


def written(connection: Any, ledger: Ledger, mode_name: str, number: int = 120) -> list[Record]:
    """Carry out writes as the load does, one after the other; every tenth is rolled back and called ambiguous."""
    mode, rng = MODES[mode_name](), random.Random(1)
    chooser = Chooser(mode)
    with connection.cursor() as cursor:
        mode.prepare(cursor)
        cursor.execute("SET session_replication_role = origin")
        for count in range(1, number + 1):
            write = chooser.next(rng)
            rows = write.carry_out(cursor)
            acknowledged = count % 10 > 0
            cursor.execute("COMMIT" if acknowledged else "ROLLBACK")
            ledger.append(
                Record(
                    **{"id": write.id, "kind": write.kind, "acknowledged": acknowledged, "at": 1.0 * count},
                    **{"epoch": time.time(), "side": BLUE, "items": write.items, "counters": write.counters},
                    **{"of": write.of, "rows": rows},
                )
            )
            if acknowledged:
                chooser.acknowledged(write)
        cursor.execute("SET session_replication_role = replica")
    return ledger.read()


def alive(records: list[Record]) -> Iterator[str]:
    """Yield request ids of acknowledged inserts that no deletion names."""
    deleted = {record.of for record in records if record.kind == DELETE}
    return (r.id for r in records if r.kind == INSERT and r.acknowledged and r.id not in deleted)


def only(records: list[Record], kind: str, *, acknowledged: bool = True) -> Record:
    return next(record for record in records if record.kind == kind and record.acknowledged is acknowledged)


@pytest.mark.parametrize("mode", ["shop", "own_table"])
def test_no_damage_no_fault_and_nothing_is_left_behind(mode: str, database: Any, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    records = written(database, ledger, mode)
    with Progress(progress_path(ledger.path)) as progress:
        for name in ("timeout", "timeout", "connection lost"):
            progress.error(name)
    with database.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        found = verify(ledger, database, mode)
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'expected%'")
        assert cursor.fetchall() == []
    assert found == Verification(
        acknowledged_writes=108,
        ambiguous_writes=12,
        client_errors=3,
        errors_by_class={"timeout": 2, "connection lost": 1},
    )
    assert {record.kind for record in records} == {INSERT, UPDATE, DELETE}
    assert found.to_dict()["lost_writes"] == 0


Damage = Callable[[Any, list[Record]], str]


def lose_an_order(cursor: Any, records: list[Record]) -> str:
    identity = next(alive(records))
    cursor.execute(
        """DELETE FROM payments WHERE request_id = %(id)s;
        DELETE FROM order_items WHERE order_id = (SELECT id FROM orders WHERE request_id = %(id)s);
        DELETE FROM orders WHERE request_id = %(id)s""",
        {"id": identity},
    )
    return f"insert {identity} is not there"


def lose_an_item(cursor: Any, records: list[Record]) -> str:
    identity = next(alive(records))
    cursor.execute(
        "DELETE FROM order_items USING orders WHERE id = order_id AND line = 1 AND request_id = %s", (identity,)
    )
    return f"insert {identity} is there 1 times, its items"


def lose_a_payment(cursor: Any, records: list[Record]) -> str:
    identity = next(alive(records))
    cursor.execute("DELETE FROM payments WHERE request_id = %s", (identity,))
    return f"insert {identity} is there 1 times"


def lose_an_increment(cursor: Any, records: list[Record]) -> str:
    cursor.execute(
        """UPDATE accounts SET writes = writes - 1
        WHERE id = (SELECT min(id) FROM accounts WHERE writes > 0) RETURNING id"""
    )
    return f"counter accounts {cursor.fetchone()[0]} stands at"


def bring_back_what_was_deleted(cursor: Any, records: list[Record]) -> str:
    identity = only(records, DELETE).of
    cursor.execute(
        """INSERT INTO orders (customer_id, address_number, total, request_id)
        SELECT id, 1, 1, %(id)s FROM customers LIMIT 1;
        INSERT INTO payments (order_id, method, amount, request_id)
        SELECT currval('orders_id_seq'), 'card', 1, %(id)s""",
        {"id": identity},
    )
    return f"insert {identity} was deleted and is there 1 times"


def lose_a_counter(cursor: Any, records: list[Record]) -> str:
    counted = Counter(key for record in records if record.acknowledged for key in record.counters)
    key = next(key for key, number in counted.items() if number == 1 and key.startswith("accounts"))
    cursor.execute("DELETE FROM accounts WHERE id = %s", (key.split()[1],))
    return f"counter {key} stands at nothing"


def double_an_order(cursor: Any, records: list[Record]) -> str:
    identity = next(alive(records))
    cursor.execute(
        """INSERT INTO orders (customer_id, address_number, total, request_id)
        SELECT customer_id, address_number, total, request_id FROM orders WHERE request_id = %(id)s;
        INSERT INTO order_items SELECT currval('orders_id_seq'), line, product_id, quantity, unit_price
        FROM order_items i JOIN orders o ON o.id = order_id WHERE request_id = %(id)s;
        INSERT INTO payments (order_id, method, amount, request_id)
        SELECT currval('orders_id_seq'), 'card', 1, %(id)s""",
        {"id": identity},
    )
    return f"insert {identity} is there 2 times"


def double_a_payment(cursor: Any, records: list[Record]) -> str:
    identity = next(alive(records))
    cursor.execute(
        """INSERT INTO payments (order_id, method, amount, request_id)
        SELECT order_id, method, amount, request_id FROM payments WHERE request_id = %s""",
        (identity,),
    )
    return f"insert {identity} is there 1 times"


def double_an_increment(cursor: Any, records: list[Record]) -> str:
    touched = [key for record in records for key in record.counters]
    cursor.execute(
        """UPDATE warehouse.stock SET writes = 1 WHERE (site_id, product_id) =
        (SELECT site_id, product_id FROM warehouse.stock
        WHERE 'stock ' || site_id || ' ' || product_id <> ALL (%s) LIMIT 1) RETURNING site_id, product_id""",
        (touched,),
    )
    site, product = cursor.fetchone()
    return f"counter stock {site} {product} stands at 1, expected 0"


@pytest.mark.parametrize(
    ("damage", "lost", "duplicated"),
    [
        (lose_an_order, 1, 0),
        (lose_an_item, 1, 0),
        (lose_a_payment, 1, 0),
        (lose_an_increment, 1, 0),
        (lose_a_counter, 1, 0),
        (bring_back_what_was_deleted, 1, 0),
        (double_an_order, 0, 1),
        (double_a_payment, 0, 1),
        (double_an_increment, 0, 1),
    ],
)
def test_damage_to_the_shop_is_found(damage: Damage, lost: int, duplicated: int, database: Any, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    records = written(database, ledger, "shop")
    with database.cursor() as cursor:
        named = damage(cursor, records)
    found = verify(ledger, database, "shop")
    assert (found.lost_writes, found.duplicated_writes) == (lost, duplicated), found
    [example] = found.lost if lost else found.duplicated
    assert example.startswith(named)


@pytest.mark.parametrize(
    ("statement", "lost", "duplicated"),
    [
        ("DELETE FROM rehearsal.writes WHERE request_id = %(alive)s", 1, 0),
        ("INSERT INTO rehearsal.writes (request_id) VALUES (%(alive)s), (%(alive)s)", 0, 2),
        ("INSERT INTO rehearsal.writes (request_id) VALUES (%(deleted)s)", 1, 0),
        ("INSERT INTO rehearsal.writes (request_id) VALUES (%(ambiguous)s)", 0, 0),
        ("INSERT INTO rehearsal.writes (request_id) VALUES (%(ambiguous)s), (%(ambiguous)s)", 0, 1),
        ("UPDATE rehearsal.writes SET writes = writes - 3 WHERE id = %(counter)s", 3, 0),
        ("UPDATE rehearsal.writes SET writes = writes + 90 WHERE id = %(untouched)s", 0, 90),
        ("UPDATE rehearsal.writes SET body = 'other' WHERE request_id IS NULL", 0, 0),
    ],
)
def test_damage_to_the_own_table_is_found(
    statement: str, lost: int, duplicated: int, database: Any, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    records = written(database, ledger, "own_table", 400)
    with database.cursor() as cursor:
        cursor.execute("SELECT id FROM rehearsal.writes WHERE writes >= 3 LIMIT 1")
        [counter] = cursor.fetchone()
        touched = [key for record in records for key in record.counters]
        cursor.execute(
            "SELECT id FROM rehearsal.writes WHERE request_id IS NULL AND 'writes ' || id <> ALL (%s)", (touched,)
        )
        [untouched] = cursor.fetchone()
        values = {
            "alive": next(alive(records)),
            "deleted": only(records, DELETE).of,
            "ambiguous": only(records, INSERT, acknowledged=False).id,
            "counter": counter,
            "untouched": untouched,
        }
        before = verify(ledger, database, "own_table")
        assert (before.lost_writes, before.duplicated_writes) == (0, 0), before
        cursor.execute(statement, values)
    found = verify(ledger, database, "own_table")
    assert (found.lost_writes, found.duplicated_writes) == (lost, duplicated), found


def test_an_acknowledged_deletion_that_found_no_row_shows_that_an_insert_was_lost(
    database: Any, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for identity, kind, rows, of, counters in (
        ("00000000-0000-0000-0000-000000000001", INSERT, 1, "", ()),
        ("00000000-0000-0000-0000-000000000002", DELETE, 0, "00000000-0000-0000-0000-000000000001", ()),
        ("00000000-0000-0000-0000-000000000003", DELETE, 2, "00000000-0000-0000-0000-000000000004", ()),
        ("00000000-0000-0000-0000-000000000005", UPDATE, 0, "", ("writes 100000",)),
    ):
        ledger.append(Record(identity, kind, True, 1.0, 1.0, BLUE, counters=counters, of=of, rows=rows))
    found = verify(ledger, database, "own_table")
    assert (found.lost_writes, found.duplicated_writes) == (2, 1), "the insert, and the increment of no counter"
    zeros = "00000000-0000-0000-0000-00000000000"
    assert found.lost[0] == f"delete {zeros}2 found 0 rows of {zeros}1"


def test_all_faults_are_counted_and_some_are_named(database: Any, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for number in range(100):
        ledger.append(Record(f"{number:032x}", INSERT, True, 1.0, 1.0, BLUE))
    found = verify(ledger, database, "shop")
    assert (found.lost_writes, len(found.lost)) == (100, EXAMPLES)


def test_an_unknown_mode_is_refused(database: Any, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="shop or own_table"):
        verify(Ledger(tmp_path / "ledger"), database, "other")


def test_the_own_table_does_not_take_a_schema_that_is_there(database: Any) -> None:
    with pytest.raises(SandboxError, match="schema rehearsal"):
        create_own_table(database, shop.APPLICATION)


@pytest.fixture
def both(servers: tuple[ServerInfo, ServerInfo]) -> Iterator[tuple[Any, Any]]:
    """Two equal databases on two versions, each thrown away afterwards."""
    for server in servers:
        with server.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE pair")
        with server.superuser("pair") as connection, connection.cursor() as cursor:
            cursor.execute(
                """CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE SCHEMA "Other one"; CREATE SCHEMA migration_control;
                CREATE TABLE a (id int, f float8, m mood, r int4range, t timestamptz, i interval, b bytea, n numeric,
                    x text[]);
                INSERT INTO a SELECT n, n / 3.0, 'glad', int4range(n, n + 2),
                    timestamptz '2026-01-01 00:00+00' + n * interval '1 s', n * interval '1 hour', int4send(n), n / 7.0,
                    ARRAY[n::text, NULL] FROM generate_series(1, 500) n;
                CREATE TABLE "Other one"."Größe" (z int); INSERT INTO "Other one"."Größe" VALUES (1), (1), (NULL);
                CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
                CREATE TABLE migration_control.token (t int); CREATE TABLE p (k int) PARTITION BY LIST (k);
                CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1)"""
            )
    source, target = servers
    with source.superuser("pair") as one, target.superuser("pair") as other:
        with one.cursor() as cursor:
            cursor.execute("SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET extra_float_digits = -5")
            cursor.execute("INSERT INTO migration_control.token VALUES (1)")
        yield one, other
    for server in servers:
        with server.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("DROP DATABASE pair WITH (FORCE)")


def test_equal_databases_of_two_versions_are_found_equal(both: tuple[Any, Any]) -> None:
    found = compare_all(*both)
    assert (found["tables"], found["rows"], found["mismatches"]) == (4, 506, [])
    assert [t["table"] for t in found["by_table"]] == ["Other one.Größe", "public.a", "public.nothing", "public.p1"]
    assert all(t["equal"] and t["source_rows"] == t["target_rows"] for t in found["by_table"])
    with both[0].cursor() as cursor:
        cursor.execute("SHOW timezone")
        assert cursor.fetchone() == ("Asia/Tokyo",), "the session is as it was"


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE a SET x[2] = '' WHERE id = 7", "public.a has the same 500 rows by number, not by content"),
        ("UPDATE a SET m = 'sad' WHERE id = 7", "public.a has the same 500 rows by number, not by content"),
        ("UPDATE a SET n = n + 0.0000000001 WHERE id = 7", "public.a has the same 500 rows by number, not by content"),
        ("DELETE FROM p", "public.p1 has 1 rows on the source, 0 on the target"),
        (
            'DELETE FROM "Other one"."Größe" WHERE z IS NULL',
            "Other one.Größe has 3 rows on the source, 2 on the target",
        ),
        ("DROP TABLE nothing", "public.nothing is missing on the target"),
        ("CREATE TABLE more (i int)", "public.more is missing on the source"),
        ("ALTER TABLE nothing ADD q int", "public.nothing has the columns none on the source, q int4 on the target"),
        (
            'ALTER TABLE "Other one"."Größe" ALTER z TYPE bigint',
            "Other one.Größe has the columns z int4 on the source, z int8 on the target",
        ),
    ],
)
def test_a_difference_is_named(statement: str, line: str, both: tuple[Any, Any]) -> None:
    with both[1].cursor() as cursor:
        cursor.execute(statement)
    found = compare_all(*both)
    assert found["mismatches"] == [line]
    assert [t["equal"] for t in found["by_table"]].count(False) == 1
    table = next(t for t in found["by_table"] if not t["equal"])
    assert (table["source_rows"] is None) is ("missing on the source" in line)
    assert (table["target_rows"] is None) is ("missing on the target" in line)


def test_what_is_left_out_is_not_compared(both: tuple[Any, Any]) -> None:
    with both[1].cursor() as cursor:
        cursor.execute("DELETE FROM a")
    found = compare_all(*both, lambda schema, _: schema != "Other one")
    assert (found["tables"], found["rows"], found["mismatches"]) == (1, 3, [])
