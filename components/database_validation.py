"""The function that checks a database, after every event of RDS that may have changed it and whenever it is called."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks, function_archives, vpc_function
from components.database_engines import CLUSTERS, ENGINES
from components.policies import allow

DEFAULT_SSL_MODE = "require"
TIMEOUT_SECONDS = 300
MEMORY_MB = 256
SSL_MODES = ("none", "require", "verify-full")
EVENTS = ("availability", "backup", "configuration change")
"""Categories of events after which the database is looked at."""
FAILOVER = "failover"
"""A cluster's as well: another of its instances has become the writer."""
INSTANCE_EVENT, CLUSTER_EVENT = "RDS DB Instance Event", "RDS DB Cluster Event"


class DatabaseValidationArgs(TypedDict):
    """What DatabaseValidation needs."""

    engine: str
    """Engine: postgres or mysql, or a cluster's, aurora-postgresql or aurora-mysql."""
    arns: pulumi.Input[list[str]]
    """ARNs whose events are followed: the instance's, or the cluster's and its instances'."""
    host: pulumi.Input[str]
    """Host the function connects to."""
    port: pulumi.Input[int]
    """Port the function connects to."""
    database_name: pulumi.Input[str]
    """Name of the database."""
    secret_arn: pulumi.Input[str]
    """Secret with username and password, the only one the function may read."""
    topic_arn: pulumi.Input[str]
    """Topic that is told of a failed check, or that the function could not run."""
    kms_key_arn: pulumi.Input[str]
    """Key of secret and topic, which encrypts environment and log as well."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of the function: the database, Secrets Manager and SNS must be reachable from them."""
    security_group_id: pulumi.Input[str]
    """Security group of the function."""
    server: str
    """What is expected: a product and the head of its version, for example MySQL 8.0."""
    character_set: str
    """Character set that server and database are expected to have."""
    ssl_mode: NotRequired[str]
    """TLS: require, verify-full or none. Default require."""
    certificate_bundle: NotRequired[str | None]
    """File with the certificates that verify-full trusts, PEM; it is deployed beside the code."""
    lag_seconds: NotRequired[int]
    """Replication lag that fails the check. Default 60."""
    runtime: NotRequired[str]
    """Lambda runtime. Default python3.13."""
    architecture: NotRequired[str]
    """x86_64 or arm64. Default x86_64."""
    log_retention_days: NotRequired[int]
    """Days the log is kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class DatabaseValidation(pulumi.ComponentResource):
    """The validation function, its role, its log, and the rule that calls it."""

    function_arn: pulumi.Output[str]
    """ARN of the function."""
    function_name: pulumi.Output[str]
    """Name of the function."""
    rule_name: pulumi.Output[str]
    """Name of the rule that calls it."""

    def __init__(self, name: str, args: DatabaseValidationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:DatabaseValidation", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        check(args)
        function = self._function()
        rule = self._rule(function)

        self.function_arn = function.arn
        self.function_name = function.name
        self.rule_name = rule.name
        self.register_outputs(
            {"function_arn": self.function_arn, "function_name": self.function_name, "rule_name": self.rule_name}
        )

    def _function(self) -> aws.lambda_.Function:
        name, args = self._name, self._args
        kind = ENGINES[args["engine"]].kind
        around = vpc_function.surroundings(self, args, args["security_group_id"])
        config = {
            "engine": kind,
            "host": args["host"],
            "port": args["port"],
            "database": args["database_name"],
            "ssl_mode": args.get("ssl_mode", DEFAULT_SSL_MODE),
            "secret_arn": args["secret_arn"],
            "topic_arn": args["topic_arn"],
            "server": args["server"],
            "character_set": args["character_set"],
            "lag_seconds": int(args.get("lag_seconds", alerting.DEFAULT_LAG_SECONDS)),
        }
        return vpc_function.declare(
            f"{name}-check",
            around,
            module="validate",
            description="Checks the database: reachable, version, character set, replication status",
            seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            code=function_archives.code_archive(args.get("certificate_bundle")),
            layers=[vpc_function.driver_layer(f"{name}-driver", around, kind).arn],
            rights=[
                allow("secretsmanager:GetSecretValue", on=args["secret_arn"]),
                allow("sns:Publish", on=args["topic_arn"]),  # also for what could not run at all
            ],
            environment={"VALIDATION": pulumi.Output.json_dumps(config, sort_keys=True)},
            dead_letters=args["topic_arn"],
        )

    def _rule(self, function: aws.lambda_.Function) -> aws.cloudwatch.EventRule:
        """Call the function on the database's events."""
        name = f"{self._name}-events"
        cluster = self._args["engine"] in CLUSTERS
        rule = aws.cloudwatch.EventRule(
            name,
            name=name,
            description="Events of the database after which it is checked",
            event_pattern=pulumi.Output.json_dumps(
                {
                    "source": ["aws.rds"],
                    "detail-type": [INSTANCE_EVENT, *([CLUSTER_EVENT] if cluster else [])],
                    "resources": self._args["arns"],
                    "detail": {"EventCategories": [*EVENTS, *([FAILOVER] if cluster else [])]},
                },
                sort_keys=True,
            ),
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )
        permission = aws.lambda_.Permission(
            f"{name}-permission",
            statement_id="events",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            f"{name}-target",
            rule=rule.name,
            target_id="validate",
            arn=function.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        return rule


def check(args: DatabaseValidationArgs) -> None:
    """Raise ArgumentError for what can't work."""
    checks.one_of("engine", args["engine"], ENGINES)
    mode = checks.one_of("ssl_mode", args.get("ssl_mode", DEFAULT_SSL_MODE), SSL_MODES)
    if mode == "verify-full" and not args.get("certificate_bundle"):
        raise checks.ArgumentError("ssl_mode is verify-full, but no certificate_bundle is given: name the PEM file")
