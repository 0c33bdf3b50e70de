"""The switchover as a Step Functions definition, in Amazon States Language."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

STEPS = ("gate", "announce", "canary", "ask", "switch", "settle", "finish", "undo")
"""Functions the machine calls, those of the canary and of the approval only where they are wanted."""

# Lambda's own hiccups are retried; an error of our code is not: it leads to the undo.
TRANSIENT = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
SECONDS = {
    "gate": 180,
    "announce": 180,
    "canary": 900,
    "ask": 600,
    "switch": 900,
    "settle": 900,
    "finish": 900,
    "undo": 300,
}
"""Timeout of each function, and of the state that calls it; the question waits longer, for its answer."""

Json = dict[str, Any]


def definition(
    functions: Mapping[str, str], canary_percents: Sequence[int] = (), approval_seconds: int | None = None
) -> Json:
    """Return the machine that calls `functions`, ARNs by step name.

    Ahead of the switch readers are led to the target by `canary_percents`, each watched and judged, and people are
    asked where `approval_seconds` says how long they have. Neither is part of a fail-back.

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

    ahead: Json = {}
    asked = ["Ask"] if approval_seconds is not None else []
    order = [*(f"Canary{percent}" for percent in canary_percents), *asked, "Switch"]
    following = dict(itertools.pairwise(order))
    for percent in canary_percents:
        share = {**execution, "percent": percent}
        ahead |= {
            f"Canary{percent}": call("canary", share, Catch=to_undo, Next=f"WatchCanary{percent}"),
            f"WatchCanary{percent}": wait(f"CheckCanary{percent}"),
            f"CheckCanary{percent}": call(
                "canary", {**share, "check": True}, Catch=to_undo, Next=following[f"Canary{percent}"]
            ),
        }
    if approval_seconds is not None:
        ask = call("ask", {**execution, "token.$": "$$.Task.Token"}, Catch=to_undo, Next="Switch")
        del ask["ResultSelector"]
        ahead["Ask"] = {
            **ask,
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "ResultPath": None,  # that there is an answer is enough, whatever it says
            "TimeoutSeconds": approval_seconds,
        }
    if ahead:
        back = {"Variable": "$.said.direction", "StringEquals": "back", "Next": "Switch"}
        ahead["WhichWay"] = {"Type": "Choice", "Choices": [back], "Default": order[0]}
    return {
        "Comment": "Fenced switchover of a database, and back: one execution per attempt",
        "StartAt": "Gate",
        "States": {
            "Gate": call("gate", to_gate, Catch=to_undo, Next="Ready"),
            "Ready": choose("Refused", ready="Announce", undo="UndoFirst", **onwards),
            "Announce": call("announce", execution, Catch=to_undo, Next="WaitForOldTtl"),
            "WaitForOldTtl": wait("WhichWay" if ahead else "Switch"),
            **ahead,
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
                "Cause": "Not ready, or not now. Nothing was changed; the gate's answer in the history says "
                "why, and what to mend.",
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
