"""The way back: a task for changes alone from the new server to the old, and where its stream begins."""

import pytest

from tests.sandbox.dms.world import Migration, eventually

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"


@pytest.fixture
def both_ways(migration: Migration) -> Migration:
    migration.both(TABLE)
    migration.on_source("INSERT INTO t SELECT i, 'old' FROM generate_series(1, 50) i")
    migration.grant()
    migration.endpoint("source", migration.world.source)
    migration.endpoint("target", migration.world.target)
    migration.endpoint("source", migration.world.target, "back-source")
    migration.endpoint("target", migration.world.source, "back-target")
    migration.connect()
    return migration


def back(migration: Migration, **more: object) -> str:
    return migration.task("cdc", source="back-source", target="back-target", name="back", **more)


def switched(migration: Migration) -> tuple[str, str]:
    """Return the forward task, stopped, and the one back, running."""
    forward, reverse = migration.task(), back(migration)
    migration.start(forward)
    migration.await_load(forward)
    migration.same("t")
    migration.stop(forward)
    migration.start(reverse)
    return forward, reverse


def test_changes_go_back_and_do_not_come_round(both_ways: Migration) -> None:
    forward, reverse = switched(both_ways)
    both_ways.on_target(
        "INSERT INTO t VALUES (100, 'new')", "UPDATE t SET v = 'changed' WHERE id = 1", "DELETE FROM t WHERE id = 2"
    )
    both_ways.same("t")
    assert both_ways.on_source("SELECT count(*) FROM t") == [(50,)]
    eventually(lambda: both_ways.statistics(reverse)["t"]["AppliedInserts"] == 1)
    assert both_ways.statistics(reverse)["t"]["FullLoadRows"] == 0
    assert both_ways.describe(reverse)["ReplicationTaskStats"]["FullLoadProgressPercent"] == 100
    both_ways.stop(reverse)
    # What came back stands in the old server's log too: the forward task, resumed, must not send it again.
    both_ways.start(forward, "resume-processing")
    both_ways.on_source("INSERT INTO t VALUES (200, 'again')")
    eventually(lambda: both_ways.on_target("SELECT count(*) FROM t WHERE id = 200") == [(1,)])
    both_ways.same("t")


def test_a_change_made_as_soon_as_the_task_runs_goes_back(both_ways: Migration) -> None:
    reverse = back(both_ways)
    both_ways.world.dms.start_replication_task(ReplicationTaskArn=reverse, StartReplicationTaskType="start-replication")
    both_ways.await_status(reverse, "running")
    both_ways.on_target("INSERT INTO t VALUES (100, 'at once')")
    eventually(lambda: both_ways.on_source("SELECT count(*) FROM t WHERE id = 100") == [(1,)])


def test_a_restart_begins_anew_and_a_resumption_does_not(both_ways: Migration) -> None:
    reverse = back(both_ways)
    both_ways.start(reverse)
    both_ways.stop(reverse)
    both_ways.on_target("INSERT INTO t VALUES (101, 'while it stood')")
    both_ways.start(reverse, "resume-processing")
    eventually(lambda: both_ways.on_source("SELECT count(*) FROM t WHERE id = 101") == [(1,)])
    both_ways.stop(reverse)
    both_ways.on_target("INSERT INTO t VALUES (102, 'before the restart')")
    both_ways.start(reverse)
    both_ways.on_target("INSERT INTO t VALUES (103, 'after it')")
    eventually(lambda: both_ways.on_source("SELECT count(*) FROM t WHERE id = 103") == [(1,)])
    assert both_ways.on_source("SELECT count(*) FROM t WHERE id = 102") == [(0,)]


def test_two_tasks_that_would_go_round_in_circles_do_not_both_run(both_ways: Migration) -> None:
    forward, reverse = both_ways.task(), back(both_ways)
    both_ways.start(forward)
    both_ways.await_load(forward)
    assert "a task that carries changes the other way is running" in both_ways.fails(reverse)
    both_ways.stop(forward)
    both_ways.start(reverse)


