"""Every function's rights against its calls: the handlers as Lambda runs them, on an account in memory."""

import functools
import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import chunk_edge, clients, config, edge, fleet_edge
from handlers.compensation import UndoFailed
from handlers.core.checks import Reason, Unreachable
from handlers.core.comparison import Column, Table
from handlers.core.mapping import Relation
from handlers.core.record import Refused
from handlers.core.rotation import Call as RotationCall
from handlers.core.samples import Key, KeyPart
from handlers.functions import rotate, validate
from handlers.preflight.facts import Objects
from handlers.validation import worker
from handlers.validation.equality import Method
from handlers.validation.plan import Size, pair_up
from handlers.validation.result import TableResult, Verdict
from handlers.validation.run import Subject
from tests.program.programs import run_program, without_layer
from tests.support import rights
from tests.support.facts import clean_facts
from tests.support.fakes import APPLICATION, DMS, OPERATOR, REPORT, FakeTask, FakeWatch, World
from tests.support.pulumi_mocks import REPOSITORY, Recorder, Registered, deploy, stack_config
from tests.support.recorded_aws import Call, RecordedAws
from tests.support.rotating import MADE, FakeAccounts

LAMBDA = "aws:lambda/function:Function"
SWITCHOVER = "database-migration:switchover"
NO_WAY_BACK = {SWITCHOVER: {"failBack": False}}
SERVERLESS = {
    **NO_WAY_BACK,
    "database-migration:replication": {"serverless": {"maximumCapacityUnits": 4}, "tables": [{"schema": "public"}]},
}
WITH_A_REPLICA = {
    "database-migration:target": {
        "instance": {"instanceClass": "db.t3.micro", "storageGb": 20, "multiAz": False, "readReplicas": 1}
    }
}
"""RDS does not manage the password of an instance that has one."""
AHEAD = {SWITCHOVER: {"mode": "approved", "canary": {"roles": [REPORT], "percents": [50, 100], "seconds": 1}}}
EVERY_ROW = {"database-migration:validation": {"enabled": True}}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "by hand": ("staging", {}),
    "canary and approval": ("staging", AHEAD),
    "automatic": ("staging", {SWITCHOVER: {"mode": "automatic"}}),
    "no way back": ("staging", NO_WAY_BACK),
    "every row": ("staging", EVERY_ROW),
    "serverless": ("staging", SERVERLESS),
    "both sides ours": ("payments", EVERY_ROW),
    "database": ("rds-mysql", {}),
    "database with a replica": ("rds-mysql", WITH_A_REPLICA),
    "fleet": ("fleet-orchestration", {}),
}
"""Stacks whose functions differ in what they call: a stack config, and what is changed in it."""
Journey = list[tuple[str, dict[str, Any], str]]
"""Functions in the order they are called, each with its event and the outcome it has to have."""

BEGUN: Journey = [("prepare", {}, "prepared"), ("gate", {}, "ready"), ("announce", {}, "announced")]
CANARY: Journey = [("canary", {"percent": 50}, "reading"), ("canary", {"percent": 50, "check": True}, "healthy")]
THERE: Journey = [*BEGUN, ("switch", {}, "open"), ("settle", {}, "window")]
LATER = {"execution": "run-2"}
BACK: Journey = [
    *THERE,
    ("gate", {**LATER, "input": {"direction": "back"}}, "ready"),
    ("announce", LATER, "announced"),
    ("switch", LATER, "open"),
    ("settle", LATER, "failed back"),
    ("prepare", {"empty_target": True}, "prepared"),
]
WHOLE: Journey = [("observe", {}, "ready"), *THERE, ("observe", {}, "open"), ("finish", {}, "completed")]
FAILS = "fails"
"""An outcome: an error."""
OLD_STAYS_SHUT, TEMPLATES_DRIFT, TASKS_FAIL = "old stays shut", "templates drift", "tasks fail"
NOTHING_RUNS, SCHEMA_CHANGES = "nothing runs", "schema changes"


def stay_shut(aws: RecordedAws) -> None:
    """Have the drain fail, and once the opening of the old side after it."""
    source = aws.world.source
    act = source.act
    aws.world.target.suspended.append("s.t")

    def unless_it_opens(token: int, statements: Sequence[str]) -> None:
        if any(" RESET " in statement for statement in statements):
            source.act = act  # type: ignore[method-assign]
            raise OSError("unit")
        act(token, list(statements))

    source.act = unless_it_opens  # type: ignore[method-assign]


