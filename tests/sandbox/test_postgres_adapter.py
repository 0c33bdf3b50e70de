"""What the functions do to a database, on real PostgreSQL 16 and 18: the same assertions on both."""

import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from handlers.adapters.postgres import Database
from handlers.adapters.postgres_cells import self_tests
from handlers.config import Side
from handlers.core import access
from handlers.core.access import PUBLIC
from handlers.core.comparison import Column, Table
from handlers.core.record import Superseded
from handlers.core.sequences import GAP, set_all
from handlers.validation.equality import SELF_TESTS, Method
from sandbox.databases import ServerInfo
from sandbox.source import make_role
from tests.support.servers import room, two_servers
from tests.support.validation import digest

SCHEMA = """
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE TABLE app.items (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, price numeric, at timestamptz, mood app.mood,
    tags text[], body jsonb, raw bytea, "Größe" int, moods app.mood[]
);
INSERT INTO app.items (name, price, at, mood, tags, body, raw, "Größe", moods)
SELECT 'ä' || n, n / 3.0, timestamptz '2026-01-01' + n * interval '1 hour', 'happy', ARRAY['x', NULL], '{"a": 1}',
    '\\x00ff', n, ARRAY['sad']::app.mood[] FROM generate_series(1, 50) n;
INSERT INTO app.items (name) VALUES (NULL), ('');
CREATE TABLE app.parts (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE app.nothing ();
CREATE SEQUENCE app.down INCREMENT -5 MINVALUE -1000 MAXVALUE -1;
CREATE SEQUENCE app.unused;
SELECT nextval('app.down'), nextval('app.down');
CREATE MATERIALIZED VIEW app.sums AS SELECT count(*) AS n FROM app.items WITH NO DATA;
CREATE VIEW app.shown AS SELECT 1;
CREATE TEMPORARY TABLE gone (id int);
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerInfo, ServerInfo]]:
    with room() as folder, two_servers(folder) as both:
        for server in both:
            with server.superuser() as connection, connection.cursor() as cursor:
                for role, attributes in (("operator", ""), ("application", ""), ("dms", "REPLICATION")):
                    make_role(cursor, role, f"{role}'s password", attributes)
                cursor.execute("CREATE DATABASE shop OWNER operator")
                cursor.execute("GRANT pg_signal_backend, pg_read_all_data, pg_read_all_stats TO operator")
            with server.superuser("shop") as connection, connection.cursor() as cursor:
                cursor.execute(SCHEMA)
                cursor.execute("GRANT USAGE ON SCHEMA app TO application")
                cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA app TO application")
                cursor.execute("GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA app TO operator")
                cursor.execute("ALTER MATERIALIZED VIEW app.sums OWNER TO operator")
                cursor.execute("GRANT ALL ON SCHEMA app TO operator")
                cursor.execute("GRANT ALL ON app.items TO operator")
        yield both


@pytest.fixture(params=[0, 1], ids=["16", "18"])
def server(request: pytest.FixtureRequest, servers: tuple[ServerInfo, ServerInfo]) -> ServerInfo:
    return servers[request.param]


@contextmanager
def opened(server: ServerInfo, role: str = "operator") -> Iterator[Database]:
    side = Side(server.address, server.port, "shop", "none", "", "")
    database = Database.connect(side, {"username": role, "password": f"{role}'s password"}, 20)
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def database(server: ServerInfo) -> Iterator[Database]:
    with opened(server) as connection:
        before = connection.access()
        yield connection
        connection.run(access.open_again(before, connection.access()))


def test_a_limit_for_sessions_that_do_nothing_does_not_end_ours(server: ServerInfo) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("ALTER ROLE operator SET idle_session_timeout = '50ms'")
        try:
            with opened(server) as database:
                time.sleep(0.3)
                assert database.rows("SELECT 1") == [(1,)]
        finally:
            cursor.execute("ALTER ROLE operator RESET idle_session_timeout")


def as_application(server: ServerInfo) -> Any:
    connection = psycopg2.connect(
        host=server.address,
        port=server.port,
        dbname="shop",
        user="application",
        password="application's password",
        application_name="shop",
    )
    connection.autocommit = True
    return connection


# Access


def test_a_fence_shuts_the_application_out_and_leaves_us_in(server: ServerInfo, database: Database) -> None:
    before = database.access()
    assert PUBLIC in before.grantees
    assert before.read_only is None
    session = as_application(server)
    database.run(access.close(before, ["operator", "dms"]))
    with session.cursor() as cursor:  # a session outlives the revoke: that is why it is ended
        cursor.execute("INSERT INTO app.items (name) VALUES ('late')")
    [found] = database.sessions(["operator", "dms"])
    assert re.fullmatch(r"application from 127\.0\.0\.\d+ \(shop\)", found)
    assert database.end_sessions(["operator", "dms"]) == 1
    until = time.monotonic() + 5
    while database.sessions(["operator", "dms"]) and time.monotonic() < until:
        time.sleep(0.01)
    assert database.sessions(["operator", "dms"]) == []
    with pytest.raises(psycopg2.OperationalError):
        session.cursor().execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        as_application(server)
    assert access.intruders(database.login_roles(), ["operator", "dms"]) == []
    assert database.access() == access.Access("shop", ("dms", "operator"), "on")
    with opened(server, "dms"):
        pass
    with opened(server) as again:  # the operator writes in spite of the read-only default
        assert again.rows("DELETE FROM app.items WHERE name = 'late' RETURNING 1") == [(1,)]
    database.run(access.open_again(before, database.access()))
    assert database.access() == before
    as_application(server).close()


def test_a_read_only_default_that_was_there_is_restored(server: ServerInfo, database: Database) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE shop SET default_transaction_read_only = off")
        before = database.access()
        assert before.read_only == "off"
        database.run(access.close(before, ["operator"]))
        database.run(access.open_again(before, database.access()))
        assert database.access() == before
        cursor.execute("ALTER DATABASE shop RESET default_transaction_read_only")


def test_roles_tell_superusers_apart(database: Database) -> None:
    roles = {role.name: role for role in database.login_roles()}
    assert roles["sandbox"].superuser
    assert roles["application"].can_connect
    assert "pg_signal_backend" not in roles


def test_superuser_sessions_are_found_alone(server: ServerInfo, database: Database) -> None:
    with server.superuser("shop"):
        assert database.sessions(["operator"], superusers_only=True) == [
            s for s in database.sessions(["operator"]) if s.startswith("sandbox")
        ]
        assert database.sessions(["operator"], superusers_only=True)


def test_statements_run_together_or_not_at_all(database: Database) -> None:
    with pytest.raises(psycopg2.Error):
        database.run(["CREATE TABLE app.half (id int)", "SELECT 1 / 0"])
    assert database.rows("SELECT to_regclass('app.half')") == [(None,)]
    assert database.rows("SELECT 1") == [(1,)]


# Transactions


def test_long_and_prepared_transactions_are_named(server: ServerInfo, database: Database) -> None:
    assert database.prepared_transactions() == []
    session = as_application(server)
    session.autocommit = False
    with session.cursor() as cursor:
        cursor.execute("SELECT 1")
        time.sleep(0.05)
        assert database.long_transactions(60) == []
        [found] = database.long_transactions(0.01)
        assert found.startswith("application (pid ")
    session.rollback()
    session.close()


# Control schema and tokens


def forget_tokens(database: Database) -> None:
    database.rows("UPDATE migration_control.fence SET token = 0")


def test_a_token_is_written_and_seen(database: Database) -> None:
    database.make_control_schema(["dms"])
    database.make_control_schema(["dms"])  # can be repeated
    token = str(uuid.uuid4())
    assert not database.has_token(token)
    database.write_token(token, 0)
    assert database.has_token(token)


def test_who_comes_with_an_older_token_is_refused_and_nothing_of_it_is_done(database: Database) -> None:
    database.make_control_schema(["dms"])
    forget_tokens(database)
    database.act(3, ["CREATE TABLE app.by_three ()"])
    database.act(3, ["DROP TABLE app.by_three"])
    with pytest.raises(Superseded, match="acted on with a later token than 2"):
        database.act(2, ["CREATE TABLE app.by_two ()"])
    with pytest.raises(psycopg2.errors.SyntaxError):
        database.act(9, ["no SQL"])
    database.act(4, [])  # 9 was not kept: its statements failed
    assert database.rows("SELECT to_regclass('app.by_two'), token FROM migration_control.fence") == [(None, 4)]
    forget_tokens(database)


def test_two_that_act_at_once_do_so_one_after_the_other(server: ServerInfo, database: Database) -> None:
    database.make_control_schema(["dms"])
    late: list[BaseException] = []
    with opened(server) as other:

        def act() -> None:
            try:
                other.act(1, ["CREATE TABLE app.late ()"])
            except Superseded as error:
                late.append(error)

        database.rows("BEGIN")
        database.rows("UPDATE migration_control.fence SET token = 2")
        thread = threading.Thread(target=act)
        thread.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while database.rows(waits) != [(1,)]:
            time.sleep(0.01)
            database.rows("SELECT pg_stat_clear_snapshot()")
        database.rows("COMMIT")
        thread.join()
    assert len(late) == 1
    assert database.rows("SELECT to_regclass('app.late')") == [(None,)]
    forget_tokens(database)


def test_control_tables_go_and_their_schema_unless_somebody_uses_it(server: ServerInfo, database: Database) -> None:
    database.make_control_schema(["dms"])
    with opened(server, "dms") as dms:
        dms.rows("CREATE TABLE migration_control.awsdms_heartbeat ()")
        database.drop_control()
        left = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('migration_control')"
        assert database.rows(left) == [("awsdms_heartbeat",)]
        dms.rows("DROP TABLE migration_control.awsdms_heartbeat")
    database.drop_control()
    assert database.rows("SELECT to_regnamespace('migration_control')") == [(None,)]
    database.drop_control()  # can be repeated


# The way back


def test_a_slot_is_made_at_a_position_and_dropped(server: ServerInfo) -> None:
    with server.superuser("shop") as connection:
        database = Database(connection, "shop", "sandbox")
        assert database.lacks_to_keep_changes() == []
        database.make_control_schema(["dms"])
        position = database.make_slot("way_back", 1)
        assert database.rows("SELECT plugin, database, confirmed_flush_lsn::text FROM pg_replication_slots") == [
            ("test_decoding", "shop", position)
        ]
        with pytest.raises(Superseded):
            database.drop_slot("way_back", 0)
        assert database.drop_slot("way_back", 2) is True
        assert database.drop_slot("way_back", 0) is False
        with pytest.raises(Superseded):
            database.make_slot("way_back", 1)
        assert database.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
        forget_tokens(database)


def test_what_is_missing_for_a_way_back_is_told(server: ServerInfo, database: Database) -> None:
    assert database.lacks_to_keep_changes() == [
        "operator may not make a replication slot: grant it rds_replication or REPLICATION"
    ]
    tables = [Table("app", "items")]
    missing = database.lacks_to_write("dms", tables)
    assert missing[0] == "dms may not insert, update and delete in app.items"
    assert "DMS's control schema" in missing[1]
    assert "session_replication_role" in missing[2]
    assert database.lacks_to_set_sequences() == []
    with opened(server, "application") as application:
        assert "application may not set the sequences" in application.lacks_to_set_sequences()[0]
    with server.superuser("shop") as connection:
        admin = Database(connection, "shop", "sandbox")
        admin.rows("GRANT pg_write_all_data, pg_read_all_data TO dms")
        admin.rows("GRANT SET ON PARAMETER session_replication_role TO dms")
        admin.allow_schemas("dms")
        assert database.lacks_to_write("dms", tables) == []
        admin.rows("REVOKE SET ON PARAMETER session_replication_role FROM dms")
        admin.rows("REVOKE pg_write_all_data, pg_read_all_data FROM dms")
        admin.rows("REVOKE CREATE ON DATABASE shop FROM dms")


def test_a_mark_changes_with_the_rows_and_a_session_s_counts_are_complete_once_it_has_ended(
    server: ServerInfo, database: Database
) -> None:
    items = Table("app", "items")
    before = database.marks()
    assert before[items] == database.marks()[items]
    for statement in (
        "INSERT INTO app.items (name) VALUES ('marked')",
        "UPDATE app.items SET name = 'marked again' WHERE name = 'marked'",
        "DELETE FROM app.items WHERE name = 'marked again'",
    ):
        with as_application(server) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()
        while database.sessions(["operator"]):
            time.sleep(0.01)
        after = database.marks()
        assert after[items] != before[items]
        assert after[Table("app", "parts_1")] == before[Table("app", "parts_1")]
        before = after


def test_emptied_tables_have_another_mark(server: ServerInfo) -> None:
    with server.superuser("shop") as connection:
        database = Database(connection, "shop", "sandbox")
        database.make_control_schema(["dms"])
        parts = Table("app", "parts_1")
        database.rows("INSERT INTO app.parts VALUES (1, '2026-05-05')")
        before = database.marks()[parts]
        database.empty([parts], 1)
        database.empty([], 1)
        assert database.rows("SELECT count(*) FROM app.parts") == [(0,)]
        assert database.marks()[parts] != before


def test_dms_s_own_tables_are_read_where_they_are(server: ServerInfo, database: Database) -> None:
    assert database.suspended_tables() == []
    assert database.apply_exceptions() == 0
    with server.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA awsdms_control")
        cursor.execute("CREATE TABLE awsdms_control.awsdms_suspended_tables (table_owner text, table_name text)")
        cursor.execute("INSERT INTO awsdms_control.awsdms_suspended_tables VALUES ('app', 'items')")
        cursor.execute("CREATE TABLE awsdms_control.awsdms_apply_exceptions (task_name text)")
        cursor.execute("INSERT INTO awsdms_control.awsdms_apply_exceptions VALUES ('x'), ('y')")
        assert database.suspended_tables() == ["app.items"]
        assert database.apply_exceptions() == 2
        cursor.execute("DROP SCHEMA awsdms_control CASCADE")


# Data


def test_tables_are_those_that_hold_rows_of_the_application(database: Database) -> None:
    tables = database.tables()
    assert set(tables) == {Table("app", "items"), Table("app", "parts_1"), Table("app", "nothing")}
    assert Column("moods", "app._mood") in tables[Table("app", "items")]
    assert tables[Table("app", "nothing")] == []


def test_both_versions_agree_on_every_table(servers: tuple[ServerInfo, ServerInfo]) -> None:
    with opened(servers[0]) as old, opened(servers[1]) as new:
        assert self_tests(old)[Method.VALUE] == self_tests(new)[Method.VALUE] is not None
        with servers[0].superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM app.items WHERE name = 'late'")
        with servers[1].superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM app.items WHERE name = 'late'")
        for table, columns in old.tables().items():
            for by_value in (True, False):
                here = digest(old, table, columns, by_value=by_value)
                assert here == digest(new, table, columns, by_value=by_value)
        items, columns = Table("app", "items"), old.tables()[Table("app", "items")]
        before = digest(old, items, columns, by_value=True)
        assert before.rows == 52
        with servers[0].superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE app.items SET name = '' WHERE name IS NULL")
            for by_value in (True, False):
                assert digest(old, items, columns, by_value=by_value) != digest(new, items, columns, by_value=by_value)
            cursor.execute("UPDATE app.items SET name = NULL WHERE ctid = (SELECT max(ctid) FROM app.items)")


def test_a_server_without_the_hash_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SELF_TESTS, Method.VALUE, "SELECT hash_of_the_future(1)")
    assert self_tests(database)[Method.VALUE] is None


def test_sequences_are_read_and_set_ahead_in_one_statement(database: Database) -> None:
    found = {s.name: s for s in database.sequences()}
    assert set(found) == {"items_id_seq", "down"}
    assert (found["down"].last_value, found["down"].increment) == (-6, -5)
    assert {("app", "unused"), ("app", "down")} <= database.sequence_names()
    database.run([set_all(found.values()) or ""])
    after = {s.name: s.last_value for s in database.sequences()}
    assert after["items_id_seq"] == found["items_id_seq"].last_value + GAP
    assert after["down"] == -6 - 5 * GAP
    back = [
        type(s)(s.schema, s.name, s.last_value - GAP * s.increment, s.increment, s.minimum, s.maximum)
        for s in found.values()
    ]
    database.run([set_all(back) or ""])


def test_materialized_views_are_refreshed(database: Database) -> None:
    assert database.refresh_materialized_views() == ["app.sums"]
    assert database.rows("SELECT n FROM app.sums") >= [(52,)]


# Roles


def test_roles_are_made_and_their_passwords_changed_without_being_sent(server: ServerInfo) -> None:
    side = Side(server.address, server.port, "shop", "none", "", "")
    with server.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW log_directory")
        admin = Database(connection, "shop", "sandbox")
        for password in ("first password", "second ' \\ password"):
            admin.make_role("fresh", password)
            Database.connect(side, {"username": "fresh", "password": password}, 5).close()
        with pytest.raises(psycopg2.OperationalError):
            Database.connect(side, {"username": "fresh", "password": "first password"}, 5)
        admin.grant_role("pg_monitor", "fresh")
        admin.grant_role("no_such_group", "fresh")
        admin.allow_writes("fresh")
        admin.allow_schemas("fresh")
        cursor.execute("SELECT pg_has_role('fresh', 'pg_monitor', 'MEMBER')")
        assert cursor.fetchone() == (True,)
        cursor.execute("REVOKE CREATE ON DATABASE shop FROM fresh")
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier("fresh")))


def test_no_statement_takes_longer_than_allowed(server: ServerInfo) -> None:
    side = Side(server.address, server.port, "shop", "none", "", "")
    database = Database.connect(side, {"username": "operator", "password": "operator's password"}, 0.05)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        database.rows("SELECT pg_sleep(5)")
    database.close()


def test_the_fence_holds_against_a_client_that_keeps_trying(server: ServerInfo, database: Database) -> None:
    """Reconnect and write as fast as possible during the fence: nothing is written after the last look."""
    stop, written = threading.Event(), []

    def hammer() -> None:
        while not stop.is_set():
            try:
                connection = as_application(server)
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO app.items (name) VALUES ('hammer')")
                written.append(time.monotonic())
                connection.close()
            except psycopg2.Error:
                continue

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    spared = ["operator", "dms"]
    database.run(access.close(database.access(), spared))
    quiet = 0
    while quiet < 2:
        database.end_sessions(spared)
        quiet = 0 if database.sessions(spared) else quiet + 1
        time.sleep(0.01)
    fenced = time.monotonic()
    count = database.rows("SELECT count(*) FROM app.items WHERE name = 'hammer'")
    time.sleep(0.3)
    assert database.rows("SELECT count(*) FROM app.items WHERE name = 'hammer'") == count
    stop.set()
    for thread in threads:
        thread.join()
    assert written
    assert max(written) <= fenced + 0.05
    database.rows("DELETE FROM app.items WHERE name = 'hammer'")
