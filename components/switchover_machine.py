"""The switchover as a Step Functions definition, in Amazon States Language."""

import functools
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

EXECUTION: Json = {"execution.$": "$$.Execution.Name"}
BECAUSE: Json = {**EXECUTION, "reason.$": "States.JsonToString($.error)"}
TO_UNDO = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Undo"}]
TO_PERSON = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "GiveUp"}]
AGAIN = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 6, "BackoffRate": 2.0}
FAILURES: Json = {
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
}


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
    call = functools.partial(_call, functions)
    ahead = _ahead(functions, canary_percents, approval_seconds)
    onwards = {"forward": "SwitchOn", "settle": "Settle", "finish": "Finish"}
    to_gate = {**EXECUTION, "input.$": "$$.Execution.Input"}
    undo_first = {**EXECUTION, "reason": "left unfinished by another execution"}
    return {
        "Comment": "Fenced switchover of a database, and back: one execution per attempt",
        "StartAt": "Gate",
        "States": {
            "Gate": call("gate", to_gate, Catch=TO_UNDO, Next="Ready"),
            "Ready": _choose("Refused", ready="Announce", undo="UndoFirst", **onwards),
            "Announce": call("announce", EXECUTION, Catch=TO_UNDO, Next="WaitForOldTtl"),
            "WaitForOldTtl": _wait("WhichWay" if ahead else "Switch"),
            **ahead,
            "Switch": call("switch", EXECUTION, Catch=TO_UNDO, Next="Switched"),
            "Switched": _choose("Undone", open="Settle"),
            "Settle": call("settle", EXECUTION, also_retry=[AGAIN], Catch=TO_PERSON, Next="Settled"),
            "Settled": _choose("FailedBack", window="Bake"),
            "Bake": _wait("Finish"),
            "Finish": call("finish", EXECUTION, also_retry=[AGAIN], Catch=TO_PERSON, Next="Finished"),
            "Finished": _choose("Completed", waiting="Bake", failed_back="FailedBack", overtaken="Overtaken"),
            "Completed": {"Type": "Succeed"},
            "FailedBack": {"Type": "Succeed"},
            "Overtaken": {"Type": "Succeed"},
            "Undo": call("undo", BECAUSE, also_retry=[AGAIN], Catch=TO_PERSON, Next="TakenBack"),
            "UndoFirst": call("undo", undo_first, also_retry=[AGAIN], Catch=TO_PERSON, Next="TakenBack"),
            "TakenBack": _choose("Undone", **onwards),
            "SwitchOn": call("switch", EXECUTION, also_retry=[AGAIN], Catch=TO_PERSON, Next="Switched"),
            "GiveUp": call("undo", {**BECAUSE, "give_up": True}, also_retry=[AGAIN], Next="NeedsAPerson"),
            **FAILURES,
        },
    }


def _call(functions: Mapping[str, str], step: str, payload: Json, **rest: Any) -> Json:
    """Return the state that calls a function. `also_retry` are retriers beside those of Lambda's own hiccups."""
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


def _choose(default: str, **states: str) -> Json:
    """Return the state that goes on as the last function's outcome says."""
    choices = [
        {"Variable": "$.said.outcome", "StringEquals": outcome.replace("_", " "), "Next": state}
        for outcome, state in states.items()
    ]
    return {"Type": "Choice", "Choices": choices, "Default": default}


def _wait(following: str) -> Json:
    """Return the state that waits as long as the last function said."""
    return {"Type": "Wait", "SecondsPath": "$.said.wait_seconds", "Next": following}


def _ahead(functions: Mapping[str, str], canary_percents: Sequence[int], approval_seconds: int | None) -> Json:
    """Return the states between the old time to live and the switch, none where nothing is wanted there."""
    states: Json = {}
    asked = ["Ask"] if approval_seconds is not None else []
    order = [*(f"Canary{percent}" for percent in canary_percents), *asked, "Switch"]
    following = dict(itertools.pairwise(order))
    for percent in canary_percents:
        share = {**EXECUTION, "percent": percent}
        check = {**share, "check": True}
        states |= {
            f"Canary{percent}": _call(functions, "canary", share, Catch=TO_UNDO, Next=f"WatchCanary{percent}"),
            f"WatchCanary{percent}": _wait(f"CheckCanary{percent}"),
            f"CheckCanary{percent}": _call(
                functions, "canary", check, Catch=TO_UNDO, Next=following[f"Canary{percent}"]
            ),
        }
    if approval_seconds is not None:
        ask = _call(functions, "ask", {**EXECUTION, "token.$": "$$.Task.Token"}, Catch=TO_UNDO, Next="Switch")
        del ask["ResultSelector"]
        states["Ask"] = {
            **ask,
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "ResultPath": None,  # that there is an answer is enough, whatever it says
            "TimeoutSeconds": approval_seconds,
        }
    if states:
        back = {"Variable": "$.said.direction", "StringEquals": "back", "Next": "Switch"}
        states["WhichWay"] = {"Type": "Choice", "Choices": [back], "Default": order[0]}
    return states
