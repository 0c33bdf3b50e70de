"""What rotates the secrets of a database's users: a function for each, which may touch that secret and no other."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks, function_archives, replication_kinds, vpc_function
from components.database_engines import ENGINES
from components.policies import Statement, allow, allow_everywhere

DEFAULT_DAYS = 30
DEFAULT_SSL_MODE = "require"
DEFAULT_USERS = "alternating"
SSL_MODES = ("none", "require", "verify-full")
USERS = ("alternating", "single")
SECONDS = 300
"""How long one step may take: DMS needs a minute to test its connections."""


class DmsUserArgs(TypedDict):
    """What connects as DMS's user: it is tested anew once the password has changed."""

    arns: list[pulumi.Input[str]]
    """Replication tasks, or serverless replications."""
    endpoint_arns: list[pulumi.Input[str]]
    """Endpoints that use the secret."""
    instance_arn: NotRequired[pulumi.Input[str] | None]
    """Replication instance to test them from. Leave it out where the replication is serverless."""


class RotatedSecretArgs(TypedDict):
    """A secret that rotates."""

    secret_arn: pulumi.Input[str]
    """Secret, known once it has a value."""
    username: pulumi.Input[str]
    """User whose secret it is."""
    days: NotRequired[int]
    """Days after which the password changes, 1 to 1000. Default 30."""
    users: NotRequired[str]
    """alternating: two users take turns, so that the password before still works. single: one user changes its own.

    Default alternating.
    """
    administrator_secret_arn: NotRequired[pulumi.Input[str] | None]
    """Secret of who may make and change users. Users that alternate need it."""
    dms: NotRequired[DmsUserArgs | None]
    """What there is to see to where the user is DMS's."""


class PausedByArgs(TypedDict):
    """The migration whose switchover rotation waits for."""

    migration_id: pulumi.Input[str]
    """Name of the migration, key in its tracking table."""
    table_name: pulumi.Input[str]
    """Tracking table."""
    table_arn: pulumi.Input[str]
    """The same."""


