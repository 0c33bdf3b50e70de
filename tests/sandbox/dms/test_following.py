"""What a task tells while it runs, and what a rehearsal can do to it: statistics, latencies, events, faults, fences."""

import json
import time

import pytest

from tests.sandbox.dms.world import USER, Migration, eventually, run


@pytest.fixture
def running(migration: Migration) -> tuple[Migration, str]:
    migration.both("CREATE TABLE t (id int PRIMARY KEY, v text)")
    migration.on_source("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 500) i")
    migration.grant()
    # Several tasks read this source in turn; a heartbeat shows that DMS writes there with its own user.
    migration.endpoint("source", migration.world.source, HeartbeatEnable=True, HeartbeatSchema="public")
    migration.endpoint("target", migration.world.target)
    migration.connect()
    task = migration.task()
    migration.start(task)
    migration.await_load(task)
    return migration, task


def latency(migration: Migration, task: str, name: str = "CDCLatencyTarget") -> float:
    """Return the newest value of a latency."""
    values = eventually(lambda: migration.world.recorder.metrics(name, task), what=name)
    return float(values[-1])


def test_statistics_count_what_was_loaded_captured_and_applied(running: tuple[Migration, str]) -> None:
    migration, task = running
    loaded = migration.statistics(task)["t"]
    assert loaded["FullLoadRows"] == 500
    assert loaded["FullLoadEndTime"] >= loaded["FullLoadStartTime"]
    assert (loaded["TableState"], loaded["Inserts"], loaded["ValidationState"]) == ("Table completed", 0, "Not enabled")
    migration.on_source(
        "INSERT INTO t SELECT i FROM generate_series(1001, 1030) i",
        "UPDATE t SET v = 'w' WHERE id <= 20",
        "DELETE FROM t WHERE id > 490 AND id <= 500",
    )
    kinds = ("Inserts", "Updates", "Deletes")
    expected = {
        **dict(zip(kinds, (30, 20, 10), strict=True)),
        "AppliedInserts": 30,
        "AppliedUpdates": 20,
        "AppliedDeletes": 10,
    }

    def counted() -> bool:
        found = migration.statistics(task)["t"]
        return {key: found[key] for key in expected} == expected

    eventually(counted, what="the counters")
    # What the target's own application writes is none of DMS's.
    migration.on_target("INSERT INTO t SELECT i FROM generate_series(5001, 5100) i")
    time.sleep(1.5)
    assert counted()
    stats = migration.describe(task)["ReplicationTaskStats"]
    assert (stats["FullLoadProgressPercent"], stats["TablesLoaded"], stats["TablesErrored"]) == (100, 1, 0)
    assert stats["FullLoadFinishDate"] >= stats["FullLoadStartDate"] >= stats["StartDate"] == stats["FreshStartDate"]


def test_statistics_are_paged_and_filtered(migration: Migration) -> None:
    migration.both(*[f"CREATE TABLE t{number:02} (id int PRIMARY KEY)" for number in range(25)])
    migration.grant()
    migration.endpoint("source", migration.world.source)
    migration.endpoint("target", migration.world.target)
    migration.connect()
    task = migration.task()
    migration.start(task)
    migration.await_load(task)
    ask = migration.world.dms.describe_table_statistics
    first = ask(ReplicationTaskArn=task, MaxRecords=20)
    second = ask(ReplicationTaskArn=task, MaxRecords=20, Marker=first["Marker"])
    names = [one["TableName"] for page in (first, second) for one in page["TableStatistics"]]
    assert names == [f"t{number:02}" for number in range(25)]
    assert "Marker" not in second
    one = ask(ReplicationTaskArn=task, Filters=[{"Name": "table-name", "Values": ["t07"]}])
    assert [table["TableName"] for table in one["TableStatistics"]] == ["t07"]


