"""The switchover in a sandbox, whole: refused, taken back when a row differs, and made once that is mended."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from sandbox import stack
from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.rehearsal import shop
from sandbox.rehearsal.carry import Carry
from sandbox.rehearsal.operator import Operator
from tests.support.pulumi_mocks import REPOSITORY
from tests.support.sandboxes import deployed

TTL = 3
SLOTS = "SELECT count(*) FROM pg_replication_slots WHERE plugin = 'test_decoding'"  # DMS keeps slots of its own
WRITABLE = "SET default_transaction_read_only = off; "
DAMAGE = WRITABLE + "UPDATE customers SET name = name || '!' WHERE id = (SELECT id FROM customers ORDER BY id LIMIT 1)"
MEND = WRITABLE + "UPDATE customers SET name = rtrim(name, '!')"


@dataclass
class Migration:
    """A deployed stack whose replication runs, and the application's password."""

    instance: Instance
    operator: Operator
    password: str

    def lets_in(self, server: ServerInfo) -> bool:
        """Say whether the application gets into a side and may write there."""
        try:
            connection = psycopg2.connect(
                host=server.address, port=server.port, dbname="shop", user=shop.APPLICATION, password=self.password
            )
        except psycopg2.OperationalError as error:
            assert "permission denied for database" in str(error)
            return False
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                return bool(cursor.fetchone() == ("off",))
        finally:
            connection.close()

    def names(self, which: str = "writer_name") -> dict[str, tuple[int, int]]:
        """Return weight and time to live of a name's records, by identifier."""
        found = self.instance.client("route53").list_resource_record_sets(
            HostedZoneId=self.operator.outputs["hosted_zone_id"]
        )["ResourceRecordSets"]
        name = self.operator.outputs[which].rstrip(".")
        return {r["SetIdentifier"]: (r["Weight"], r["TTL"]) for r in found if r["Name"].rstrip(".") == name}

    def tasks(self) -> dict[str, str]:
        """Return the status of both tasks."""
        found = self.instance.client("dms").describe_replication_tasks()["ReplicationTasks"]
        status = {task["ReplicationTaskArn"]: task["Status"] for task in found}
        return {kind: status[self.operator.outputs[kind]] for kind in ("replication_task_arn", "failback_task_arn")}

    def function(self, ending: str) -> str:
        """Return the name of the function that ends like this."""
        found = self.instance.client("lambda").list_functions()["Functions"]
        [name] = [f["FunctionName"] for f in found if f["FunctionName"].endswith(ending)]
        return str(name)

    def state(self) -> dict[str, Any]:
        """Return what the state parameter shows."""
        name = self.operator.outputs["state_parameter_name"]
        shown: dict[str, Any] = json.loads(self.instance.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        return shown

    def on_target(self, statement: str) -> None:
        """Do something behind everybody's back."""
        self.on(self.instance.target, statement)

    def on(self, server: ServerInfo, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on a side as its superuser and return its rows."""
        with server.superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


@dataclass
class Application:
    """Another team's stack, which knows the migration's by reference only."""

    migration: Migration
    folder: Path

    def pulumi(self, *args: str) -> str:
        """Run the engine in the program's own folder and return what it printed."""
        done = subprocess.run(
            ["pulumi", *args, "--non-interactive"],
            cwd=self.folder,
            env=self.migration.instance.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def database(self) -> dict[str, Any]:
        """Return what the program wrote down for its tasks."""
        name = self.pulumi("stack", "output", "database_parameter").strip()
        found: dict[str, Any] = json.loads(
            self.migration.instance.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        )
        return found

    def reaches(self) -> str:
        """Connect as a task would, by the writer's name, and return the address of the server that answered."""
        known = self.database()
        ask = (
            "import psycopg2, sys\n"
            "host, port, database, user, password = sys.stdin.read().split()\n"
            "c = psycopg2.connect(host=host, port=port, dbname=database, user=user, password=password)\n"
            "q = c.cursor()\n"
            "q.execute('SELECT host(inet_server_addr())')\n"
            "print(q.fetchone()[0])\n"
        )
        login = (known["writer"], str(known["port"]), known["database"], shop.APPLICATION, self.migration.password)
        done = subprocess.run(
            [sys.executable, "-c", ask],
            input="\n".join(login),
            env=self.migration.instance.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def migration() -> Iterator[Migration]:
    # A difference gets this long to go away: the default suits DMS's batches.
    config = stack.load("dev")
    config["database-migration:switchover"] = {"drainSeconds": 2}
    passwords = shop.new_passwords()
    with deployed("switchover", config, 3_000, passwords) as instance:
        outputs = stack.outputs(instance)
        operator = Operator(instance.client, outputs, lambda: None, Carry(instance, outputs))
        operator.prepare()
        operator.carry_definitions()
        yield Migration(instance, operator, passwords[shop.APPLICATION])


@pytest.fixture(scope="module")
def application(migration: Migration, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The application team's program, deployed beside the migration."""
    folder = tmp_path_factory.mktemp("application") / "program"
    shutil.copytree(REPOSITORY / "examples" / "application-team", folder)
    deployed = Application(migration, folder)
    deployed.pulumi("stack", "init", migration.instance.name)
    deployed.pulumi("config", "set", "migration", f"organization/{stack.PROJECT}/{migration.instance.name}")
    deployed.pulumi("up", "--yes", "--skip-preview")
    return deployed


def test_an_application_finds_its_database_by_stack_reference(migration: Migration, application: Application) -> None:
    assert application.database()["secret_arn"] == migration.operator.outputs["application_secret_arn"]
    assert application.database()["security_group_id"] == migration.operator.outputs["application_security_group_id"]
    assert application.reaches() == migration.instance.source.address


def test_it_is_refused_before_the_replication_runs(migration: Migration) -> None:
    said = migration.operator.switch_over("attempt-1")
    assert said["status"] == "FAILED"
    assert "Nothing was changed" in said["cause"]
    assert "the replication task is ready: start it and wait for its full load" in migration.state()["reason"]
    assert migration.names() == {"blue": (100, TTL), "green": (0, TTL)}
    assert migration.lets_in(migration.instance.source)
    assert not migration.lets_in(migration.instance.target)


def test_people_hear_of_the_replication_s_milestones(migration: Migration) -> None:
    outputs = migration.operator.outputs
    sqs, sns = migration.instance.client("sqs"), migration.instance.client("sns")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(
        TopicArn=outputs["topic_arn"], Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    migration.operator.load_fully()
    heard: list[dict[str, Any]] = []

    def told() -> bool:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        heard.extend(json.loads(message["Body"]) for message in found)
        return any(message.get("detail-type") == "DMS Replication Task State Change" for message in heard)

    migration.operator.wait(told, "the message")
    event = next(message for message in heard if "detail-type" in message)
    assert event["source"] == "aws.dms"
    assert event["resources"] == [outputs["replication_task_arn"]]


def test_a_row_that_differs_takes_it_back(migration: Migration) -> None:
    migration.on_target(DAMAGE)
    said = migration.operator.switch_over("attempt-2")
    assert said["status"] == "FAILED"
    assert "taken back: the side that was open is open" in said["cause"]
    state = migration.state()
    assert state["phase"] == "undone"
    assert "public.customers" in state["reason"]
    assert migration.names() == {"blue": (100, TTL), "green": (0, TTL)}
    assert migration.lets_in(migration.instance.source)
    assert not migration.lets_in(migration.instance.target)


def test_a_function_killed_behind_the_fence_is_taken_back_by_the_next(migration: Migration) -> None:
    migration.on_target(MEND)
    states, operator = migration.instance.client("stepfunctions"), migration.operator
    states.start_execution(stateMachineArn=operator.outputs["state_machine_arn"], name="attempt-3", input="{}")
    operator.wait(lambda: at_work(operator.record(), "attempt-3", "announce"), "the announcement")
    with migration.instance.target.superuser("shop") as held, held.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE migration_control.fence")  # the sequences wait here, behind the fence
        operator.wait(lambda: at_work(operator.record(), "attempt-3", "sequences"), "the sequences")
        assert not migration.lets_in(migration.instance.source)
        os.kill(function_process(migration.instance, "-switch"), signal.SIGKILL)
        cursor.execute("ROLLBACK")
    operator.wait(lambda: migration.state()["phase"] == "undone", "the undo")
    assert migration.names() == {"blue": (100, TTL), "green": (0, TTL)}
    assert migration.lets_in(migration.instance.source)
    assert not migration.lets_in(migration.instance.target)


def at_work(record: dict[str, Any], owner: str, step: str) -> bool:
    """Say whether an attempt has begun a step."""
    return record["owner"] == owner and step in record["begun"]


def function_process(instance: Instance, ending: str) -> int:
    """Return the process that a function runs in, in this sandbox and no other."""
    where, found = f"AWS_ENDPOINT_URL=http://127.0.0.1:{instance.ports.ministack}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours
            variables = path.read_bytes().split(b"\0")
            names = [v.decode() for v in variables if v.startswith(b"AWS_LAMBDA_FUNCTION_NAME=")]
            if where in variables and names and names[0].endswith(ending):
                found.append(int(path.parent.name))
    assert len(found) == 1, found
    return found[0]


def test_it_is_made_once_that_is_mended(migration: Migration) -> None:
    said = migration.operator.switch_over("attempt-4")
    assert said["status"] == "RUNNING", migration.state()
    assert migration.names() == {"blue": (0, 1), "green": (100, 1)}
    assert migration.names("reader_name") == migration.names()
    assert not migration.lets_in(migration.instance.source)
    assert migration.lets_in(migration.instance.target)
    assert said["record"]["phase"] == "open"
    assert said["record"]["evidence"]["settle"]["way_back"]["safe"], said["record"]["evidence"]["settle"]


def test_the_application_is_right_without_being_deployed_again(migration: Migration, application: Application) -> None:
    assert application.reaches() == migration.instance.target.address
    application.pulumi("preview", "--expect-no-changes")


def test_it_is_made_once(migration: Migration) -> None:
    said = migration.operator.switch_over("attempt-5")
    assert said["status"] == "FAILED"
    assert migration.names() == {"blue": (0, 1), "green": (100, 1)}
    assert not migration.lets_in(migration.instance.source)
    assert migration.lets_in(migration.instance.target)


def test_a_deployment_during_the_window_changes_neither_names_nor_tasks(migration: Migration) -> None:
    stack.pulumi(migration.instance, "preview", "--refresh", "--expect-no-changes")
    stack.pulumi(migration.instance, "up", "--refresh", "--yes", "--skip-preview")
    assert migration.names() == {"blue": (0, 1), "green": (100, 1)}
    assert migration.tasks() == {"replication_task_arn": "stopped", "failback_task_arn": "running"}


def test_the_way_back_is_seen_to_be_safe(migration: Migration) -> None:
    migration.operator.wait(lambda: "way_back" in migration.state(), "the observer")
    said = migration.operator.invoke(migration.function("-observe"), {})
    assert said["way_back"]["safe"], said
    assert said["way_back"]["until"] > "2026"


def test_it_goes_back_with_what_was_written_meanwhile(migration: Migration) -> None:
    migration.on_target("INSERT INTO customers (name, email) SELECT 'on green', 'green@example.com'")
    said = migration.operator.fail_back("back-1")
    assert said["status"] == "SUCCEEDED", migration.state()
    assert said["record"]["phase"] == "failed back"
    assert migration.names() == {"blue": (100, TTL), "green": (0, TTL)}
    assert migration.names("reader_name") == migration.names()
    assert migration.lets_in(migration.instance.source)
    assert not migration.lets_in(migration.instance.target)
    assert migration.tasks() == {"replication_task_arn": "stopped", "failback_task_arn": "stopped"}
    found = "SELECT count(*) FROM customers WHERE name = 'on green'"
    assert migration.on(migration.instance.source, found) == [(1,)]
    assert migration.on(migration.instance.target, SLOTS) == [(0,)]


def test_after_a_fail_back_it_can_all_be_done_again_and_finished(migration: Migration) -> None:
    operator = migration.operator
    with pytest.raises(SandboxError, match="the target is behind"):
        operator.prepare()
    operator.invoke(operator.outputs["prepare_function_name"], {"empty_target": True})
    stack.make_anew(migration.instance, "aws:dms/replicationTask:ReplicationTask", "-forward")
    operator = replace(operator, outputs=stack.outputs(migration.instance))
    migration.operator = operator
    operator.load_fully()
    said = operator.switch_over("attempt-6")
    assert said["status"] == "RUNNING", migration.state()
    assert said["record"]["evidence"]["settle"]["way_back"]["safe"], said["record"]["evidence"]["settle"]
    assert operator.invoke(migration.function("-finish"), {"execution": "attempt-6"})["outcome"] == "completed"
    assert migration.names() == {"blue": (0, TTL), "green": (100, TTL)}
    assert migration.tasks() == {"replication_task_arn": "stopped", "failback_task_arn": "stopped"}
    assert migration.on(migration.instance.target, SLOTS) == [(0,)]
    fence = "SELECT to_regclass('migration_control.fence')"
    assert migration.on(migration.instance.target, fence) == migration.on(migration.instance.source, fence) == [(None,)]
    assert operator.record()["phase"] == "completed"
    assert operator.fail_back("back-2")["status"] == "FAILED"


def test_the_stack_has_no_changes_after_all_that_once_refreshed(migration: Migration) -> None:
    stack.pulumi(migration.instance, "preview", "--refresh", "--expect-no-changes")
    stack.pulumi(migration.instance, "up", "--refresh", "--yes", "--skip-preview")
    assert migration.names() == {"blue": (0, TTL), "green": (100, TTL)}
