"""The database that is migrated to: an Aurora cluster or an RDS instance, its secrets with rotation, its backups."""

from collections.abc import Collection
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components import aurora_cluster, checks, database_engines, policies, rds_instance
from components.aurora_cluster import AuroraArgs
from components.database_engines import Engine
from components.database_server import BACKUP_TAG, DatabaseServer, Declaration
from components.rds_instance import InstanceArgs

DEFAULT_MASTER_USERNAME = "migration_admin"
DEFAULT_BACKUP_RETENTION_DAYS = 7
DEFAULT_BACKUP_WINDOW = "03:00-04:00"
DEFAULT_MAINTENANCE_WINDOW = "sun:06:00-sun:07:00"
DEFAULT_LOG_RETENTION_DAYS = 30
DEFAULT_SECRET_RECOVERY_DAYS = 7
DEFAULT_MASTER_ROTATION_DAYS = 30
BACKUP_SCHEDULE = "cron(0 5 * * ? *)"
BACKUP_POLICY = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
FIRST_LABEL = "DEPLOYED"
"""Label of the version that a deployment made, which it keeps when it is neither current nor previous."""
PASSWORD_LENGTH = 32
PASSWORD_SPECIALS = "!#$%&*()-_=+[]{}<>:?"  # noqa: S105 - the characters RDS, DMS and connection strings all take


class SecretReplicaArgs(TypedDict):
    """Another region that the application's secret is needed in."""

    region: pulumi.Input[str]
    """AWS region, for example eu-west-1."""
    kms_key_arn: pulumi.Input[str]
    """Key of that region that encrypts the copy."""


class SecretPlaceArgs(TypedDict):
    """Where a secret lies that is needed in another region than the database's alone."""

    provider: pulumi.ProviderResource
    """Provider of that region."""
    kms_key_arn: pulumi.Input[str]
    """Key of that region that encrypts it."""


