"""Faults while readers go ahead of the writers: on a stack of their own, whose switchover has a canary."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.faults.fault import OLD, Fault
from sandbox.faults.interception import stored
from sandbox.faults.stage import Attempt

WATCHED = "DatabaseConnections"
BELOW_ALL = -1.0
SETTINGS = (
    *("AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions"),
    *("MetricName", "Namespace", "Statistic", "Dimensions", "Period", "EvaluationPeriods", "DatapointsToAlarm"),
    *("Threshold", "ComparisonOperator", "TreatMissingData"),
)
"""What is written of an alarm."""


@contextmanager
def alarmed(attempt: Attempt) -> Iterator[None]:
    """Have the alarm on the target's connections go off: its limit falls below what there always are."""
    stage = attempt.stage
    cloudwatch: Any = stage.instance.client("cloudwatch")
    found = _alarm(attempt, cloudwatch)
    before, name = {key: found[key] for key in SETTINGS if key in found}, found["AlarmName"]

    def off() -> bool:
        return bool(_alarm(attempt, cloudwatch)["StateValue"] == "ALARM")

    cloudwatch.put_metric_alarm(**{**before, "Threshold": BELOW_ALL})
    stage.operator.wait(off, f"the alarm {name}")
    yield
    if f"alarm {name} is ALARM" not in str(stage.record().get("reason")):
        attempt.wrong.append("it was not the alarm that ended it")
    cloudwatch.put_metric_alarm(**before)
    stage.operator.wait(lambda: not off(), f"the end of the alarm {name}")


def _alarm(attempt: Attempt, cloudwatch: Any) -> dict[str, Any]:
    """Return the alarm on the target's connections that the migration minds."""
    stage = attempt.stage
    parameter = stage.operator.outputs["config_parameter_name"]
    config = json.loads(stage.instance.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])
    found = cloudwatch.describe_alarms(AlarmNames=config["alarms"]["names"])["MetricAlarms"]
    return next(alarm for alarm in found if alarm["MetricName"] == WATCHED)


FAULTS = (
    Fault(
        "canary-alarm",
        "an alarm goes off while readers read from the target ahead of the writers",
        OLD,
        (stored("canary begins", "hold", after=True),),
        alarmed,
        canary=True,
    ),
)