def make_slot(migration: Migration, name: str) -> str:
    """Make a slot on the new server, as a switchover does, and return where in the log it stands."""
    [(position,)] = migration.on_target(
        f"SELECT lsn::text FROM pg_create_logical_replication_slot('{name}', 'pgoutput')"
    )
    return str(position)


def give_slot(migration: Migration, name: str) -> None:
    """Name the slot in the endpoint that the task back reads from, and test it again, as DMS wants it."""
    endpoint = migration.arns["back-source"]
    migration.world.dms.modify_endpoint(EndpointArn=endpoint, PostgreSQLSettings={"SlotName": name})
    migration.connect("back-source")


def test_a_stream_begins_where_the_endpoints_slot_stands(both_ways: Migration) -> None:
    reverse, forward = back(both_ways), both_ways.task()
    both_ways.start(forward)
    both_ways.await_load(forward)
    eventually(lambda: both_ways.on_target("SELECT count(*) FROM pg_publication") == [(2,)])
    slot = f"{both_ways.database}_before"
    position = make_slot(both_ways, slot)
    both_ways.stop(forward)
    both_ways.on_target("INSERT INTO t VALUES (100, 'before the task runs')")
    [(later,)] = both_ways.on_target("SELECT pg_current_wal_lsn()::text")
    both_ways.on_target("INSERT INTO t VALUES (101, 'after the position')")
    give_slot(both_ways, slot)
    both_ways.start(reverse, CdcStartPosition=position)
    back_again = "SELECT id FROM t WHERE id > 99 ORDER BY id"
    eventually(lambda: both_ways.on_source(back_again) == [(100,), (101,)])
    both_ways.same("t")
    both_ways.stop(reverse)
    both_ways.on_source("DELETE FROM t WHERE id > 99")
    both_ways.start(reverse, CdcStartPosition=later)
    eventually(lambda: both_ways.on_source(back_again) == [(101,)])
    both_ways.delete(reverse)
    both_ways.on_target(f"SELECT pg_drop_replication_slot('{slot}')")


def test_a_slot_older_than_the_task_can_not_be_read_here(both_ways: Migration) -> None:
    slot = f"{both_ways.database}_old"
    position = make_slot(both_ways, slot)
    both_ways.on_target("INSERT INTO t VALUES (100, 'never seen')")
    give_slot(both_ways, slot)
    reverse = back(both_ways, CdcStartPosition=position)
    assert f"{position} lies before the task's tables were known here" in both_ways.fails(reverse)
    both_ways.on_target(f"SELECT pg_drop_replication_slot('{slot}')")


def test_a_position_needs_a_slot_that_was_there(both_ways: Migration) -> None:
    [(position,)] = both_ways.on_target("SELECT pg_current_wal_lsn()::text")
    reverse = back(both_ways, CdcStartPosition=position)
    assert "only through a slot made before: name it in the source endpoint's SlotName" in both_ways.fails(reverse)
    assert "is no log position" in both_ways.fails(reverse, CdcStartPosition="2026-01-02T03:04:05")
    give_slot(both_ways, "no_such_slot")
    assert "slot no_such_slot does not exist" in both_ways.fails(reverse, CdcStartPosition=position)


def test_a_slot_that_has_passed_the_position_would_lose_changes(both_ways: Migration) -> None:
    [(position,)] = both_ways.on_target("SELECT pg_current_wal_lsn()::text")
    both_ways.on_target("INSERT INTO t VALUES (100, 'lost')")
    slot = f"{both_ways.database}_late"
    make_slot(both_ways, slot)
    give_slot(both_ways, slot)
    reverse = back(both_ways, CdcStartPosition=position)
    assert f"has already passed {position}: changes would be lost" in both_ways.fails(reverse)
    both_ways.on_target(f"SELECT pg_drop_replication_slot('{slot}')")
