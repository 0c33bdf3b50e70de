"""The database that is migrated to: an Aurora PostgreSQL cluster, its secrets and its backups."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components import checks, policies

ENGINE = "aurora-postgresql"
DEFAULT_PORT = 5432
DEFAULT_MASTER_USERNAME = "migration_admin"
DEFAULT_MINIMUM_CAPACITY = 0.5
DEFAULT_MAXIMUM_CAPACITY = 2.0
DEFAULT_READERS = 2
DEFAULT_BACKUP_RETENTION_DAYS = 7
DEFAULT_BACKUP_WINDOW = "03:00-04:00"
DEFAULT_MAINTENANCE_WINDOW = "sun:06:00-sun:07:00"
DEFAULT_LOG_RETENTION_DAYS = 30
DEFAULT_SECRET_RECOVERY_DAYS = 7
BACKUP_SCHEDULE = "cron(0 5 * * ? *)"
BACKUP_TAG = {"Purpose": "database-migration"}
MONITORING_SECONDS = 60
MONITORING_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
BACKUP_POLICY = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
PASSWORD_LENGTH = 32
PASSWORD_SPECIALS = "!#$%&*()-_=+[]{}<>:?"  # noqa: S105 - the characters RDS, DMS and connection strings all take

PARAMETERS = (
    # Fail-back reads the target's changes. Static, so it must be there before the first start, not on the day of need.
    ("rds.logical_replication", "1", "pending-reboot"),
    # Statements slower than a second are worth a line: a cold target shows here first.
    ("log_min_duration_statement", "1000", "immediate"),
    # DDL on the target during replication breaks it; the log says who did it.
    ("log_statement", "ddl", "immediate"),
)


class TargetDatabaseArgs(TypedDict):
    """What TargetDatabase needs."""

    engine_version: pulumi.Input[str]
    """Version of Aurora PostgreSQL, for example 17.5. Minor upgrades by AWS are not undone."""
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
    require_tls: NotRequired[bool]
    """Refuse connections without TLS. Default true."""
    port: NotRequired[int]
    """Port to listen on. Default 5432."""
    master_username: NotRequired[str]
    """Name of the administrator; its password is made and kept by RDS. Default migration_admin."""
    minimum_capacity: NotRequired[float]
    """Least Aurora capacity units, 0.5 to 256. Not 0: a paused target can't take changes. Default 0.5."""
    maximum_capacity: NotRequired[float]
    """Most Aurora capacity units, 1 to 256. Default 2."""
    readers: NotRequired[int]
    """Number of readers beside the writer, 0 to 15. Default 2."""
    backup_retention_days: NotRequired[int]
    """Days of point-in-time recovery and of daily backups, 1 to 35. Default 7."""
    backup_window: NotRequired[str]
    """Daily window for snapshots, UTC. Default 03:00-04:00."""
    maintenance_window: NotRequired[str]
    """Weekly window for maintenance, UTC; must not overlap the backup window. Default sun:06:00-sun:07:00."""
    deletion_protection: NotRequired[bool]
    """Refuse to delete the cluster. Default true."""
    final_snapshot: NotRequired[bool]
    """Take a snapshot when the cluster is deleted. Default true."""
    log_retention_days: NotRequired[int]
    """Days the database's log is kept. Default 30."""
    secret_recovery_days: NotRequired[int]
    """Days a deleted secret can be restored, 0 or 7 to 30. With 0 its name is free at once. Default 7."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class TargetDatabase(pulumi.ComponentResource):
    """An Aurora PostgreSQL Serverless v2 cluster with readers, its users' secrets and a backup plan."""

    cluster_identifier: pulumi.Output[str]
    """Identifier of the cluster."""
    cluster_arn: pulumi.Output[str]
    """ARN of the cluster."""
    endpoint: pulumi.Output[str]
    """Host name of the writer."""
    reader_endpoint: pulumi.Output[str]
    """Host name of the readers."""
    reader_identifiers: list[str]
    """Instance identifiers of the readers: dimensions of their metrics."""
    port: pulumi.Output[int]
    """Port of both."""
    database_name: pulumi.Output[str]
    """Name of the database."""
    master_secret_arn: pulumi.Output[str]
    """Secret of the administrator, managed by RDS."""
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
        cluster = self._cluster()
        self.reader_identifiers = self._instances(cluster)
        endpoint = pulumi.Output.all(host=cluster.endpoint, port=cluster.port, database=cluster.database_name)
        application = self._secret("application", args["application_username"], endpoint)
        replication = self._secret("replication", args["replication_username"], endpoint)
        vault = self._backups()

        self.cluster_identifier = cluster.cluster_identifier
        self.cluster_arn = cluster.arn
        self.endpoint = cluster.endpoint
        self.reader_endpoint = cluster.reader_endpoint
        self.port = cluster.port
        self.database_name = cluster.database_name
        self.master_secret_arn = cluster.master_user_secrets.apply(lambda secrets: str(secrets[0].secret_arn))
        self.application_secret_arn = application.arn
        self.replication_secret_arn = replication.arn
        self.backup_vault_name = vault.name
        self.register_outputs(
            {
                "cluster_identifier": self.cluster_identifier,
                "cluster_arn": self.cluster_arn,
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

    def _cluster(self) -> aws.rds.Cluster:
        args, name = self._args, self._name
        subnets = aws.rds.SubnetGroup(
            f"{name}-subnets",
            name=f"{name}-subnets",
            description="Database subnets of the migration",
            subnet_ids=args["subnet_ids"],
            tags=checks.tags_for(self._tags, f"{name}-subnets"),
            opts=self._child,
        )
        tls = [("rds.force_ssl", "1", "pending-reboot")] if args.get("require_tls", True) else []
        parameters = aws.rds.ClusterParameterGroup(
            f"{name}-parameters",
            name=f"{name}-parameters",
            description="Settings that replication and fail-back need",
            family=pulumi.Output.from_input(args["engine_version"]).apply(
                lambda version: f"{ENGINE}{str(version).split('.', maxsplit=1)[0]}"
            ),
            parameters=[
                {"name": key, "value": value, "apply_method": method} for key, value, method in [*PARAMETERS, *tls]
            ],
            tags=checks.tags_for(self._tags, f"{name}-parameters"),
            opts=self._child,
        )
        identifier = f"{name}-cluster"
        logs = aws.cloudwatch.LogGroup(  # made here, or RDS makes it without a key and without an end
            f"{name}-log",
            name=f"/aws/rds/cluster/{identifier}/postgresql",
            retention_in_days=int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
            kms_key_id=args["kms_key_arn"],
            tags=checks.tags_for(self._tags, f"{name}-log"),
            opts=self._child,
        )
        final = args.get("final_snapshot", True)
        snapshot = random.RandomId(f"{name}-final-snapshot", byte_length=4, opts=self._child) if final else None
        return aws.rds.Cluster(
            f"{name}-cluster",
            cluster_identifier=identifier,
            engine=ENGINE,
            engine_mode="provisioned",  # what Serverless v2 is called here
            engine_version=args["engine_version"],
            database_name=args["database_name"],
            port=int(args.get("port", DEFAULT_PORT)),
            master_username=args.get("master_username", DEFAULT_MASTER_USERNAME),
            manage_master_user_password=True,
            master_user_secret_kms_key_id=args["kms_key_arn"],
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[args["security_group_id"]],
            db_cluster_parameter_group_name=parameters.name,
            storage_encrypted=True,
            kms_key_id=args["kms_key_arn"],
            backup_retention_period=int(args.get("backup_retention_days", DEFAULT_BACKUP_RETENTION_DAYS)),
            preferred_backup_window=args.get("backup_window", DEFAULT_BACKUP_WINDOW),
            preferred_maintenance_window=args.get("maintenance_window", DEFAULT_MAINTENANCE_WINDOW),
            copy_tags_to_snapshot=True,
            enabled_cloudwatch_logs_exports=["postgresql"],
            iam_database_authentication_enabled=True,
            deletion_protection=args.get("deletion_protection", True),
            skip_final_snapshot=not final,
            final_snapshot_identifier=pulumi.Output.concat(f"{name}-final-", snapshot.hex) if snapshot else None,
            serverlessv2_scaling_configuration={
                "min_capacity": args.get("minimum_capacity", DEFAULT_MINIMUM_CAPACITY),
                "max_capacity": args.get("maximum_capacity", DEFAULT_MAXIMUM_CAPACITY),
            },
            tags={**checks.tags_for(self._tags, identifier), **BACKUP_TAG},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logs], ignore_changes=["engineVersion"]),
        )

    def _instances(self, cluster: aws.rds.Cluster) -> list[str]:
        """Make the writer first, which is what makes it the writer, then the readers, and return the readers' names."""
        name = self._name
        role = aws.iam.Role(
            f"{name}-monitoring-role",
            name=f"{name}-monitoring",
            assume_role_policy=policies.trust("monitoring.rds.amazonaws.com"),
            tags=checks.tags_for(self._tags, f"{name}-monitoring"),
            opts=self._child,
        )
        attached = aws.iam.RolePolicyAttachment(
            f"{name}-monitoring-policy", role=role.name, policy_arn=MONITORING_POLICY, opts=self._child
        )
        before: list[pulumi.Resource] = [attached]
        readers = [f"reader-{n + 1}" for n in range(int(self._args.get("readers", DEFAULT_READERS)))]
        for number, purpose in enumerate(["writer", *readers]):
            instance = aws.rds.ClusterInstance(
                f"{name}-{purpose}",
                identifier=f"{name}-{purpose}",
                cluster_identifier=cluster.id,
                engine=aws.rds.EngineType.AURORA_POSTGRESQL,
                instance_class="db.serverless",
                publicly_accessible=False,
                promotion_tier=min(number, 1),
                monitoring_interval=MONITORING_SECONDS,
                monitoring_role_arn=role.arn,
                performance_insights_enabled=True,
                performance_insights_kms_key_id=self._args["kms_key_arn"],
                auto_minor_version_upgrade=True,
                copy_tags_to_snapshot=True,
                tags=checks.tags_for(self._tags, f"{name}-{purpose}"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=before),
            )
            before = [attached, instance] if number == 0 else before
        return [f"{name}-{purpose}" for purpose in readers]

    def _secret(
        self, purpose: str, username: pulumi.Input[str], endpoint: pulumi.Output[dict[str, Any]]
    ) -> aws.secretsmanager.Secret:
        """Make a secret in the shape that DMS, rotation and applications all read."""
        name = self._name
        password = random.RandomPassword(
            f"{name}-{purpose}-password",
            length=PASSWORD_LENGTH,
            override_special=PASSWORD_SPECIALS,
            opts=self._child,
        )
        secret = aws.secretsmanager.Secret(
            f"{name}-{purpose}-secret",
            name=f"{name}/{purpose}",
            description=f"Credentials of the target database's {purpose} user",
            kms_key_id=self._args["kms_key_arn"],
            recovery_window_in_days=int(self._args.get("secret_recovery_days", DEFAULT_SECRET_RECOVERY_DAYS)),
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
                "password": password.result,
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
    """Raise ArgumentError for what Aurora would refuse, before anything is made."""
    least = checks.within("minimum_capacity", args.get("minimum_capacity", DEFAULT_MINIMUM_CAPACITY), 0.5, 256)
    most = checks.within("maximum_capacity", args.get("maximum_capacity", DEFAULT_MAXIMUM_CAPACITY), 1, 256)
    if least > most:
        raise checks.ArgumentError(f"minimum_capacity is {least}, above maximum_capacity {most}: lower it")
    checks.whole("readers", args.get("readers", DEFAULT_READERS), 0, 15)
    checks.whole("port", args.get("port", DEFAULT_PORT), 1150, 65535)
    days = args.get("backup_retention_days", DEFAULT_BACKUP_RETENTION_DAYS)
    checks.whole("backup_retention_days", days, 1, 35)
    recovery = args.get("secret_recovery_days", DEFAULT_SECRET_RECOVERY_DAYS)
    if recovery:
        checks.whole("secret_recovery_days", recovery, 7, 30)