class SecretRotationArgs(TypedDict):
    """What SecretRotation needs."""

    secrets: dict[str, RotatedSecretArgs]
    """Secrets by what their users are for: application, replication, master."""
    engine: str
    """Engine: postgres or mysql, or a cluster's, aurora-postgresql or aurora-mysql."""
    host: pulumi.Input[str]
    """Host of the database, as the secrets have it."""
    port: pulumi.Input[int]
    """Port of the database, as the secrets have it."""
    database_name: pulumi.Input[str]
    """Name of the database, as the secrets have it."""
    ssl_mode: NotRequired[str]
    """TLS: require, verify-full or none. There is no fall-back from one to another. Default require."""
    certificate_bundle: NotRequired[str | None]
    """File with the certificates that verify-full trusts, PEM; it is deployed beside the code."""
    paused_by: NotRequired[PausedByArgs | None]
    """Migration whose switchover nothing may rotate under. Default: nothing is moved."""
    topic_arn: pulumi.Input[str]
    """Topic that is told of a rotation that failed."""
    account_id: pulumi.Input[str]
    """AWS account, twelve digits: no other's Secrets Manager may call the functions."""
    kms_key_arn: pulumi.Input[str]
    """Key of the secrets, which encrypts environment and logs as well."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of the functions: the database and AWS must be reachable from them."""
    security_group_id: pulumi.Input[str]
    """Security group of the functions."""
    runtime: NotRequired[str]
    """Lambda runtime. Default python3.13."""
    architecture: NotRequired[str]
    """x86_64 or arm64. Default x86_64."""
    log_retention_days: NotRequired[int]
    """Days logs are kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class SecretRotation(pulumi.ComponentResource):
    """A function with a role for every secret, an alarm on each, and when Secrets Manager calls them."""

    function_names: pulumi.Output[dict[str, str]]
    """Names of the functions by what their secrets' users are for."""
    alarm_names: pulumi.Output[list[str]]
    """Names of the alarms: in ALARM where a rotation was refused or failed."""

    def __init__(self, name: str, args: SecretRotationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:SecretRotation", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        check(args)
        self._kind = ENGINES[args["engine"]].kind
        self._around = vpc_function.surroundings(self, args, args["security_group_id"])
        layer = vpc_function.driver_layer(f"{name}-driver", self._around, self._kind)
        functions = {purpose: self._function(purpose, secret, layer) for purpose, secret in args["secrets"].items()}
        for purpose, secret in args["secrets"].items():
            self._schedule(purpose, secret, functions[purpose])
        alarms = self._alarms(functions)

        self.function_names = pulumi.Output.all(**{purpose: f.name for purpose, f in functions.items()})
        self.alarm_names = pulumi.Output.all(*(alarm.name for alarm in alarms))
        self.register_outputs({"function_names": self.function_names, "alarm_names": self.alarm_names})

    def _function(
        self, purpose: str, secret: RotatedSecretArgs, layer: aws.lambda_.LayerVersion
    ) -> aws.lambda_.Function:
        args, paused_by, dms = self._args, self._args.get("paused_by"), secret.get("dms")
        config = {
            "secret_arn": secret["secret_arn"],
            "username": secret["username"],
            "users": secret.get("users", DEFAULT_USERS),
            "administrator_secret_arn": secret.get("administrator_secret_arn") or "",
            "engine": self._kind,
            "host": args["host"],
            "port": args["port"],
            "database": args["database_name"],
            "ssl_mode": args.get("ssl_mode", DEFAULT_SSL_MODE),
            "migration_id": paused_by["migration_id"] if paused_by else "",
            "tracking_table": paused_by["table_name"] if paused_by else "",
            "instance_arn": (dms.get("instance_arn") if dms else None) or "",
            "endpoint_arns": dms["endpoint_arns"] if dms else [],
            "replication_arns": dms["arns"] if dms else [],
        }
        return vpc_function.declare(
            f"{self._name}-{purpose}",
            self._around,
            module="rotate",
            description=f"Rotates the secret of the database's {purpose} user",
            seconds=SECONDS,
            code=function_archives.code_archive(args.get("certificate_bundle")),
            layers=[layer.arn],
            rights=self._rights(secret),
            environment={"ROTATION": pulumi.Output.json_dumps(config, sort_keys=True)},
            dead_letters=args["topic_arn"],
        )

    def _rights(self, secret: RotatedSecretArgs) -> list[Statement]:
        """Return what a function may do: all with its own secret, and read the administrator's."""
        administrator, paused_by = secret.get("administrator_secret_arn"), self._args.get("paused_by")
        rights = [
            allow(
                *(
                    f"secretsmanager:{verb}"
                    for verb in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
                ),
                on=secret["secret_arn"],
            ),
            allow("sns:Publish", on=self._args["topic_arn"]),
        ]
        if administrator is not None:
            rights.append(allow("secretsmanager:GetSecretValue", on=administrator))
        if paused_by:
            rights.append(allow("dynamodb:GetItem", on=paused_by["table_arn"]))
        dms = secret.get("dms")
        if dms:
            instance = dms.get("instance_arn")
            kind = replication_kinds.kind(instance)
            rights.append(allow_everywhere(kind.status, *(["dms:DescribeConnections"] if instance else [])))
            rights.append(allow(kind.start, on=dms["arns"]))
            if instance:
                rights.append(allow("dms:TestConnection", on=[*dms["endpoint_arns"], instance]))
        return rights

    def _schedule(self, purpose: str, secret: RotatedSecretArgs, function: aws.lambda_.Function) -> None:
        """Have Secrets Manager call a function, for this secret of this account alone."""
        name = f"{self._name}-{purpose}"
        permission = aws.lambda_.Permission(
            f"{name}-permission",
            statement_id="rotation",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="secretsmanager.amazonaws.com",
            source_account=self._args["account_id"],
            source_arn=secret["secret_arn"],
            opts=self._child,
        )
        aws.secretsmanager.SecretRotation(
            f"{name}-schedule",
            secret_id=secret["secret_arn"],
            rotation_lambda_arn=function.arn,
            # The password has just been made, and who it belongs to is made later, when both sides are prepared.
            rotate_immediately=False,
            rotation_rules={"automatically_after_days": int(secret.get("days", DEFAULT_DAYS))},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )

    def _alarms(self, functions: dict[str, aws.lambda_.Function]) -> list[aws.cloudwatch.MetricAlarm]:
        """Tell people of a rotation that was refused or failed: Secrets Manager only tries again."""
        return [
            aws.cloudwatch.MetricAlarm(
                f"{self._name}-{purpose}-errors",
                name=f"{self._name}-{purpose}-errors",
                alarm_description=f"The {purpose} user's password could not be changed: see the function's log",
                namespace="AWS/Lambda",
                metric_name="Errors",
                dimensions={"FunctionName": function.name},
                statistic="Sum",
                comparison_operator=alerting.ABOVE,
                threshold=0,
                period=alerting.PERIOD_SECONDS,
                evaluation_periods=1,
                treat_missing_data="notBreaching",
                alarm_actions=[self._args["topic_arn"]],
                tags=checks.tags_for(self._args.get("tags", {}), f"{self._name}-{purpose}-errors"),
                opts=self._child,
            )
            for purpose, function in functions.items()
        ]


def check(args: SecretRotationArgs) -> None:
    """Raise ArgumentError for what can't work."""
    checks.one_of("engine", args["engine"], ENGINES)
    mode = checks.one_of("ssl_mode", args.get("ssl_mode", DEFAULT_SSL_MODE), SSL_MODES)
    if mode == "verify-full" and not args.get("certificate_bundle"):
        raise checks.ArgumentError("ssl_mode is verify-full, but no certificate_bundle is given: name the PEM file")
    for purpose, secret in args["secrets"].items():
        checks.whole(f"secrets.{purpose}.days", secret.get("days", DEFAULT_DAYS), 1, 1000)
        users = checks.one_of(f"secrets.{purpose}.users", secret.get("users", DEFAULT_USERS), USERS)
        if users == "alternating" and secret.get("administrator_secret_arn") is None:
            raise checks.ArgumentError(
                f"secrets.{purpose}.users is alternating, but administrator_secret_arn is missing: name the secret of "
                "who may make users"
            )