def test_the_target_is_told_by_dms_own_user(running: tuple[Migration, str]) -> None:
    migration, task = running
    columns = """SELECT task_name, task_status, pending_changes, source_current_position ~ '^[0-9A-F]+/[0-9A-F]+$'
    FROM awsdms_control.awsdms_status"""
    name = task.rsplit(":", 1)[1]
    eventually(lambda: migration.on_target(columns) == [(name, "CHANGE PROCESSING", 0, True)])
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'awsdms%'"
    assert migration.on_target(owners) == [(USER,)]
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'awsdms_control' ORDER BY 1"
    assert [row[0] for row in migration.on_target(tables)] == [
        "awsdms_apply_exceptions",
        "awsdms_history",
        "awsdms_status",
        "awsdms_suspended_tables",
    ]
    assert migration.on_target("SELECT count(*) FROM awsdms_control.awsdms_suspended_tables") == [(0,)]
    beat = "SELECT hb_last_heartbeat_by FROM awsdms_heartbeat"
    assert migration.on_source(beat) == [(USER,)]
    migration.stop(task)
    history = "SELECT timeslot_type, timeslot_duration FROM awsdms_control.awsdms_history"
    assert migration.on_target(history) == [("NOT RUNNING", 5)]


def test_latency_grows_while_a_task_is_stalled_and_falls_after(running: tuple[Migration, str]) -> None:
    migration, task = running
    assert eventually(lambda: latency(migration, task) < 1, what="a low latency") is True
    migration.world.fault(task, "stall")
    migration.on_source("INSERT INTO t VALUES (2000, 'late')")
    eventually(lambda: latency(migration, task) > 2, what="latency above two seconds")
    assert migration.on_target("SELECT count(*) FROM t WHERE id = 2000") == [(0,)]
    assert latency(migration, task, "CDCLatencySource") < 1
    assert migration.describe(task)["Status"] == "running"
    eventually(lambda: migration.world.recorder.metrics("CDCIncomingChanges", task)[-1] == 1.0)
    assert migration.world.fault(task, "resume")["stalled"] is False
    migration.same("t")
    eventually(lambda: latency(migration, task) < 1, what="a low latency again")


def test_a_lag_lets_changes_through_in_batches(running: tuple[Migration, str]) -> None:
    migration, task = running
    assert migration.world.fault(task, "lag", seconds=1.5)["lag_seconds"] == 1.5
    eventually(lambda: migration.on_target("SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL") == [(0,)])
    migration.on_source("INSERT INTO t VALUES (2000, 'late')")
    assert migration.on_target("SELECT count(*) FROM t WHERE id = 2000") == [(0,)]
    migration.same("t")
    migration.world.fault(task, "resume")


def test_a_source_out_of_reach_is_waited_for(running: tuple[Migration, str]) -> None:
    migration, task = running
    migration.world.fault(task, "lose-source")
    senders = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{USER}' AND datname = '{migration.database}'"
    eventually(lambda: migration.on_source(senders) == [(0,)], what="no session of DMS on the source")
    migration.on_source("INSERT INTO t VALUES (2000, 'late')")
    eventually(lambda: latency(migration, task, "CDCLatencySource") > 1.5, what="the source's latency")
    assert latency(migration, task) >= latency(migration, task, "CDCLatencySource") - 1
    assert migration.describe(task)["Status"] == "running"
    migration.world.fault(task, "resume")
    migration.same("t")


def test_a_fault_that_ends_by_itself(running: tuple[Migration, str]) -> None:
    migration, task = running
    migration.world.fault(task, "stall", seconds=1)
    migration.on_source("INSERT INTO t VALUES (2000, 'late')")
    migration.same("t")


def test_a_failure_on_demand_is_told_and_can_be_resumed_from(running: tuple[Migration, str]) -> None:
    migration, task = running
    migration.world.fault(task, "fail")
    assert migration.failed(task) == (
        "Last Error  a failure that a rehearsal asked for Stop Reason FATAL_ERROR Error Level FATAL"
    )
    migration.on_source("INSERT INTO t VALUES (2000, 'meanwhile')")
    migration.start(task, "resume-processing")
    migration.same("t")


