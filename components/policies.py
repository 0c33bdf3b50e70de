"""IAM policy documents as plain data."""

import json
from collections.abc import Collection, Sequence
from typing import Any

import pulumi

Statement = dict[str, Any]
EVERYTHING = "*"
LOGS = "log delivery belongs to the account, not to a log"
MGN = "nothing exists before the call, or it lists"
NO_RESOURCE = {
    "cloudwatch:DescribeAlarms": "a narrower right shows no composite alarm",
    "cloudwatch:GetMetricData": "metrics are no resources",
    "dms:DescribeConnections": "it lists, and filters what it answers",
    "dms:DescribeReplicationConfigs": "it lists, and filters what it answers",
    "dms:DescribeReplicationTasks": "it lists, and filters what it answers",
    "dms:DescribeReplications": "it lists, and filters what it answers",
    "ec2:AssignPrivateIpAddresses": "Lambda's network interfaces have no names before they are made",
    "ec2:CreateNetworkInterface": "Lambda's network interfaces have no names before they are made",
    "ec2:DeleteNetworkInterface": "Lambda's network interfaces have no names before they are made",
    "ec2:DescribeInstanceTypeOfferings": "EC2's describes know no resource",
    "ec2:DescribeInstanceTypes": "EC2's describes know no resource",
    "ec2:DescribeNetworkInterfaces": "EC2's describes know no resource",
    "ec2:DescribeSecurityGroups": "EC2's describes know no resource",
    "ec2:DescribeSubnets": "EC2's describes know no resource",
    "ec2:GetEbsDefaultKmsKeyId": "it is the account's",
    "ec2:GetEbsEncryptionByDefault": "it is the account's",
    "ec2:UnassignPrivateIpAddresses": "Lambda's network interfaces have no names before they are made",
    "ecr:GetAuthorizationToken": "a login knows no resource",
    "logs:CreateLogDelivery": LOGS,
    "logs:DeleteLogDelivery": LOGS,
    "logs:DescribeLogGroups": LOGS,
    "logs:DescribeResourcePolicies": LOGS,
    "logs:GetLogDelivery": LOGS,
    "logs:ListLogDeliveries": LOGS,
    "logs:PutResourcePolicy": LOGS,
    "logs:UpdateLogDelivery": LOGS,
    "mgn:CreateLaunchConfigurationTemplate": MGN,
    "mgn:CreateReplicationConfigurationTemplate": MGN,
    "mgn:DescribeLaunchConfigurationTemplates": MGN,
    "mgn:DescribeReplicationConfigurationTemplates": MGN,
    "mgn:InitializeService": MGN,
    "mgn:ListTagsForResource": MGN,
    "xray:PutTelemetryRecords": "traces are no resources",
    "xray:PutTraceSegments": "traces are no resources",
}
"""Actions that AWS lets nobody allow on less than everything, and why."""


def allow(*actions: str, on: Any, when: Any = None) -> Statement:
    """Return a statement that allows `actions` on the resource or resources `on`, under the condition `when`."""
    statement: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": on}
    return {**statement, "Condition": when} if when else statement


def allow_everywhere(*actions: str) -> Statement:
    """Return a statement that allows actions on everything. Raises KeyError for one that AWS lets be narrowed."""
    for action in actions:
        NO_RESOURCE[action]
    return allow(*actions, on=EVERYTHING)


def allow_key(key_arn: Any, services: Collection[str], *actions: str) -> Statement:
    """Return a statement that allows the use of a key, through these services alone."""
    via = [f"{service}.*.amazonaws.com" for service in sorted(services)]
    return allow(*actions, on=key_arn, when={"StringLike": {"kms:ViaService": via}})


def document(statements: Sequence[Any]) -> pulumi.Output[str]:
    """Return a policy document as JSON; parts may be outputs."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def trust(*services: str, when: Any = None) -> str:
    """Return the trust policy of a role that AWS services take on."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": sorted(services)}, "Action": "sts:AssumeRole"}
    if when:
        statement["Condition"] = when
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
