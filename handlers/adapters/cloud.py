"""The AWS services a migration uses, each behind the few calls it makes."""

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from handlers.core import names
from handlers.core.readiness import TaskState
from handlers.core.record import Superseded
from handlers.redaction import hide_secret

LATENCIES = ("CDCLatencySource", "CDCLatencyTarget")
METRIC_SECONDS = 300
"""How far back a latency counts: DMS reports once a minute."""
COMMENT_LIMIT = 256
"""Characters of a change batch's comment."""
AT_REST = frozenset({"ready", "stopped", "failed", "created"})
"""States in which a task does nothing, and can be started."""
FIRST_START = "start-replication"
ERRORED_STATES = frozenset({"Table error", "Error", "Suspended", "Table cancelled"})


class ConnectionFailed(Exception):
    """DMS can't connect to a database. The message holds its reason."""


class NameGroup:
    """The weighted records in Route 53 of several names of one zone, which move together or not at all.

    `token_name` is the TXT record that keeps the token of who moved them last; empty where they have none.
    """

    def __init__(self, client: Any, zone_id: str, group: Sequence[str], token_name: str = "") -> None:
        self._client = client
        self._zone_id = zone_id
        self._group = tuple(group)
        self._token_name = token_name

    def weights(self) -> dict[str, dict[str, int]]:
        """Return the weight of each side of every name as Route 53 has them now."""
        return {name: names.weights(self._read(name)) for name in self._group}

    def ttl(self) -> int:
        """Return for how many seconds a resolver may keep any of the records."""
        return max(names.ttl(self._read(name)) for name in self._group)

    def last_token(self) -> int:
        """Return the token of who moved the names last."""
        return names.token(self._token_record())

    def shift(
        self, weights: Mapping[str, Mapping[str, int]], why: str, ttl: int | None = None, *, token: int | None = None
    ) -> str:
        """Give every name its weights in one change batch, read back, and return the change's id.

        Times to live stay as they are unless `ttl`, in seconds, is given. The change is in force everywhere once it is
        INSYNC, not before. Raises NamesError if the read-back differs, Superseded if who came with a later `token` has
        moved the names: the token is passed on in the same batch, so nobody can be late with his.
        """
        changes, wanted = [], {}
        for name in self._group:
            found = self._read(name)
            wanted[name] = (dict(weights[name]), names.ttl(found) if ttl is None else ttl)
            changes += names.shift(found, *wanted[name])
        answer = self._change(changes, why, token)
        for name in self._group:
            found = self._read(name)
            if (names.weights(found), names.ttl(found)) != wanted[name]:
                raise names.NamesError(
                    f"{name} reads back {names.weights(found)} after it was set to {wanted[name][0]}"
                )
        return str(answer["ChangeInfo"]["Id"])

    def _change(self, changes: list[dict[str, Any]], why: str, token: int | None) -> Any:
        """Carry out one batch, and pass the token on in it if there is one."""
        while True:
            passing: list[dict[str, Any]] = []
            seen: names.RecordSet = {}
            if token is not None:
                seen = self._token_record()
                if names.token(seen) > token:
                    raise Superseded(f"{', '.join(self._group)} were moved with a later token than {token}")
                passing = names.pass_token(seen, token)
            batch = {"Comment": why[:COMMENT_LIMIT], "Changes": [*passing, *changes]}
            try:
                return self._client.change_resource_record_sets(HostedZoneId=self._zone_id, ChangeBatch=batch)
            except ClientError as error:
                refused = token is not None and error.response["Error"]["Code"] == "InvalidChangeBatch"
                if not refused or self._token_record() == seen:
                    raise  # else somebody came in between: look again who is later

    def in_sync(self, change_id: str) -> bool:
        """Say whether a change is in force on every name server of Route 53."""
        return bool(self._client.get_change(Id=change_id)["ChangeInfo"]["Status"] == "INSYNC")

    def _token_record(self) -> names.RecordSet:
        page = self._client.list_resource_record_sets(
            HostedZoneId=self._zone_id, StartRecordName=self._token_name, StartRecordType="TXT", MaxItems="1"
        )
        return names.only(page["ResourceRecordSets"], self._token_name, "TXT")

    def _read(self, name: str) -> dict[str, names.RecordSet]:
        page = self._client.list_resource_record_sets(
            HostedZoneId=self._zone_id, StartRecordName=name, StartRecordType="CNAME"
        )
        return names.weighted(page["ResourceRecordSets"], name)


