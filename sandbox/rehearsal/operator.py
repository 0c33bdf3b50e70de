"""What an operator does in a migration, by the stack's outputs and AWS's own calls: nothing here is the sandbox's."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.errors import SandboxError
from sandbox.rehearsal import replication
from sandbox.rehearsal.replication import Progress, Replication

POLL_SECONDS = 0.1
WAIT_SECONDS = 300.0


class PreflightBlocks(SandboxError):
    """Preflight has found what keeps the replication from starting. The message is its report."""


Client = Callable[[str], Any]
Carry = Callable[..., Any]
Beat = Callable[[], None]


@dataclass(frozen=True)
class Operator:
    """Somebody with the stack's `outputs`, clients and the operator's command.

    `beat` is called while waiting; what it raises ends the wait. `carry` runs a step of the carry.
    """

    client: Client
    outputs: Mapping[str, Any]
    beat: Beat
    carry: Carry

    def prepare(self) -> None:
        """Call the prepare function."""
        self.invoke(self.outputs["prepare_function_name"], {})

    @property
    def replication(self) -> Replication:
        """What replicates forward."""
        return replication.of(self.outputs, self.client)

    def carry_definitions(self) -> None:
        """Carry what has to be there before rows are loaded: everything, unless the replication stops for the rest."""
        self.carry("before-load", *([] if self.replication.stops_after_load() else ["--all"]))

    def preflight(self) -> dict[str, Any]:
        """Call the preflight function and return its answer. Raises PreflightBlocks, with the report, if it blocks."""
        said = self.invoke(self.outputs["preflight_function_name"], {})
        if said["outcome"] != "good":
            raise PreflightBlocks(str(said["report"]))
        return said

    def start(self) -> None:
        """Call the start function. Raises SandboxError with its reason if it refuses."""
        said = self.invoke(self.outputs["start_function_name"], {})
        if said["outcome"] != "started":
            raise SandboxError(said.get("reason", "the start function did not start the replication"))

    def load_fully(self) -> None:
        """Start the replication, if preflight allows it, and wait until its full load is done and changes flow."""
        self.preflight()
        self.load()

    def load(self) -> None:
        """Start the replication on the strength of a preflight that was made, and wait until it is loaded and flows.

        Where it stops after its load, the rest of the definitions is carried and it goes on.
        """
        moving = self.replication
        self.start()
        if moving.stops_after_load():
            self.wait(lambda: self._progress().waits_for_indexes, "the stop after the full load")
            self.carry("after-load")
            moving.resume()
        self.wait(self._loaded, "the full load")

    def _loaded(self) -> bool:
        found = self._progress()
        return found.status == "running" and found.full_load_percent >= 100

    def _progress(self) -> Progress:
        found = self.replication.progress()
        if found.status == "failed":
            raise SandboxError(f"the replication failed: {found.failure or 'no reason given'}")
        return found

    def switch_over(self, execution: str) -> dict[str, Any]:
        """Start the state machine under this name and wait until it has settled or ended.

        Returns its `status`, its `cause` if it failed, and the migration's `record`. While the window for a way back
        is open the status is RUNNING.
        """
        return self._attempt(execution, {}, lambda record: "settle" in record.get("done", []))

    def fail_back(self, execution: str) -> dict[str, Any]:
        """Start the state machine on the way back and wait for its end; the answer is as that of a switchover."""
        return self._attempt(execution, {"direction": "back"}, lambda _: False)

    def await_end(self, execution: str) -> str:
        """Wait until an execution has ended and return its status."""
        return str(self._attempt(execution, None, lambda _: False)["status"])

    def _attempt(
        self, execution: str, asked: Mapping[str, str] | None, enough: Callable[[Mapping[str, Any]], bool]
    ) -> dict[str, Any]:
        states, machine = self.client("stepfunctions"), self.outputs["state_machine_arn"]
        if asked is not None:
            states.start_execution(stateMachineArn=machine, name=execution, input=json.dumps(asked))
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{execution}"
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(states.describe_execution(executionArn=arn))
            if found["status"] != "RUNNING":
                return True
            record = self.record()
            return record.get("owner") == execution and enough(record)

        self.wait(ended, f"execution {execution}")
        return {"status": found["status"], "cause": found.get("cause", ""), "record": self.record()}

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
