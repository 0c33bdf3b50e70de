"""DMS's limits, imposed on what PostgreSQL's own replication would carry whole."""

import json
from typing import Any

import pytest

from tests.sandbox.dms.world import Migration, eventually, mappings


def prepare(
    migration: Migration, schema: str, *, attributes: str = "", source: str = "", **source_settings: Any
) -> Migration:
    migration.both(schema)
    if source:
        migration.on_source(source)
    migration.grant()
    migration.endpoint("source", migration.world.source, attributes=attributes, **source_settings)
    migration.endpoint("target", migration.world.target)
    migration.connect()
    return migration


def following(migration: Migration, **more: Any) -> str:
    task = migration.task(**more)
    migration.start(task)
    migration.await_load(task)
    return task


def test_large_objects_are_cut_and_the_targets_own_application_is_left_alone(migration: Migration) -> None:
    # One KB holds 512 characters, two bytes each, or 256 where one of them takes four.
    prepare(
        migration,
        "CREATE TABLE doc (id int PRIMARY KEY, body text, short varchar(2000), long varchar, raw bytea)",
        source="INSERT INTO doc VALUES (1, repeat('x', 600), repeat('s', 600), repeat('v', 513), '\\x00ff')",
    )
    following(migration)
    sizes = "SELECT id, length(body), length(short), length(long), length(raw) FROM doc ORDER BY id"
    assert migration.on_target(sizes) == [(1, 512, 600, 512, 2)]
    migration.on_source(
        "INSERT INTO doc VALUES (2, repeat('x', 512), 's', 'v', convert_to(repeat('b', 1025), 'UTF8'))",
        "INSERT INTO doc VALUES (3, repeat('€', 400) || '😀', 's', 'v', NULL)",
        "UPDATE doc SET body = repeat('y', 1000) WHERE id = 1",
    )
    eventually(lambda: len(migration.on_target(sizes)) == 3)
    assert migration.on_target(sizes) == [(1, 512, 600, 512, 2), (2, 512, 1, 1, 1024), (3, 256, 1, 1, None)]
    migration.on_target("INSERT INTO doc (id, body) VALUES (9, repeat('a', 5000))")
    assert migration.on_target("SELECT length(body) FROM doc WHERE id = 9") == [(5000,)]


def test_full_lob_mode_carries_large_objects_whole(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE doc (id int PRIMARY KEY, body text, data jsonb)",
        source="INSERT INTO doc VALUES (1, repeat('x', 60000), jsonb_build_object('k', repeat('y', 60000)))",
    )
    following(migration, settings={"TargetMetadata": {"FullLobMode": True, "LimitedSizeLobMode": False}})
    migration.same("doc")


def test_a_table_can_have_a_limit_of_its_own(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE doc (id int PRIMARY KEY, body text); CREATE TABLE scan (id int PRIMARY KEY, body text);"
        "CREATE TABLE film (id int PRIMARY KEY, body text)",
        source="INSERT INTO doc VALUES (1, repeat('x', 5000)); INSERT INTO scan SELECT * FROM doc;"
        "INSERT INTO film SELECT * FROM doc",
    )
    own = {"scan": {"bulk-max-size": "4"}, "film": {"mode": "unlimited", "bulk-max-size": "0"}}
    rules = json.loads(mappings(("include", "public", "%")))["rules"]
    for number, (table, settings) in enumerate(own.items(), start=100):
        locator = {"schema-name": "public", "table-name": table}
        rule = {"rule-type": "table-settings", "rule-id": str(number), "rule-name": table, "object-locator": locator}
        rules.append({**rule, "lob-settings": settings})
    following(migration, rules=json.dumps({"rules": rules}))
    sizes = "SELECT length(body) FROM {} ORDER BY id"
    assert [migration.on_target(sizes.format(one)) for one in ("doc", "scan", "film")] == [
        [(512,)],
        [(2048,)],
        [(5000,)],
    ]
    migration.on_source(
        "INSERT INTO scan VALUES (2, repeat('y', 3000))", "INSERT INTO film VALUES (2, repeat('y', 3000))"
    )
    eventually(lambda: migration.on_target(sizes.format("film")) == [(5000,), (3000,)])
    assert migration.on_target(sizes.format("scan")) == [(2048,), (2048,)]


