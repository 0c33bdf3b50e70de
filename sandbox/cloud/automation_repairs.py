"""Systems Manager automation, which moto keeps documents of but never runs: here a document's steps are really made.

AWS knows some twenty actions; the three that the product's documents use are known here. Any other fails its step.
"""

import itertools
import json
import re
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

import boto3
import jmespath
from botocore.exceptions import BotoCoreError, ClientError
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

MOST_STEPS = 100
PLACEHOLDER = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
NOT_MEMBERS = ("Service", "Api", "PropertySelector", "DesiredValues")
EXECUTIONS: dict[str, "Execution"] = {}


def repair() -> None:
    """Let documents be executed."""
    SimpleSystemManagerResponse.start_automation_execution = _start
    SimpleSystemManagerResponse.get_automation_execution = _get


def _start(self: Any) -> ActionResult:
    name = self._get_param("DocumentName")
    document = json.loads(self.ssm_backend.get_document(name, None, None, "JSON")["Content"])
    execution = Execution(name, document, self._get_param("Parameters") or {}, self.region)
    EXECUTIONS[execution.id] = execution
    threading.Thread(target=execution.run, daemon=True).start()
    return ActionResult({"AutomationExecutionId": execution.id})


def _get(self: Any) -> ActionResult:
    execution = EXECUTIONS.get(self._get_param("AutomationExecutionId"))
    if execution is None:
        raise JsonRESTError("AutomationExecutionNotFoundException", "Automation execution not found")
    return ActionResult({"AutomationExecution": execution.description()})


class StepFailed(Exception):
    """A step did not do what it should. The message says why."""


class Execution:
    """One execution of a document."""

    def __init__(self, name: str, document: Mapping[str, Any], given: Mapping[str, list[str]], region: str) -> None:
        self.id = str(uuid.uuid4())
        self._name, self._document, self._region = name, document, region
        self._given = given
        self._values: dict[str, Any] = parameters(document.get("parameters", {}), given)
        self._status, self._failure = "InProgress", ""
        self._steps: list[dict[str, Any]] = []
        self._began = time.time()

    def run(self) -> None:
        """Run the steps from the first, as they lead to each other."""
        steps = {step["name"]: step for step in self._document["mainSteps"]}
        order = dict(itertools.pairwise([*steps, ""]))
        current = next(iter(steps))
        for _ in range(MOST_STEPS):
            step = steps[current]
            told = {"StepName": current, "Action": step["action"], "StepStatus": "InProgress"}
            self._steps.append(told)
            try:
                chosen = self._act(step, told)
            except (StepFailed, BotoCoreError, ClientError, LookupError) as error:
                self._failure = told["FailureMessage"] = f"Step {current} failed: {error}"
                told["StepStatus"] = self._status = "Failed"
                return
            told["StepStatus"] = "Success"
            current = chosen or ("" if step.get("isEnd") else step.get("nextStep") or order[current])
            if not current:
                self._status = "Success"
                return
        self._status, self._failure = "Failed", f"more than {MOST_STEPS} steps"

    def description(self) -> dict[str, Any]:
        """Return the execution as GetAutomationExecution answers it."""
        outputs = {name: self._values[name] for name in self._document.get("outputs", []) if name in self._values}
        return {
            "AutomationExecutionId": self.id,
            "DocumentName": self._name,
            "AutomationExecutionStatus": self._status,
            "ExecutionStartTime": self._began,
            "Parameters": dict(self._given),
            "StepExecutions": list(self._steps),
            "StepExecutionsTruncated": False,
            "Outputs": {name: _texts(value) for name, value in outputs.items()},
            **({"FailureMessage": self._failure} if self._failure else {}),
        }

    def _act(self, step: Mapping[str, Any], told: dict[str, Any]) -> str:
        """Do a step and return the next one's name, where it chooses one."""
        inputs = filled(step["inputs"], self._values)
        match step["action"]:
            case "aws:branch":
                chosen = (one["NextStep"] for one in inputs["Choices"] if one["Variable"] == one["StringEquals"])
                return str(next(chosen, inputs.get("Default", "")))
            case "aws:assertAwsResourceProperty":
                found = _text(select(inputs["PropertySelector"], self._call(inputs)))
                if found not in inputs["DesiredValues"]:
                    wanted = " or ".join(inputs["DesiredValues"])
                    raise StepFailed(f"{inputs['PropertySelector']} is {found!r}, not {wanted}")
            case "aws:executeAwsApi":
                answer = self._call(inputs)
                for output in step.get("outputs", []):
                    found = select(output["Selector"], answer)
                    self._values[f"{step['name']}.{output['Name']}"] = found
                    told.setdefault("Outputs", {})[output["Name"]] = _texts(found)
            case other:
                raise StepFailed(f"the sandbox does not know the action {other}")
        return ""

    def _call(self, inputs: Mapping[str, Any]) -> Any:
        client = boto3.client(inputs["Service"], region_name=self._region)
        methods = {api: method for method, api in client.meta.method_to_api_mapping.items()}
        if inputs["Api"] not in methods:
            raise StepFailed(f"{inputs['Service']} has no {inputs['Api']}")
        return getattr(client, methods[inputs["Api"]])(**{k: v for k, v in inputs.items() if k not in NOT_MEMBERS})


def parameters(declared: Mapping[str, Any], given: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the value of every parameter. Raises what Systems Manager answers where one is unknown or does not fit."""
    wrong = [f"{name} is unknown" for name in given.keys() - declared.keys()]
    values = {}
    for name, how in declared.items():
        value = given[name][0] if name in given else how.get("default")
        if value is None:
            wrong.append(f"{name} is missing")
        elif not re.search(how.get("allowedPattern", ""), value):
            wrong.append(f"{name} is {value!r}, which does not match {how['allowedPattern']}")
        values[name] = value
    if wrong:
        raise JsonRESTError("InvalidAutomationExecutionParametersException", "; ".join(sorted(wrong)))
    return values


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """Return `value` with every placeholder replaced."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: str(known[found[1]]), value)
    if isinstance(value, Mapping):
        return {key: filled(inner, known) for key, inner in value.items()}
    return [filled(inner, known) for inner in value] if isinstance(value, list) else value


def select(path: str, answer: Any) -> Any:
    """Return what a JSONPath of the simple kind finds: members, indices, and `..` below a list."""
    return jmespath.search(path.removeprefix("$.").replace("..", "[]."), answer)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(value: Any) -> list[str]:
    return [_text(one) for one in value] if isinstance(value, list) else [_text(value)]
