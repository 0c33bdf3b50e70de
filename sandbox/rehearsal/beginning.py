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
from sandbox.rehearsal import fill, plants
from sandbox.rehearsal.application import Source
from sandbox.rehearsal.carry import Carry, Login
from sandbox.rehearsal.console import Console
from sandbox.rehearsal.operator import Operator
from sandbox.rehearsal.request import Request


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
    """What there is then. `resources` counts what was deployed by type."""

    source: Source
    operator: Operator
    resources: Mapping[str, int]


def source_first(given: Given) -> Ready:
    """Fill a source, and deploy the stack that moves it."""
    instance, tell = given.instance, given.console.tell
    with given.phase("fill the source"):
        source = fill.own_database(instance.source, given.request, tell)
        plants.plant(instance.source, source.database, given.request.plants)
    operator, resources = _deploy(given, source.database, source.role)
    with given.phase("prepare both sides"):
        operator.prepare()
        operator.carry_definitions()
    return Ready(source, operator, resources)


def stack_first(given: Given) -> Ready:
    """Deploy a stack that makes its source, and fill that: the prepare function makes the application's role there."""
    instance = given.instance
    operator, resources = _deploy(given, passwords=False)
    outputs = operator.outputs
    master, application = (
        _login(instance, outputs[f"{user}_secret_arn"]) for user in ("source_master", "source_application")
    )
    with given.phase("prepare both sides"):
        operator.prepare()
    with given.phase("fill the source"):
        database, tell = outputs["source_database_name"], given.console.tell
        source = fill.made_database(instance.source, given.request, database, master, application, tell)
        plants.plant(instance.source, database, given.request.plants)
    with given.phase("carry the schema over"):
        operator.carry_definitions()
    return Ready(source, operator, resources)


BEGINNINGS: Mapping[str, Callable[[Given], Ready]] = {"application": stack_first, "migration": source_first}
"""Compositions that can be rehearsed, and how."""


def _deploy(
    given: Given, database: str = "", role: str = "", *, passwords: bool = True
) -> tuple[Operator, Mapping[str, int]]:
    """Deploy the stack and return who works with it, in the region where its state machine is."""
    instance = given.instance
    with given.phase("deploy"):
        lifecycle.declare(instance, given.options, database, role)
        lifecycle.deploy(instance)
        outputs, resources = stack.outputs(instance), stack.resources(instance)
        given.console.tell(f"{sum(resources.values())} resources")
    client = partial(instance.client, region=_region(outputs["state_machine_arn"]))
    carry = Carry(instance, outputs, passwords)
    return Operator(client, outputs, given.console.beat, carry), resources


def _login(instance: Instance, secret_arn: str) -> Login:
    """Return the role in a secret, of the region that the ARN names."""
    client = instance.client("secretsmanager", _region(secret_arn))
    found: dict[str, Any] = json.loads(client.get_secret_value(SecretId=secret_arn)["SecretString"])
    return Login(found["username"], found["password"])


def _region(arn: str) -> str:
    return arn.split(":")[3]
