"""The database that is migrated to: an Aurora cluster or an RDS instance, its users' secrets and its backups."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components import aurora_cluster, checks, policies, rds_instance
from components.aurora_cluster import AuroraArgs
from components.database_server import BACKUP_TAG, DatabaseServer, Declaration
from components.rds_instance import InstanceArgs

DEFAULT_PORT = 5432
DEFAULT_MASTER_USERNAME = "migration_admin"
DEFAULT_BACKUP_RETENTION_DAYS = 7
DEFAULT_BACKUP_WINDOW = "03:00-04:00"
DEFAULT_MAINTENANCE_WINDOW = "sun:06:00-sun:07:00"
DEFAULT_LOG_RETENTION_DAYS = 30
DEFAULT_SECRET_RECOVERY_DAYS = 7
BACKUP_SCHEDULE = "cron(0 5 * * ? *)"
BACKUP_POLICY = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
PASSWORD_LENGTH = 32
PASSWORD_SPECIALS = "!#$%&*()-_=+[]{}<>:?"  # noqa: S105 - the characters RDS, DMS and connection strings all take


class SecretReplicaArgs(TypedDict):
    """Another region that the users' secrets are needed in."""

    region: pulumi.Input[str]
    """AWS region, for example eu-west-1."""
    kms_key_arn: pulumi.Input[str]
    """Key of that region that encrypts the copies."""


