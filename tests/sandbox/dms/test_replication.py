"""Tasks of the sandbox's DMS between two real servers: full load, changes, stop and resume, reload, deletion."""

import threading
import time

import pytest

from sandbox.databases import ServerInfo
from tests.sandbox.dms.world import Migration, eventually, mappings

SHOP = """CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now());
CREATE TABLE purchase (id bigserial PRIMARY KEY, customer int, cents numeric(10,2))"""


def shop(migration: Migration, rows: int = 100) -> None:
    migration.both(SHOP)
    migration.grant()
    migration.on_source(f"INSERT INTO customer SELECT i, 'name ' || i FROM generate_series(1, {rows}) i")


@pytest.fixture
def ready(migration: Migration) -> Migration:
    shop(migration)
    migration.endpoint("source", migration.world.source)
    migration.endpoint("target", migration.world.target)
    migration.connect()
    return migration


def test_full_load_then_changes(ready: Migration) -> None:
    task = ready.task()
    ready.start(task)
    ready.await_load(task)
    ready.same("customer", "purchase")
    ready.on_source(
        "INSERT INTO customer VALUES (1000, 'new')",
        "UPDATE customer SET name = 'changed' WHERE id <= 10",
        "DELETE FROM customer WHERE id > 90 AND id < 200",
    )
    ready.same("customer")


class Writer:
    """Writes to a database from a thread, as an application does, until it is told to stop."""

    def __init__(self, migration: Migration, info: ServerInfo) -> None:
        self._info, self._database = info, migration.database
        self._halt = threading.Event()
        self.rows = 0
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._halt.set()
        self._thread.join()

    def _write(self) -> None:
        with self._info.superuser(self._database) as connection, connection.cursor() as cursor:
            while not self._halt.is_set():
                self.rows += 1
                cursor.execute("INSERT INTO purchase (customer, cents) VALUES (%s, %s)", (self.rows % 100, self.rows))
                if self.rows % 3 == 0:
                    cursor.execute("UPDATE purchase SET cents = -cents WHERE id = %s", (self.rows // 2,))
                if self.rows % 7 == 0:
                    cursor.execute("DELETE FROM purchase WHERE id = %s", (self.rows // 3,))
                self._halt.wait(0.002)


def test_nothing_is_lost_while_the_application_writes_through_load_stop_and_resume(ready: Migration) -> None:
    task = ready.task()
    with Writer(ready, ready.world.source) as writer:
        ready.start(task)
        ready.await_load(task)
        ready.stop(task)
        stood = ready.on_target("SELECT count(*) FROM purchase")
        written = writer.rows
        eventually(lambda: writer.rows > written + 50)
        assert ready.on_target("SELECT count(*) FROM purchase") == stood
        ready.start(task, "resume-processing")
        eventually(lambda: writer.rows > written + 150)
    ready.same("customer", "purchase")
    assert ready.on_target("SELECT count(*) FROM purchase") > stood


def test_a_stopped_task_keeps_its_slot_and_says_why_it_stopped(ready: Migration) -> None:
    task = ready.task()
    ready.start(task)
    ready.await_load(task)
    ready.stop(task)
    shown = ready.describe(task)
    assert shown["StopReason"] == "Stop Reason NORMAL"
    assert shown["RecoveryCheckpoint"].startswith("checkpoint:V1#")
    assert shown["ReplicationTaskStats"]["StopDate"] >= shown["ReplicationTaskStats"]["StartDate"]
    slots = "SELECT active FROM pg_replication_slots WHERE database = current_database()"
    assert ready.on_source(slots) == [(False,)]
    [(phase,)] = ready.on_target("SELECT task_status FROM awsdms_control.awsdms_status")
    assert phase == "NOT RUNNING"


def test_deletion_leaves_nothing_behind(ready: Migration) -> None:
    task = ready.task()
    ready.start(task)
    ready.await_load(task)
    assert ready.on_target("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'awsdms%'") != [(0,)]
    ready.delete(task)
    assert ready.on_source("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == [(0,)]
    assert ready.on_source("SELECT count(*) FROM pg_publication") == [(0,)]
    assert ready.on_target("SELECT count(*) FROM pg_subscription WHERE subname LIKE 'awsdms%'") == [(0,)]
    assert ready.on_target("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'awsdms%'") == [(0,)]
    assert ready.on_target("SELECT count(*) FROM pg_proc WHERE proname LIKE 'awsdms%'") == [(0,)]
    assert ready.on_target("SELECT count(*) FROM pg_sequences WHERE sequencename LIKE 'awsdms%'") == [(0,)]
    assert ready.on_target("SELECT count(*) FROM customer") == [(100,)]


def test_a_full_load_alone_ends_by_itself_and_leaves_no_stream(ready: Migration) -> None:
    task = ready.task("full-load")
    ready.start(task)
    shown = ready.await_status(task, "stopped")
    assert shown["StopReason"] == "Stop Reason FULL_LOAD_ONLY_FINISHED"
    assert shown["ReplicationTaskStats"]["TablesLoaded"] == 2
    ready.on_source("INSERT INTO customer VALUES (1000, 'too late')")
    assert ready.on_source("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == [(0,)]
    assert ready.on_target("SELECT count(*) FROM customer") == [(100,)]


def test_a_reload_empties_the_tables_and_loads_them_again(ready: Migration) -> None:
    task = ready.task()
    ready.start(task)
    ready.await_load(task)
    ready.on_target("UPDATE customer SET name = 'gone wrong'")
    ready.stop(task)
    ready.start(task, "reload-target")
    ready.await_load(task)
    ready.same("customer")
    assert ready.statistics(task)["customer"]["FullLoadReloaded"]
    ready.on_source("DELETE FROM customer WHERE id = 1")
    ready.same("customer")


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("StopTaskCachedChangesApplied", "STOPPED_AFTER_CACHED_EVENTS"),
        ("StopTaskCachedChangesNotApplied", "STOPPED_AFTER_FULL_LOAD"),
    ],
)
def test_a_task_can_stop_after_its_load(ready: Migration, setting: str, reason: str) -> None:
    task = ready.task(settings={"FullLoadSettings": {setting: True}})
    ready.start(task)
    shown = ready.await_status(task, "stopped")
    assert shown["StopReason"] == f"Stop Reason {reason}"
    ready.on_source("INSERT INTO customer VALUES (1000, 'later')")
    ready.start(task, "resume-processing")
    ready.same("customer")


def test_open_transactions_hold_up_the_load_and_a_stop_ends_the_wait(ready: Migration) -> None:
    task = ready.task()
    with ready.world.source.superuser(ready.database) as connection:
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO purchase (cents) VALUES (1)")
            ready.start(task)
            time.sleep(0.7)
            assert ready.describe(task)["ReplicationTaskStats"]["FullLoadProgressPercent"] == 0
            ready.stop(task)
        connection.rollback()
    ready.start(task, "reload-target")
    ready.await_load(task)
    ready.same("customer")


def test_the_tables_a_mapping_leaves_out_stay_as_they_are(ready: Migration) -> None:
    task = ready.task(rules=mappings(("include", "public", "%"), ("exclude", "public", "cust%")))
    ready.start(task)
    ready.await_load(task)
    assert list(ready.statistics(task)) == ["purchase"]
    assert ready.on_target("SELECT count(*) FROM customer") == [(0,)]
