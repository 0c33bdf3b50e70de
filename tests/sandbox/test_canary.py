"""Readers ahead of a switchover and the question before it, by the real machine on a real stack."""

import itertools
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

from sandbox import stack
from sandbox.databases import ServerInfo
from sandbox.instance import Instance
from sandbox.rehearsal import shop
from sandbox.rehearsal.carry import Carry
from sandbox.rehearsal.operator import Operator
from tests.support.sandboxes import deployed

TTL = 3
FIRST = "migration-dev-1"
BEFORE = {"blue": (100, TTL), "green": (0, TTL)}
READING = {"blue": (0, 1), "green": (100, 1)}
WRITABLE = "SET default_transaction_read_only = off; "
SAMPLED = "UPDATE customers SET name = name || '!'"


@dataclass
class Migration:
    """A deployed stack whose replication runs, the passwords of those who use the database, and what people heard."""

    instance: Instance
    operator: Operator
    passwords: dict[str, str]
    queue: str
    heard: list[dict[str, Any]] = field(default_factory=list)

    def connect(self, server: ServerInfo, role: str) -> Any:
        connection = psycopg2.connect(
            host=server.address, port=server.port, dbname="shop", user=role, password=self.passwords[role]
        )
        connection.autocommit = True
        return connection

    def lets_in(self, server: ServerInfo, role: str) -> bool:
        try:
            self.connect(server, role).close()
        except psycopg2.OperationalError as error:
            assert "permission denied for database" in str(error)
            return False
        return True

    def names(self, which: str) -> dict[str, tuple[int, int]]:
        """Return weight and time to live of a name's records, by identifier."""
        found = self.instance.client("route53").list_resource_record_sets(
            HostedZoneId=self.operator.outputs["hosted_zone_id"]
        )["ResourceRecordSets"]
        name = self.operator.outputs[which].rstrip(".")
        return {r["SetIdentifier"]: (r["Weight"], r["TTL"]) for r in found if r["Name"].rstrip(".") == name}

    def state(self) -> dict[str, Any]:
        """Return what the state parameter shows."""
        name = self.operator.outputs["state_parameter_name"]
        shown: dict[str, Any] = json.loads(self.instance.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        return shown

    def function(self, ending: str) -> str:
        """Return the name of the function that ends like this."""
        found = self.instance.client("lambda").list_functions()["Functions"]
        [name] = [f["FunctionName"] for f in found if f["FunctionName"].endswith(ending)]
        return str(name)

    @contextmanager
    def configured(self, **changes: Any) -> Iterator[dict[str, Any]]:
        """Let the functions read another config for a while; sections are merged."""
        ssm, name = self.instance.client("ssm"), self.operator.outputs["config_parameter_name"]
        text = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        config = json.loads(text)
        for key, value in changes.items():
            config[key] = {**config[key], **value} if isinstance(value, dict) else value
        ssm.put_parameter(Name=name, Value=json.dumps(config), Type="String", Overwrite=True)
        try:
            yield config
        finally:
            ssm.put_parameter(Name=name, Value=text, Type="String", Overwrite=True)

    def on(self, server: ServerInfo, statement: str) -> None:
        with server.superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def begin(self, execution: str) -> None:
        self.instance.client("stepfunctions").start_execution(
            stateMachineArn=self.operator.outputs["state_machine_arn"], name=execution, input="{}"
        )

    def asked(self, execution: str) -> dict[str, Any]:
        """Wait until people are asked, and return what they heard."""
        sqs = self.instance.client("sqs")

        def told() -> bool:
            found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
            self.heard += [json.loads(message["Body"]) for message in found]
            record = self.operator.record()
            assert (record.get("owner"), record.get("phase")) != (execution, "undone"), self.state()
            return any(message.get("execution") == execution for message in self.heard)

        self.operator.wait(told, "the question")
        return next(message for message in self.heard if message.get("execution") == execution)

    def token(self, command: str) -> str:
        """Return the task token as the command that answers would find it, by its own words."""
        words = shlex.split(command.replace("$(", "").rstrip(")"))
        options = dict(itertools.pairwise(words))
        key = dict(part.split("=", 1) for part in options["--key"].split(","))
        item = self.instance.client("dynamodb").get_item(
            TableName=options["--table-name"],
            Key={name: {"S": value.removeprefix("{S=").rstrip("}")} for name, value in key.items()},
        )["Item"]
        return str(item[options["--query"].split(".")[1]]["S"])


@pytest.fixture(scope="module")
def migration() -> Iterator[Migration]:
    config = stack.load("dev")
    config["database-migration:switchover"] = {
        "drainSeconds": 2,
        "maximumLagSeconds": 3,
        "mode": "approved",
        "canary": {"roles": [shop.REPORT], "percents": [5, 100], "seconds": 1},
    }
    passwords = shop.new_passwords()
    with deployed("canary", config, 3_000, passwords) as instance:
        outputs = stack.outputs(instance)
        operator = Operator(instance.client, outputs, lambda: None, Carry(instance, outputs))
        operator.prepare()
        operator.carry_definitions()
        sqs = instance.client("sqs")
        queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        instance.client("sns").subscribe(
            TopicArn=operator.outputs["topic_arn"],
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        operator.load_fully()
        yield Migration(instance, operator, passwords, queue)


def all_as_before(migration: Migration) -> None:
    assert migration.names("writer_name") == migration.names("reader_name") == BEFORE
    for role in (shop.APPLICATION, shop.REPORT):
        assert migration.lets_in(migration.instance.source, role)
        assert not migration.lets_in(migration.instance.target, role)


def test_the_observer_hears_from_the_alarm_whether_it_is_safe(migration: Migration) -> None:
    safe, poll = "migration-dev-monitoring-safe-to-switch", "migration-dev-switchover-poll"
    cloudwatch, events = migration.instance.client("cloudwatch"), migration.instance.client("events")
    migration.operator.wait(lambda: bool(migration.state().get("safe_since")), "the alarm")
    assert migration.state()["phase"] == "ready"
    events.disable_rule(Name=poll)
    for state, said in (("OK", False), ("ALARM", True)):
        cloudwatch.set_alarm_state(AlarmName=safe, StateValue=state, StateReason="to be heard of")
        migration.operator.wait(lambda said=said: bool(migration.state()["safe_since"]) is said, state)  # type: ignore[misc]
    events.enable_rule(Name=poll)


def test_by_itself_it_starts_once_it_has_been_safe_for_long_enough(migration: Migration) -> None:
    with migration.configured(mode="automatic"):
        assert "started" not in migration.operator.invoke(migration.function("-observe"), {})
    with migration.configured(mode="automatic", limits={"safe_seconds": 0}):
        migration.operator.invoke(migration.function("-observe"), {})
    migration.operator.wait(lambda: migration.operator.record().get("owner") == FIRST, "the start")


def test_refused_it_takes_readers_and_names_back(migration: Migration) -> None:
    asked = migration.asked(FIRST)
    assert asked["forecast"]["write_gap_seconds"] > 0
    assert list(asked["evidence"]["canary"]) == ["100", "5"]  # as JSON sorts them
    assert asked["evidence"]["canary"]["100"]["rows"] > 1_000
    assert (migration.names("reader_name"), migration.names("writer_name")) == (
        READING,
        {"blue": (100, 1), "green": (0, 1)},
    )
    assert not migration.lets_in(migration.instance.target, shop.APPLICATION)
    reader = migration.connect(migration.instance.target, shop.REPORT)
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customers")
        assert cursor.fetchone()[0] > 0
    assert migration.state()["asked"]["approve"] == asked["approve"]
    migration.instance.client("stepfunctions").send_task_failure(
        taskToken=migration.token(asked["refuse"]), error="Refused", cause="not today"
    )
    assert migration.operator.await_end(FIRST) == "FAILED"
    assert "not today" in migration.state()["reason"]
    all_as_before(migration)
    with pytest.raises(psycopg2.OperationalError), reader.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_reader_that_may_write_is_refused_before_anything_is_changed(migration: Migration) -> None:
    migration.on(migration.instance.target, f"{WRITABLE}GRANT INSERT ON customers TO {shop.REPORT}")
    said = migration.operator.switch_over("attempt-2")
    migration.on(migration.instance.target, f"{WRITABLE}REVOKE INSERT ON customers FROM {shop.REPORT}")
    assert "Nothing was changed" in said["cause"]
    assert f"{shop.REPORT} may write to public.customers" in migration.state()["reason"]
    all_as_before(migration)


def test_rows_that_differ_take_the_canary_back(migration: Migration) -> None:
    migration.on(migration.instance.target, WRITABLE + SAMPLED)
    said = migration.operator.switch_over("attempt-3")
    migration.on(migration.instance.target, WRITABLE + "UPDATE customers SET name = rtrim(name, '!')")
    assert said["status"] == "FAILED"
    assert "rows of public.customers differ" in migration.state()["reason"]
    assert "ask" not in said["record"]["evidence"]
    all_as_before(migration)


def test_a_forecast_over_the_budget_takes_it_back_before_anybody_is_asked(migration: Migration) -> None:
    with migration.configured(limits={"write_gap_seconds": 1}):
        said = migration.operator.switch_over("attempt-4")
    assert said["status"] == "FAILED"
    assert "could not write for" in migration.state()["reason"]
    assert not [message for message in migration.heard if message.get("execution") == "attempt-4"]
    all_as_before(migration)


def test_approved_it_opens_and_the_readers_stay(migration: Migration) -> None:
    migration.begin("attempt-5")
    asked = migration.asked("attempt-5")
    reader = migration.connect(migration.instance.target, shop.REPORT)
    migration.instance.client("stepfunctions").send_task_success(
        taskToken=migration.token(asked["approve"]), output="{}"
    )
    migration.operator.wait(lambda: "settle" in migration.operator.record()["done"], "the switchover")
    assert migration.operator.record()["phase"] == "open"
    assert migration.names("writer_name") == migration.names("reader_name") == READING
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customers")
    for role in (shop.APPLICATION, shop.REPORT):
        assert migration.lets_in(migration.instance.target, role)
        assert not migration.lets_in(migration.instance.source, role)


def test_on_the_way_back_nobody_is_asked_and_there_is_no_canary(migration: Migration) -> None:
    said = migration.operator.fail_back("back-1")
    assert said["status"] == "SUCCEEDED", migration.state()
    assert "canary" not in said["record"]["evidence"]
    all_as_before(migration)
