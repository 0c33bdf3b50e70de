"""What carries the migration out: the functions, the machine that orders them, their rights, state and config."""

import json
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import (
    checks,
    function_archives,
    policies,
    replication_kinds,
    state_machine,
    switchover_events,
    switchover_rights,
    vpc_function,
)
from components.owner import Owner
from components.switchover_machine import SECONDS, STEPS, definition
from components.switchover_rights import Reach

FUNCTIONS = {**SECONDS, "prepare": 600, "preflight": 900, "start": 120, "observe": 60}
"""Every function there can be and its timeout in seconds."""
CONFIG_PARAMETER = "CONFIG_PARAMETER"
AUTOMATIC = "automatic"
"""Mode in which the observer starts the switchover."""


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
    task_arn: pulumi.Input[str]
    """Replication task, or serverless replication, that carries changes to the target."""
    failback_task_arn: NotRequired[pulumi.Input[str] | None]
    """Replication task that carries changes back. Leave it out where there is no way back."""
    replication_instance_arn: NotRequired[pulumi.Input[str] | None]
    """Replication instance whose connections are tested. Leave it out where the replication is serverless."""
    endpoint_arns: list[pulumi.Input[str]]
    """Endpoints of both directions."""
    source_secret_arns: list[pulumi.Input[str]]
    """Secrets of the operator's and of DMS's role on the source."""
    target_secret_arns: list[pulumi.Input[str]]
    """Secrets of the operator's and of DMS's role on the target."""
    application_secret_arns: list[pulumi.Input[str]]
    """Secrets of the application's roles that the stack makes: only what prepares the databases reads them."""
    secret_key_arns: NotRequired[list[pulumi.Input[str]]]
    """Keys that encrypt those on the source that `kms_key_arn` does not. Default none."""
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
        self._owner = Owner(self, name, self._tags)
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
            self._owner,
            observer=functions["observe"],
            dead_letters=dead_letters,
            machine_arn=machine.arn,
            topic_arn=args["topic_arn"],
            task_arns=[arn for arn in (args["task_arn"], args.get("failback_task_arn")) if arn],
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
        rights = switchover_rights.of_functions(self._reach(config_name, table, state, dead_letters))
        others = not self._args.get(
            "secret_key_arns"
        )  # the source's secrets, all that observe reads, are somebody else's
        return {
            purpose: vpc_function.declare(
                f"{self._name}-{purpose}",
                self._around,
                module=purpose,
                seconds=seconds,
                rights=rights[purpose],
                environment={CONFIG_PARAMETER: config_name},
                code=code,
                layers=[layer.arn],
                dead_letters=dead_letters.arn,
                by_other_keys=["secretsmanager"] if purpose == "observe" and others else [],
            )
            for purpose, seconds in FUNCTIONS.items()
            if (purpose != "canary" or self._percents) and (purpose != "ask" or self._approval_seconds is not None)
        }

    def _reach(
        self,
        config_name: str,
        table: aws.dynamodb.Table,
        state: aws.ssm.Parameter,
        dead_letters: aws.sqs.Queue,
    ) -> Reach:
        """Return what the functions act on. The config parameter and the machine are made after them."""
        args = self._args
        here = (args["region"], ":", args["account_id"])
        return Reach(
            config=pulumi.Output.concat("arn:aws:ssm:", *here, ":parameter", config_name),
            state=state.arn,
            table=table.arn,
            dead_letters=dead_letters.arn,
            topic=args["topic_arn"],
            zone=pulumi.Output.concat("arn:aws:route53:::hostedzone/", args["zone_id"]),
            machine=pulumi.Output.concat("arn:aws:states:", *here, f":stateMachine:{self._name}"),
            task=args["task_arn"],
            failback_task=args.get("failback_task_arn"),
            instance=args.get("replication_instance_arn"),
            endpoints=args["endpoint_arns"],
            source_secrets=args["source_secret_arns"],
            target_secrets=args["target_secret_arns"],
            application_secrets=args["application_secret_arns"],
            source_keys=args.get("secret_key_arns", []),
            automatic=args["config"].get("mode") == AUTOMATIC,
        )

    def _machine(self, functions: Mapping[str, aws.lambda_.Function]) -> aws.sfn.StateMachine:
        return state_machine.declare(
            self._owner,
            definition=pulumi.Output.all(**{step: function.arn for step, function in functions.items()}).apply(
                lambda known: json.dumps(definition(known, self._percents, self._approval_seconds), sort_keys=True)
            ),
            functions=list(functions.values()),
            kms_key_arn=self._args["kms_key_arn"],
            log_retention_days=self._around.log_retention_days,
        )
