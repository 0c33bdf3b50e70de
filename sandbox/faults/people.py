"""What people and other machines do meanwhile: abort, start another execution, take over, rotate a password."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from handlers.core.direction import Direction
from sandbox.errors import SandboxError
from sandbox.faults.fault import NEW, OLD, Fault
from sandbox.faults.interception import stored
from sandbox.faults.kills import points
from sandbox.faults.stage import Attempt

HOLD = "hold"
OPENING = "compare done, open begins"


@contextmanager
def aborted(attempt: Attempt, *, refused: bool) -> Iterator[None]:
    """Abort the attempt while it is held, which lets go afterwards and goes on as if nothing had been."""
    stage = attempt.stage
    try:
        stage.operator.invoke(stage.function("undo"), {"abort": "somebody thought better of it"})
        if refused:
            attempt.wrong.append("the abort was not refused")
    except SandboxError as error:
        if not refused:
            attempt.wrong.append(f"the abort failed: {error}")
    yield


@contextmanager
def another(attempt: Attempt) -> Iterator[None]:
    """Start another execution while the first is held."""
    second = attempt.start_another()
    attempt.stage.await_rest([second])
    yield


@contextmanager
def overtaken(attempt: Attempt) -> Iterator[None]:
    """Have the lease run out while the attempt is held, and another execution take over, before it wakes again."""
    _expire(attempt)
    with another(attempt):
        yield


@contextmanager
def rotated(attempt: Attempt) -> Iterator[None]:
    """Have RDS change the password that the functions use on the target."""
    outputs = attempt.stage.operator.outputs
    client: Any = attempt.stage.instance.client("secretsmanager")
    client.rotate_secret(SecretId=outputs["master_secret_arn"], RotateImmediately=True)
    yield


def _expire(attempt: Attempt) -> None:
    """Make the lease one of the past, as if as much time had gone by."""
    stage = attempt.stage
    client = stage.instance.client("dynamodb")
    table, record = stage.operator.outputs["tracking_table_name"], stage.record()
    key = {"migration_id": {"S": record["migration_id"]}, "entry": {"S": "state"}}
    client.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET #record = :record",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":record": {"S": json.dumps({**record, "lease_until": 0.0})}},
    )


def _aborts() -> Iterator[Fault]:
    for event, skip in points(Direction.FORWARD):
        opened = event in (OPENING, "open done") or "settle" in event
        if "begins" not in event:
            continue
        step = event.removesuffix(" begins").rsplit(" ", maxsplit=1)[-1]
        yield Fault(
            f"abort-at-{step}",
            f"somebody aborts when `{event}` is recorded" + (", which is too late" if opened else ""),
            NEW if opened else OLD,
            (stored(event, HOLD, after=True, skip=skip),),
            partial(aborted, refused=opened),
        )


def _overtakings() -> Iterator[Fault]:
    for event, after, expected in (
        ("fence done, drain begins", True, OLD),
        ("flip begins", True, OLD),
        (OPENING, False, OLD),
        (OPENING, True, NEW),
    ):
        when = "after" if after else "before"
        step = event.removesuffix(" begins").rsplit(" ", maxsplit=1)[-1]
        yield Fault(
            f"lease-expires-{when}-{step}",
            f"a function sleeps {when} `{event}` is recorded, for so long that another execution takes over",
            expected,
            (stored(event, HOLD, after=after),),
            overtaken,
        )


FAULTS = (
    *_aborts(),
    *_overtakings(),
    Fault(
        "two-executions",
        "a second execution is started while the first is behind the fence",
        NEW,
        (stored("fence done, drain begins", HOLD, after=True),),
        another,
    ),
    Fault(
        "rotation-at-the-fence",
        "RDS rotates the administrator's password while the fence closes",
        NEW,
        (stored("fence begins", HOLD, after=True),),
        rotated,
    ),
    Fault(
        "back-rotation-at-the-fence",
        "the same on the way back",
        NEW,
        (stored("fence begins", HOLD, after=True),),
        rotated,
        Direction.BACK,
    ),
)
