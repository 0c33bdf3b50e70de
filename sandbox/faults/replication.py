"""Faults of the replication, either way."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from handlers.core.direction import Direction
from sandbox.faults.fault import NEW, OLD, Fault
from sandbox.faults.interception import stored
from sandbox.faults.stage import Attempt, Stage

FORWARD, BACK = "replication_task_arn", "failback_task_arn"
PAUSE_SECONDS, LOOK_SECONDS = 0.1, 60.0
AT_THE_FENCE = stored("fence begins", "hold", after=False)


def dms(stage: Stage, task: str, fault: str, seconds: float | None = None) -> None:
    """Have the sandbox's DMS do something to a task that DMS would never be asked to."""
    connection = http.client.HTTPConnection("127.0.0.1", stage.instance.ports.dms, timeout=30)
    try:
        asked = {"task": stage.operator.outputs[task], "fault": fault, "seconds": seconds}
        connection.request("POST", "/_sandbox/faults", json.dumps(asked))
        connection.getresponse().read()
    finally:
        connection.close()


def status(stage: Stage, task: str) -> str:
    """Return a task's status."""
    by_arn = [{"Name": "replication-task-arn", "Values": [stage.operator.outputs[task]]}]
    [found] = stage.instance.client("dms").describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
    return str(found["Status"])


def await_status(stage: Stage, task: str, wanted: str) -> None:
    """Wait until a task has a status."""
    stage.operator.wait(lambda: status(stage, task) == wanted, f"a task that is {wanted}")


def resume(stage: Stage, task: str) -> None:
    """Let a task go on where it stopped, as an operator does."""
    arn = stage.operator.outputs[task]
    stage.instance.client("dms").start_replication_task(
        ReplicationTaskArn=arn, StartReplicationTaskType="resume-processing"
    )
    await_status(stage, task, "running")


def go_on(attempt: Attempt) -> None:
    """Clear what DMS noted of rows that the target refused and let its task go on, as an operator does."""
    attempt.stage.sql(attempt.new, "DELETE FROM awsdms_control.awsdms_apply_exceptions")
    resume(attempt.stage, FORWARD)


@contextmanager
def stopped(attempt: Attempt, task: str = FORWARD) -> Iterator[None]:
    """Stop a task."""
    stage = attempt.stage
    client: Any = stage.instance.client("dms")
    client.stop_replication_task(ReplicationTaskArn=stage.operator.outputs[task])
    await_status(stage, task, "stopped")
    yield
    resume(stage, task)


@contextmanager
def disturbed(attempt: Attempt, fault: str, seconds: float | None = None) -> Iterator[None]:
    """Have DMS's task lag, stall or lose its source until the attempt has ended."""
    dms(attempt.stage, FORWARD, fault, seconds)
    yield
    dms(attempt.stage, FORWARD, "resume")


@contextmanager
def failed(attempt: Attempt) -> Iterator[None]:
    """Have the task fail, and start it again afterwards."""
    dms(attempt.stage, FORWARD, "fail")
    await_status(attempt.stage, FORWARD, "failed")
    yield
    resume(attempt.stage, FORWARD)


@contextmanager
def altered(attempt: Attempt) -> Iterator[None]:
    """Add a column to a table that is written to, on one side alone; then do so on the other, as is mended."""
    add = "ALTER TABLE public.orders ADD COLUMN IF NOT EXISTS added_during_cdc text DEFAULT 'x'"
    attempt.stage.sql(attempt.old, add)
    yield
    await_status(attempt.stage, FORWARD, "failed")
    attempt.stage.sql(attempt.new, add)
    go_on(attempt)
    if attempt.direction is Direction.FORWARD:
        attempt.stage.operator.preflight()  # accepts the schema as it is now


@contextmanager
def reverse_broken(attempt: Attempt) -> Iterator[None]:
    """Let nothing through the way back, and have its task fail as soon as it runs; mend both, and see that it flows."""
    stage, over = attempt.stage, threading.Event()
    stage.sql(
        attempt.old,
        """CREATE FUNCTION migration_control.fault() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'a fault'; END $$""",
        """CREATE TRIGGER fault BEFORE INSERT ON migration_control.drain_token FOR EACH ROW
        EXECUTE FUNCTION migration_control.fault()""",
        "ALTER TABLE migration_control.drain_token DISABLE TRIGGER fault",
        "ALTER TABLE migration_control.drain_token ENABLE REPLICA TRIGGER fault",
    )

    def fail_once_running() -> None:
        until = time.monotonic() + LOOK_SECONDS
        while not over.wait(PAUSE_SECONDS) and time.monotonic() < until:
            if status(stage, BACK) == "running":
                dms(stage, BACK, "fail")
                return

    watcher = threading.Thread(target=fail_once_running)
    watcher.start()
    yield
    over.set()
    watcher.join()
    said = stage.record()["evidence"].get("settle", {}).get("way_back", {})
    if said.get("safe") is not False:
        attempt.wrong.append(f"the way back is broken, and was called {said}")
    stage.sql(
        attempt.old, "DROP TRIGGER fault ON migration_control.drain_token", "DROP FUNCTION migration_control.fault"
    )
    resume(stage, BACK)


@contextmanager
def back_stopped(attempt: Attempt) -> Iterator[None]:
    """Stop the task of the way back before somebody wants to go it."""
    with stopped(attempt, BACK):
        yield


FAULTS = (
    Fault("replication-stopped", "the task is stopped as the fence is about to close", OLD, (AT_THE_FENCE,), stopped),
    Fault("replication-failed", "the task fails as the fence is about to close", OLD, (AT_THE_FENCE,), failed),
    Fault(
        "replication-stalls",
        "the task goes on running, and applies nothing from the fence on",
        OLD,
        (AT_THE_FENCE,),
        partial(disturbed, fault="stall"),
    ),
    Fault(
        "lag-spike",
        "changes are held back 6 s from the fence on, longer than a drain may take",
        OLD,
        (AT_THE_FENCE,),
        partial(disturbed, fault="lag", seconds=6.0),
    ),
    Fault(
        "lag-before",
        "changes are held back 2 s from before the attempt on, which a drain can wait for",
        OLD | NEW,
        strike=partial(disturbed, fault="lag", seconds=2.0),
    ),
    Fault(
        "ddl-during-cdc",
        "a column is added on the old side, which nobody adds on the new one",
        OLD,
        strike=altered,
    ),
    Fault(
        "reverse-stream-broken",
        "the task of the way back fails as soon as it runs",
        NEW,
        strike=reverse_broken,
    ),
    Fault(
        "back-reverse-stream-stopped",
        "the task of the way back is stopped before a fail-back",
        OLD,
        strike=back_stopped,
        direction=Direction.BACK,
    ),
)
