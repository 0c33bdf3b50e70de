"""The switchover in a sandbox, whole: refused, taken back when a row differs, and made once that is mended."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from sandbox import instance as instances
from sandbox import lifecycle, stack
from sandbox.databases import ServerInfo
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.rehearsal import carry, shop
from sandbox.rehearsal.operator import Operator
from sandbox.source import OPERATOR, REPLICATION
from tests.support.pulumi_mocks import REPOSITORY

TTL = 3
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

    def names(self) -> dict[str, tuple[int, int]]:
        """Return weight and time to live of the writer's records, by identifier."""
        found = self.instance.client("route53").list_resource_record_sets(
            HostedZoneId=self.operator.outputs["hosted_zone_id"]
        )["ResourceRecordSets"]
        writer = self.operator.outputs["writer_name"].rstrip(".")
        return {r["SetIdentifier"]: (r["Weight"], r["TTL"]) for r in found if r["Name"].rstrip(".") == writer}

    def state(self) -> dict[str, Any]:
        """Return what the state parameter shows."""
        name = self.operator.outputs["state_parameter_name"]
        shown: dict[str, Any] = json.loads(self.instance.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        return shown

    def on_target(self, statement: str) -> None:
        """Do something behind everybody's back."""
        with self.instance.target.superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute(statement)


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
def migration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migration]:
    # A difference gets this long to go away: the default suits DMS's batches.
    config = stack.load("dev")
    config["database-migration:switchover"] = {"bakeSeconds": 1, "drainSeconds": 2}
    path = tmp_path_factory.mktemp("config") / "hasty.yaml"
    path.write_text(yaml.safe_dump({"config": config}))
    options = Options(f"sandbox-switchover-{os.getpid()}", str(path), end_with_parent=True)
    instance = lifecycle.start(options, print)
    try:
        passwords = shop.new_passwords()
        shop.create(instance.source, 3_000, 7, passwords)
        lifecycle.declare(instance, options, "shop", shop.APPLICATION)
        lifecycle.deploy(instance)
        operator = Operator(instance.client, stack.outputs(instance), lambda: None)
        operator.prepare()
        secret = instance.client("secretsmanager").get_secret_value(SecretId=operator.outputs["master_secret_arn"])
        login = json.loads(secret["SecretString"])
        master = carry.Login(login["username"], login["password"])
        carry.carry(instance, "shop", master, (OPERATOR, REPLICATION), passwords=True)
        yield Migration(instance, operator, passwords[shop.APPLICATION])
    finally:
        instances.stop(options.name)


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
    assert "taken back: the source is open" in said["cause"]
    state = migration.state()
    assert state["phase"] == "undone"
    assert "public.customers" in state["reason"]
    assert migration.names() == {"blue": (100, TTL), "green": (0, TTL)}
    assert migration.lets_in(migration.instance.source)
    assert not migration.lets_in(migration.instance.target)


def test_a_function_killed_behind_the_fence_is_taken_back_by_the_next(migration: Migration) -> None:
    migration.on_target(MEND)
    states, operator = migration.instance.client("stepfunctions"), migration.operator
    with migration.instance.target.superuser("shop") as held, held.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE orders")  # the comparison waits here, behind the fence
        states.start_execution(stateMachineArn=operator.outputs["state_machine_arn"], name="attempt-3", input="{}")
        operator.wait(lambda: at_work(operator.record(), "attempt-3", "compare"), "the comparison")
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
    assert said["status"] == "SUCCEEDED", migration.state()
    assert migration.names() == {"blue": (0, TTL), "green": (100, TTL)}
    assert not migration.lets_in(migration.instance.source)
    assert migration.lets_in(migration.instance.target)
    assert migration.operator.record()["phase"] == "completed"


def test_the_application_is_right_without_being_deployed_again(migration: Migration, application: Application) -> None:
    assert application.reaches() == migration.instance.target.address
    application.pulumi("preview", "--expect-no-changes")


def test_it_is_made_once(migration: Migration) -> None:
    said = migration.operator.switch_over("attempt-5")
    assert said["status"] == "FAILED"
    assert migration.names() == {"blue": (0, TTL), "green": (100, TTL)}
    assert not migration.lets_in(migration.instance.source)
    assert migration.lets_in(migration.instance.target)


def test_the_stack_has_no_changes_after_a_switchover_once_refreshed(migration: Migration) -> None:
    stack.pulumi(migration.instance, "preview", "--refresh", "--expect-no-changes")
    stack.pulumi(migration.instance, "up", "--refresh", "--yes", "--skip-preview")
    assert migration.names() == {"blue": (0, TTL), "green": (100, TTL)}
