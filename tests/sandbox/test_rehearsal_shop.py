"""The default source holds what it promises, is the same every time, and gives its roles no more than they need."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.rehearsal import shop
from sandbox.rehearsal.verify import compare_all
from tests.support.servers import room, two_servers

PASSWORDS = {shop.OWNER: "owner's \\ pässword", shop.APPLICATION: "application secret"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with room() as made:
        yield made


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[tuple[ServerInfo, ServerInfo]]:
    with two_servers(folder) as (blue, green):
        with blue.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET log_statement = 'all'")
            cursor.execute("SELECT pg_reload_conf()")
        time.sleep(0.2)
        shop.create(blue, 5000, 7, PASSWORDS)
        yield blue, green


@pytest.fixture(scope="module")
def blue(servers: tuple[ServerInfo, ServerInfo]) -> ServerInfo:
    return servers[0]


def ask(server: ServerInfo, question: str) -> list[tuple[object, ...]]:
    with server.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return list(cursor.fetchall())


def as_role(server: ServerInfo, role: str, *statements: str) -> None:
    """Run statements in one transaction of a role that logs in, and roll it back."""
    connection = psycopg2.connect(
        host=server.address, port=server.port, user=role, password=PASSWORDS[role], dbname="shop"
    )
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


COLUMNS = "SELECT 1 FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_type t ON t.oid = atttypid "
COLUMNS += (
    "WHERE relkind = 'r' AND attnum > 0 AND relnamespace IN ('public'::regnamespace, 'warehouse'::regnamespace) AND "
)
KEYS = "SELECT 1 FROM pg_constraint WHERE contype = 'f' AND "
INDEXES = "SELECT 1 FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am ON pg_am.oid = i.relam WHERE "
FEATURES = {
    "foreign key": KEYS + "true",
    "composite foreign key": KEYS + "cardinality(conkey) = 2",
    "self-referencing foreign key": KEYS + "conrelid = confrelid",
    "deferrable foreign key": KEYS + "condeferrable AND condeferred",
    "foreign key across schemas": "SELECT 1 FROM pg_constraint f JOIN pg_class a ON a.oid = conrelid JOIN pg_class b "
    "ON b.oid = confrelid WHERE contype = 'f' AND a.relnamespace <> b.relnamespace",
    "identity always": COLUMNS + "attidentity = 'a'",
    "identity by default": COLUMNS + "attidentity = 'd'",
    "serial": "SELECT 1 WHERE pg_get_serial_sequence('products', 'id') = 'public.products_id_seq'",
    "sequence of its own by 10": "SELECT 1 FROM pg_sequences WHERE increment_by = 10 AND data_type = 'bigint'::regtype",
    "uuid key": "SELECT 1 FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey) "
    "WHERE indisprimary AND atttypid = 'uuid'::regtype",
    "composite key": "SELECT 1 FROM pg_constraint WHERE contype = 'p' AND cardinality(conkey) = 2",
    "numeric with precision": COLUMNS + "typname = 'numeric' AND atttypmod > 0",
    "numeric without precision": COLUMNS + "typname = 'numeric' AND atttypmod = -1",
    **{
        name: COLUMNS + f"typname = '{name}'"
        for name in ("timestamptz", "date", "interval", "jsonb", "bytea", "_int4", "_text", "inet", "bool", "uuid")
    },
    "enum": COLUMNS + "typtype = 'e'",
    "domain": COLUMNS + "typtype = 'd'",
    "ranges": COLUMNS + "typname IN ('int4range', 'daterange', 'tstzrange') HAVING count(DISTINCT typname) = 3",
    "generated column": COLUMNS + "attgenerated = 's'",
    "umlauts": "SELECT 1 FROM customers WHERE name LIKE '%ü%ß%'",
    "CJK": "SELECT 1 FROM customers WHERE name LIKE '%王%'",
    "emoji": "SELECT 1 FROM customers WHERE name LIKE '%👩‍🚀%'",
    "combining marks": "SELECT 1 FROM customers WHERE name <> normalize(name, NFC)",
    "control characters, quotes, backslash": "SELECT 1 FROM customers WHERE name ~ E'[\\n\\t]' OR name ~ '[''\"\\\\]'",
    "partitions by range": "SELECT 1 FROM pg_partitioned_table JOIN pg_inherits ON inhparent = partrelid "
    "WHERE partstrat = 'r' AND partrelid = 'payments'::regclass HAVING count(*) >= 13",
    "partitioned table with key": "SELECT 1 FROM pg_constraint WHERE contype = 'p' AND conrelid = 'payments'::regclass",
    "partition for today": "SELECT 1 FROM pg_class WHERE relname = to_char(now(), '\"payments_\"YYYY_MM')",
    "table without key": "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = 'audit_log'::regclass "
    "AND indisunique) AND EXISTS (SELECT FROM audit_log)",
    "view": "SELECT 1 FROM open_orders",
    "materialized view": "SELECT 1 FROM pg_matviews WHERE ispopulated",
    "triggers": "SELECT 1 FROM pg_trigger WHERE NOT tgisinternal HAVING count(*) >= 3",
    "unique index": INDEXES + "indisunique AND NOT indisprimary",
    "partial index": INDEXES + "indpred IS NOT NULL",
    "expression index": INDEXES + "indexprs IS NOT NULL",
    "gin index on jsonb": INDEXES + "amname = 'gin' AND indclass[0] = (SELECT oid FROM pg_opclass "
    "WHERE opcname = 'jsonb_path_ops')",
    "covering index": INDEXES + "indnatts > indnkeyatts",
    "check constraint": "SELECT 1 FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0",
    "comments": "SELECT 1 FROM pg_description WHERE objoid = 'orders'::regclass HAVING count(*) >= 2",
    "name to be quoted": 'SELECT "Größe" FROM "wishList"',
    "default privileges": "SELECT 1 FROM pg_default_acl WHERE defaclrole = 'shop_owner'::regrole HAVING count(*) >= 2",
    "two schemas": "SELECT 1 FROM warehouse.stock",
    "only plpgsql": "SELECT 1 FROM pg_extension HAVING array_agg(extname) = '{plpgsql}'",
    "owned by shop_owner": "SELECT 1 FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
    "WHERE nspname IN ('public', 'warehouse') HAVING bool_and(relowner = 'shop_owner'::regrole)",
    "nulls": "SELECT 1 FROM customers WHERE born IS NULL",
    "nothing not validated": "SELECT 1 FROM pg_constraint HAVING bool_and(convalidated)",
}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_shop_has(feature: str, blue: ServerInfo) -> None:
    assert ask(blue, FEATURES[feature])


def test_no_table_is_empty_but_partitions_without_payments(blue: ServerInfo) -> None:
    tables = ask(
        blue,
        """SELECT format('%I.%I', n.nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname IN ('public', 'warehouse')""",
    )
    assert len(tables) == 12
    assert [name for (name,) in tables if not ask(blue, f"SELECT 1 FROM {name} LIMIT 1")] == []
    assert len(ask(blue, "SELECT tableoid FROM payments GROUP BY 1")) == 12


def test_triggers_do_what_they_are_for(blue: ServerInfo) -> None:
    with blue.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE orders SET gift = NOT gift WHERE id = 1 RETURNING updated_at = now()")
        assert cursor.fetchone() == (True,)
        cursor.execute("DELETE FROM orders WHERE id = 1")
        cursor.execute("SELECT action FROM audit_log WHERE order_id = 1 AND at >= now() ORDER BY at")
        assert cursor.fetchall() == [("UPDATE",), ("DELETE",)]
        cursor.execute(
            "SELECT 1 FROM order_items WHERE order_id = 1 UNION ALL SELECT 1 FROM payments WHERE order_id = 1"
        )
        assert cursor.fetchall() == []
        cursor.execute("ROLLBACK")


def test_sequences_stand_behind_the_seeded_rows(blue: ServerInfo) -> None:
    as_role(
        blue,
        shop.APPLICATION,
        "INSERT INTO orders (customer_id, address_number, total) SELECT id, 1, 1 FROM customers LIMIT 1",
        "INSERT INTO payments (order_id, method, amount) SELECT max(id), 'card', 1 FROM orders",
        "INSERT INTO accounts (customer_id) SELECT id FROM customers LIMIT 1",
        "INSERT INTO products (sku, category_id, name, price) VALUES ('NEW-000001', 1, 'x', 1)",
        "INSERT INTO categories (name) VALUES ('x')",
        "INSERT INTO warehouse.sites (name, opening_hours, lead_time) VALUES ('x', '[8,18)', '1 day')",
    )


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE mine (a int)", "DROP TABLE orders", "TRUNCATE audit_log", "ALTER TABLE orders ADD x int"],
)
def test_the_application_may_not(statement: str, blue: ServerInfo) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        as_role(blue, shop.APPLICATION, statement)


def test_tables_made_later_are_open_to_the_application(blue: ServerInfo) -> None:
    as_role(
        blue, shop.OWNER, "CREATE TABLE later (id serial, a int)", "SET ROLE NONE", "SELECT 1",
        "DO $$ BEGIN ASSERT has_table_privilege('shop_app', 'later', 'INSERT'); "
        "ASSERT has_sequence_privilege('shop_app', 'later_id_seq', 'USAGE'); "
        "ASSERT has_table_privilege('shop_report', 'later', 'SELECT'); "
        "ASSERT NOT has_table_privilege('shop_report', 'later', 'INSERT'); END $$",
    )  # fmt: skip


def test_the_report_role_reads_and_cannot_log_in_without_a_password(blue: ServerInfo) -> None:
    found = ask(
        blue,
        """SELECT rolcanlogin, has_table_privilege(oid, 'orders', 'SELECT'),
        has_table_privilege(oid, 'orders', 'UPDATE'), has_schema_privilege(oid, 'warehouse', 'USAGE'),
        'default_transaction_read_only=on' = ANY (rolconfig)
        FROM pg_roles WHERE rolname = 'shop_report'""",
    )
    assert found == [(False, True, False, True, True)]


def test_no_password_is_in_the_servers_log(blue: ServerInfo, folder: Path) -> None:
    log = (folder / "logs" / "postgres-blue.log").read_text()
    assert "SCRAM-SHA-256$" in log, "statements are logged"
    assert not [password for password in PASSWORDS.values() if password in log]
    assert "owner" + "''s" not in log


def test_the_same_seed_gives_the_same_rows_on_any_version(servers: tuple[ServerInfo, ServerInfo]) -> None:
    blue, green = servers
    rows = shop.create(green, 5000, 7, {**PASSWORDS, shop.REPORT: "report secret"})
    with blue.superuser("shop") as one, green.superuser("shop") as other:
        found = compare_all(one, other)
    assert found["mismatches"] == []
    assert found["rows"] == rows and abs(rows - 5000) < 250
    with green.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'shop_report'")
        assert cursor.fetchone() == (True,)
        cursor.execute("DROP DATABASE shop")
    shop.create(green, 5000, 8, PASSWORDS)
    with blue.superuser("shop") as one, green.superuser("shop") as other:
        different = {t["table"] for t in compare_all(one, other)["by_table"] if not t["equal"]}
    assert {"public.customers", "public.orders", "public.order_items", "warehouse.stock"} <= different


def test_an_administrator_without_a_superuser_s_rights_can_let_it_in(servers: tuple[ServerInfo, ServerInfo]) -> None:
    blue, green = servers
    with green.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS shop")
        for role in (shop.OWNER, shop.APPLICATION, shop.REPORT):
            cursor.execute(f"DROP ROLE IF EXISTS {role}")
        cursor.execute("CREATE ROLE administrator LOGIN CREATEROLE PASSWORD 'theirs'")
        cursor.execute("GRANT pg_read_all_data TO administrator")
        cursor.execute("CREATE ROLE till LOGIN PASSWORD 'till'")
        cursor.execute("CREATE DATABASE shop OWNER administrator")
    with green.session("shop", "administrator", "theirs") as connection:
        rows = shop.move_in(connection, 5000, 7, PASSWORDS, "till")
    with blue.superuser("shop") as one, green.superuser("shop") as other:
        found = compare_all(one, other)
    assert found["mismatches"] == [] and found["rows"] == rows
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('orders', 'stock')"
    assert ask(green, owners) == [(shop.OWNER,)]
    with green.session("shop", "till", "till") as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE warehouse.stock SET quantity = quantity + 1")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("CREATE TABLE public.mine (a int)")


def test_a_database_that_is_there_is_left_alone(blue: ServerInfo) -> None:
    with pytest.raises(SandboxError, match="has a database shop already"):
        shop.create(blue, 1000, 1, PASSWORDS)


def test_a_tiny_shop_is_a_shop(servers: tuple[ServerInfo, ServerInfo]) -> None:
    green = servers[1]
    with green.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS shop")
    assert 50 < shop.create(green, 1, 1, PASSWORDS) < 150
