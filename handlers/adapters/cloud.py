"""What tells people, keeps secrets, watches and orders: SNS, SSM, Secrets Manager, CloudWatch's alarms, Step Functions.

Each is behind the few calls a migration makes.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from handlers.redaction import hide_secret


class Topic:
    """Messages to people."""

    def __init__(self, sns: Any, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def tell(self, subject: str, detail: Mapping[str, Any]) -> None:
        """Send a message to everybody who subscribed."""
        self._sns.publish(
            TopicArn=self._topic_arn,
            Subject=subject[:100],
            Message=json.dumps(detail, indent=2, sort_keys=True, default=str),
        )


class Notices(Topic):
    """Messages to people, and the state parameter that shows them where the migration stands."""

    def __init__(self, sns: Any, ssm: Any, topic_arn: str, parameter: str) -> None:
        super().__init__(sns, topic_arn)
        self._ssm = ssm
        self._parameter = parameter

    def show(self, state: Mapping[str, Any]) -> None:
        """Overwrite the state parameter."""
        stamped = {**state, "updated_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self._ssm.put_parameter(
            Name=self._parameter, Value=json.dumps(stamped, sort_keys=True, default=str), Type="String", Overwrite=True
        )


class Secrets:
    """Credentials in Secrets Manager. `client` returns the client of a region: a secret is read where it lies."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    def read(self, arn: str) -> dict[str, str]:
        """Return a secret's fields. From here on no log and no error shows what is secret of them."""
        region = arn.split(":")[3]
        text = self._client(region).get_secret_value(SecretId=arn)["SecretString"]
        fields: dict[str, str] = json.loads(text)
        hide_secret(fields)
        return fields

    def half_rotated(self, arn: str) -> bool:
        """Say whether a rotation has made another value for a secret that has not become the current one."""
        client = self._client(arn.split(":")[3])
        try:
            pending = client.get_secret_value(SecretId=arn, VersionStage="AWSPENDING")
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise
        # One that holds nothing was begun and refused: nobody has acted on it.
        return bool(pending.get("SecretString")) and "AWSCURRENT" not in pending["VersionStages"]


class Alarms:
    """The stack's alarms, and the composite one that is in ALARM while nothing speaks against a switchover."""

    def __init__(self, cloudwatch: Any, safe_to_switch: str, names: Sequence[str]) -> None:
        self._cloudwatch = cloudwatch
        self._safe_to_switch = safe_to_switch
        self._names = tuple(names)

    def unwell(self) -> list[str]:
        """Return what is not as it is while all is well; an alarm that knows nothing is not well."""
        found = self._states([*self._names, self._safe_to_switch])
        wanted = {**dict.fromkeys(self._names, "OK"), self._safe_to_switch: "ALARM"}
        states = {name: found.get(name, {}).get("StateValue", "missing") for name in wanted}
        return [
            f"alarm {name} is {states[name]}, not {good}: see what it watches"
            for name, good in wanted.items()
            if states[name] != good
        ]

    def safe_since(self) -> float | None:
        """Return since when, in seconds since the epoch, a switchover has been safe; None where it is not."""
        alarm = self._states([self._safe_to_switch]).get(self._safe_to_switch, {})
        if alarm.get("StateValue") != "ALARM":
            return None
        # The update's time moves with every new reason, the transition's with the state alone.
        since = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
        return float(since.timestamp())

    def _states(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return {
            alarm["AlarmName"]: alarm
            for page in pages
            for alarm in [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]
        }


class Machine:
    """The state machine: one execution per attempt."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, name: str) -> str:
        """Start an execution and return its name. A second start under the same name changes nothing."""
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=name, input="{}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
        return name
