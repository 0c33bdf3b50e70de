"""The switchover as a Step Functions definition, in Amazon States Language."""

from collections.abc import Mapping
from typing import Any

STEPS = ("gate", "announce", "switch", "finish", "undo")
"""Functions the machine calls."""

# Lambda's own hiccups are retried; an error of our code is not: it leads to the undo.
TRANSIENT = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
SECONDS = {"gate": 180, "announce": 120, "switch": 900, "finish": 900, "undo": 300}
"""Timeout of each function, and of the state that calls it."""

Json = dict[str, Any]


def definition(functions: Mapping[str, str], bake_seconds: int) -> Json:
    """Return the machine that calls `functions`, ARNs by step name.

    Before the target opens every failure leads to Undo; afterwards only forward. What can be neither undone nor
    finished ends in NeedsAPerson.
    """
    execution = {"execution.$": "$$.Execution.Name"}
    because = {**execution, "reason.$": "States.JsonToString($.error)"}
    to_undo = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Undo"}]
    to_person = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "GiveUp"}]
    again = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 6, "BackoffRate": 2.0}

    def call(step: str, payload: Json, **rest: Any) -> Json:
        retry = [{"ErrorEquals": TRANSIENT, "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 2.0}]
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": functions[step], "Payload": payload},
            "ResultSelector": {"said.$": "$.Payload"},
            "ResultPath": "$",
            "TimeoutSeconds": SECONDS[step],
            "Retry": retry + rest.pop("also_retry", []),
            **rest,
        }

    def on(outcome: str, state: str) -> Json:
        return {"Variable": "$.said.outcome", "StringEquals": outcome, "Next": state}

    return {
        "Comment": "Fenced switchover of a database: one execution per attempt",
        "StartAt": "Gate",
        "States": {
            "Gate": call("gate", execution, Catch=to_undo, Next="Ready"),
            "Ready": {"Type": "Choice", "Choices": [on("ready", "Announce")], "Default": "Refused"},
            "Announce": call("announce", execution, Catch=to_undo, Next="WaitForOldTtl"),
            "WaitForOldTtl": {"Type": "Wait", "SecondsPath": "$.said.wait_seconds", "Next": "Switch"},
            "Switch": call("switch", execution, Catch=to_undo, Next="Switched"),
            "Switched": {"Type": "Choice", "Choices": [on("open", "Bake")], "Default": "Undone"},
            "Bake": {"Type": "Wait", "Seconds": bake_seconds, "Next": "Finish"},
            "Finish": call("finish", execution, also_retry=[again], Catch=to_person, Next="Completed"),
            "Completed": {"Type": "Succeed"},
            "Undo": call("undo", because, also_retry=[again], Catch=to_person, Next="TakenBack"),
            "TakenBack": {
                "Type": "Choice",
                "Choices": [on("forward", "SwitchOn"), on("finish", "Bake")],
                "Default": "Undone",
            },
            "SwitchOn": call("switch", execution, also_retry=[again], Catch=to_person, Next="Switched"),
            "GiveUp": call("undo", {**because, "give_up": True}, also_retry=[again], Next="NeedsAPerson"),
            "Refused": {
                "Type": "Fail",
                "Error": "Refused",
                "Cause": "The migration is not ready. Nothing was changed; the state parameter says what to mend.",
            },
            "Undone": {
                "Type": "Fail",
                "Error": "Undone",
                "Cause": "The switchover was taken back: the source is open. The state parameter says why.",
            },
            "NeedsAPerson": {
                "Type": "Fail",
                "Error": "NeedsAPerson",
                "Cause": "Neither undone nor finished. The state parameter says what happened and which side is open.",
            },
        },
    }