INTERLUDES: dict[str, Callable[[RecordedAws], Any]] = {
    OLD_STAYS_SHUT: stay_shut,
    TEMPLATES_DRIFT: lambda aws: [template.clear() for [template] in aws.templates.values()],
    TASKS_FAIL: lambda aws: aws.lose_tasks(MADE),
    NOTHING_RUNS: lambda aws: setattr(aws.world.task, "found", replace(aws.world.task.found, status="ready")),
    SCHEMA_CHANGES: lambda aws: aws.world.facts.update(old=clean_facts(Objects({"table public.orders": "another"}))),
}
"""What others do between two calls, in the place of a function."""
TAKEN_BACK: Journey = [*BEGUN, (OLD_STAYS_SHUT, {}, ""), ("switch", {}, FAILS), ("undo", {"reason": "unit"}, "undone")]
STARTED: Journey = [
    *(("prepare", {}, "prepared"), (NOTHING_RUNS, {}, ""), ("preflight", {}, "good"), ("start", {}, "started")),
    *((SCHEMA_CHANGES, {}, ""), ("observe", {}, "replicating")),
]
CHUNK = {"run": "r", "round": 1, "table": 0, "chunk": 0, "side": "both", "part": {}}
VALIDATED: Journey = [
    *(("partition", {"run": "r"}, "planned"), ("compare", CHUNK, "done")),
    ("conclude", {"run": "r", "round": 1}, "equal"),
]
LEFT: Journey = [*BEGUN, ("undo", {"give_up": True}, "needs a person")]


FIRST, SECOND = ("first".ljust(36, "-"), "second".ljust(36, "-"))
"""Versions of a secret: Secrets Manager takes none that are shorter."""


def turn(function: str, token: str = FIRST) -> Journey:
    """Return the four calls that rotate a secret to the version `token`."""
    outcomes = ("created", "set", "tested", "rotated")
    return [
        (function, {"Step": call, "ClientRequestToken": token}, outcome)
        for call, outcome in zip(RotationCall, outcomes, strict=True)
    ]


APPLICATION_S, DMS_S, MASTER_S = (f"rotate {purpose}" for purpose in ("application", "replication", "master"))


def with_dms(function: str) -> Journey:
    """Return a rotation of a user of DMS's, whose tasks have failed meanwhile."""
    return [("observe", {}, "ready"), (TASKS_FAIL, {}, ""), *turn(function), ("observe", {}, "ready")]


def late(function: str) -> Journey:
    """Return the same whose last call comes again when the way back is in use."""
    return [*turn(function), *THERE, (TASKS_FAIL, {}, ""), *turn(function)[-1:]]


ROTATED: Journey = [*turn(APPLICATION_S), *turn(APPLICATION_S, SECOND), *with_dms(DMS_S)]
REFUSED: Journey = [
    *(*BEGUN, *((f, {"Step": "createSecret", "ClientRequestToken": FIRST}, FAILS) for f in (APPLICATION_S, DMS_S))),
    *(("undo", {"reason": "unit"}, "undone"), *turn(APPLICATION_S)),
    *(*turn(DMS_S)[:1], ("gate", LATER, "refused"), *turn(DMS_S)[1:]),
    ("gate", {"execution": "run-3"}, "ready"),
]
ROTATION = (ROTATED, REFUSED)
MIGRATION = (STARTED, WHOLE, BACK, TAKEN_BACK, LEFT, late(DMS_S), *ROTATION)
OF_BOTH_SIDES = tuple(f"rotate {side} replication" for side in ("source", "target"))
FLEET: Journey = [
    ("advance", {"database": "orders", "phase": "replicating"}, "replicating"),
    ("advance", {"database": "orders", "phase": "validated"}, "validated"),
    ("advance", {"database": "orders", "phase": "shifting", "reader_percent": 50}, "shifting"),
    ("rollback", {"database": "orders", "reason": "unit"}, "rolled_back"),
]
JOURNEYS: dict[str, tuple[Journey, ...]] = {
    "canary and approval": (
        *MIGRATION,
        [*BEGUN, *CANARY, ("ask", {"token": "t"}, "asked"), ("undo", {"reason": "unit"}, "undone")],
    ),
    "no way back": (STARTED, WHOLE, TAKEN_BACK, LEFT, *ROTATION),
    "every row": (*MIGRATION, VALIDATED),
    "serverless": (STARTED, WHOLE, TAKEN_BACK, LEFT, *ROTATION),
    "both sides ours": (
        *(STARTED, WHOLE, BACK, TAKEN_BACK, LEFT, VALIDATED),
        *(journey(function) for function in OF_BOTH_SIDES for journey in (with_dms, late)),
    ),
    "database": ([("validate", {}, "failed")],),
    "database with a replica": ([("validate", {}, "failed")], [*turn(MASTER_S), *turn(MASTER_S, SECOND)]),
    "fleet": (FLEET, [("servers", {}, "applied"), (TEMPLATES_DRIFT, {}, ""), ("servers", {}, "applied")]),
}


