"""The validation of every row as a Step Functions definition: rounds of a distributed Map."""

from collections.abc import Mapping
from typing import Any

SECONDS = {"partition": 900, "compare": 900, "conclude": 900}
"""Timeout of each function. A chunk is planned for a ninth of it at most."""
LABEL = "Chunks"
FOLDER = "runs"
"""Where in the bucket everything of a run lies."""

Json = dict[str, Any]


def definition(functions: Mapping[str, str], bucket: str, maximum_concurrency: int) -> Json:
    """Return the machine that calls `functions`, ARNs by what they do, with chunks and results in `bucket`.

    A round is a Map over the list of chunks that the function before it wrote. A worker that dies is tried again: it
    writes its result under its chunk's name, so that none counts twice. No chunk may fail for good; if one does, the
    round is concluded all the same, as incomplete. The execution succeeds if all tables are equal, and only then.
    """
    again = {
        "ErrorEquals": ["States.ALL"],  # a worker that was killed, timed out or was throttled
        "IntervalSeconds": 2,
        "BackoffRate": 2.0,
        "MaxAttempts": 5,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",  # else all who met the same trouble come back at once
    }
    at_once = {"ErrorEquals": ["ConfigError", "ValueError"], "MaxAttempts": 0}  # wrong input stays wrong
    run = {"run.$": "$$.Execution.Name"}

    def call(function: str, payload: Json | None = None, **rest: Any) -> Json:
        event = {"Payload": payload} if payload is not None else {"Payload.$": "$"}
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": functions[function], **event},
            "ResultSelector": {"said.$": "$.Payload"},
            "ResultPath": "$",
            "TimeoutSeconds": SECONDS[function],
            "Retry": [at_once, again],
            **rest,
        }

    return {
        "Comment": "Every row of source and target compared, by many workers",
        "StartAt": "Partition",
        "States": {
            "Partition": call("partition", {**run, "input.$": "$$.Execution.Input"}, Next="Planned"),
            "Planned": _choose("Conclude", planned="Compare"),
            "Compare": _map(call("compare", End=True), bucket, maximum_concurrency),
            "Conclude": call("conclude", {**run, "round.$": "$.said.round"}, Next="Concluded"),
            "Concluded": _choose(
                "Incomplete", planned="Settle", equal="Equal", different="Different", unsettled="Unsettled"
            ),
            "Settle": {"Type": "Wait", "SecondsPath": "$.said.wait_seconds", "Next": "Compare"},
            "Equal": {"Type": "Succeed"},
            "Different": _fail("Different", "Rows differ: the report in the bucket names them."),
            "Unsettled": _fail("Unsettled", "Rows differ, but kept changing, or are too many to look into."),
            "Incomplete": _fail(
                "Incomplete", "Chunks have no result: nothing is said of any table. Start another run."
            ),
        },
    }


def _map(worker: Json, bucket: str, maximum_concurrency: int) -> Json:
    """Return the Map that gives each chunk of a round's list to a worker of its own."""
    return {
        "Type": "Map",
        "Label": LABEL,
        "MaxConcurrency": maximum_concurrency,
        "ToleratedFailurePercentage": 0,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": bucket, "Key.$": "$.said.key"},
        },
        "ItemProcessor": {
            # Standard: a chunk may take longer than the five minutes of an Express workflow.
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "CompareChunk",
            "States": {"CompareChunk": worker},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": bucket, "Prefix.$": "$.said.prefix"},
        },
        "ResultPath": None,
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Conclude"}],
        "Next": "Conclude",
    }


def _choose(default: str, **states: str) -> Json:
    choices = [
        {"Variable": "$.said.outcome", "StringEquals": outcome, "Next": state} for outcome, state in states.items()
    ]
    return {"Type": "Choice", "Choices": choices, "Default": default}


def _fail(error: str, cause: str) -> Json:
    return {"Type": "Fail", "Error": error, "Cause": cause}
