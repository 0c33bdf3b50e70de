"""What an operator does in a migration, by the stack's outputs and AWS's own calls: nothing here is the sandbox's."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.errors import SandboxError
from sandbox.rehearsal import replication
from sandbox.rehearsal.replication import Replication

POLL_SECONDS = 0.1
WAIT_SECONDS = 300.0

Client = Callable[[str], Any]
Beat = Callable[[], None]


@dataclass(frozen=True)
class Operator:
    """Somebody with the stack's `outputs` and clients. `beat` is called while waiting; what it raises ends the wait."""

    client: Client
    outputs: Mapping[str, Any]
    beat: Beat

    def prepare(self) -> None:
        """Call the prepare function."""
        self.invoke(self.outputs["prepare_function_name"], {})

    @property
    def replication(self) -> Replication:
        """What replicates forward."""
        return replication.of(self.outputs, self.client)

    def load_fully(self) -> None:
        """Start the replication and wait until its full load is done and changes flow."""
        moving = self.replication
        moving.start()

        def loaded() -> bool:
            found = moving.progress()
            if found.status == "failed":
                raise SandboxError(f"the replication failed: {found.failure or 'no reason given'}")
            return found.status == "running" and found.full_load_percent >= 100

        self.wait(loaded, "the full load")

    def switch_over(self, execution: str) -> dict[str, Any]:
        """Start the state machine under this name, wait for its end, and return its `status` and what it said."""
        states = self.client("stepfunctions")
        machine = self.outputs["state_machine_arn"]
        arn = states.start_execution(stateMachineArn=machine, name=execution, input="{}")["executionArn"]
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(states.describe_execution(executionArn=arn))
            return bool(found["status"] != "RUNNING")

        self.wait(ended, "the switchover")
        said = json.loads(found.get("output") or "{}").get("said", {})
        return {**said, "status": found["status"], "cause": found.get("cause", "")}

    def record(self) -> dict[str, Any]:
        """Return the migration's record from the tracking table."""
        name = self.outputs["config_parameter_name"]
        config = json.loads(self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        key = {"migration_id": {"S": config["migration_id"]}, "entry": {"S": "state"}}
        item = self.client("dynamodb").get_item(TableName=self.outputs["tracking_table_name"], Key=key)
        record: dict[str, Any] = json.loads(item["Item"]["record"]["S"]) if "Item" in item else {}
        return record

    def invoke(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function and return its answer. Raises SandboxError with the function's own error."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        said = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            reason = said.get("errorMessage", said) if isinstance(said, dict) else said
            raise SandboxError(f"function {function} failed: {' '.join(str(reason).split())[:500]}")
        result: dict[str, Any] = said
        return result

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Wait until `done`. Raises SandboxError after WAIT_SECONDS."""
        until = time.monotonic() + WAIT_SECONDS
        while not done():
            if time.monotonic() > until:
                raise SandboxError(f"{what} did not end in {WAIT_SECONDS:.0f} s")
            self.pause(POLL_SECONDS)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.beat()
            time.sleep(min(left, POLL_SECONDS))