def test_large_objects_stay_behind_where_they_are_not_supported(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE doc (id int PRIMARY KEY, body text, name varchar(10))",
        source="INSERT INTO doc VALUES (1, 'small', 'kept')",
    )
    following(migration, settings={"TargetMetadata": {"SupportLobs": False}})
    assert migration.on_target("SELECT * FROM doc") == [(1, None, "kept")]


@pytest.mark.parametrize(
    ("column", "value"),
    [("text", "repeat('x', 513)"), ("jsonb", "to_jsonb(repeat('x', 520))"), ("int[]", "array_fill(7, ARRAY[400])")],
)
def test_a_change_with_a_large_object_fails_the_task_that_is_to_fail(
    migration: Migration, column: str, value: str
) -> None:
    prepare(
        migration,
        f"CREATE TABLE doc (id int PRIMARY KEY, body {column}); CREATE TABLE other (id int PRIMARY KEY)",
        FailTasksOnLobTruncation=True,
    )
    task = following(migration)
    # As the product closes the target: no reader but DMS, and read-only by default.
    migration.on_target(f"ALTER DATABASE {migration.database} SET default_transaction_read_only = on")
    migration.on_target(f"ALTER ROLE dms IN DATABASE {migration.database} SET default_transaction_read_only = off")
    migration.on_source("INSERT INTO other VALUES (1)", f"INSERT INTO doc VALUES (1, {value})")
    message = migration.failed(task)
    assert message == (
        "Last Error  public.doc, column body: a LOB is larger than LobMaxSize 1 KB, and FailTasksOnLobTruncation is "
        "true Stop Reason FATAL_ERROR Error Level FATAL"
    )
    assert migration.statistics(task)["doc"]["TableState"] == "Table error"
    assert migration.statistics(task)["other"]["TableState"] == "Table completed"
    assert migration.on_target("SELECT count(*) FROM doc") == [(0,)]
    assert migration.describe(task)["ReplicationTaskStats"]["TablesErrored"] == 1


def test_a_load_with_a_large_object_fails_the_task_that_is_to_fail(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE doc (id int PRIMARY KEY, body text)",
        source="INSERT INTO doc SELECT i, repeat('x', i) FROM generate_series(500, 520) i",
        FailTasksOnLobTruncation=True,
    )
    task = migration.task()
    assert "public.doc, column body: a LOB is larger than LobMaxSize 1 KB" in migration.fails(task)
    assert migration.statistics(task)["doc"]["TableState"] == "Table error"


def test_a_cut_document_is_none_and_fails_the_task(migration: Migration) -> None:
    prepare(migration, "CREATE TABLE doc (id int PRIMARY KEY, body jsonb)")
    task = following(migration)
    migration.on_source("INSERT INTO doc VALUES (1, to_jsonb(repeat('x', 2000)))")
    assert "and a part of a jsonb is none" in migration.failed(task)


def test_numeric_without_precision_is_rounded(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE price (id int PRIMARY KEY, free numeric, fixed numeric(20,10))",
        source="INSERT INTO price VALUES (1, 0.611111104488373, 0.6111111044)",
    )
    task = following(migration)
    migration.on_source(
        "INSERT INTO price VALUES (2, 'NaN', 1), (3, 1.5, 1)", "UPDATE price SET free = -2.00000051 WHERE id = 3"
    )
    values = "SELECT free::text, fixed::text FROM price ORDER BY id"
    expected = [("0.611111", "0.6111111044"), ("NaN", "1.0000000000"), ("-2.000001", "1.0000000000")]
    eventually(lambda: migration.on_target(values) == expected)
    migration.on_source("INSERT INTO price VALUES (4, 1e22, 1)")
    assert "public.price, column free: a value does not fit NUMERIC(28,6)" in migration.failed(task)


def test_numeric_mapped_as_string_is_carried_whole(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE price (id int PRIMARY KEY, free numeric)",
        source="INSERT INTO price VALUES (1, 0.611111104488373), (2, 1e25)",
        attributes="MapUnboundedNumericAsString=true",
    )
    following(migration)
    migration.same("price")