class TargetDatabaseArgs(TypedDict):
    """What TargetDatabase needs."""

    engine_version: pulumi.Input[str]
    """Version of PostgreSQL, for example 17.5. Minor upgrades by AWS are not undone."""
    database_name: pulumi.Input[str]
    """Name of the database to create."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of at least two zones."""
    security_group_id: pulumi.Input[str]
    """Security group of the instances."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts storage, secrets, logs and backups."""
    application_username: pulumi.Input[str]
    """Login role that applications use on the target."""
    replication_username: pulumi.Input[str]
    """Login role that DMS uses on the target."""
    application_password: NotRequired[pulumi.Input[str] | None]
    """Password of the application's role, a secret, where it is to be that of another database. Default: a new one."""
    aurora: NotRequired[AuroraArgs | None]
    """An Aurora cluster: what is made, with the cluster's own defaults, where neither this nor `instance` is given."""
    instance: NotRequired[InstanceArgs | None]
    """An RDS instance instead."""
    require_tls: NotRequired[bool]
    """Refuse connections without TLS. Default true."""
    parameters: NotRequired[dict[str, str]]
    """Settings of PostgreSQL beside those the migration needs, or in their place. Default none."""
    port: NotRequired[int]
    """Port to listen on. Default 5432."""
    master_username: NotRequired[str]
    """Name of the administrator; its password is made and kept by RDS. Default migration_admin."""
    backup_retention_days: NotRequired[int]
    """Days of point-in-time recovery and of daily backups, 1 to 35. Default 7."""
    backup_window: NotRequired[str]
    """Daily window for snapshots, UTC. Default 03:00-04:00."""
    maintenance_window: NotRequired[str]
    """Weekly window for maintenance, UTC; must not overlap the backup window. Default sun:06:00-sun:07:00."""
    deletion_protection: NotRequired[bool]
    """Refuse to delete the database. Default true."""
    final_snapshot: NotRequired[bool]
    """Take a snapshot when the database is deleted. Default true."""
    log_retention_days: NotRequired[int]
    """Days the database's log is kept. Default 30."""
    secret_recovery_days: NotRequired[int]
    """Days a deleted secret can be restored, 0 or 7 to 30. With 0 its name is free at once. Default 7."""
    secret_replicas: NotRequired[list[SecretReplicaArgs]]
    """Regions to keep copies of the users' secrets in, under the same name. Default none."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class TargetDatabase(pulumi.ComponentResource):
    """An Aurora cluster or an RDS instance for PostgreSQL, its users' secrets and a backup plan."""

    engine: str
    """Engine as DMS and RDS call it: aurora-postgresql or postgres."""
    dimension: str
    """Dimension of its metrics: DBClusterIdentifier or DBInstanceIdentifier."""
    identifier: pulumi.Output[str]
    """Identifier of the cluster or the instance."""
    arn: pulumi.Output[str]
    """ARN of the cluster or the instance."""
    endpoint: pulumi.Output[str]
    """Host name of the writer."""
    reader_endpoint: pulumi.Output[str]
    """Host name of the readers, the writer's where there are none."""
    reader_identifiers: list[str]
    """Instance identifiers of the readers: dimensions of their metrics."""
    port: pulumi.Output[int]
    """Port of both."""
    database_name: pulumi.Output[str]
    """Name of the database."""
    master_secret_arn: pulumi.Output[str]
    """Secret of the administrator, managed by RDS."""
    application_password: pulumi.Output[str]
    """Password of the application's role, a secret: for another database the application moves to. Not registered."""
    application_secret_arn: pulumi.Output[str]
    """Secret of the application's user."""
    replication_secret_arn: pulumi.Output[str]
    """Secret of DMS's user."""
    backup_vault_name: pulumi.Output[str]
    """Vault of the daily backups."""

    def __init__(self, name: str, args: TargetDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:TargetDatabase", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        check(args)
        server = self._server()
        endpoint = pulumi.Output.all(host=server.endpoint, port=server.port, database=server.database_name)
        given = args.get("application_password")
        password = self._password("application") if given is None else pulumi.Output.secret(given)
        application = self._secret("application", args["application_username"], password, endpoint)
        replication = self._secret("replication", args["replication_username"], self._password("replication"), endpoint)
        vault = self._backups()

        self.engine = aurora_cluster.ENGINE if args.get("instance") is None else rds_instance.ENGINE
        self.dimension = server.dimension
        self.identifier = server.identifier
        self.arn = server.arn
        self.endpoint = server.endpoint
        self.reader_endpoint = server.reader_endpoint
        self.reader_identifiers = list(server.reader_identifiers)
        self.port = server.port
        self.database_name = server.database_name
        self.master_secret_arn = server.master_secret_arn
        self.application_password = password
        self.application_secret_arn = application.arn
        self.replication_secret_arn = replication.arn
        self.backup_vault_name = vault.name
        self.register_outputs(
            {
                "engine": self.engine,
                "dimension": self.dimension,
                "identifier": self.identifier,
                "arn": self.arn,
                "endpoint": self.endpoint,
                "reader_endpoint": self.reader_endpoint,
                "reader_identifiers": self.reader_identifiers,
                "port": self.port,
                "database_name": self.database_name,
                "master_secret_arn": self.master_secret_arn,
                "application_secret_arn": self.application_secret_arn,
                "replication_secret_arn": self.replication_secret_arn,
                "backup_vault_name": self.backup_vault_name,
            }
        )

    def _server(self) -> DatabaseServer:
        args = self._args
        given = Declaration(
            name=self._name,
            parent=self,
            engine_version=args["engine_version"],
            database_name=args["database_name"],
            master_username=args.get("master_username", DEFAULT_MASTER_USERNAME),
            port=int(args.get("port", DEFAULT_PORT)),
            subnet_ids=args["subnet_ids"],
            security_group_id=args["security_group_id"],
            kms_key_arn=args["kms_key_arn"],
            require_tls=args.get("require_tls", True),
            parameters=args.get("parameters", {}),
            backup_retention_days=int(args.get("backup_retention_days", DEFAULT_BACKUP_RETENTION_DAYS)),
            backup_window=args.get("backup_window", DEFAULT_BACKUP_WINDOW),
            maintenance_window=args.get("maintenance_window", DEFAULT_MAINTENANCE_WINDOW),
            deletion_protection=args.get("deletion_protection", True),
            final_snapshot=args.get("final_snapshot", True),
            log_retention_days=int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
            tags=self._tags,
        )
        instance = args.get("instance")
        if instance is not None:
            return rds_instance.declare(given, instance)
        return aurora_cluster.declare(given, args.get("aurora") or {})

    def _password(self, purpose: str) -> pulumi.Output[str]:
        return random.RandomPassword(
            f"{self._name}-{purpose}-password",
            length=PASSWORD_LENGTH,
            override_special=PASSWORD_SPECIALS,
            opts=self._child,
        ).result

    def _secret(
        self,
        purpose: str,
        username: pulumi.Input[str],
        password: pulumi.Output[str],
        endpoint: pulumi.Output[dict[str, Any]],
    ) -> aws.secretsmanager.Secret:
        """Make a secret in the shape that DMS, rotation and applications all read."""
        name = self._name
        secret = aws.secretsmanager.Secret(
            f"{name}-{purpose}-secret",
            name=f"{name}/{purpose}",
            description=f"Credentials of the database's {purpose} user",
            kms_key_id=self._args["kms_key_arn"],
            recovery_window_in_days=int(self._args.get("secret_recovery_days", DEFAULT_SECRET_RECOVERY_DAYS)),
            replicas=[
                {"region": replica["region"], "kms_key_id": replica["kms_key_arn"]}
                for replica in self._args.get("secret_replicas", [])
            ]
            or None,
            tags=checks.tags_for(self._tags, f"{name}-{purpose}"),
            opts=self._child,
        )
        text = pulumi.Output.json_dumps(
            {
                "engine": "postgres",
                "host": endpoint["host"],
                "port": endpoint["port"],
                "dbname": endpoint["database"],
                "username": username,
                "password": password,
            },
            sort_keys=True,
        )
        aws.secretsmanager.SecretVersion(
            f"{name}-{purpose}-secret-value",
            secret_id=secret.id,
            secret_string=text,  # secret, as the password in it is
            opts=self._child,
        )
        return secret

    def _backups(self) -> aws.backup.Vault:
        name = self._name
        vault = aws.backup.Vault(
            f"{name}-vault",
            name=f"{name}-vault",
            kms_key_arn=self._args["kms_key_arn"],
            force_destroy=not self._args.get("deletion_protection", True),
            tags=checks.tags_for(self._tags, f"{name}-vault"),
            opts=self._child,
        )
        plan = aws.backup.Plan(
            f"{name}-plan",
            name=f"{name}-plan",
            rules=[
                {
                    "rule_name": "daily",
                    "target_vault_name": vault.name,
                    "schedule": BACKUP_SCHEDULE,
                    "lifecycle": {
                        "delete_after": int(self._args.get("backup_retention_days", DEFAULT_BACKUP_RETENTION_DAYS))
                    },
                }
            ],
            tags=checks.tags_for(self._tags, f"{name}-plan"),
            opts=self._child,
        )
        role = aws.iam.Role(
            f"{name}-backup-role",
            name=f"{name}-backup",
            assume_role_policy=policies.trust("backup.amazonaws.com"),
            tags=checks.tags_for(self._tags, f"{name}-backup"),
            opts=self._child,
        )
        attached = aws.iam.RolePolicyAttachment(
            f"{name}-backup-policy", role=role.name, policy_arn=BACKUP_POLICY, opts=self._child
        )
        [(key, value)] = BACKUP_TAG.items()
        aws.backup.Selection(
            f"{name}-selection",
            name=f"{name}-tagged",
            plan_id=plan.id,
            iam_role_arn=role.arn,
            selection_tags=[{"type": "STRINGEQUALS", "key": key, "value": value}],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attached]),
        )
        return vault


def check(args: TargetDatabaseArgs) -> None:
    """Raise ArgumentError for what RDS would refuse, before anything is made."""
    aurora, instance = args.get("aurora"), args.get("instance")
    if aurora is not None and instance is not None:
        raise checks.ArgumentError("aurora and instance are both given: give the one that is wanted")
    aurora_cluster.check(aurora or {})
    rds_instance.check(instance or {})
    checks.whole("port", args.get("port", DEFAULT_PORT), 1150, 65535)
    days = args.get("backup_retention_days", DEFAULT_BACKUP_RETENTION_DAYS)
    checks.whole("backup_retention_days", days, 1, 35)
    recovery = args.get("secret_recovery_days", DEFAULT_SECRET_RECOVERY_DAYS)
    if recovery:
        checks.whole("secret_recovery_days", recovery, 7, 30)