def test_unknown_faults_and_tasks_are_refused(running: tuple[Migration, str]) -> None:
    migration, task = running
    post = migration.world.post
    assert post("/_sandbox/faults", {"task": task, "fault": "explode"})[0] == 400
    assert "use one of stall, lag" in post("/_sandbox/faults", {"task": task, "fault": "explode"})[1]["message"]
    assert post("/_sandbox/faults", {"task": f"{task}X", "fault": "stall"})[1]["__type"] == "ResourceNotFoundFault"
    assert post("/_sandbox/faults", {"task": "x", "fault": "stall"})[0] == 400
    assert post("/_sandbox/faults", {"fault": "stall"})[0] == 400
    assert post("/_sandbox/faults", {"task": task, "fault": "lag", "seconds": -1})[0] == 400


def test_metrics_have_the_products_dimensions_and_a_dead_cloudwatch_does_not_matter(
    running: tuple[Migration, str],
) -> None:
    migration, task = running
    recorder = migration.world.recorder
    eventually(lambda: recorder.metrics("CDCThroughputRowsTarget", task))
    data = [
        one for _, operation, params in recorder.calls if operation == "PutMetricData" for one in params["MetricData"]
    ]
    assert {"Name": "ReplicationInstanceIdentifier", "Value": "world"} in data[-1]["Dimensions"]
    assert recorder.metrics("FullLoadThroughputRowsTarget", task)
    recorder.out_of_reach |= {"cloudwatch", "events", "sns"}
    try:
        migration.on_source("INSERT INTO t VALUES (2000, 'all the same')")
        migration.same("t")
        migration.stop(task)
    finally:
        recorder.out_of_reach.clear()


def test_events_reach_eventbridge_topics_and_the_api(running: tuple[Migration, str]) -> None:
    migration, task = running
    dms, recorder, name = (
        migration.world.dms,
        migration.world.recorder,
        migration.describe(task)["ReplicationTaskIdentifier"],
    )
    for number, categories in enumerate((["state change", "deletion"], ["failure"])):
        dms.create_event_subscription(
            SubscriptionName=f"{migration.database}-{number}",
            SnsTopicArn=f"arn:aws:sns:us-east-1:123456789012:topic-{number}",
            SourceType="replication-task",
            SourceIds=[name],
            EventCategories=categories,
        )
    migration.stop(task)
    migration.start(task, "resume-processing")
    migration.world.fault(task, "fail")
    migration.failed(task)
    migration.delete(task)
    types = ["CREATED", "STARTED", "STOPPED", "STARTED", "FAILED", "DELETED"]
    eventually(lambda: len(recorder.events(task)) == len(types))
    told = recorder.events(task)
    assert [one["eventType"] for one in told] == [f"REPLICATION_TASK_{one}" for one in types]
    ids = ["0074", "0069", "0079", "0069", "0078", "0073"]
    assert [one["eventId"] for one in told] == [f"DMS-EVENT-{one}" for one in ids]
    assert told[1] == {
        "type": "REPLICATION_TASK",
        "category": "StateChange",
        "eventType": "REPLICATION_TASK_STARTED",
        "eventId": "DMS-EVENT-0069",
        "resourceLink": f"https://console.aws.amazon.com/dms/v2/home?region=us-east-1#taskDetails/{name}",
        "detailMessage": "Replication task started, with flag = fresh start",
    }
    assert [one["detailMessage"] for one in told[2:4]] == [
        "Stop Reason NORMAL",
        "Replication task started, with flag = resume",
    ]
    published = [params for _, operation, params in recorder.calls if operation == "Publish"]
    by_topic = {
        number: [json.loads(p["Message"]) for p in published if p["TopicArn"].endswith(f"topic-{number}")]
        for number in (0, 1)
    }
    assert [one["Event ID"].split("#")[1] for one in by_topic[0]] == [
        f"DMS-EVENT-{one} " for one in ("0079", "0069", "0073")
    ]
    assert [one["Event Message"].splitlines()[0] for one in by_topic[1]] == ["Replication task has failed."]
    assert by_topic[0][0]["SourceId"] == name
    shown = dms.describe_events(SourceIdentifier=name, SourceType="replication-task", EventCategories=["failure"])[
        "Events"
    ]
    assert [one["EventCategories"] for one in shown] == [["failure"]]
    for number in (0, 1):
        dms.delete_event_subscription(SubscriptionName=f"{migration.database}-{number}")


