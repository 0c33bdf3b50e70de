"""The runbook that validates a database after its load, as a Systems Manager document whose steps call AWS."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components import checks, policies
from components.policies import allow

TASK, TARGET = "ReplicationTaskArn", "TargetInstanceIdentifier"
MOST_TABLES = 500
"""How many tables' statistics DMS gives in one answer; the document asks once."""
TASK_ARN = r"^arn:aws[a-z-]*:dms:[a-z0-9-]+:\d{12}:task:[A-Za-z0-9-]+$"


def declare(
    name: str,
    *,
    parent: pulumi.Resource,
    account_id: pulumi.Input[str],
    region: pulumi.Input[str],
    task_arns: Sequence[pulumi.Input[str]],
    tags: Mapping[str, str],
) -> aws.ssm.Document:
    """Make the document and the role it runs with, which reads the tasks and the account's RDS instances."""
    child = pulumi.ResourceOptions(parent=parent)
    executions = pulumi.Output.concat("arn:aws:ssm:", region, ":", account_id, ":automation-execution/*")
    trust = pulumi.Output.all(account_id, executions).apply(
        lambda known: policies.trust(
            "ssm.amazonaws.com",
            when={"StringEquals": {"aws:SourceAccount": known[0]}, "ArnLike": {"aws:SourceArn": known[1]}},
        )
    )
    role = aws.iam.Role(
        f"{name}-role", name=name, assume_role_policy=trust, tags=checks.tags_for(tags, name), opts=child
    )
    policy = aws.iam.RolePolicy(
        f"{name}-policy",
        name="what-it-calls",
        role=role.name,
        policy=policies.document(
            [
                policies.allow_everywhere("dms:DescribeReplicationTasks"),
                allow("dms:DescribeTableStatistics", on=list(task_arns)),
                allow(
                    "rds:DescribeDBInstances", on=pulumi.Output.concat("arn:aws:rds:", region, ":", account_id, ":db:*")
                ),
            ]
        ),
        opts=child,
    )
    return aws.ssm.Document(
        name,
        name=name,
        document_type="Automation",
        document_format="JSON",
        content=role.arn.apply(lambda arn: json.dumps(content(arn), sort_keys=True)),
        tags=checks.tags_for(tags, name),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
    )


def content(role_arn: str) -> dict[str, Any]:
    """Return the document. It ends in Success where the task runs past its load, no table failed and the target is up.

    Its output `TableStates.States` lists the states of the first 500 tables, for people to read: none is asserted.
    """
    return {
        "schemaVersion": "0.3",
        "description": "Validates a database of the fleet: its target, its replication task, its tables",
        "assumeRole": role_arn,
        "parameters": {
            TASK: {
                "type": "String",
                "description": "ARN of the database's replication task",
                "allowedPattern": TASK_ARN,
            },
            TARGET: {
                "type": "String",
                "description": "RDS instance of the target, where it is one in this account",
                "default": "",
                "allowedPattern": "^[A-Za-z0-9-]{0,63}$",
            },
        },
        "outputs": ["TableStates.States"],
        "mainSteps": [
            {
                "name": "TargetIsKnown",
                "action": "aws:branch",
                "inputs": {
                    "Choices": [{"NextStep": "TaskRuns", "Variable": f"{{{{ {TARGET} }}}}", "StringEquals": ""}],
                    "Default": "TargetIsAvailable",
                },
            },
            _assertion(
                "TargetIsAvailable",
                {"Service": "rds", "Api": "DescribeDBInstances", "DBInstanceIdentifier": f"{{{{ {TARGET} }}}}"},
                "$.DBInstances[0].DBInstanceStatus",
                "available",
            ),
            _task("TaskRuns", "Status", "running"),
            _task("FullLoadIsDone", "ReplicationTaskStats.FullLoadProgressPercent", "100"),
            _task("NoTableFailed", "ReplicationTaskStats.TablesErrored", "0"),
            {
                "name": "TableStates",
                "action": "aws:executeAwsApi",
                "inputs": {
                    "Service": "dms",
                    "Api": "DescribeTableStatistics",
                    "ReplicationTaskArn": f"{{{{ {TASK} }}}}",
                    "MaxRecords": MOST_TABLES,
                },
                "outputs": [{"Name": "States", "Selector": "$.TableStatistics..TableState", "Type": "StringList"}],
                "isEnd": True,
            },
        ],
    }


def _task(name: str, selector: str, wanted: str) -> dict[str, Any]:
    by_arn = [{"Name": "replication-task-arn", "Values": [f"{{{{ {TASK} }}}}"]}]
    call = {"Service": "dms", "Api": "DescribeReplicationTasks", "Filters": by_arn}
    return _assertion(name, call, f"$.ReplicationTasks[0].{selector}", wanted)


def _assertion(name: str, call: Mapping[str, Any], selector: str, wanted: str) -> dict[str, Any]:
    return {
        "name": name,
        "action": "aws:assertAwsResourceProperty",
        "onFailure": "Abort",
        "inputs": {**call, "PropertySelector": selector, "DesiredValues": [wanted]},
    }