@pytest.fixture(autouse=True, scope="module")
def layer() -> Iterator[None]:
    with without_layer():
        yield


@functools.cache
def declared(variant: str) -> Recorder:
    """Return what a variant declares."""
    stack, changes = VARIANTS[variant]
    before = stack_config(stack)
    return deploy(run_program, {**before, **{k: _merged(before.get(k), v) for k, v in changes.items()}}, stack)


def _merged(before: Any, change: dict[str, Any]) -> dict[str, Any]:
    return change if "serverless" in change else {**(before or {}), **change}


def functions(recorder: Recorder) -> dict[str, Registered]:
    """Return the functions a stack declares, by the module that has their code; one for each secret by its purpose.

    Where both sides have one, by its side as well.
    """
    return {_called(r): r for r in recorder.resources if r.type == LAMBDA}


def _called(function: Registered) -> str:
    module = str(function.inputs["handler"].split(".")[-2])
    if module != "rotate":
        return module
    before, purpose = function.name.rsplit("-rotation-", 1)
    side = [word for word in before.split("-") if word in ("source", "target")]
    return " ".join([module, *side, purpose])


def account(recorder: Recorder) -> RecordedAws:
    """Return an account with what a declared stack has put into it."""
    world = World()
    world.source.roles[REPORT] = world.target.roles[REPORT] = False
    parameters = {p["name"]: p["value"] for p in recorder.of("aws:ssm/parameter:Parameter").values()}
    aws = RecordedAws(world, parameters)
    for record in recorder.of("aws:route53/record:Record").values():
        made = {"Name": record["name"], "Type": record["type"], "TTL": int(record.get("ttl", 60))}
        if "weightedRoutingPolicies" in record:
            made |= {
                "SetIdentifier": record["setIdentifier"],
                "Weight": int(record["weightedRoutingPolicies"][0]["weight"]),
            }
        values = [{"Value": f'"{v}"' if record["type"] == "TXT" else v} for v in record.get("records", [])]
        aws.records.append({**made, "ResourceRecords": values})
    return aws


def migrating(aws: RecordedAws, found: config.Config) -> None:
    """Let an account have the secrets and tasks of a migration."""
    for side in (found.source, found.target):
        aws.keep(side.operator_secret_arn, username=OPERATOR)
        aws.keep(side.replication_secret_arn, username=DMS, password="any")
    for arn in filter(None, (found.application_secret_arn, found.source_application_secret_arn)):
        aws.keep(arn, username=APPLICATION, password="any")
    world, replication = aws.world, found.replication
    world.failback_task.slot = replication.failback_slot
    tasks: dict[str, FakeTask] = {replication.task_arn: world.task, replication.failback_task_arn: world.failback_task}
    aws.tasks.update(tasks)
    aws.alarms[found.alarms.safe_to_switch] = "ALARM"


def rotating(aws: RecordedAws, functions_: Iterable[Registered]) -> None:
    """Let an account have the secrets that rotate, and the databases their users."""
    for known in map(_rotation, functions_):
        place = {"engine": known.engine, "host": known.host, "port": known.port, "dbname": known.database}
        aws.keep(known.secret_arn, username=known.username, password="any", **place)
        aws.accounts.setdefault(known.host, {})[known.username] = "any"


def begun(aws: RecordedAws, function: Registered, event: dict[str, Any]) -> dict[str, str]:
    """Have Secrets Manager begin a rotation with its first call, and return the secret as it names it."""
    secret = aws.secrets[_rotation(function).secret_arn]
    if event["Step"] == RotationCall.CREATE:
        secret.begin(event["ClientRequestToken"])
    return {"SecretId": secret.arn}


def _rotation(function: Registered) -> config.Rotation:
    return config.parse_rotation(function.inputs["environment"]["variables"][rotate.ROTATION])


