"""Tasks that change names, between two real servers: full load, changes, and the comparison behind the fence."""

import json
from typing import Any

import pytest
from psycopg2.extras import ReplicationCursor

from components.dms_mirror import mirrored
from components.dms_settings import TableRule, table_mappings
from components.dms_transformations import TransformationRule
from handlers.adapters.postgres import Database
from handlers.config import Side
from handlers.core import mapping
from handlers.core.comparison import differences
from sandbox.databases import ServerInfo
from sandbox.databases.server import SUPERUSER
from tests.sandbox.dms.test_replication import Writer
from tests.sandbox.dms.world import USER, Migration, eventually
from tests.support.validation import digest

TABLES: list[TableRule] = [{"schema": "app"}]
RULES: list[TransformationRule] = [
    {"schema": "app", "action": "rename", "value": "app_v2"},
    {"schema": "app", "table": "orders", "action": "rename", "value": "purchase_orders"},
    {"schema": "app", "table": "orders", "column": "amt", "action": "rename", "value": "amount"},
    {"schema": "app", "table": "orders", "column": "note", "action": "remove-column"},
]
SOURCE = """CREATE SCHEMA app;
CREATE TABLE app.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(),
    note text NOT NULL DEFAULT 'internal', amt numeric(10,2), body text,
    twice numeric GENERATED ALWAYS AS (amt * 2) STORED);
CREATE TABLE app.log (what text, at timestamptz DEFAULT now());
CREATE TABLE app.whole (name text, data json);
ALTER TABLE app.whole REPLICA IDENTITY FULL;
CREATE TABLE app."Mixed ""one" (id int PRIMARY KEY, n int)"""
TARGET = """CREATE SCHEMA app_v2;
CREATE TABLE app_v2.purchase_orders (amount numeric(10,2), id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body text, at timestamptz, twice numeric GENERATED ALWAYS AS (amount * 2) STORED);
CREATE TABLE app_v2.log (what text, at timestamptz);
CREATE TABLE app_v2.whole (name text, data json);
ALTER TABLE app_v2.whole REPLICA IDENTITY FULL;
CREATE TABLE app_v2."Mixed ""one" (id int PRIMARY KEY, n int)"""


BREAK = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'awsdms%'
AND datname = current_database() AND (backend_type = 'walsender' OR query LIKE 'INSERT INTO "app_v2"%'
OR query LIKE 'COMMIT%')"""


@pytest.fixture
def ready(migration: Migration) -> Migration:
    migration.on_source(
        SOURCE, "INSERT INTO app.orders (amt, body) SELECT i, repeat('x', i) FROM generate_series(1, 100) i"
    )
    migration.on_target(TARGET)
    migration.on_source(f"GRANT ALL ON SCHEMA app TO {USER}", f"GRANT ALL ON ALL TABLES IN SCHEMA app TO {USER}")
    migration.on_target(f"GRANT ALL ON SCHEMA app_v2 TO {USER}", f"GRANT ALL ON ALL TABLES IN SCHEMA app_v2 TO {USER}")
    migration.endpoint("source", migration.world.source)
    migration.endpoint("target", migration.world.target)
    migration.connect()
    return migration


def rules(*transformations: TransformationRule) -> str:
    return table_mappings(TABLES, transformations or RULES)


def unlike(migration: Migration, text: str, *, back: bool = False) -> list[str]:
    """Return what the switchover's own comparison finds."""
    servers = [migration.world.source, migration.world.target][:: -1 if back else 1]
    here, there = (opened(server, migration.database) for server in servers)
    try:
        found = mapping.sides(here.tables(), there.tables(), json.loads(text)["rules"])
        assert found[0] and set(found[0]) == set(found[1])
        digests = [
            {
                table: digest(database, relation.table, relation.columns, by_value=True)
                for table, relation in relations.items()
            }
            for database, relations in zip((here, there), found, strict=True)
        ]
        return differences(*digests)  # type: ignore[arg-type]
    finally:
        here.close()
        there.close()


def opened(info: ServerInfo, database: str) -> Database:
    side = Side(info.address, info.port, database, "none", "", "")
    return Database.connect(side, {"username": SUPERUSER, "password": info.password}, 60)


def alike(migration: Migration, text: str = "", **more: Any) -> None:
    eventually(lambda: not unlike(migration, text or rules(), **more), what="the same on both sides")


