"""What each function of a switchover may do: no more than its code calls."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components import replication_kinds
from components.policies import Statement, allow


def of(
    name: str, args: Mapping[str, Any], config_name: str, table: aws.dynamodb.Table, state: aws.ssm.Parameter
) -> dict[str, list[Statement]]:
    """Return what each function of the component `name` may do, beside what all may.

    `args` are the component's; `config_name` names the config parameter.
    """
    config_arn = pulumi.Output.concat(
        "arn:aws:ssm:", args["region"], ":", args["account_id"], ":parameter", config_name
    )
    read = [allow("ssm:GetParameter", on=config_arn), allow("dynamodb:GetItem", on=table.arn)]
    write = [allow("dynamodb:PutItem", on=table.arn), allow("ssm:PutParameter", on=state.arn)]
    databases = [
        allow("secretsmanager:GetSecretValue", on=args["secret_arns"]),
        *(allow("kms:Decrypt", on=key) for key in args.get("secret_key_arns", [])),
    ]
    zone = pulumi.Output.concat("arn:aws:route53:::hostedzone/", args["zone_id"])
    look_up = allow("route53:ListResourceRecordSets", on=zone)
    names = [look_up, allow("route53:ChangeResourceRecordSets", on=zone)]
    tell = [allow("sns:Publish", on=args["topic_arn"])]
    synced = allow("route53:GetChange", on="arn:aws:route53:::change/*")
    # DMS, CloudWatch and Route 53 changes know no resource in these calls.
    instance_arn = args.get("replication_instance_arn")
    kind = replication_kinds.kind(instance_arn)
    describe_task = allow(*kind.describe, on="*")
    tables = allow(kind.statistics, on=args["task_arns"])
    metrics = allow("cloudwatch:GetMetricData", on="*")
    alarms = allow("cloudwatch:DescribeAlarms", on="*")  # a narrower right shows no composite alarm
    machine = pulumi.Output.concat("arn:aws:states:", args["region"], ":", args["account_id"], f":stateMachine:{name}")
    return {
        "prepare": [
            *read,
            *write,
            *databases,
            look_up,
            *_connection_tests(instance_arn, args["endpoint_arns"]),
            describe_task,
        ],
        "preflight": [*read, allow("dynamodb:PutItem", on=table.arn), *databases, look_up, describe_task],
        "start": [
            *read,
            allow("dynamodb:PutItem", on=table.arn),
            *databases,
            look_up,
            describe_task,
            allow(kind.start, on=args["task_arns"]),
        ],
        "gate": [*read, *write, *databases, look_up, describe_task, tables, metrics],
        "announce": [*read, *write, *names, synced],
        "canary": [*read, *write, *databases, *names, synced, describe_task, tables, metrics, alarms],
        "ask": [*read, *write, *databases, *tell, describe_task],
        "switch": [*read, *write, *databases, *names, describe_task],
        "undo": [*read, *write, *databases, *names, *tell],
        "settle": [
            *read,
            *write,
            *databases,
            *names,
            *tell,
            synced,
            # What runs serverless has no way back to start.
            allow(kind.stop, *([kind.start] if instance_arn else []), on=args["task_arns"]),
            describe_task,
        ],
        "finish": [
            *read,
            *write,
            *databases,
            *names,
            *tell,
            synced,
            allow(kind.stop, on=args["task_arns"]),
            describe_task,
            tables,
        ],
        "observe": [
            *read,
            allow("dynamodb:PutItem", on=table.arn),
            *databases,
            allow("ssm:PutParameter", on=state.arn),
            allow("states:StartExecution", on=machine),
            describe_task,
            tables,
            metrics,
            alarms,
        ],
    }


def _connection_tests(
    instance_arn: pulumi.Input[str] | None, endpoint_arns: Sequence[pulumi.Input[str]]
) -> list[Statement]:
    """Return the right to test connections. Without an instance there is nothing to test them from."""
    if instance_arn is None:
        return []
    return [
        allow("dms:TestConnection", on=[*endpoint_arns, instance_arn]),
        allow("dms:DescribeConnections", on="*"),
    ]
