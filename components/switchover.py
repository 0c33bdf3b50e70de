"""What carries the migration out: the functions, the machine that orders them, their rights, state and config."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks, function_archives, policies, replication_kinds, switchover_events, vpc_function
from components.policies import Statement, allow
from components.switchover_machine import SECONDS, STEPS, definition

FUNCTIONS = {**SECONDS, "prepare": 600, "observe": 60}
"""Every function there can be and its timeout in seconds."""
CONFIG_PARAMETER = "CONFIG_PARAMETER"


class SwitchoverArgs(TypedDict):
    """What Switchover needs."""

    migration_id: str
    """Name of the migration: key in the tracking table, and what executions are named by."""
    parameter_path: str
    """Path of the config and state parameters, for example /migration/dev."""
    config: dict[str, Any]
    """What the functions know of the migration, as handlers/config.py reads it; leaves may be outputs."""
    account_id: pulumi.Input[str]
    """AWS account, twelve digits."""
    region: pulumi.Input[str]
    """AWS region."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of the functions: both databases and AWS must be reachable from them."""
    security_group_id: pulumi.Input[str]
    """Security group of the functions."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts environment, table, queue and logs."""
    topic_arn: pulumi.Input[str]
    """Topic for messages to people."""
    zone_id: pulumi.Input[str]
    """Zone whose records the functions change."""
    token_name: pulumi.Input[str]
    """Name in it of a record for the functions' own use: the token of who moved the names last."""
    task_arns: list[pulumi.Input[str]]
    """Replication tasks, or serverless replications, that the functions read and stop."""
    replication_instance_arn: NotRequired[pulumi.Input[str] | None]
    """Replication instance whose connections are tested. Leave it out where the replication is serverless."""
    endpoint_arns: list[pulumi.Input[str]]
    """Endpoints of both directions."""
    secret_arns: list[pulumi.Input[str]]
    """Secrets the functions read."""
    secret_key_arns: NotRequired[list[pulumi.Input[str]]]
    """Keys that encrypt those of them that `kms_key_arn` does not. Default none."""
    safe_to_switch_alarm: pulumi.Input[str]
    """Name of the composite alarm that is in ALARM while nothing speaks against a switchover."""
    canary_percents: NotRequired[list[int]]
    """Shares of the readers, rising to 100, that read from the target ahead of the switchover. Default none."""
    approval_seconds: NotRequired[int | None]
    """How long people have to approve before the switch. Default: nobody is asked."""
    certificate_bundles: NotRequired[list[str]]
    """Files with the authorities that ssl_mode verify-full trusts, PEM; they are deployed beside the code."""
    runtime: NotRequired[str]
    """Lambda runtime. Default python3.13."""
    architecture: NotRequired[str]
    """x86_64 or arm64. Default x86_64."""
    log_retention_days: NotRequired[int]
    """Days logs are kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class Switchover(pulumi.ComponentResource):
    """The state machine, its functions with a role each, the tracking table and the parameters."""

    state_machine_arn: pulumi.Output[str]
    """ARN of the state machine: one execution is one attempt."""
    tracking_table_name: pulumi.Output[str]
    """Name of the table that holds state, lock and history."""
    tracking_table_arn: pulumi.Output[str]
    """ARN of the same."""
    config_parameter_name: pulumi.Output[str]
    """Name of the parameter the functions read."""
    state_parameter_name: pulumi.Output[str]
    """Name of the parameter that shows where the migration stands."""
    function_names: pulumi.Output[dict[str, str]]
    """Names of the functions by purpose."""

    def __init__(self, name: str, args: SwitchoverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:Switchover", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        self._percents = [checks.whole("canary_percents", p, 1, 100) for p in args.get("canary_percents", [])]
        asked = args.get("approval_seconds")
        self._approval_seconds = None if asked is None else checks.whole("approval_seconds", asked, 60, 1209600)
        self._around = vpc_function.surroundings(self, args, args["security_group_id"])
        path = args["parameter_path"]
        config_name, state_name = f"{path}/config", f"{path}/state"

        table = self._table()
        self._names_token()
        state = self._parameter("state", state_name, json.dumps({"phase": "declared"}), automation_writes=True)
        dead_letters = self._queue()
        functions = self._functions(config_name, table, state, dead_letters)
        machine = self._machine({step: functions[step] for step in STEPS if step in functions})
        config = {
            "migration_id": args["migration_id"],
            **args["config"],
            "state_parameter": state_name,
            "tracking_table": table.name,
            "topic_arn": args["topic_arn"],
            "state_machine_arn": machine.arn,
        }
        parameter = self._parameter("config", config_name, pulumi.Output.json_dumps(config, sort_keys=True))
        switchover_events.declare(
            alerting.Owner(self, name, self._tags),
            observer=functions["observe"],
            dead_letters=dead_letters,
            machine_arn=machine.arn,
            topic_arn=args["topic_arn"],
            task_arns=args["task_arns"],
            task_events=replication_kinds.kind(args.get("replication_instance_arn")).detail_type,
            safe_to_switch_alarm=args["safe_to_switch_alarm"],
        )

        self.state_machine_arn = machine.arn
        self.tracking_table_name = table.name
        self.tracking_table_arn = table.arn
        self.config_parameter_name = parameter.name
        self.state_parameter_name = state.name
        self.function_names = pulumi.Output.all(**{purpose: f.name for purpose, f in functions.items()})
        self.register_outputs(
            {
                "state_machine_arn": self.state_machine_arn,
                "tracking_table_name": self.tracking_table_name,
                "tracking_table_arn": self.tracking_table_arn,
                "config_parameter_name": self.config_parameter_name,
                "state_parameter_name": self.state_parameter_name,
                "function_names": self.function_names,
            }
        )

    def _table(self) -> aws.dynamodb.Table:
        name = f"{self._name}-tracking"
        return aws.dynamodb.Table(
            name,
            name=name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="migration_id",
            range_key="entry",
            attributes=[{"name": "migration_id", "type": "S"}, {"name": "entry", "type": "S"}],
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": self._args["kms_key_arn"]},
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )

    def _parameter(
        self, purpose: str, path: str, value: pulumi.Input[str], *, automation_writes: bool = False
    ) -> aws.ssm.Parameter:
        return aws.ssm.Parameter(
            f"{self._name}-{purpose}",
            name=path,
            type="String",
            value=value,
            description=f"The migration's {purpose}",
            tags=checks.tags_for(self._tags, f"{self._name}-{purpose}"),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value"] if automation_writes else None),
        )

    def _names_token(self) -> aws.route53.Record:
        """Route 53 knows no condition but the old value of a record it deletes: so who is late is refused."""
        return aws.route53.Record(
            f"{self._name}-names-token",
            zone_id=self._args["zone_id"],
            name=self._args["token_name"],
            type="TXT",
            ttl=60,
            records=["0"],
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["records"]),
        )

    def _queue(self) -> aws.sqs.Queue:
        name = f"{self._name}-dead-letters"
        queue = aws.sqs.Queue(
            name,
            name=name,
            message_retention_seconds=14 * 24 * 3600,
            max_message_size=262144,  # said, because its default differs between versions of the provider
            kms_master_key_id=self._args["kms_key_arn"],
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )
        aws.sqs.QueuePolicy(
            f"{name}-policy",
            queue_url=queue.id,
            policy=policies.document(
                [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": queue.arn,
                        "Condition": {"StringEquals": {"aws:SourceAccount": self._args["account_id"]}},
                    }
                ]
            ),
            opts=self._child,
        )
        return queue

    def _functions(
        self, config_name: str, table: aws.dynamodb.Table, state: aws.ssm.Parameter, dead_letters: aws.sqs.Queue
    ) -> dict[str, aws.lambda_.Function]:
        layer = vpc_function.driver_layer(f"{self._name}-psycopg2", self._around, "postgres")
        code = function_archives.code_archive(*self._args.get("certificate_bundles", []))
        rights = self._rights(config_name, table, state)
        tell = allow("sqs:SendMessage", on=dead_letters.arn)
        return {
            purpose: vpc_function.declare(
                f"{self._name}-{purpose}",
                self._around,
                module=purpose,
                seconds=seconds,
                rights=[*rights[purpose], tell],
                environment={CONFIG_PARAMETER: config_name},
                code=code,
                layers=[layer.arn],
                dead_letters=dead_letters.arn,
            )
            for purpose, seconds in FUNCTIONS.items()
            if (purpose != "canary" or self._percents) and (purpose != "ask" or self._approval_seconds is not None)
        }

    def _log_group(self, purpose: str, path: str) -> aws.cloudwatch.LogGroup:
        return aws.cloudwatch.LogGroup(
            f"{self._name}-{purpose}-log",
            name=path,
            retention_in_days=self._around.log_retention_days,
            kms_key_id=self._args["kms_key_arn"],
            tags=checks.tags_for(self._tags, f"{self._name}-{purpose}"),
            opts=self._child,
        )

    def _rights(
        self, config_name: str, table: aws.dynamodb.Table, state: aws.ssm.Parameter
    ) -> dict[str, list[Statement]]:
        """Return what each function may do, beside what all may: no more than its code calls."""
        args = self._args
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
        machine = pulumi.Output.concat(
            "arn:aws:states:", args["region"], ":", args["account_id"], f":stateMachine:{self._name}"
        )
        return {
            "prepare": [
                *read,
                *write,
                *databases,
                look_up,
                *_connection_tests(instance_arn, args["endpoint_arns"]),
                describe_task,
            ],
            "gate": [*read, *write, *databases, describe_task, tables, metrics],
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
                allow(kind.stop, *(["dms:StartReplicationTask"] if instance_arn else []), on=args["task_arns"]),
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
                allow("ssm:PutParameter", on=state.arn),
                allow("states:StartExecution", on=machine),
                describe_task,
                tables,
                metrics,
                alarms,
            ],
        }

    def _machine(self, functions: Mapping[str, aws.lambda_.Function]) -> aws.sfn.StateMachine:
        name = self._name
        logs = self._log_group("machine", f"/aws/vendedlogs/states/{name}")
        role = aws.iam.Role(
            f"{name}-machine-role",
            name=f"{name}-machine",
            assume_role_policy=policies.trust("states.amazonaws.com"),
            tags=checks.tags_for(self._tags, f"{name}-machine"),
            opts=self._child,
        )
        arns = [function.arn for function in functions.values()]
        delivery = ["Create", "Delete", "Get", "List", "Update"]
        policy = aws.iam.RolePolicy(
            f"{name}-machine-policy",
            name="what-it-calls",
            role=role.name,
            policy=policies.document(
                [
                    allow("lambda:InvokeFunction", on=[*arns, *(pulumi.Output.concat(arn, ":*") for arn in arns)]),
                    # Log delivery and tracing know no resource.
                    allow(
                        *(f"logs:{verb}LogDelivery" for verb in delivery if verb != "List"),
                        "logs:DescribeLogGroups",
                        "logs:DescribeResourcePolicies",
                        "logs:ListLogDeliveries",
                        "logs:PutResourcePolicy",
                        on="*",
                    ),
                    allow("xray:PutTelemetryRecords", "xray:PutTraceSegments", on="*"),
                    allow("kms:Decrypt", "kms:GenerateDataKey", on=self._args["kms_key_arn"]),
                ]
            ),
            opts=self._child,
        )
        return aws.sfn.StateMachine(
            f"{name}-machine",
            name=name,
            type="STANDARD",
            role_arn=role.arn,
            definition=pulumi.Output.all(**{step: function.arn for step, function in functions.items()}).apply(
                lambda known: json.dumps(definition(known, self._percents, self._approval_seconds), sort_keys=True)
            ),
            logging_configuration={
                "level": "ALL",
                "include_execution_data": True,
                "log_destination": pulumi.Output.concat(logs.arn, ":*"),
            },
            tracing_configuration={"enabled": True},
            tags=checks.tags_for(self._tags, name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )


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