def test_a_fence_that_forgets_dms_is_seen(running: tuple[Migration, str]) -> None:
    migration, _ = running
    migration.on_source(
        f"REVOKE CONNECT ON DATABASE {migration.database} FROM PUBLIC",
        f"REVOKE ALL ON DATABASE {migration.database} FROM {USER}",
        f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = '{USER}' AND datname = '{migration.database}'""",
        "INSERT INTO t VALUES (2000, 'after the fence')",
    )
    time.sleep(1.5)
    assert migration.on_target("SELECT count(*) FROM t WHERE id = 2000") == [(0,)]
    migration.on_source(f"GRANT CONNECT ON DATABASE {migration.database} TO {USER}")
    migration.same("t")


def test_a_target_that_shuts_dms_out_gets_nothing(running: tuple[Migration, str]) -> None:
    migration, _ = running
    migration.on_target(
        f"REVOKE CONNECT ON DATABASE {migration.database} FROM PUBLIC",
        f"REVOKE ALL ON DATABASE {migration.database} FROM {USER}",
        f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = '{USER}' AND datname = '{migration.database}'""",
    )
    eventually(lambda: migration.on_target("SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL") == [(0,)])
    migration.on_source("INSERT INTO t VALUES (2000, 'shut out')")
    time.sleep(1)
    assert migration.on_target("SELECT count(*) FROM t WHERE id = 2000") == [(0,)]
    migration.on_target(f"GRANT ALL ON DATABASE {migration.database} TO {USER}")
    migration.same("t")


def test_a_fenced_source_shows_no_session_but_of_dms_user(running: tuple[Migration, str]) -> None:
    migration, _ = running
    time.sleep(1)
    sessions = f"""SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = '{migration.database}'
    AND backend_type = 'client backend' AND application_name <> ''"""
    assert run(migration.world.source, "postgres", sessions) == [(USER,)]
    assert run(migration.world.target, "postgres", sessions) == [(USER,)]


def test_a_slot_or_subscription_that_is_gone_fails_the_task(running: tuple[Migration, str]) -> None:
    migration, task = running
    name = f"awsdms_{task.rsplit(':', 1)[1].lower()}"
    migration.on_target(f"ALTER SUBSCRIPTION {name} DISABLE", f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)")
    migration.on_target(f"DROP SUBSCRIPTION {name}")
    assert "is gone from the target: reload it" in migration.failed(task)
    migration.start(task, "reload-target")
    migration.await_load(task)
    migration.same("t")


def test_a_rotated_password_is_read_when_the_connection_is_lost(running: tuple[Migration, str]) -> None:
    migration, _ = running
    secret = migration.world.recorder.secrets[f"{migration.database}/source"]
    old = secret["password"]
    run(migration.world.source, "postgres", f"ALTER ROLE {USER} PASSWORD 'rotated-two'")
    try:
        secret["password"] = "rotated-two"
        migration.on_source(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}' "
            f"AND datname = '{migration.database}'",
            "INSERT INTO t VALUES (2000, 'after')",
        )
        migration.same("t")
    finally:
        run(migration.world.source, "postgres", f"ALTER ROLE {USER} PASSWORD '{old}'")