class Task:
    """A DMS task and its metrics."""

    def __init__(self, dms: Any, cloudwatch: Any, instance_id: str, task_arn: str) -> None:
        self._dms = dms
        self._cloudwatch = cloudwatch
        self._arn = task_arn
        self._dimensions = {
            "ReplicationInstanceIdentifier": instance_id,
            "ReplicationTaskIdentifier": task_arn.rsplit(":", maxsplit=1)[-1],
        }

    def state(self, now: float) -> TaskState:
        """Return the task's state, its tables in error, and the newest latencies."""
        task = self._describe()
        stats = task.get("ReplicationTaskStats", {})
        return state(task["Status"], stats, self._tables(), latencies(self._cloudwatch, self._dimensions, now))

    def mappings(self) -> list[dict[str, Any]]:
        """Return the rules of the task's table mappings."""
        rules: list[dict[str, Any]] = json.loads(self._describe()["TableMappings"])["rules"]
        return rules

    def settings(self) -> dict[str, Any]:
        """Return the task's settings."""
        settings: dict[str, Any] = json.loads(self._describe()["ReplicationTaskSettings"])
        return settings

    def start(self) -> None:
        """Start the task for the first time."""
        self._dms.start_replication_task(ReplicationTaskArn=self._arn, StartReplicationTaskType=FIRST_START)

    def counters(self) -> dict[str, int]:
        """Return how many changes DMS has read and how many it has applied, over all tables: evidence, no gate."""
        return counters(self._tables())

    def stop(self) -> bool:
        """Ask a running task to stop and say whether there was anything to stop. It takes DMS a minute."""
        if self.status() != "running":
            return False
        self._dms.stop_replication_task(ReplicationTaskArn=self._arn)
        return True

    def status(self) -> str:
        """Return the task's status as DMS words it."""
        return str(self._describe()["Status"])

    def failure(self) -> str:
        """Return why DMS says that the task failed, empty where it did not."""
        return str(self._describe().get("LastFailureMessage", ""))

    def at_rest(self) -> bool:
        """Say whether the task neither runs nor is about to start or stop."""
        return self.status() in AT_REST

    def start_from(self, position: str, since: float) -> None:
        """Start a task for changes alone from a position in the source's log, or let it go on.

        It goes on if it was started after `since`, seconds since the epoch: then it has a place of its own.
        """
        task = self._describe()
        if task["Status"] not in AT_REST:
            return
        began = task.get("ReplicationTaskStartDate")
        if began is not None and began.timestamp() >= since:
            how = {"StartReplicationTaskType": "resume-processing"}
        else:
            how = {"StartReplicationTaskType": "start-replication", "CdcStartPosition": position}
        self._dms.start_replication_task(ReplicationTaskArn=self._arn, **how)

    def _describe(self) -> dict[str, Any]:
        by_arn = [{"Name": "replication-task-arn", "Values": [self._arn]}]
        found: list[dict[str, Any]] = self._dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"]
        return found[0]

    def _tables(self) -> list[dict[str, Any]]:
        asked = functools.partial(self._dms.describe_table_statistics, ReplicationTaskArn=self._arn)
        return paged(asked, "TableStatistics")


def paged(ask: Callable[..., Any], member: str) -> list[dict[str, Any]]:
    """Return what a call of DMS lists under `member`, over all its pages."""
    found: list[dict[str, Any]] = []
    marker: str | None = None
    while True:
        page = ask(**({"Marker": marker} if marker else {}))
        found += page[member]
        marker = page.get("Marker")
        if not marker:
            return found


def state(
    status: str, stats: Mapping[str, Any], tables: Sequence[Mapping[str, Any]], latency: dict[str, float | None]
) -> TaskState:
    """Return a replication's state from what DMS says of it and of its tables."""
    bad = [t for t in tables if t["TableState"] in ERRORED_STATES]
    return TaskState(
        status=status,
        full_load_percent=int(stats.get("FullLoadProgressPercent", 0)),
        tables_errored=max(len(bad), int(stats.get("TablesErrored", 0))),
        suspended=tuple(sorted(f"{t['SchemaName']}.{t['TableName']}" for t in bad)),
        latency=latency,
    )


def counters(tables: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many changes DMS has read and how many it has applied, over these tables."""
    kinds = ("Inserts", "Updates", "Deletes")
    return {
        "read": sum(int(t.get(kind, 0)) for t in tables for kind in kinds),
        "applied": sum(int(t.get(f"Applied{kind}", 0)) for t in tables for kind in kinds),
    }


def latencies(cloudwatch: Any, dimensions: Mapping[str, str], now: float) -> dict[str, float | None]:
    """Return the newest CDC latencies in seconds by their metric, None where none was reported of late."""
    return {name: _latest(cloudwatch, name, dimensions, now) for name in LATENCIES}


def _latest(cloudwatch: Any, metric: str, dimensions: Mapping[str, str], now: float) -> float | None:
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {
                "Id": "latest",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/DMS",
                        "MetricName": metric,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
        ],
        StartTime=now - METRIC_SECONDS,
        EndTime=now + 1,
        ScanBy="TimestampDescending",
    )
    values = answer["MetricDataResults"][0]["Values"] if answer["MetricDataResults"] else []
    return float(values[0]) if values else None


class Endpoints:
    """Connections from the replication instance to its endpoints. DMS starts no task before they were tested."""

    def __init__(self, client: Any, instance_arn: str, endpoint_arns: Sequence[str]) -> None:
        self._client = client
        self._instance_arn = instance_arn
        self._endpoint_arns = endpoint_arns

    def begin_tests(self) -> None:
        """Ask DMS to test every connection. It takes about a minute."""
        for arn in self._endpoint_arns:
            self._client.test_connection(ReplicationInstanceArn=self._instance_arn, EndpointArn=arn)

    def untested(self) -> list[str]:
        """Return the endpoints whose test has not ended. Raises ConnectionFailed with DMS's reason if one failed."""
        by_instance = [{"Name": "replication-instance-arn", "Values": [self._instance_arn]}]
        found = self._client.describe_connections(Filters=by_instance)["Connections"]
        status = {connection["EndpointArn"]: connection for connection in found}
        failed = [status[arn] for arn in self._endpoint_arns if status.get(arn, {}).get("Status") == "failed"]
        if failed:
            reasons = [f"{c['EndpointIdentifier']}: {c.get('LastFailureMessage', 'no reason given')}" for c in failed]
            raise ConnectionFailed(f"DMS can't reach {'; '.join(reasons)}")
        return [arn for arn in self._endpoint_arns if status.get(arn, {}).get("Status") != "successful"]


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
