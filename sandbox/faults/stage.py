"""A deployed stack on which fault after fault strikes: its databases, its machine, and what an operator does."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from handlers.core.direction import Direction
from handlers.core.names import GREEN
from sandbox import lifecycle, stack
from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.faults.interception import Interception
from sandbox.instance import Instance
from sandbox.lifecycle import Options, Tell
from sandbox.rehearsal import probe, shop
from sandbox.rehearsal.application import Source
from sandbox.rehearsal.carry import Carry
from sandbox.rehearsal.operator import Operator

SHORT = {"drainSeconds": 3, "maximumLagSeconds": 8, "bakeSeconds": 3600}
"""A difference gets 3 s to go away; the way back outlasts the list of faults."""
CANARY = {"roles": [shop.REPORT], "percents": [100], "seconds": 1}
PERSON = "needs a person"
WITH_OLD_OPEN = {Direction.FORWARD: ("idle", "undone", PERSON), Direction.BACK: ("open", "completed", PERSON)}
WITH_NEW_OPEN = {Direction.FORWARD: ("open",), Direction.BACK: ("failed back",)}
"""What the record may say where one side is open, by the direction of the attempt."""
MOST_CALLS = 10
TASK = (
    *("ReplicationTaskIdentifier", "SourceEndpointArn", "TargetEndpointArn", "ReplicationInstanceArn"),
    *("MigrationType", "TableMappings", "ReplicationTaskSettings"),
)
"""What makes a task."""


class End(StrEnum):
    """How an attempt may end. Old is the side it leads away from."""

    OLD = "old side open"
    NEW = "new side open"
    PERSON = "needs a person with both closed"


@contextmanager
def staged(name: str, rows: int, seed: int, folder: Path, tell: Tell, *, canary: bool = False) -> Iterator["Stage"]:
    """Start a sandbox, deploy the stack, replicate the shop, and end it all in the end.

    With a `canary` all readers go ahead of the writers, for a second.
    """
    config = stack.load(stack.DEFAULT_CONFIG)
    config[f"{stack.PROJECT}:switchover"] = {**SHORT, **({"canary": CANARY} if canary else {})}
    path = folder / "stack.yaml"
    path.write_text(yaml.safe_dump({"config": config}))
    options = Options(name, str(path), end_with_parent=True)
    instance = lifecycle.start(options, tell)
    try:
        passwords = shop.new_passwords()
        count = shop.create(instance.source, rows, seed, passwords)
        with instance.source.superuser(shop.DATABASE) as connection:
            probe.create_table(connection, shop.APPLICATION)
        lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
        lifecycle.deploy(instance)
        outputs = stack.outputs(instance)
        operator = Operator(instance.client, outputs, lambda: None, Carry(instance, outputs))
        operator.prepare()
        operator.carry_definitions()
        operator.load_fully()
        source = Source(shop.DATABASE, count, shop.APPLICATION, passwords[shop.APPLICATION], "shop")
        yield Stage(instance, operator, source)
    finally:
        lifecycle.end(name)


@dataclass
class Stage:
    """The stack and its databases. `source` is the application's database and role."""

    instance: Instance
    operator: Operator
    source: Source
    attempts: int = 0
    functions: dict[str, str] = field(default_factory=dict)

    def server(self, side: str) -> ServerInfo:
        """Return blue's or green's server."""
        return self.instance.target if side == GREEN else self.instance.source

    def sql(self, server: ServerInfo, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the server's superuser and return the last one's rows."""
        with server.superuser(self.source.database) as connection, connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off; SET lock_timeout = '10s'")
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def connect(self, server: ServerInfo) -> Any:
        """Connect as the application, past DNS. The caller closes it."""
        return psycopg2.connect(
            host=server.address,
            port=server.port,
            dbname=self.source.database,
            user=self.source.role,
            password=self.source.password,
            connect_timeout=10,
        )

    def lets_in(self, server: ServerInfo) -> bool:
        """Say whether the application gets into a server and may write there."""
        try:
            connection = self.connect(server)
        except psycopg2.OperationalError as error:
            if "permission denied for database" not in str(error):
                raise
            return False
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                return bool(cursor.fetchone() == ("off",))
        finally:
            connection.close()

    def record(self) -> dict[str, Any]:
        """Return the migration's record."""
        return self.operator.record()

    def function(self, step: str) -> str:
        """Return the name of a step's function."""
        if not self.functions:
            found = self.instance.client("lambda").list_functions()["Functions"]
            self.functions = {f["FunctionName"].rsplit("-", maxsplit=1)[-1]: f["FunctionName"] for f in found}
        return self.functions[step]

    def begin(self, direction: Direction) -> str:
        """Start an execution and return its name."""
        self.attempts += 1
        name = f"attempt-{self.attempts}"
        asked = {"direction": direction.value} if direction is Direction.BACK else {}
        self.instance.client("stepfunctions").start_execution(
            stateMachineArn=self.operator.outputs["state_machine_arn"], name=name, input=json.dumps(asked)
        )
        return name

    def finish(self) -> str:
        """Call the function that ends the window for the way back until it has, and return whose window it was."""
        owner = str(self.record()["owner"])
        for _ in range(MOST_CALLS):
            with suppress(SandboxError):  # who is killed answers nothing
                self.operator.invoke(self.function("finish"), {"execution": owner})
            if self.record()["phase"] == "completed":
                break
        return owner

    def running(self, execution: str) -> bool:
        """Say whether an execution is at work: who only waits for the end of the way back is not."""
        machine = self.operator.outputs["state_machine_arn"]
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{execution}"
        if self.instance.client("stepfunctions").describe_execution(executionArn=arn)["status"] != "RUNNING":
            return False
        record = self.record()
        window = record.get("phase") in ("open", "completed") and "settle" in record["done"]
        return not (window and record["owner"] == execution)

    def await_rest(self, executions: Sequence[str]) -> None:
        """Wait until none of these executions is at work."""
        self.operator.wait(lambda: not any(map(self.running, executions)), f"the end of {', '.join(executions)}")

    def attempt(self, direction: Direction) -> None:
        """Switch over or fail back with nothing in the way. Raises SandboxError if it does not come to that."""
        name = self.begin(direction)
        self.await_rest([name])
        ended = self.end(direction)
        if ended is not End.NEW:
            raise SandboxError(
                f"an attempt {direction} without a fault ended as {ended}: {self.record().get('reason')}"
            )

    def make_ready(self, direction: Direction) -> None:
        """Bring the migration to where an attempt of this direction can begin."""
        phase = self.record().get("phase", "idle")
        if direction is Direction.BACK:
            if phase != "open":
                self.make_ready(Direction.FORWARD)
                self.attempt(Direction.FORWARD)
            return
        if phase == "open":
            self.attempt(Direction.BACK)
            phase = "failed back"
        if phase == "failed back":
            self._load_anew()

    def _load_anew(self) -> None:
        """After a fail-back: empty the target, and load it by a new task of the same name and settings.

        An operator has the stack make the new task. That takes a deployment, and nothing is shown by it here.
        """
        self.operator.invoke(self.operator.outputs["prepare_function_name"], {"empty_target": True})
        self.sql(self.instance.target, "TRUNCATE migration_control.drain_token")
        dms, ssm = self.instance.client("dms"), self.instance.client("ssm")
        before = self.operator.outputs["replication_task_arn"]
        by_arn = [{"Name": "replication-task-arn", "Values": [before]}]
        [task] = dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
        dms.delete_replication_task(ReplicationTaskArn=before)
        dms.get_waiter("replication_task_deleted").wait(Filters=by_arn, WaiterConfig={"Delay": 1})
        kept = {key: task[key] for key in TASK if key in task}
        arn = dms.create_replication_task(**kept)["ReplicationTask"]["ReplicationTaskArn"]
        dms.get_waiter("replication_task_ready").wait(
            Filters=[{"Name": "replication-task-arn", "Values": [arn]}], WaiterConfig={"Delay": 1}
        )
        name = self.operator.outputs["config_parameter_name"]
        text = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        ssm.put_parameter(Name=name, Value=text.replace(before, arn), Overwrite=True)
        self.operator = replace(self.operator, outputs={**self.operator.outputs, "replication_task_arn": arn})
        self.operator.load_fully()

    def end(self, direction: Direction) -> End | str:
        """Return how an attempt of this direction has ended: by the databases, the names and the record, which agree.

        What is no end that may be is said in words.
        """
        phase = str(self.record().get("phase", "idle"))
        old, new = (self.lets_in(self.server(side)) for side in (direction.old, direction.new))
        led_to = self.led_to()
        if not old and not new and phase == PERSON:
            return End.PERSON
        if old and not new and led_to == {direction.old} and phase in WITH_OLD_OPEN[direction]:
            return End.OLD
        if new and not old and led_to == {direction.new} and phase in WITH_NEW_OPEN[direction]:
            return End.NEW
        sides = f"{direction.old} {'open' if old else 'closed'}, {direction.new} {'open' if new else 'closed'}"
        return f"{sides}, names lead to {' and '.join(sorted(led_to))}, the record says {phase}"

    def led_to(self) -> set[str]:
        """Return the sides that the names lead to."""
        outputs = self.operator.outputs
        found = self.instance.client("route53").list_resource_record_sets(HostedZoneId=outputs["hosted_zone_id"])
        names = {outputs[name].rstrip(".") for name in ("writer_name", "reader_name")}
        records = (r for r in found["ResourceRecordSets"] if r["Name"].rstrip(".") in names)
        return {record["SetIdentifier"] for record in records if record["Weight"]}

    def open_side(self) -> ServerInfo | None:
        """Return the server that lets the application in, None where there is none."""
        return next((s for s in (self.instance.source, self.instance.target) if self.lets_in(s)), None)


@dataclass
class Attempt:
    """An attempt while a fault strikes it. `executions` are its own, first, and those the fault has started."""

    stage: Stage
    direction: Direction
    interception: Interception
    executions: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What a fault has seen that may not be, in words."""

    @property
    def old(self) -> ServerInfo:
        """The server of the side it leads away from."""
        return self.stage.server(self.direction.old)

    @property
    def new(self) -> ServerInfo:
        """The server of the side it leads to."""
        return self.stage.server(self.direction.new)

    def start_another(self) -> str:
        """Start another execution of the same direction and return its name."""
        name = self.stage.begin(self.direction)
        self.executions.append(name)
        return name
