"""What keeps track of a fleet of databases and takes one back: table, topic, functions, validation document."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks, validation_document, vpc_function
from components.owner import Owner
from components.policies import Statement, allow

FUNCTIONS = {"advance": 60, "rollback": 60}
"""Every function and its timeout in seconds."""
PHASE_INDEX = "MigrationPhaseIndex"
CONFIG_PARAMETER = "CONFIG_PARAMETER"
MOST_DATABASES = 100
"""What fits into one parameter of 4 kB, beside the names of table, topic and zone."""


class FleetControlArgs(TypedDict):
    """What FleetControl needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits."""
    region: pulumi.Input[str]
    """AWS region."""
    parameter_path: str
    """Path of the config parameter, for example /migration/dev."""
    databases: list[str]
    """Names of the databases, one to a hundred."""
    zone_id: pulumi.Input[str]
    """Zone whose records the functions change."""
    writer_name: str
    """Pattern of the writers' names, with {database} in it."""
    reader_name: str
    """Pattern of the readers' names, with {database} in it."""
    task_arns: list[pulumi.Input[str]]
    """Replication tasks that the document reads."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of the functions: AWS must be reachable from them."""
    security_group_id: pulumi.Input[str]
    """Security group of the functions."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts table, topic, environment and logs."""
    emails: NotRequired[list[str]]
    """Addresses that get every message; each has to confirm."""
    runtime: NotRequired[str]
    """Lambda runtime. Default python3.13."""
    architecture: NotRequired[str]
    """x86_64 or arm64. Default x86_64."""
    log_retention_days: NotRequired[int]
    """Days logs are kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class FleetControl(pulumi.ComponentResource):
    """The tracking table, the topic, the functions that move a database on and back, and the validation document."""

    tracking_table_name: pulumi.Output[str]
    """Name of the table that holds every database's state and history."""
    topic_arn: pulumi.Output[str]
    """ARN of the topic that every message goes to."""
    config_parameter_name: pulumi.Output[str]
    """Name of the parameter the functions read."""
    function_names: pulumi.Output[dict[str, str]]
    """Names of the functions by purpose: advance, rollback."""
    document_name: pulumi.Output[str]
    """Name of the document that validates a database."""

    def __init__(self, name: str, args: FleetControlArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:FleetControl", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        checks.whole("number of databases", len(args["databases"]), 1, MOST_DATABASES)
        for pattern in ("writer_name", "reader_name"):
            if "{database}" not in str(args[pattern]):
                raise checks.ArgumentError(f"{pattern} has no {{database}} in it: write for example {{database}}.db.x")
        topic = alerting.topic(
            Owner(self, name, self._tags),
            title="Database migration",
            publishers=alerting.MIGRATION,
            account_id=args["account_id"],
            kms_key_arn=args["kms_key_arn"],
            emails=args.get("emails", []),
        )
        table = self._table()
        parameter = self._parameter(table, topic)
        functions = self._functions(table, topic, parameter)
        document = validation_document.declare(
            f"{name}-validation",
            parent=self,
            account_id=args["account_id"],
            region=args["region"],
            task_arns=args["task_arns"],
            tags=self._tags,
        )

        self.tracking_table_name = table.name
        self.topic_arn = topic.arn
        self.config_parameter_name = parameter.name
        self.function_names = pulumi.Output.all(**{purpose: f.name for purpose, f in functions.items()})
        self.document_name = document.name
        self.register_outputs(
            {
                "tracking_table_name": self.tracking_table_name,
                "topic_arn": self.topic_arn,
                "config_parameter_name": self.config_parameter_name,
                "function_names": self.function_names,
                "document_name": self.document_name,
            }
        )

    def _table(self) -> aws.dynamodb.Table:
        name = f"{self._name}-tracking"
        return aws.dynamodb.Table(
            name,
            name=name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="serverId",
            range_key="timestamp",
            attributes=[{"name": name, "type": "S"} for name in ("serverId", "timestamp", "migrationPhase")],
            global_secondary_indexes=[
                {
                    "name": PHASE_INDEX,
                    "key_schemas": [
                        {"attribute_name": "migrationPhase", "key_type": "HASH"},
                        {"attribute_name": "timestamp", "key_type": "RANGE"},
                    ],
                    "projection_type": "ALL",
                }
            ],
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": self._args["kms_key_arn"]},
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )

    def _parameter(self, table: aws.dynamodb.Table, topic: aws.sns.Topic) -> aws.ssm.Parameter:
        args = self._args
        config = {
            "databases": args["databases"],
            "zone_id": args["zone_id"],
            "writer_name": args["writer_name"],
            "reader_name": args["reader_name"],
            "tracking_table": table.name,
            "topic_arn": topic.arn,
        }
        return aws.ssm.Parameter(
            f"{self._name}-config",
            name=f"{args['parameter_path']}/fleet",
            type="String",
            value=pulumi.Output.json_dumps(config, sort_keys=True),
            description="The fleet as its functions know it",
            tags=checks.tags_for(self._tags, f"{self._name}-config"),
            opts=self._child,
        )

    def _functions(
        self, table: aws.dynamodb.Table, topic: aws.sns.Topic, parameter: aws.ssm.Parameter
    ) -> dict[str, aws.lambda_.Function]:
        args = self._args
        around = vpc_function.surroundings(self, args, args["security_group_id"])
        rights: list[Statement] = [
            allow("ssm:GetParameter", on=parameter.arn),
            allow("dynamodb:GetItem", "dynamodb:PutItem", on=table.arn),
            allow(
                "route53:ChangeResourceRecordSets",
                "route53:ListResourceRecordSets",
                on=pulumi.Output.concat("arn:aws:route53:::hostedzone/", args["zone_id"]),
            ),
            allow("sns:Publish", on=topic.arn),
        ]
        return {
            purpose: vpc_function.declare(
                f"{self._name}-{purpose}",
                around,
                module=purpose,
                seconds=seconds,
                rights=rights,
                environment={CONFIG_PARAMETER: parameter.name},
                dead_letters=topic.arn,
            )
            for purpose, seconds in FUNCTIONS.items()
        }
