"""AWS in memory, as far as the functions call it: botocore's own clients, which check and note every call.

What DMS is asked comes from a World's tasks; what is stored, in DynamoDB and Route 53, is stored here.
"""

import io
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3

from tests.support.fakes import FakeTask, World
from tests.support.rotating import FakeSecret

SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x")
"""One for all clients: it keeps the services' models."""
SERVICES = {"stepfunctions": "states"}
"""What IAM calls a service where botocore calls it otherwise."""
ACTIONS = {"s3:ListObjectsV2": "s3:ListBucket"}
"""What IAM calls an action where the call is named otherwise."""
TEMPLATES = {"Replication": "replicationConfigurationTemplateID", "Launch": "launchConfigurationTemplateID"}
TEMPLATE_ID = {"Replication": "rct-01234567890123456", "Launch": "lct-01234567890123456"}
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One call that a function made, under IAM's name, with its parameters."""

    action: str
    params: dict[str, Any] = field(hash=False)


@dataclass
class RecordedAws:
    """The account: parameters, items, records, secrets by ARN, and the World whose tasks DMS runs."""

    world: World
    parameters: dict[str, str]
    secrets: dict[str, FakeSecret] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Of all buckets, by their keys."""
    templates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tasks: dict[str, FakeTask] = field(default_factory=dict)
    lost: dict[str, datetime] = field(default_factory=dict)
    """When tasks failed, by their ARNs."""
    accounts: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """Passwords of databases' users, by the databases' hosts."""
    connections: list[dict[str, Any]] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    """Actions that fail."""

    def keep(self, arn: str, **fields: Any) -> None:
        """Let there be a secret that rotates, and what it holds."""
        self.secrets[arn] = FakeSecret(fields, arn=arn, version=str(uuid.uuid4()))

    def lose_tasks(self, at: datetime) -> None:
        """Let every task that runs fail."""
        for arn, task in self.tasks.items():
            if task.status() == "running":
                self.lost[arn], task.found = at, replace(task.found, status="failed")

    def client(self, service: str, region_name: str | None = None, **_: Any) -> Any:
        """Return a client of this account, in the place of boto3's."""
        made = SESSION.client(service, region_name=region_name or "us-east-1")

        def note(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
            action = f"{SERVICES.get(service, service)}:{model.name}"
            call = Call(ACTIONS.get(action, action), dict(params))
            self.calls.append(call)
            context["said"] = getattr(self, f"_{service}")(model.name, params)

        made.meta.events.register("before-parameter-build.*.*", note)
        made.meta.events.register(
            "before-call.*.*", lambda context, **_: (SimpleNamespace(status_code=200), context["said"])
        )
        return made

    def _ssm(self, operation: str, params: Json) -> Json:
        if operation == "GetParameter":
            return {"Parameter": {"Value": self.parameters[params["Name"]]}}
        self.parameters[params["Name"]] = params["Value"]
        return {"Version": 1}

    def _secretsmanager(self, operation: str, params: Json) -> Json:
        return self.secrets[params["SecretId"]].called(operation, params)

    def _sns(self, operation: str, params: Json) -> Json:
        return {"MessageId": "1"}

    def _s3(self, operation: str, params: Json) -> Json:
        match operation:
            case "GetObject":
                return {"Body": io.BytesIO(self.objects[params["Key"]])}
            case "ListObjectsV2":
                return {"Contents": [{"Key": key} for key in self.objects if key.startswith(params["Prefix"])]}
        self.objects[params["Key"]] = params["Body"]
        return {}

    def _stepfunctions(self, operation: str, params: Json) -> Json:
        return {"executionArn": f"{params['stateMachineArn']}:{params['name']}", "startDate": 0}

    def _cloudwatch(self, operation: str, params: Json) -> Json:
        if operation == "GetMetricData":
            return {"MetricDataResults": [{"Values": [0.0]}]}
        asked = {name: self.alarms.get(name, "OK") for name in params["AlarmNames"]}
        at = datetime.fromtimestamp(0, UTC)
        found = [
            {"AlarmName": name, "StateValue": state, "StateUpdatedTimestamp": at, "StateTransitionedTimestamp": at}
            for name, state in asked.items()
        ]
        return {"MetricAlarms": found, "CompositeAlarms": []}

    def _dynamodb(self, operation: str, params: Json) -> Json:
        match operation:
            case "GetItem":
                found = self.items.get(self._key(params["Key"]))
                return {"Item": found} if found else {}
            case "PutItem":
                self.items[self._key(params["Item"])] = params["Item"]
            case "TransactWriteItems":
                for one in params["TransactItems"]:
                    self.items[self._key(one["Put"]["Item"])] = one["Put"]["Item"]
        return {}

    @staticmethod
    def _key(item: Json) -> tuple[str, str]:
        first, second = ("migration_id", "entry") if "migration_id" in item else ("serverId", "timestamp")
        return item[first]["S"], item[second]["S"]

    def _route53(self, operation: str, params: Json) -> Json:
        if operation == "GetChange":
            return {"ChangeInfo": {"Status": "INSYNC"}}
        if operation == "ListResourceRecordSets":
            name = params["StartRecordName"].rstrip(".")
            return {"ResourceRecordSets": [r for r in self.records if r["Name"].rstrip(".") == name]}
        for change in params["ChangeBatch"]["Changes"]:
            record = change["ResourceRecordSet"]
            same = [record.get(key, "") for key in ("Name", "Type", "SetIdentifier")]
            self.records = [
                r for r in self.records if [r.get(key, "") for key in ("Name", "Type", "SetIdentifier")] != same
            ]
            if change["Action"] != "DELETE":
                self.records.append(record)
        return {"ChangeInfo": {"Id": "/change/C1"}}

    def _dms(self, operation: str, params: Json) -> Json:  # noqa: PLR0911
        match operation:
            case "DescribeReplicationTasks":
                return {"ReplicationTasks": [self._task(params["Filters"][0]["Values"][0])]}
            case "DescribeReplications":
                return {"Replications": [self._task(params["Filters"][0]["Values"][0])]}
            case "DescribeReplicationConfigs":
                return {"ReplicationConfigs": [self._task(params["Filters"][0]["Values"][0])]}
            case "DescribeTableStatistics":
                return {"TableStatistics": []}
            case "DescribeReplicationTableStatistics":
                return {"ReplicationTableStatistics": []}
            case "StopReplicationTask":
                self.tasks[params["ReplicationTaskArn"]].stop()
            case "StopReplication":
                self.tasks[params["ReplicationConfigArn"]].stop()
            case "StartReplicationTask":
                self._start(params["ReplicationTaskArn"], params["StartReplicationTaskType"], params)
            case "StartReplication":
                self._start(params["ReplicationConfigArn"], params["StartReplicationType"], params)
            case "TestConnection":
                tested = {"EndpointArn": params["EndpointArn"], "Status": "successful", "EndpointIdentifier": "any"}
                self.connections.append(tested)
            case "DescribeConnections":
                return {"Connections": self.connections}
        return {}

    def _start(self, arn: str, how: str, params: Json) -> None:
        task = self.tasks[arn]
        if how == "resume-processing":
            task.found = replace(task.found, status="running")
        elif "CdcStartPosition" not in params:
            task.start()
        else:
            task.start_from(params["CdcStartPosition"], self.world.clock.time)

    def _task(self, arn: str) -> dict[str, Any]:
        task = self.tasks[arn]
        stats: dict[str, Any] = {"FullLoadProgressPercent": task.found.full_load_percent, "TablesErrored": 0}
        ended = {"StopDate": self.lost[arn]} if arn in self.lost else {}
        return {
            "Status": task.found.status,
            "ReplicationTaskStats": {**stats, **ended},
            "ReplicationStats": stats,
            **({"ReplicationLastStopTime": self.lost[arn]} if arn in self.lost else {}),
            "TableMappings": json.dumps({"rules": task.mappings()}),
            "ReplicationTaskSettings": json.dumps(task.settings()),
            "ReplicationSettings": json.dumps(task.settings()),
        }

    def _mgn(self, operation: str, params: Json) -> Json:
        for kind, name in TEMPLATES.items():
            found = self.templates.setdefault(kind, [])
            if operation == f"Describe{kind}ConfigurationTemplates":
                return {"items": [{**each, name: TEMPLATE_ID[kind]} for each in found]}
            if operation == f"Create{kind}ConfigurationTemplate":
                found.append(dict(params))
        return {}
