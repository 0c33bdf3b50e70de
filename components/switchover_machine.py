"""The switchover as a Step Functions definition, in Amazon States Language."""

from collections.abc import Mapping
from typing import Any

STEPS = ("gate", "announce", "switch", "settle", "finish", "undo")
"""Functions the machine calls."""

# Lambda's own hiccups are retried; an error of our code is not: it leads to the undo.
TRANSIENT = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
SECONDS = {"gate": 180, "announce": 180, "switch": 900, "settle": 900, "finish": 900, "undo": 300}
"""Timeout of each function, and of the state that calls it."""

Json = dict[str, Any]


def definition(functions: Mapping[str, str]) -> Json:
    """Return the machine that calls `functions`, ARNs by step name.

    It takes {"direction": "back"} for a fail-back, {} for a switchover. Before the new side opens every failure leads
    to Undo; afterwards only forward. What can be neither undone nor finished ends in NeedsAPerson; the next execution
    takes it up where it stands.
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

    def choose(default: str, **states: str) -> Json:
        choices = [
            {"Variable": "$.said.outcome", "StringEquals": outcome.replace("_", " "), "Next": state}
            for outcome, state in states.items()
        ]
        return {"Type": "Choice", "Choices": choices, "Default": default}

    def wait(following: str) -> Json:
        return {"Type": "Wait", "SecondsPath": "$.said.wait_seconds", "Next": following}

    onwards = {"forward": "SwitchOn", "settle": "Settle", "finish": "Finish"}
    to_gate = {**execution, "input.$": "$$.Execution.Input"}
    undo_first = {**execution, "reason": "left unfinished by another execution"}
    return {
        "Comment": "Fenced switchover of a database, and back: one execution per attempt",
        "StartAt": "Gate",
        "States": {
            "Gate": call("gate", to_gate, Catch=to_undo, Next="Ready"),
            "Ready": choose("Refused", ready="Announce", undo="UndoFirst", **onwards),
            "Announce": call("announce", execution, Catch=to_undo, Next="WaitForOldTtl"),
            "WaitForOldTtl": wait("Switch"),
            "Switch": call("switch", execution, Catch=to_undo, Next="Switched"),
            "Switched": choose("Undone", open="Settle"),
            "Settle": call("settle", execution, also_retry=[again], Catch=to_person, Next="Settled"),
            "Settled": choose("FailedBack", window="Bake"),
            "Bake": wait("Finish"),
            "Finish": call("finish", execution, also_retry=[again], Catch=to_person, Next="Finished"),
            "Finished": choose("Completed", waiting="Bake", failed_back="FailedBack", overtaken="Overtaken"),
            "Completed": {"Type": "Succeed"},
            "FailedBack": {"Type": "Succeed"},
            "Overtaken": {"Type": "Succeed"},
            "Undo": call("undo", because, also_retry=[again], Catch=to_person, Next="TakenBack"),
            "UndoFirst": call("undo", undo_first, also_retry=[again], Catch=to_person, Next="TakenBack"),
            "TakenBack": choose("Undone", **onwards),
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
                "Cause": "The attempt was taken back: the side that was open is open. The state parameter says why.",
            },
            "NeedsAPerson": {
                "Type": "Fail",
                "Error": "NeedsAPerson",
                "Cause": "Neither undone nor finished. The state parameter says what happened and which side is open; "
                "once that is mended, another execution goes on from there.",
            },
        },
    }