class TargetDatabaseArgs(TypedDict):
    """What TargetDatabase needs."""

    engine_version: str
    """Version of the engine, for example 17.5, 8.4 for MySQL, 8.4.mysql_aurora.8.4.7 for Aurora MySQL.

    Minor upgrades by AWS are not undone.
    """
    extended_support: NotRequired[bool]
    """Pay for a major version past AWS's standard support, which AWS else refuses to make. Default false.

    It is decided when the database is made; AWS takes no later change.
    """
    database_name: pulumi.Input[str]
    """Name of the database to create."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of at least two zones."""
    security_group_id: pulumi.Input[str]
    """Security group of the instances."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts storage, secrets, logs and backups."""
    application_username: NotRequired[pulumi.Input[str] | None]
    """Login role that applications use on the target: a secret is made for it. Default none."""
    replication_username: NotRequired[pulumi.Input[str] | None]
    """Login role that DMS uses on the target: a secret is made for it. Default none."""
    application_password: NotRequired[pulumi.Input[str] | None]
    """Password of the application's role, a secret, where it is to be that of another database. Default: a new one."""
    engine: NotRequired[str]
    """Engine: aurora-postgresql or aurora-mysql, or for an instance postgres or mysql. Default PostgreSQL."""
    aurora: NotRequired[AuroraArgs | None]
    """An Aurora cluster: what is made, with the cluster's own defaults, where neither this nor `instance` is given."""
    instance: NotRequired[InstanceArgs | None]
    """An RDS instance instead."""
    require_tls: NotRequired[bool]
    """Refuse connections without TLS. Default true."""
    parameters: NotRequired[dict[str, str]]
    """Settings of the engine beside those the migration needs, or in their place. Default none."""
    port: NotRequired[int]
    """Port to listen on. Default the engine's own: 5432, or 3306 for both kinds of MySQL."""
    master_username: NotRequired[str]
    """Name of the administrator; its password is made and kept by RDS. Default migration_admin."""
    master_rotation_days: NotRequired[int]
    """Days after which RDS changes the administrator's password, 1 to 1000. Default 30.

    It does not for an instance with read replicas: its secret is made here, and rotated by who uses this component.
    """
    backup_retention_days: NotRequired[int]
    """Days of point-in-time recovery and of daily backups, 1 to 35. Default 7."""
    backup_vault: NotRequired[bool]
    """Keep daily backups in a vault of their own, beside RDS's. Default true."""
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
    """Regions to keep copies of the application's secret in, under the same name. Default none."""
    replication_secret_place: NotRequired[SecretPlaceArgs | None]
    """Where DMS's user's secret lies, for a DMS in another region. Default: where the database is."""
    rotating: NotRequired[Collection[str]]
    """Whose secrets rotate, application or replication: no later deployment writes them anew. Default nobody's."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class TargetDatabase(pulumi.ComponentResource):
    """An Aurora cluster or an RDS instance, its administrator's rotation, its users' secrets and a backup plan."""

    engine: str
    """Engine as DMS and RDS call it: aurora-postgresql, aurora-mysql, postgres or mysql."""
    dimension: str
    """Dimension of its metrics: DBClusterIdentifier or DBInstanceIdentifier."""
    identifier: pulumi.Output[str]
    """Identifier of the cluster or the instance."""
    instance_identifier: pulumi.Output[str]
    """Identifier of the instance, or of the cluster's first writer."""
    arn: pulumi.Output[str]
    """ARN of the cluster or the instance."""
    arns: pulumi.Output[list[str]]
    """ARNs of everything whose events are about it: the instance, or the cluster and its instances."""
    endpoint: pulumi.Output[str]
    """Host name of the writer."""
    reader_endpoint: pulumi.Output[str]
    """Host name of the readers, the writer's where there are none; an instance's first replica."""
    reader_identifiers: list[str]
    """Instance identifiers of the readers: dimensions of their metrics."""
    port: pulumi.Output[int]
    """Port of both."""
    database_name: pulumi.Output[str]
    """Name of the database."""
    master_secret_arn: pulumi.Output[str]
    """Secret of the administrator, managed and rotated by RDS unless the instance has read replicas."""
    master_is_managed: bool
    """Whether RDS makes, keeps and rotates the administrator's password. Not registered."""
    master_username: str
    """Name of the administrator. Not registered."""
    application_password: pulumi.Output[str]
    """Password of the application's role, a secret: for another database the application moves to. Not registered."""
    application_secret_arn: pulumi.Output[str]
    """Secret of the application's user, empty where none was asked for."""
    replication_secret_arn: pulumi.Output[str]
    """Secret of DMS's user, empty where none was asked for."""
    backup_vault_name: pulumi.Output[str]
    """Vault of the daily backups, empty where there is none."""

    def __init__(self, name: str, args: TargetDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:TargetDatabase", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        check(args)
        engine = engine_of(args)
        # RDS refuses read replicas of an instance whose master password it manages.
        password = self._password("master") if (args.get("instance") or {}).get("read_replicas") else None
        server = self._server(engine, password)
        endpoint = pulumi.Output.all(host=server.endpoint, port=server.port, database=server.database_name)
        master = self._master_secret(server, password, engine, endpoint)
        given = args.get("application_password")
        theirs = pulumi.Output.secret(given) if given is not None else None
        application, self.application_password = self._user(
            "application", args.get("application_username"), engine, endpoint, theirs
        )
        replication, _ = self._user("replication", args.get("replication_username"), engine, endpoint)
        vault = self._backups(server.arn) if args.get("backup_vault", True) else pulumi.Output.from_input("")

        self.engine = engine.name
        self.dimension = server.dimension
        self.identifier = server.identifier
        self.instance_identifier = server.instance_identifier
        self.arn = server.arn
        self.arns = server.arns
        self.endpoint = server.endpoint
        self.reader_endpoint = server.reader_endpoint
        self.reader_identifiers = list(server.reader_identifiers)
        self.port = server.port
        self.database_name = server.database_name
        self.master_secret_arn = master
        self.master_is_managed = password is None
        self.master_username = args.get("master_username", DEFAULT_MASTER_USERNAME)
        self.application_secret_arn = application
        self.replication_secret_arn = replication
        self.backup_vault_name = vault
        self.register_outputs(
            {
                "engine": self.engine,
                "dimension": self.dimension,
                "identifier": self.identifier,
                "instance_identifier": self.instance_identifier,
                "arn": self.arn,
                "arns": self.arns,
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

    def _server(self, engine: Engine, master_password: pulumi.Output[str] | None) -> DatabaseServer:
        args = self._args
        given = Declaration(
            name=self._name,
            parent=self,
            engine=engine,
            engine_version=args["engine_version"],
            extended_support=args.get("extended_support", False),
            database_name=args["database_name"],
            master_username=args.get("master_username", DEFAULT_MASTER_USERNAME),
            master_password=master_password,
            port=int(args.get("port", engine.port)),
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

    def _master_secret(
        self,
        server: DatabaseServer,
        password: pulumi.Output[str] | None,
        engine: Engine,
        endpoint: pulumi.Output[dict[str, Any]],
    ) -> pulumi.Output[str]:
        """Return the administrator's secret: RDS's own, whose password RDS changes by itself, or one made here."""
        if password is not None:
            username = self._args.get("master_username", DEFAULT_MASTER_USERNAME)
            return self._secret("master", username, password, engine, endpoint, rotates=True)
        days = int(self._args.get("master_rotation_days", DEFAULT_MASTER_ROTATION_DAYS))
        aws.secretsmanager.SecretRotation(
            f"{self._name}-master-rotation",
            secret_id=server.master_secret_arn,  # a secret that RDS manages needs no function to rotate it
            rotate_immediately=False,  # it has just been made
            rotation_rules={"automatically_after_days": days},
            opts=self._child,
        )
        return server.master_secret_arn

    def _password(self, purpose: str) -> pulumi.Output[str]:
        """Make a user's password."""
        password = random.RandomPassword(
            f"{self._name}-{purpose}-password",
            length=PASSWORD_LENGTH,
            override_special=PASSWORD_SPECIALS,
            opts=self._child,
        )
        return password.result

    def _user(
        self,
        purpose: str,
        username: pulumi.Input[str] | None,
        engine: Engine,
        endpoint: pulumi.Output[dict[str, Any]],
        password: pulumi.Output[str] | None = None,
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Make a user's secret, with a new password where none is given; return the secret's ARN and the password.

        Both are empty where there is no such user.
        """
        if username is None:
            return pulumi.Output.from_input(""), pulumi.Output.from_input("")
        password = password if password is not None else self._password(purpose)
        rotates = purpose in self._args.get("rotating", ())
        return self._secret(purpose, username, password, engine, endpoint, rotates=rotates), password

    def _secret(
        self,
        purpose: str,
        username: pulumi.Input[str],
        password: pulumi.Output[str],
        engine: Engine,
        endpoint: pulumi.Output[dict[str, Any]],
        *,
        rotates: bool,
    ) -> pulumi.Output[str]:
        """Make a secret in the shape that DMS, rotation and applications all read.

        Return its ARN, known once there is something to read.
        """
        name = self._name
        elsewhere = self._args.get("replication_secret_place") if purpose == "replication" else None
        replicas = self._args.get("secret_replicas", []) if purpose == "application" else []
        provider = elsewhere["provider"] if elsewhere else None
        secret = aws.secretsmanager.Secret(
            f"{name}-{purpose}-secret",
            name=f"{name}/{purpose}",
            description=f"Credentials of the database's {purpose} user",
            kms_key_id=(elsewhere or self._args)["kms_key_arn"],
            recovery_window_in_days=int(self._args.get("secret_recovery_days", DEFAULT_SECRET_RECOVERY_DAYS)),
            replicas=[{"region": one["region"], "kms_key_id": one["kms_key_arn"]} for one in replicas] or None,
            tags=checks.tags_for(self._tags, f"{name}-{purpose}"),
            opts=pulumi.ResourceOptions(parent=self, provider=provider),
        )
        text = pulumi.Output.json_dumps(
            {
                "engine": engine.kind,
                "host": endpoint["host"],
                "port": endpoint["port"],
                "dbname": endpoint["database"],
                "username": username,
                "password": password,
            },
            sort_keys=True,
        )
        version = aws.secretsmanager.SecretVersion(
            f"{name}-{purpose}-secret-value",
            secret_id=secret.id,
            secret_string=text,  # secret, as the password in it is
            # A version without a label is forgotten one day, and would then be made anew, with a password long changed.
            version_stages=["AWSCURRENT", FIRST_LABEL] if rotates else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=provider,
                ignore_changes=["secretString", "versionStages"] if rotates else None,
            ),
        )
        return pulumi.Output.all(secret.arn, version.id).apply(lambda both: str(both[0]))

    def _backups(self, database_arn: pulumi.Output[str]) -> pulumi.Output[str]:
        """Make the vault, the plan and what is backed up, and return the vault's name.

        The tag alone would choose the databases of every stack in the account: both it and the ARN have to fit.
        """
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
            resources=[database_arn],
            conditions=[{"string_equals": [{"key": f"aws:ResourceTag/{key}", "value": value}]}],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attached]),
        )
        return vault.name


def engine_of(args: TargetDatabaseArgs) -> Engine:
    """Return the engine that is asked for, or the default one of its kind. Raises ArgumentError where it can't be."""
    if args.get("instance") is None:
        clusters = database_engines.CLUSTERS
        return clusters[checks.one_of("engine", args.get("engine", database_engines.AURORA_POSTGRESQL.name), clusters)]
    known = database_engines.INSTANCES
    return known[checks.one_of("engine of an instance", args.get("engine", database_engines.POSTGRES.name), known)]


def check(args: TargetDatabaseArgs) -> None:
    """Raise ArgumentError for what RDS would refuse, before anything is made."""
    aurora, instance = args.get("aurora"), args.get("instance")
    if aurora is not None and instance is not None:
        raise checks.ArgumentError("aurora and instance are both given: give the one that is wanted")
    aurora_cluster.check(aurora or {})
    rds_instance.check(instance or {})
    checks.whole("port", args.get("port", engine_of(args).port), 1150, 65535)
    rotation = args.get("master_rotation_days", DEFAULT_MASTER_ROTATION_DAYS)
    checks.whole("master_rotation_days", rotation, 1, 1000)
    days = args.get("backup_retention_days", DEFAULT_BACKUP_RETENTION_DAYS)
    checks.whole("backup_retention_days", days, 1, 35)
    recovery = args.get("secret_recovery_days", DEFAULT_SECRET_RECOVERY_DAYS)
    if recovery:
        checks.whole("secret_recovery_days", recovery, 7, 30)