def test_rows_and_changes_arrive_under_the_target_s_names(ready: Migration) -> None:
    task = ready.task(rules=rules())
    ready.start(task)
    ready.await_load(task)
    alike(ready)
    ready.on_source(
        "INSERT INTO app.orders (amt) VALUES (1000)",
        "UPDATE app.orders SET amt = -amt WHERE id <= 10",
        "UPDATE app.orders SET note = 'nobody there sees it' WHERE id = 11",
        "DELETE FROM app.orders WHERE id > 90 AND id <= 100",
        "INSERT INTO app.log VALUES ('once'), ('twice'), ('twice')",
        """INSERT INTO app.whole VALUES ('a', '{"b": 1}'), ('a', '{"b": 1}'), (NULL, NULL)""",
        """UPDATE app.whole SET data = '{"b":  2}' WHERE ctid = (SELECT min(ctid) FROM app.whole)""",
        "DELETE FROM app.whole WHERE name IS NULL",
        """INSERT INTO app."Mixed ""one" VALUES (1, 1), (2, 2)""",
    )
    alike(ready)
    assert ready.on_target("SELECT count(*), min(amount), max(amount) FROM app_v2.purchase_orders") == [(91, -10, 1000)]
    assert ready.on_target("SELECT count(*) FROM app_v2.whole") == [(2,)]
    figures = eventually(lambda: (f := ready.statistics(task)["orders"])["AppliedDeletes"] == 10 and f)
    assert (figures["SchemaName"], figures["FullLoadRows"]) == ("app", 100)
    assert (figures["AppliedInserts"], figures["AppliedUpdates"]) == (1, 11)


def test_a_difference_is_still_found(ready: Migration) -> None:
    task = ready.task(rules=rules())
    ready.start(task)
    ready.await_load(task)
    alike(ready)
    ready.on_target("UPDATE app_v2.purchase_orders SET amount = 0 WHERE id = 50")
    assert unlike(ready, rules()) == ["app.orders has the same 100 rows by number, not by content"]
    ready.on_target("DELETE FROM app_v2.purchase_orders WHERE id = 50")
    assert unlike(ready, rules()) == ["app.orders has 100 rows on the source, 99 on the target"]


def test_large_values_that_do_not_change_stay(ready: Migration) -> None:
    ready.on_source(
        "INSERT INTO app.orders (amt, body) SELECT 5000, string_agg(md5(i::text), '') FROM generate_series(1, 15) i",
        "ALTER TABLE app.orders ALTER body SET STORAGE EXTERNAL, ALTER note SET STORAGE EXTERNAL",
        "UPDATE app.orders SET body = body || repeat('y', 20) || repeat('z', 3000) WHERE amt = 5000",
    )
    task = ready.task(rules=rules(), settings={"TargetMetadata": {"LobMaxSize": 100}})
    ready.start(task)
    ready.await_load(task)
    ready.on_source("UPDATE app.orders SET amt = 5001 WHERE amt = 5000")
    alike(ready)


def test_nothing_is_lost_while_the_application_writes_through_load_stop_and_resume(ready: Migration) -> None:
    ready.on_source("CREATE TABLE purchase (id bigserial PRIMARY KEY, customer int, cents numeric(10,2))")
    ready.on_target(
        "CREATE SCHEMA shop; CREATE TABLE shop.bought (id bigserial PRIMARY KEY, customer int, pence numeric(10,2))"
    )
    ready.grant()
    ready.on_target(f"GRANT ALL ON SCHEMA shop TO {USER}", f"GRANT ALL ON ALL TABLES IN SCHEMA shop TO {USER}")
    text = table_mappings(
        [{"schema": "public"}],
        [
            {"schema": "public", "action": "rename", "value": "shop"},
            {"schema": "public", "table": "purchase", "action": "rename", "value": "bought"},
            {"schema": "public", "table": "purchase", "column": "cents", "action": "rename", "value": "pence"},
        ],
    )
    task = ready.task(rules=text)
    with Writer(ready, ready.world.source) as writer:
        eventually(lambda: writer.rows > 50)
        ready.start(task)
        ready.await_load(task)
        eventually(lambda: writer.rows > 150)
        ready.stop(task)
        stood = ready.on_target("SELECT count(*) FROM shop.bought")
        written = writer.rows
        eventually(lambda: writer.rows > written + 50)
        assert ready.on_target("SELECT count(*) FROM shop.bought") == stood
        ready.start(task, "resume-processing")
        eventually(lambda: writer.rows > written + 150)
    alike(ready, text)
    assert ready.on_target("SELECT count(*) FROM shop.bought") > stood


def test_a_source_that_was_out_of_reach_is_caught_up_with(ready: Migration) -> None:
    task = ready.task(rules=rules())
    ready.start(task)
    ready.await_load(task)
    ready.world.fault(task, "lose-source")
    ready.on_source("INSERT INTO app.orders (amt) VALUES (7)")
    assert unlike(ready, rules()) == ["app.orders has 101 rows on the source, 100 on the target"]
    ready.world.fault(task, "resume")
    alike(ready)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_connection_that_breaks_loses_and_doubles_nothing(ready: Migration, side: str) -> None:
    task = ready.task(rules=rules())
    ready.start(task)
    ready.await_load(task)
    ready.on_source("INSERT INTO app.orders (amt) SELECT i FROM generate_series(1, 3000) i")
    ended = eventually(lambda: getattr(ready, f"on_{side}")(BREAK), what="a session to end")
    assert ended
    ready.on_source("INSERT INTO app.orders (amt) VALUES (9000)", "DELETE FROM app.orders WHERE id = 1")
    alike(ready)


