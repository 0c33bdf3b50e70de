"""What each function of a switchover may do: what its code calls, on what it calls it on, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components import replication_kinds
from components.policies import Statement, allow, allow_everywhere, allow_key

Input = pulumi.Input[str]


@dataclass(frozen=True)
class Reach:
    """The ARNs of what the functions of one migration act on. Those that may be None are there where they are wanted.

    Secrets of a side are the operator's and DMS's, `application_secrets` those of roles that the stack makes.
    `source_keys` encrypt those on the source that the stack's own key does not.
    """

    config: Input
    state: Input
    table: Input
    dead_letters: Input
    topic: Input
    zone: Input
    machine: Input
    task: Input
    failback_task: Input | None
    instance: Input | None
    endpoints: Sequence[Input]
    source_secrets: Sequence[Input]
    target_secrets: Sequence[Input]
    application_secrets: Sequence[Input]
    source_keys: Sequence[Input]
    automatic: bool


def of_functions(reach: Reach) -> dict[str, list[Statement]]:
    """Return what every function there can be may do, by its purpose."""
    kind = replication_kinds.kind(reach.instance)
    streams = [reach.task, *([reach.failback_task] if reach.failback_task is not None else [])]
    can_fail_back = reach.failback_task is not None

    letters = allow("sqs:SendMessage", on=reach.dead_letters)
    base = [allow("ssm:GetParameter", on=reach.config), allow("dynamodb:GetItem", on=reach.table), letters]
    show = allow("ssm:PutParameter", on=reach.state)
    record = [*base, allow("dynamodb:PutItem", on=reach.table), show]
    target = allow("secretsmanager:GetSecretValue", on=list(reach.target_secrets))
    source_keys = [allow_key(key, {"secretsmanager"}, "kms:Decrypt") for key in reach.source_keys]
    source = [allow("secretsmanager:GetSecretValue", on=list(reach.source_secrets)), *source_keys]
    databases = [
        allow("secretsmanager:GetSecretValue", on=[*reach.source_secrets, *reach.target_secrets]),
        *source_keys,
    ]
    roles = [allow("secretsmanager:GetSecretValue", on=list(reach.application_secrets))]
    look_up = allow("route53:ListResourceRecordSets", on=reach.zone)
    names = [look_up, allow("route53:ChangeResourceRecordSets", on=reach.zone)]
    synced = allow("route53:GetChange", on="arn:aws:route53:::change/*")  # ids that nobody knows before
    tell = allow("sns:Publish", on=reach.topic)
    mappings = allow_everywhere(kind.mappings)
    status = allow_everywhere(kind.status)
    state = [status, allow(kind.statistics, on=streams), allow_everywhere("cloudwatch:GetMetricData")]
    alarms = allow_everywhere("cloudwatch:DescribeAlarms")
    return {
        "prepare": [
            *(*record, *databases, *roles, look_up, *_connection_tests(reach)),
            *([mappings] if can_fail_back else []),  # the tables to empty after a fail-back
        ],
        "preflight": [
            *(*base, allow("dynamodb:PutItem", on=reach.table), *databases, look_up, mappings),
            *([status] if status != mappings else []),
        ],
        "start": [
            *(*base, allow("dynamodb:PutItem", on=reach.table), *databases, look_up, mappings),
            *([status] if status != mappings else []),
            allow(kind.start, on=reach.task),
        ],
        "gate": [*record, *databases, *_half_rotated(reach), *state, mappings, look_up],
        "announce": [*record, *names, synced],
        "canary": [*record, *databases, *names, synced, *_forward(reach, kind), mappings, alarms],
        "ask": [*record, *databases, tell, mappings],
        "switch": [*record, *databases, *names, synced, mappings],
        "undo": [*record, *databases, *names, tell],
        "settle": [
            *(*record, tell, status, allow(kind.stop, on=streams)),
            *(
                [*databases, *names, synced, allow("dms:StartReplicationTask", on=reach.failback_task)]
                if can_fail_back
                else [target]
            ),
        ],
        "finish": [
            *(*record, *databases, *names, synced, tell, allow(kind.statistics, on=reach.task)),
            *([status, allow(kind.stop, on=reach.failback_task)] if can_fail_back else []),
        ],
        "observe": [
            *(*base, show, tell, *state, alarms),
            *(*source, allow("dynamodb:PutItem", on=reach.table)),  # the census of clients, the watch over the schema
            *([allow("states:StartExecution", on=reach.machine)] if reach.automatic else []),
        ],
    }


def _half_rotated(reach: Reach) -> list[Statement]:
    """Return the right to see whether a rotation of the application's secrets has begun, not what is current."""
    pending = {"StringEquals": {"secretsmanager:VersionStage": "AWSPENDING"}}
    return [allow("secretsmanager:GetSecretValue", on=list(reach.application_secrets), when=pending)]


def _forward(reach: Reach, kind: replication_kinds.Kind) -> list[Statement]:
    """Return the right to see how the way there is."""
    metrics = allow_everywhere("cloudwatch:GetMetricData")
    return [allow_everywhere(kind.status), allow(kind.statistics, on=reach.task), metrics]


def _connection_tests(reach: Reach) -> list[Statement]:
    """Return the right to test connections. Without an instance there is nothing to test them from."""
    if reach.instance is None:
        return []
    return [
        allow("dms:TestConnection", on=[*reach.endpoints, reach.instance]),
        allow_everywhere("dms:DescribeConnections"),
    ]
