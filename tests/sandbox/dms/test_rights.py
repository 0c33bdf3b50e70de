"""What a task needs: a right, a setting or a secret that is missing fails it, by name and with no password shown."""

import json

import pytest

from tests.sandbox.dms.world import PASSWORD, USER, Migration, World, eventually, run


@pytest.fixture
def ready(migration: Migration) -> Migration:
    migration.both("CREATE TABLE t (id int PRIMARY KEY, v text)")
    migration.grant()
    migration.endpoint("source", migration.world.source)
    migration.endpoint("target", migration.world.target)
    migration.connect()
    return migration


def test_a_source_table_that_may_not_be_read(ready: Migration) -> None:
    ready.on_source("CREATE TABLE hidden (id int PRIMARY KEY)")
    assert "the source is not ready: dms may not SELECT from public.hidden" in ready.fails(ready.task())


def test_a_source_user_who_may_not_replicate(ready: Migration) -> None:
    run(ready.world.source, "postgres", f"ALTER ROLE {USER} NOREPLICATION")
    try:
        message = ready.fails(ready.task())
        assert "dms has neither REPLICATION nor membership in rds_replication" in message
        # As on RDS, where a role gives what elsewhere is an attribute.
        run(ready.world.source, "postgres", "CREATE ROLE rds_replication", f"GRANT rds_replication TO {USER}")
        ready.start(ready.tasks[0], "reload-target")
        ready.await_load(ready.tasks[0])
    finally:
        run(ready.world.source, "postgres", f"ALTER ROLE {USER} REPLICATION", "DROP ROLE IF EXISTS rds_replication")


def test_a_full_load_alone_needs_no_right_to_replicate(ready: Migration) -> None:
    ready.on_source("INSERT INTO t VALUES (1, 'one')")
    run(ready.world.source, "postgres", f"ALTER ROLE {USER} NOREPLICATION")
    try:
        task = ready.task("full-load")
        ready.start(task)
        ready.await_status(task, "stopped")
        assert ready.on_target("SELECT * FROM t") == [(1, "one")]
    finally:
        run(ready.world.source, "postgres", f"ALTER ROLE {USER} REPLICATION")


def test_a_sender_timeout_that_dms_refuses(ready: Migration) -> None:
    run(ready.world.source, "postgres", f"ALTER ROLE {USER} SET wal_sender_timeout = '5s'")
    try:
        assert "wal_sender_timeout is 5000 ms" in ready.fails(ready.task())
    finally:
        run(ready.world.source, "postgres", f"ALTER ROLE {USER} RESET wal_sender_timeout")


def test_a_target_table_that_may_not_be_written(ready: Migration) -> None:
    ready.on_target(f"REVOKE UPDATE ON t FROM {USER}")
    assert "the target is not ready: dms may not UPDATE public.t" in ready.fails(ready.task())


def test_a_target_that_is_read_only_for_dms_too(ready: Migration) -> None:
    ready.on_target(f"ALTER DATABASE {ready.database} SET default_transaction_read_only = on")
    assert "sessions of dms are read-only" in ready.fails(ready.task())


def test_a_target_schema_in_which_nothing_may_be_made(ready: Migration) -> None:
    ready.on_source("CREATE TABLE more (id int PRIMARY KEY)")
    ready.grant()
    ready.on_target(f"REVOKE CREATE ON SCHEMA public FROM {USER}")
    assert "permission denied for schema public" in ready.fails(ready.task())


def test_a_role_that_may_not_set_what_the_script_sets(ready: Migration) -> None:
    run(ready.world.target, "postgres", f"REVOKE SET ON PARAMETER session_replication_role FROM {USER}")
    try:
        assert 'permission denied to set parameter "session_replication_role"' in ready.fails(ready.task())
    finally:
        run(ready.world.target, "postgres", f"GRANT SET ON PARAMETER session_replication_role TO {USER}")


def test_foreign_keys_and_triggers_that_dms_would_run_into(ready: Migration) -> None:
    ready.both("CREATE TABLE child (id int PRIMARY KEY, t int CONSTRAINT child_of REFERENCES t)")
    ready.grant()
    settings = {"AfterConnectScript": "SET application_name = 'dms'"}
    ready.world.dms.modify_endpoint(EndpointArn=ready.arns["target"], PostgreSQLSettings=settings)
    ready.connect("target")
    assert "would fire while rows come in no order: child_of; set session_replication_role" in ready.fails(ready.task())


