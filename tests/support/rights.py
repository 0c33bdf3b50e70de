"""What a function of a declared stack may do, and what its calls need: two sets that ought to be the same."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from tests.support.pulumi_mocks import ACCOUNT, Recorder, Registered
from tests.support.recorded_aws import Call

EVERYTHING = "*"
DEPENDENT = {
    "mgn:InitializeService": {
        "iam:AddRoleToInstanceProfile": f"arn:aws:iam::{ACCOUNT}:instance-profile/*AWSApplicationMigration*",
        "iam:CreateInstanceProfile": f"arn:aws:iam::{ACCOUNT}:instance-profile/*AWSApplicationMigration*",
        "iam:GetInstanceProfile": f"arn:aws:iam::{ACCOUNT}:instance-profile/*AWSApplicationMigration*",
        "iam:CreateServiceLinkedRole": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/mgn.amazonaws.com/*",
        "iam:GetRole": f"arn:aws:iam::{ACCOUNT}:role/service-role/AWSApplicationMigration*",
        "iam:PassRole": f"arn:aws:iam::{ACCOUNT}:role/service-role/AWSApplicationMigration*",
    },
    "mgn:CreateReplicationConfigurationTemplate": dict.fromkeys(
        (
            *("ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeSecurityGroups"),
            *("ec2:DescribeSubnets", "ec2:GetEbsDefaultKmsKeyId", "ec2:GetEbsEncryptionByDefault"),
            "mgn:ListTagsForResource",
        ),
        EVERYTHING,
    ),
}
"""What Application Migration Service does in its caller's name, as its service authorization reference lists it."""
IN_THE_VPC = (
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
)
"""What Lambda does in a function's name to put it into a VPC."""
BY_KEY = {
    "dynamodb": ("kms:Decrypt",),
    "lambda": ("kms:Decrypt",),
    "s3:GetObject": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
    "secretsmanager:PutSecretValue": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sns": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs": ("kms:Decrypt", "kms:GenerateDataKey"),
}
"""What a service, or one call of it, does with its key in the caller's name."""
PARAMETER_OF = {
    "dms:DescribeReplicationTableStatistics": "ReplicationConfigArn",
    "dms:DescribeTableStatistics": "ReplicationTaskArn",
    "dms:StartReplication": "ReplicationConfigArn",
    "dms:StartReplicationTask": "ReplicationTaskArn",
    "dms:StopReplication": "ReplicationConfigArn",
    "dms:StopReplicationTask": "ReplicationTaskArn",
    "secretsmanager:DescribeSecret": "SecretId",
    "secretsmanager:GetSecretValue": "SecretId",
    "secretsmanager:PutSecretValue": "SecretId",
    "secretsmanager:UpdateSecretVersionStage": "SecretId",
    "sns:Publish": "TopicArn",
}
"""Where a call says which resource it is about."""
NO_RESOURCE = (
    *("cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "dms:DescribeConnections"),
    *("dms:DescribeReplicationConfigs", "dms:DescribeReplicationTasks", "dms:DescribeReplications"),
    *("mgn:CreateLaunchConfigurationTemplate", "mgn:CreateReplicationConfigurationTemplate"),
    *("mgn:DescribeLaunchConfigurationTemplates", "mgn:DescribeReplicationConfigurationTemplates"),
    "mgn:InitializeService",
)
"""Calls that AWS lets nobody allow on less than everything."""


@dataclass(frozen=True, order=True)
class Right:
    """An action on a resource, `via` the service that takes it in the caller's name where a key is used.

    `stage` is the label of the only version of a secret that it is about.
    """

    action: str
    resource: str
    via: str = ""
    stage: str = ""

    def covers(self, need: "Right") -> bool:
        """Say whether who has this may do that. Everything covers only what is on no less than everything."""
        if (self.action, self.via) != (need.action, need.via) or self.stage not in ("", need.stage):
            return False
        if EVERYTHING in (self.resource, need.resource):
            return self.resource == need.resource
        return fnmatchcase(need.resource, self.resource) or fnmatchcase(self.resource, need.resource)

    def __str__(self) -> str:
        narrowed = "".join(f" {word} {text}" for word, text in (("via", self.via), ("as", self.stage)) if text)
        return f"{self.action} on {self.resource}{narrowed}"


def granted(recorder: Recorder, function: Registered) -> tuple[set[Right], list[str]]:
    """Return what a function's role may do, and what of it can't be judged: policies that are AWS's to change."""
    called = _names(recorder)
    [role] = [r for r in recorder.resources if r.type.endswith(":Role") and function.inputs["role"].endswith(r.name)]
    name = role.inputs["name"]
    of_role = [r for r in recorder.resources if r.inputs.get("role") == name]
    unknown = [r.inputs["policyArn"] for r in of_role if "policyArn" in r.inputs]
    documents = [json.loads(r.inputs["policy"]) for r in of_role if "policy" in r.inputs]
    statements = [s for document in documents for s in document["Statement"] if s["Effect"] == "Allow"]
    rights = {right for statement in statements for right in _rights(statement)}
    return {replace(right, resource=called.get(right.resource, right.resource)) for right in rights}, unknown


def _names(recorder: Recorder) -> dict[str, str]:
    """Return by the mocks' ARNs of parameters what a program composes before they are made."""
    parameters = recorder.of("aws:ssm/parameter:Parameter").items()
    return {_arn(name): _parameter(inputs["name"]) for name, inputs in parameters}


def _arn(name: str) -> str:
    return f"arn:aws:mock:us-east-1:{ACCOUNT}:{name}"


def _parameter(name: str) -> str:
    return f"arn:aws:ssm:*:{ACCOUNT}:parameter{name}"


def _machine(name: str) -> str:
    return f"arn:aws:states:*:{ACCOUNT}:stateMachine:{name}"


def _rights(statement: dict[str, Any]) -> Iterator[Right]:
    conditions = statement.get("Condition", {})
    services = _listed(conditions.get("StringLike", {}).get("kms:ViaService", ""))
    stage = conditions.get("StringEquals", {}).get("secretsmanager:VersionStage", "")
    for action in _listed(statement["Action"]):
        for resource in _listed(statement["Resource"]):
            for service in services:
                yield Right(action, resource, service.removesuffix(".*.amazonaws.com"), stage)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class Needs:
    """What calls need, in terms of one declared stack."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._tables = {t["name"]: _arn(name) for name, t in recorder.of("aws:dynamodb/table:Table").items()}
        self._buckets = {b["bucket"]: _arn(name) for name, b in recorder.of("aws:s3/bucket:Bucket").items()}
        machines = recorder.of("aws:sfn/stateMachine:StateMachine").items()
        self._machines = {_arn(name): _machine(machine["name"]) for name, machine in machines}
        self._keys = self._found_keys()

    def of(self, function: Registered, calls: Iterable[Call]) -> set[Right]:
        """Return what these calls need, and what Lambda itself does in the function's name."""
        needs = {right for call in calls for right in self._of(call)}
        log = f"{_arn(f'{function.name}-log')}:*"
        needs |= {Right("logs:CreateLogStream", log), Right("logs:PutLogEvents", log)}
        needs |= {Right(action, EVERYTHING) for action in IN_THE_VPC}
        needs |= self._by_key("lambda", function.inputs["kmsKeyArn"])
        letters = (function.inputs.get("deadLetterConfig") or {}).get("targetArn")
        if letters is not None:
            service = "sns" if letters in self._keys["sns"] else "sqs"
            needs.add(Right("sns:Publish" if service == "sns" else "sqs:SendMessage", letters))
            needs |= self._by_key(service, self._keys[service][letters])
        return needs

    def _of(self, call: Call) -> Iterator[Right]:
        for action, resource in DEPENDENT.get(call.action, {}).items():
            yield Right(action, resource)
        service, params = call.action.split(":")[0], call.params
        if call.action == "dynamodb:TransactWriteItems":
            for each in params["TransactItems"]:
                [(kind, one)] = each.items()
                yield from self._of(Call(f"dynamodb:{kind}Item", one))
            return
        stage = params.get("VersionStage", "") if call.action == "secretsmanager:GetSecretValue" else ""
        for resource in self._resources(call):
            yield Right(call.action, resource, stage=stage)
        on = {"dynamodb": "TableName", "s3": "Bucket", "secretsmanager": "SecretId", "sns": "TopicArn"}.get(service)
        if on is not None and params[on] in self._keys[service]:
            yield from self._by_key(service, self._keys[service][params[on]], call.action)

    def _resources(self, call: Call) -> list[str]:  # noqa: PLR0911
        params = call.params
        if call.action in NO_RESOURCE:
            return [EVERYTHING]
        if call.action in PARAMETER_OF:
            return [params[PARAMETER_OF[call.action]]]
        match call.action.split(":"):
            case ["dynamodb", _]:
                return [self._tables[params["TableName"]]]
            case ["s3", _]:
                return [self._buckets[params["Bucket"]] + (f"/{params['Key']}" if "Key" in params else "")]
            case ["ssm", _]:
                return [_parameter(params["Name"])]
            case ["states", _]:
                return [self._machines[params["stateMachineArn"]]]
            case ["route53", "GetChange"]:
                return ["arn:aws:route53:::change/C1"]
            case ["route53", _]:
                return [f"arn:aws:route53:::hostedzone/{params['HostedZoneId']}"]
            case ["mgn", _]:
                kind, identifier = next((k, i) for k, i in params.items() if k.endswith("TemplateID"))
                title = {"r": "replication", "l": "launch"}[kind[0]]
                return [f"arn:aws:mgn:us-east-1:{ACCOUNT}:{title}-configuration-template/{identifier}"]
            case ["dms", "TestConnection"]:
                return [params["EndpointArn"], params["ReplicationInstanceArn"]]
        raise LookupError(f"{call.action}: say in {__name__} which resource it is about")

    def _by_key(self, service: str, key: str, call: str = "") -> set[Right]:
        return {Right(action, key, service) for action in BY_KEY.get(call, BY_KEY.get(service, ()))}

    def _found_keys(self) -> dict[str, dict[str, str]]:
        """Return the key of what is encrypted, by service and by what calls name."""
        of = self._recorder.of

        secrets = {_arn(n): i["kmsKeyId"] for n, i in of("aws:secretsmanager/secret:Secret").items()}
        for kind in ("cluster:Cluster", "instance:Instance"):
            for name, inputs in of(f"aws:rds/{kind}").items():
                if inputs.get("manageMasterUserPassword"):
                    secrets[f"{_arn(name)}-master"] = inputs["masterUserSecretKmsKeyId"]
        tables = of("aws:dynamodb/table:Table").values()
        encrypted = of("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
        by_default = {
            e["bucket"]: e["rules"][0]["applyServerSideEncryptionByDefault"].get("kmsMasterKeyId")
            for e in encrypted.values()
        }
        buckets = {b["bucket"]: by_default.get(f"{n}-id") for n, b in of("aws:s3/bucket:Bucket").items()}
        return {
            "s3": {name: key for name, key in buckets.items() if key},
            "secretsmanager": secrets,
            "dynamodb": {t["name"]: t["serverSideEncryption"]["kmsKeyArn"] for t in tables},
            "sns": {_arn(n): i["kmsMasterKeyId"] for n, i in of("aws:sns/topic:Topic").items()},
            "sqs": {_arn(n): i["kmsMasterKeyId"] for n, i in of("aws:sqs/queue:Queue").items()},
        }


def differences(grants: set[Right], needs: set[Right]) -> list[str]:
    """Return a line for every right that is missing, and for every one that nothing uses as widely as it is given."""
    missing = [f"missing: {need}" for need in sorted(needs) if not any(g.covers(need) for g in grants)]
    used = {grant for grant in grants for need in needs if grant.covers(need) and grant.stage == need.stage}
    unused = [f"unused: {grant}" for grant in sorted(grants - used)]
    return missing + unused