@pytest.fixture
def lambda_(monkeypatch: pytest.MonkeyPatch) -> Callable[[Recorder, Journey], dict[str, list[Call]]]:
    """Return what carries a journey out as Lambda would, and returns the calls of each module."""

    def travel(recorder: Recorder, journey: Journey) -> dict[str, list[Call]]:
        aws, made = account(recorder), functions(recorder)
        found = next((config.parse(t) for n, t in aws.parameters.items() if n.endswith("/config")), None)
        if found is not None:
            migrating(aws, found)
        rotating(aws, (function for name, function in made.items() if name.startswith("rotate ")))
        sides = {found.source.host: aws.world.source, found.target.host: aws.world.target} if found else {}
        clients.client.cache_clear()
        monkeypatch.setattr(clients.boto3, "client", aws.client)
        monkeypatch.setattr(edge, "limit_waits", lambda: None)
        monkeypatch.setattr(edge.Database, "connect", lambda side, *_, **__: sides[side.host])
        monkeypatch.setattr(edge.subjects, "watch", FakeWatch)
        monkeypatch.setattr(edge.catalogue, "look", lambda *_, **__: aws.world.facts["old"])
        for adapter in map(importlib.import_module, rotate.ADAPTERS.values()):
            monkeypatch.setattr(adapter, "Accounts", lambda side, *more: FakeAccounts(aws.accounts[side.host], more[0]))
        for module in (edge, fleet_edge, rotate):
            monkeypatch.setattr(module, "Clock", lambda: aws.world.clock)
        comparing(monkeypatch)
        execution = {"execution": "run-1"} if found else {}
        calls: dict[str, list[Call]] = {}
        for name, event, outcome in journey:
            if name in INTERLUDES:
                INTERLUDES[name](aws)
                continue
            variables = made[name].inputs["environment"]["variables"]
            for variable, value in variables.items():
                monkeypatch.setenv(variable, value)
            if name == "validate":
                unreachable(monkeypatch, json.loads(variables["VALIDATION"]), aws)
            secret = begun(aws, made[name], event) if name.startswith("rotate ") else {}
            before = len(aws.calls)
            about = {} if "run" in event else execution
            assert outcome_of(made[name], {**about, **secret, **event}) == outcome, name
            calls.setdefault(name, []).extend(aws.calls[before:])
        return calls

    yield travel
    clients.client.cache_clear()


def comparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be a table on both sides, with the same rows."""
    columns = (Column("id", "int8"),)
    relation, key = Relation(Table("public", "orders"), columns), Key((KeyPart("id", "bigint"),), 1)
    size = Size(1, 1)
    subject = Subject(pair_up(relation, relation, columns, (key, key), Method.VALUE), size, size)
    equal = TableResult(relation.table, Verdict.EQUAL, Method.VALUE, (1, 1))
    monkeypatch.setattr(chunk_edge.postgres_cells, "calm", lambda *_: None)
    monkeypatch.setattr(chunk_edge.postgres_cells, "large_objects", lambda _: 0)
    monkeypatch.setattr(edge.subjects, "read", lambda *_, **__: ([subject], {}))
    monkeypatch.setattr(worker, "carry_out", lambda *_: asdict(equal))


def outcome_of(function: Registered, event: dict[str, Any]) -> str:
    """Call a function as Lambda does and return what it says came of it."""
    handler = importlib.import_module(function.inputs["handler"].rsplit(".", 1)[0]).handler
    try:
        return str(handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: 600000))["outcome"])
    except (UndoFailed, Refused):
        return FAILS


def unreachable(monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], aws: RecordedAws) -> None:
    """Let nobody reach the database, so that people are told."""
    aws.keep(told["secret_arn"], username="admin", password="any")

    def observe(*_: Any) -> None:
        raise Unreachable(Reason.NETWORK, "nobody there")

    monkeypatch.setattr(importlib.import_module(validate.ADAPTERS[told["engine"]]), "observe", observe)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_function_may_do_what_it_calls_and_nothing_else(variant: str, lambda_: Any) -> None:
    recorder = declared(variant)
    calls: dict[str, list[Call]] = {}
    for journey in JOURNEYS.get(variant, MIGRATION):
        for module, made in lambda_(recorder, journey).items():
            calls.setdefault(module, []).extend(made)
    assert set(calls) == set(functions(recorder)), "give every function a place in a journey"
    needs = rights.Needs(recorder)
    wrong = {}
    for module, function in functions(recorder).items():
        grants, managed = rights.granted(recorder, function)
        assert not managed, f"{module} has policies that are AWS's to change: {managed}"
        needed = needs.of(function, calls[module])
        wrong[module] = rights.differences(grants, needed)
        print(f"{variant}: {module}: {len(calls[module])} calls need {len(needed)} rights, {len(grants)} are granted")
    assert {module: lines for module, lines in wrong.items() if lines} == {}


def test_every_function_there_is_belongs_to_a_variant() -> None:
    modules = {path.stem for path in Path(REPOSITORY, "handlers", "functions").glob("*.py")} - {"__init__"}
    assert {called.split()[0] for variant in VARIANTS for called in functions(declared(variant))} == modules
