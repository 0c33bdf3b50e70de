"""Automation documents in the sandbox: their steps are really made, branch, end, and fail with the reason."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.validation_document import content

Aws = Callable[[str], Any]
SECONDS = 30
LOOK = {"Service": "sts", "Api": "GetCallerIdentity"}
STEPS: dict[str, dict[str, Any]] = {
    "Choose": {
        "action": "aws:branch",
        "inputs": {
            "Choices": [{"NextStep": "Last", "Variable": "{{ Way }}", "StringEquals": "short"}],
            "Default": "Assert",
        },
    },
    "Assert": {
        "action": "aws:assertAwsResourceProperty",
        "inputs": {**LOOK, "PropertySelector": "$.Account", "DesiredValues": ["{{ Account }}"]},
    },
    "Last": {
        "action": "aws:executeAwsApi",
        "inputs": LOOK,
        "outputs": [{"Name": "Account", "Selector": "$.Account", "Type": "String"}],
        "isEnd": True,
    },
    "Unreached": {"action": "aws:sleep", "inputs": {}},
}
DOCUMENT = {
    "schemaVersion": "0.3",
    "parameters": {
        "Account": {"type": "String", "allowedPattern": r"^\d{12}$"},
        "Way": {"type": "String", "default": "long"},
    },
    "outputs": ["Last.Account"],
    "mainSteps": [{"name": name, **step} for name, step in STEPS.items()],
}


@pytest.fixture
def document(aws: Aws) -> Iterator[Callable[[dict[str, Any]], str]]:
    ssm, made = aws("ssm"), []

    def make(body: dict[str, Any]) -> str:
        name = f"unit-{len(made)}"
        ssm.create_document(Name=name, DocumentType="Automation", DocumentFormat="JSON", Content=json.dumps(body))
        made.append(name)
        return name

    yield make
    for name in made:
        ssm.delete_document(Name=name)


def execute(aws: Aws, name: str, **parameters: str) -> dict[str, Any]:
    ssm = aws("ssm")
    given = {key: [value] for key, value in parameters.items()}
    execution = ssm.start_automation_execution(DocumentName=name, Parameters=given)["AutomationExecutionId"]
    until = time.monotonic() + SECONDS
    while True:
        found = ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"]
        if found["AutomationExecutionStatus"] != "InProgress" or time.monotonic() > until:
            return dict(found)
        time.sleep(0.05)


def test_steps_lead_to_each_other_and_their_outputs_are_told(aws: Aws, document: Any) -> None:
    name = document(DOCUMENT)
    found = execute(aws, name, Account="123456789012")
    assert found["AutomationExecutionStatus"] == "Success", found
    assert [step["StepName"] for step in found["StepExecutions"]] == ["Choose", "Assert", "Last"]
    assert found["Outputs"] == {"Last.Account": ["123456789012"]}
    short = execute(aws, name, Account="123456789012", Way="short")
    assert [step["StepName"] for step in short["StepExecutions"]] == ["Choose", "Last"]


def test_what_does_not_hold_ends_the_execution_with_the_reason(aws: Aws, document: Any) -> None:
    found = execute(aws, document(DOCUMENT), Account="210987654321")
    assert found["AutomationExecutionStatus"] == "Failed"
    assert found["FailureMessage"] == "Step Assert failed: $.Account is '123456789012', not 210987654321"
    assert [step["StepStatus"] for step in found["StepExecutions"]] == ["Success", "Failed"]


def test_an_action_it_does_not_know_is_named(aws: Aws, document: Any) -> None:
    body = {**DOCUMENT, "mainSteps": [{"name": "Nap", "action": "aws:sleep", "inputs": {}}]}
    found = execute(aws, document(body), Account="123456789012")
    assert found["FailureMessage"] == "Step Nap failed: the sandbox does not know the action aws:sleep"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "Account is missing"),
        ({"Account": "me"}, "Account is 'me', which does not match"),
        ({"Account": "123456789012", "Extra": "x"}, "Extra is unknown"),
    ],
)
def test_parameters_are_checked(aws: Aws, document: Any, parameters: dict[str, str], said: str) -> None:
    with pytest.raises(ClientError, match=said) as caught:
        execute(aws, document(DOCUMENT), **parameters)
    assert caught.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"


def test_the_validation_document_follows_a_target_and_a_task(aws: Aws, outputs: dict[str, Any], document: Any) -> None:
    """The stack's own task is declared and not started: the document says so, and looks at a target it is told of."""
    name = document(content("arn:aws:iam::123456789012:role/unit"))
    task = outputs["replication_task_arn"]
    alone = execute(aws, name, ReplicationTaskArn=task)
    assert [step["StepName"] for step in alone["StepExecutions"]] == ["TargetIsKnown", "TaskRuns"]
    assert "Status is 'ready', not running" in alone["FailureMessage"]
    nobody = execute(aws, name, ReplicationTaskArn=task, TargetInstanceIdentifier="nobody")
    assert nobody["StepExecutions"][-1]["StepName"] == "TargetIsAvailable"
    assert "DBInstanceNotFound" in nobody["FailureMessage"]
