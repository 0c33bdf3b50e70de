"""What is measured on: a deployed migration whose replication runs, and an application that writes to it."""

import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from handlers import config as configs
from handlers.adapters.dms import Task
from handlers.adapters.postgres import Database
from handlers.config import Config
from handlers.core.names import BLUE, GREEN
from handlers.migration import Door
from sandbox import instance as instances
from sandbox import lifecycle, stack
from sandbox.dms.server import FAULTS_PATH
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.rehearsal import shop
from sandbox.rehearsal.application import Application, Source
from sandbox.rehearsal.carry import Carry
from sandbox.rehearsal.ledger import Ledger
from sandbox.rehearsal.operator import Operator
from sandbox.rehearsal.writes import SHOP, create_own_table

SEED = 7
WINDOW_SECONDS = 86_400
"""The window for a way back outlasts the run: what an execution does at its end would be measured along."""
STATEMENT_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 1.0
# What the application wrote goes, so that every round begins with the same rows, and tables as small.
_CLEAN = """
DELETE FROM public.orders WHERE request_id IS NOT NULL;
DELETE FROM public.audit_log WHERE order_id > {seeded};
UPDATE public.accounts SET writes = 0, last_request = NULL WHERE writes > 0;
UPDATE warehouse.stock SET writes = 0, last_request = NULL WHERE writes > 0;
DELETE FROM rehearsal.writes WHERE request_id IS NOT NULL;
UPDATE rehearsal.writes SET writes = 0, last_request = NULL WHERE writes > 0"""
_GRANTS = f"""
GRANT USAGE ON SCHEMA rehearsal TO {shop.APPLICATION};
GRANT SELECT, INSERT, UPDATE, DELETE ON rehearsal.writes TO {shop.APPLICATION}"""
_SHRINK = """
VACUUM (FULL, ANALYZE) public.orders, public.order_items, public.payments, public.audit_log, public.accounts,
warehouse.stock, rehearsal.writes"""


class Patient(Operator):
    """An operator who looks once a second: the emulators that answer share the machine with what is measured."""

    def pause(self, seconds: float) -> None:
        """Let a second pass, or more."""
        super().pause(max(seconds, LOOK_AGAIN_SECONDS))


@dataclass
class Stage:
    """A running sandbox. `seeded` is the last order the application found."""

    instance: Instance
    operator: Operator
    source: Source
    folder: Path
    seeded: int

    @property
    def config(self) -> Config:
        """The migration's configuration as its functions read it, with the servers' own addresses for hosts."""
        name = self.operator.outputs["config_parameter_name"]
        found = configs.parse(self.instance.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        return replace(
            found,
            source=replace(found.source, host=self.instance.source.address),
            target=replace(found.target, host=self.instance.target.address),
        )

    @contextmanager
    def database(self, side: str) -> Iterator[Door]:
        """Open a side, blue or green, as the migration's operator."""
        config = self.config
        where = {BLUE: config.source, GREEN: config.target}[side]
        login, replication = self.secret(where.operator_secret_arn), self.secret(where.replication_secret_arn)
        database = Database.connect(where, login, STATEMENT_SECONDS)
        try:
            yield Door(side, database, (login["username"], replication["username"]))
        finally:
            database.close()

    def secret(self, arn: str) -> dict[str, str]:
        """Return a secret's fields."""
        found: dict[str, str] = json.loads(
            self.instance.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        )
        return found

    @contextmanager
    def load(self, rate: float) -> Iterator["Load"]:
        """Let the application write at a rate, into a ledger of its own."""
        ledger = Ledger(self.folder / f"ledger-{time.monotonic_ns()}.jsonl")
        name = self.operator.outputs["writer_name"]
        with Application(self.instance, self.source, name=name, rate=rate, seed=SEED, ledger=ledger.path) as running:
            yield Load(running, ledger)

    def fault(self, task_arn: str, fault: str, seconds: float | None) -> None:
        """Let something go wrong with a task."""
        body = json.dumps({"task": task_arn, "fault": fault, **({"seconds": seconds} if seconds else {})}).encode()
        where = f"http://127.0.0.1:{self.instance.ports.dms}{FAULTS_PATH}"
        with urllib.request.urlopen(urllib.request.Request(where, body, method="POST")):
            pass

    def rules(self, task_arn: str) -> list[dict[str, Any]]:
        """Return the rules of a task's table mappings."""
        return Task(self.instance.client("dms"), None, "", task_arn).mappings()

    def replicate(self) -> None:
        """Load the target and let changes follow."""
        self.operator.load_fully()
        self.operator.carry("before-switchover")

    def renew(self) -> None:
        """After a fail-back: empty the target and begin anew, from the rows there were in the beginning."""
        with self.instance.source.superuser(shop.DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute(_CLEAN.format(seeded=self.seeded))
            cursor.execute(_SHRINK)
        operator = self.operator
        operator.invoke(operator.outputs["prepare_function_name"], {"empty_target": True})
        stack.make_anew(self.instance, "aws:dms/replicationTask:ReplicationTask", "-forward")
        self.operator = replace(operator, outputs=stack.outputs(self.instance))
        self.replicate()


@dataclass
class Load:
    """An application that writes."""

    application: Application
    ledger: Ledger

    def go_on(self, seconds: float) -> None:
        """Let it write for so long. Raises SandboxError where it has ended by itself."""
        time.sleep(seconds)
        self.application.check()


@contextmanager
def deployed(name: str, rows: int, mode: str = SHOP, dns_propagation: float = 0.0) -> Iterator[Stage]:
    """Deploy a migration of a shop with about so many rows, replicate it, and take all down in the end.

    `mode` is the load's: orders in the shop, or single rows in a table of its own beside it.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = stack.load("dev")
        config[f"{stack.PROJECT}:switchover"] = {"bakeSeconds": WINDOW_SECONDS}
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump({"config": config}))
        options = Options(name, str(path), end_with_parent=True, dns_propagation=dns_propagation)
        instance = lifecycle.start(options, tell)
        try:
            yield _stage(instance, options, rows, mode, Path(folder))
        finally:
            instances.stop(name)


def _stage(instance: Instance, options: Options, rows: int, mode: str, folder: Path) -> Stage:
    passwords = shop.new_passwords()
    made = shop.create(instance.source, rows, SEED, passwords)
    with instance.source.superuser(shop.DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM public.orders")
        [seeded] = cursor.fetchone()
        create_own_table(connection, shop.OWNER)
        cursor.execute(_GRANTS)
    lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
    lifecycle.deploy(instance)
    outputs = stack.outputs(instance)
    operator = Patient(instance.client, outputs, lambda: None, Carry(instance, outputs))
    source = Source(shop.DATABASE, made, shop.APPLICATION, passwords[shop.APPLICATION], mode)
    stage = Stage(instance, operator, source, folder, seeded)
    operator.prepare()
    operator.carry_definitions()
    stage.replicate()
    return stage


def tell(what: Any) -> None:
    """Say on standard error how far it is."""
    print(what if isinstance(what, str) else json.dumps(what), file=sys.stderr, flush=True)