def test_endless_timestamps_come_to_an_end(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE span (id int PRIMARY KEY, since timestamp, until timestamptz)",
        source="INSERT INTO span VALUES (1, '-infinity', 'infinity'), (2, '2026-01-02 03:04', '2026-01-02 03:04+00')",
    )
    following(migration)
    found = migration.on_target("SELECT since::text, (until AT TIME ZONE 'UTC')::text FROM span ORDER BY id")
    assert found == [
        ("4713-01-01 00:00:00 BC", "9999-12-31 23:59:59"),
        ("2026-01-02 03:04:00", "2026-01-02 03:04:00"),
    ]


def test_an_update_of_a_key_changes_nothing(migration: Migration) -> None:
    prepare(migration, "CREATE TABLE t (id int PRIMARY KEY, v int)", source="INSERT INTO t VALUES (1, 1), (2, 2)")
    following(migration)
    migration.on_source("UPDATE t SET id = 10, v = 10 WHERE id = 1", "UPDATE t SET v = 20 WHERE id = 2")
    eventually(lambda: migration.on_target("SELECT v FROM t WHERE id = 2") == [(20,)])
    assert migration.on_target("SELECT * FROM t ORDER BY id") == [(1, 1), (2, 20)]


def test_a_table_without_key_gets_inserts_alone_and_its_writers_do_not_fail(migration: Migration) -> None:
    prepare(migration, "CREATE TABLE log (at int, what text)", source="INSERT INTO log VALUES (1, 'one'), (2, 'two')")
    task = following(migration)
    migration.on_source(
        "UPDATE log SET what = 'changed'", "DELETE FROM log WHERE at = 1", "INSERT INTO log VALUES (3, 'three')"
    )
    eventually(lambda: migration.on_target("SELECT count(*) FROM log") == [(3,)])
    assert migration.on_target("SELECT * FROM log ORDER BY at") == [(1, "one"), (2, "two"), (3, "three")]
    eventually(lambda: migration.statistics(task)["log"]["AppliedInserts"] == 1)
    assert migration.statistics(task)["log"]["Updates"] == migration.statistics(task)["log"]["Deletes"] == 0


def test_a_table_without_key_is_followed_by_its_replica_identity(migration: Migration) -> None:
    prepare(migration, "CREATE TABLE log (at int, what text)", source="ALTER TABLE log REPLICA IDENTITY FULL")
    migration.on_source("INSERT INTO log VALUES (1, 'one'), (2, 'two')")
    following(migration)
    migration.on_source("UPDATE log SET what = 'changed' WHERE at = 1", "DELETE FROM log WHERE at = 2")
    migration.same("log")


def test_an_array_without_key_is_suspended(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE tags (names text[]); CREATE TABLE t (id int PRIMARY KEY)",
        source="INSERT INTO t VALUES (1)",
    )
    task = following(migration)
    assert migration.statistics(task)["tags"]["TableState"] == "Table error"
    [row] = migration.on_target(
        "SELECT table_owner, table_name, suspend_reason FROM awsdms_control.awsdms_suspended_tables"
    )
    assert row == ("public", "tags", "an array and no primary key")
    migration.on_source("INSERT INTO tags VALUES (ARRAY['a'])", "INSERT INTO t VALUES (2)")
    migration.same("t")
    assert migration.on_target("SELECT count(*) FROM tags") == [(0,)]