def test_a_column_that_the_target_lacks(ready: Migration) -> None:
    ready.on_source("ALTER TABLE t ADD COLUMN extra int")
    assert "public.t lacks extra" in ready.fails(ready.task())


def test_no_tables_at_all(ready: Migration) -> None:
    ready.on_source("DROP TABLE t")
    assert "No tables were found at task initialization" in ready.fails(ready.task())
    task = ready.task(settings={"ErrorBehavior": {"FailOnNoTablesCaptured": False}}, name="empty")
    ready.start(task)
    ready.await_load(task)


def test_a_host_that_is_none_of_the_sandboxs_servers(ready: Migration) -> None:
    ready.world.recorder.secrets[f"{ready.database}/target"]["host"] = "db.example.com"
    message = ready.fails(ready.task())
    assert "is db.example.com:" in message
    assert "the sandbox's DMS replicates between its own servers only" in message


def test_a_connection_that_does_not_work_says_why_and_keeps_a_task_from_starting(ready: Migration) -> None:
    secret = ready.world.recorder.secrets[f"{ready.database}/source"]
    secret["password"] = "a-wrong-password"
    arn = ready.arns["source"]
    pair = {"EndpointArn": arn, "ReplicationInstanceArn": ready.world.instance_arn}
    assert ready.world.dms.test_connection(**pair)["Connection"]["Status"] == "testing"
    eventually(lambda: ready.connection(arn)["Status"] == "failed")
    message = ready.connection(arn)["LastFailureMessage"]
    assert "Failed to connect to the source as dms" in message
    assert "a-wrong-password" not in message
    task = ready.task()
    with pytest.raises(ready.world.dms.exceptions.InvalidResourceStateFault) as refused:
        ready.world.dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")
    assert "should be successful for starting the replication task" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": None}, "lacks host"),
        ({"port": 1}, "replicates between its own servers only"),
    ],
)
def test_a_secret_that_lacks_or_mistakes_something(ready: Migration, change: dict[str, object], words: str) -> None:
    secret = ready.world.recorder.secrets[f"{ready.database}/source"]
    secret.update(change)
    for key in [key for key, value in secret.items() if value is None]:
        del secret[key]
    assert words in ready.fails(ready.task())


def test_a_secret_that_is_gone_or_out_of_reach(ready: Migration) -> None:
    kept = ready.world.recorder.secrets.pop(f"{ready.database}/source")
    task = ready.task()
    assert "can't be read: ResourceNotFoundException" in ready.fails(task)
    ready.world.recorder.secrets[f"{ready.database}/source"] = kept
    ready.start(task, "reload-target")


def test_a_password_that_is_rotated_while_a_task_stands(ready: Migration) -> None:
    task = ready.task()
    ready.start(task)
    ready.await_load(task)
    ready.stop(task)
    run(ready.world.source, "postgres", f"ALTER ROLE {USER} PASSWORD 'rotated-one'")
    try:
        ready.world.recorder.secrets[f"{ready.database}/source"]["password"] = "rotated-one"
        ready.on_source("INSERT INTO t VALUES (1, 'after')")
        ready.start(task, "resume-processing")
        ready.same("t")
    finally:
        run(ready.world.source, "postgres", f"ALTER ROLE {USER} PASSWORD '{PASSWORD}'")


def test_no_password_stands_in_a_log_or_a_message(ready: Migration, world: World) -> None:
    task = ready.task()
    ready.start(task)
    ready.await_load(task)
    ready.on_target(
        """CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$""",
        "CREATE EVENT TRIGGER no ON ddl_command_end WHEN TAG IN ('CREATE SUBSCRIPTION') EXECUTE FUNCTION no()",
    )
    other = ready.task(name="second", settings={"FullLoadSettings": {"TargetTablePrepMode": "TRUNCATE_BEFORE_LOAD"}})
    assert "not today" in ready.fails(other)
    logged = "".join(path.read_text(errors="replace") for path in world.logs.glob("*.log"))
    assert "not today" in logged
    shown = json.dumps([ready.describe(task), ready.describe(other), world.dms.describe_endpoints()], default=str)
    for password in (PASSWORD, world.source.password, world.target.password):
        assert password not in logged
        assert password not in shown
