"""How a rehearsal begins, by composition: until both sides are ready and the replication may start."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox import lifecycle, stack
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.rehearsal import carry, fill, plants
from sandbox.rehearsal.application import Source
from sandbox.rehearsal.carry import Login
from sandbox.rehearsal.console import Console
from sandbox.rehearsal.operator import Operator
from sandbox.rehearsal.request import Request
from sandbox.source import OPERATOR, REPLICATION


@dataclass(frozen=True)
class Given:
    """What there is at first: a sandbox in which nothing is deployed. `phase` opens a phase of this name."""

    instance: Instance
    request: Request
    options: Options
    console: Console
    phase: Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Ready:
    """What there is then. `master` is the target's administrator, `resources` counts what was deployed by type."""

    source: Source
    operator: Operator
    master: Login
    resources: Mapping[str, int]


def source_first(given: Given) -> Ready:
    """Fill a source, and deploy the stack that moves it."""
    instance, tell = given.instance, given.console.tell
    with given.phase("fill the source"):
        source = fill.own_database(instance.source, given.request, tell)
        plants.plant(instance.source, source.database, given.request.plants)
    operator, resources = _deploy(given, source.database, source.role)
    master = _login(instance, operator.outputs["master_secret_arn"])
    with given.phase("prepare both sides"):
        operator.prepare()
        carry.carry(instance, source.database, master, (OPERATOR, REPLICATION), passwords=True)
    return Ready(source, operator, master, resources)


def stack_first(given: Given) -> Ready:
    """Deploy a stack that makes its source, and fill that: the prepare function makes the application's role there."""
    instance = given.instance
    operator, resources = _deploy(given)
    outputs = operator.outputs
    old_master, replication, application, new_master = (
        _login(instance, outputs[f"{user}_secret_arn"])
        for user in ("source_master", "source_replication", "source_application", "target_master")
    )
    with given.phase("prepare both sides"):
        operator.prepare()
    with given.phase("fill the source"):
        database, tell = outputs["source_database_name"], given.console.tell
        source = fill.made_database(instance.source, given.request, database, old_master, application, tell)
        plants.plant(instance.source, database, given.request.plants)
    with given.phase("carry the schema over"):
        ours = (old_master.username, replication.username)
        carry.carry(instance, database, new_master, ours, passwords=False)
    return Ready(source, operator, new_master, resources)


BEGINNINGS: Mapping[str, Callable[[Given], Ready]] = {"application": stack_first, "migration": source_first}
"""Compositions that can be rehearsed, and how."""


def _deploy(given: Given, database: str = "", role: str = "") -> tuple[Operator, Mapping[str, int]]:
    """Deploy the stack and return who works with it, in the region where its state machine is."""
    instance = given.instance
    with given.phase("deploy"):
        lifecycle.declare(instance, given.options, database, role)
        lifecycle.deploy(instance)
        outputs, resources = stack.outputs(instance), stack.resources(instance)
        given.console.tell(f"{sum(resources.values())} resources")
    client = partial(instance.client, region=_region(outputs["state_machine_arn"]))
    return Operator(client, outputs, given.console.beat), resources


def _login(instance: Instance, secret_arn: str) -> Login:
    """Return the role in a secret, of the region that the ARN names."""
    client = instance.client("secretsmanager", _region(secret_arn))
    found: dict[str, Any] = json.loads(client.get_secret_value(SecretId=secret_arn)["SecretString"])
    return Login(found["username"], found["password"])


def _region(arn: str) -> str:
    return arn.split(":")[3]