def test_what_was_applied_and_not_acknowledged_is_not_applied_again(
    ready: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ready.task(rules=rules())
    with monkeypatch.context() as deaf:
        deaf.setattr(ReplicationCursor, "send_feedback", lambda *_, **__: None)
        ready.start(task)
        ready.await_load(task)
        ready.on_source("INSERT INTO app.log VALUES ('once')", "UPDATE app.orders SET amt = amt + 1 WHERE id < 9")
        alike(ready)
        ready.stop(task)
    ready.start(task, "resume-processing")
    ready.on_source("INSERT INTO app.log VALUES ('later')")
    eventually(lambda: ready.on_target("SELECT 1 FROM app_v2.log WHERE what = 'later'"))
    assert unlike(ready, rules()) == []


def test_what_the_target_does_not_take_fails_the_task(ready: Migration) -> None:
    task = ready.task(rules=rules())
    ready.start(task)
    ready.await_load(task)
    ready.on_target("INSERT INTO app_v2.purchase_orders (id, amount) OVERRIDING SYSTEM VALUE VALUES (101, 0)")
    ready.on_source("INSERT INTO app.orders (amt) VALUES (7)")
    assert "a change can't be applied on the target" in ready.failed(task)
    ready.on_target("DELETE FROM app_v2.purchase_orders WHERE id = 101")
    ready.start(task, "resume-processing")
    alike(ready)


def test_a_limit_on_values_holds_under_the_new_name(ready: Migration) -> None:
    task = ready.task(rules=rules(), settings={"TargetMetadata": {"LobMaxSize": 1}})
    ready.start(task)
    ready.await_load(task)
    ready.on_source("UPDATE app.orders SET body = repeat('x', 2000) WHERE id = 1")
    eventually(lambda: ready.on_target("SELECT length(body) FROM app_v2.purchase_orders WHERE id = 1") == [(512,)])


def test_the_way_back_carries_changes_under_the_source_s_names(ready: Migration) -> None:
    forward = ready.task(rules=rules())
    ready.start(forward)
    ready.await_load(forward)
    back_text = table_mappings(*mirrored(TABLES, RULES))
    ready.endpoint("source", ready.world.target, "back-source")
    ready.endpoint("target", ready.world.source, "back-target")
    ready.connect("back-source", "back-target")
    back = ready.task("cdc", source="back-source", target="back-target", rules=back_text, name="back")
    alike(ready)
    ready.stop(forward)
    ready.start(back)
    ready.on_target(
        "INSERT INTO app_v2.purchase_orders (id, amount) OVERRIDING SYSTEM VALUE VALUES (200, 20)",
        "UPDATE app_v2.purchase_orders SET amount = 77 WHERE id = 7",
        "DELETE FROM app_v2.purchase_orders WHERE id = 8",
    )
    alike(ready, back_text, back=True)
    found = ready.on_source("SELECT id, amt, note FROM app.orders WHERE id IN (7, 8, 200) ORDER BY id")
    assert found == [(7, 77, "internal"), (200, 20, "internal")]
    ready.stop(back)
    # What came back stands in the old server's log too: the forward task, resumed, must not send it again.
    ready.start(forward, "resume-processing")
    ready.on_source("INSERT INTO app.log VALUES ('again')")
    eventually(lambda: ready.on_target("SELECT 1 FROM app_v2.log WHERE what = 'again'"))
    alike(ready)


def test_deletion_leaves_nothing_behind(ready: Migration) -> None:
    task = ready.task(rules=rules())
    ready.start(task)
    ready.await_load(task)
    slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
    task_name = task.rsplit(":", 1)[1].lower()
    origins = f"SELECT count(*) FROM pg_replication_origin WHERE roname = 'awsdms_{task_name}'"
    assert (ready.on_target(origins), ready.on_source(slots)) == ([(1,)], [(1,)])
    ready.delete(task)
    assert (ready.on_target(origins), ready.on_source(slots)) == ([(0,)], [(0,)])
    assert ready.on_source("SELECT count(*) FROM pg_publication") == [(0,)]
    assert ready.on_target("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'awsdms%'") == [(0,)]


def test_a_table_that_is_missing_is_made_under_its_new_name(ready: Migration) -> None:
    ready.on_target("DROP SCHEMA app_v2 CASCADE", f"GRANT CREATE ON DATABASE {ready.database} TO {USER}")
    task = ready.task("full-load", rules=rules())
    ready.start(task)
    ready.await_status(task, "stopped")
    [(names,)] = ready.on_target(
        """SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM information_schema.columns
        WHERE (table_schema, table_name) = ('app_v2', 'purchase_orders')"""
    )
    assert names == "amount at body id twice"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"table": "orders", "column": "body", "action": "rename", "value": "text"}, "body of app.orders is a large"),
        ({"table": "orders", "column": "id", "action": "remove-column"}, "id of app.orders is part of its key"),
        ({"table": "orders", "action": "rename", "value": "log"}, "would both become app.log"),
        ({"table": "orders", "column": "amt", "action": "rename", "value": "id"}, "two columns of app.orders"),
    ],
)
def test_what_dms_does_not_do_fails_the_task_with_the_reason(ready: Migration, rule: Any, said: str) -> None:
    ready.on_target("ALTER SCHEMA app_v2 RENAME TO app")
    task = ready.task(rules=rules({"schema": "app", **rule}))
    assert said in ready.fails(task)