def test_a_missing_table_is_made_with_columns_and_key_alone(migration: Migration) -> None:
    migration.on_source(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE DOMAIN cents AS bigint CHECK (VALUE >= 0)",
        "CREATE SCHEMA app",
        "CREATE TABLE app.owner (id int PRIMARY KEY)",
        """CREATE TABLE app.thing (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner int REFERENCES app.owner,
        name varchar(20) NOT NULL DEFAULT 'none' UNIQUE, mood mood, price cents, free numeric,
        made timestamptz DEFAULT now())""",
        "CREATE INDEX ON app.thing (made)",
        "INSERT INTO app.owner VALUES (1)",
        "INSERT INTO app.thing (owner, mood, price, free) VALUES (1, 'good', 5, 1.23456789)",
        "GRANT USAGE ON SCHEMA app TO dms",
        "GRANT SELECT ON ALL TABLES IN SCHEMA app TO dms",
    )
    migration.endpoint("source", migration.world.source)
    migration.endpoint("target", migration.world.target)
    migration.connect()
    following(migration, rules=mappings(("include", "app", "%")))
    columns = migration.on_target(
        """SELECT attname, format_type(atttypid, atttypmod), attnotnull, atthasdef, attidentity FROM pg_attribute
        WHERE attrelid = 'app.thing'::regclass AND attnum > 0 ORDER BY attnum"""
    )
    assert columns == [
        ("id", "integer", True, False, ""),
        ("owner", "integer", False, False, ""),
        ("name", "character varying(20)", False, False, ""),
        ("mood", "character varying(64)", False, False, ""),
        ("price", "bigint", False, False, ""),
        ("free", "numeric(28,6)", False, False, ""),
        ("made", "timestamp with time zone", False, False, ""),
    ]
    kinds = "SELECT contype FROM pg_constraint WHERE conrelid = 'app.thing'::regclass AND contype <> 'n'"
    assert migration.on_target(kinds) == [("p",)]
    assert migration.on_target("SELECT count(*) FROM pg_index WHERE indrelid = 'app.thing'::regclass") == [(1,)]
    assert migration.on_target("SELECT mood, price, free::text FROM app.thing") == [("good", 5, "1.234568")]
    assert migration.on_target("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'thing'") == [("dms",)]


def test_tables_are_emptied_or_made_anew_as_the_settings_say(migration: Migration) -> None:
    prepare(migration, "CREATE TABLE t (id int PRIMARY KEY, v int DEFAULT 7)", source="INSERT INTO t VALUES (1, 1)")
    migration.on_target("INSERT INTO t VALUES (1, 100), (2, 200)", "ALTER TABLE t OWNER TO dms")
    task = following(migration, settings={"FullLoadSettings": {"TargetTablePrepMode": "TRUNCATE_BEFORE_LOAD"}})
    assert migration.on_target("SELECT * FROM t") == [(1, 1)]
    migration.delete(task)
    migration.on_target("INSERT INTO t VALUES (2, 200)")
    following(migration, settings={"FullLoadSettings": {"TargetTablePrepMode": "DROP_AND_CREATE"}}, name="again")
    assert migration.on_target("SELECT * FROM t") == [(1, 1)]
    assert migration.on_target("SELECT count(*) FROM pg_attrdef WHERE adrelid = 't'::regclass") == [(0,)]


def test_rows_that_are_in_the_way_fail_the_load_by_the_tables_name(migration: Migration) -> None:
    prepare(
        migration,
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)",
        source="INSERT INTO t VALUES (1)",
    )
    migration.on_target("INSERT INTO t VALUES (1)")
    task = migration.task()
    assert "rows can't be loaded into public.t:" in migration.fails(task)
    assert {name: one["TableState"] for name, one in migration.statistics(task).items()} == {
        "t": "Table error",
        "u": "Table completed",
    }


def test_a_change_that_collides_fails_the_task_and_is_noted(migration: Migration) -> None:
    prepare(migration, "CREATE TABLE t (id int PRIMARY KEY)")
    task = following(migration)
    migration.on_target("INSERT INTO t VALUES (1)")
    migration.on_source("INSERT INTO t VALUES (1)")
    assert "a change can't be applied on the target" in migration.failed(task)
    assert migration.on_target("SELECT count(*) FROM awsdms_control.awsdms_apply_exceptions") == [(1,)]


def test_leaves_of_a_partitioned_table_are_replicated_truncates_and_sequences_are_not(migration: Migration) -> None:
    prepare(
        migration,
        """CREATE TABLE part (id serial, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
        CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20)""",
        source="INSERT INTO part (at) SELECT i FROM generate_series(1, 19) i",
    )
    task = following(migration)
    assert sorted(migration.statistics(task)) == ["part_1", "part_2"]
    migration.on_source("INSERT INTO part (at) VALUES (5)")
    migration.same("part")
    assert migration.on_target("SELECT is_called FROM part_id_seq") == [(False,)]
    migration.on_source("TRUNCATE part_1", "INSERT INTO part (at) VALUES (15)")
    eventually(lambda: migration.on_target("SELECT count(*) FROM part_2") == [(11,)])
    assert migration.on_target("SELECT count(*) FROM part_1") == [(10,)]
