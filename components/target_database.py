"""The database that is migrated to: an Aurora cluster or an RDS instance, its secrets with rotation, its backups."""

from collections.abc import Collection
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import aurora_cluster, checks, database_backups, database_engines, database_secrets, rds_instance
from components.aurora_cluster import AuroraArgs
from components.database_engines import Engine
from components.database_secrets import SecretPlaceArgs, SecretReplicaArgs, UserSecrets
from components.database_server import DatabaseServer, Declaration
from components.owner import Owner
from components.rds_instance import InstanceArgs

DEFAULT_MASTER_USERNAME = "migration_admin"
DEFAULT_BACKUP_RETENTION_DAYS = 7
DEFAULT_BACKUP_WINDOW = "03:00-04:00"
DEFAULT_MAINTENANCE_WINDOW = "sun:06:00-sun:07:00"
DEFAULT_LOG_RETENTION_DAYS = 30
DEFAULT_SECRET_RECOVERY_DAYS = 7
DEFAULT_MASTER_ROTATION_DAYS = 30


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
        self._owner = Owner(self, name, args.get("tags", {}))
        check(args)
        engine = engine_of(args)
        # RDS refuses read replicas of an instance whose master password it manages.
        replicated = (args.get("instance") or {}).get("read_replicas")
        password = database_secrets.new_password(self._owner, "master") if replicated else None
        server = self._server(engine, password)
        secrets = UserSecrets(
            self._owner,
            engine,
            pulumi.Output.all(host=server.endpoint, port=server.port, database=server.database_name),
            args["kms_key_arn"],
            int(args.get("secret_recovery_days", DEFAULT_SECRET_RECOVERY_DAYS)),
        )
        master = self._master_secret(server, password, secrets)
        given = args.get("application_password")
        theirs = pulumi.Output.secret(given) if given is not None else None
        application, self.application_password = self._user(
            "application", args.get("application_username"), secrets, theirs
        )
        replication, _ = self._user("replication", args.get("replication_username"), secrets)
        vault = self._backups(server) if args.get("backup_vault", True) else pulumi.Output.from_input("")

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
            tags=self._owner.tags,
        )
        instance = args.get("instance")
        if instance is not None:
            return rds_instance.declare(given, instance)
        return aurora_cluster.declare(given, args.get("aurora") or {})

    def _master_secret(
        self, server: DatabaseServer, password: pulumi.Output[str] | None, secrets: UserSecrets
    ) -> pulumi.Output[str]:
        """Return the administrator's secret: RDS's own, whose password RDS changes by itself, or one made here."""
        if password is not None:
            username = self._args.get("master_username", DEFAULT_MASTER_USERNAME)
            return secrets.add("master", username, password, rotates=True)
        days = int(self._args.get("master_rotation_days", DEFAULT_MASTER_ROTATION_DAYS))
        aws.secretsmanager.SecretRotation(
            f"{self._name}-master-rotation",
            secret_id=server.master_secret_arn,  # a secret that RDS manages needs no function to rotate it
            rotate_immediately=False,  # it has just been made
            rotation_rules={"automatically_after_days": days},
            opts=self._owner.child,
        )
        return server.master_secret_arn

    def _user(
        self,
        purpose: str,
        username: pulumi.Input[str] | None,
        secrets: UserSecrets,
        password: pulumi.Output[str] | None = None,
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Make a user's secret, with a new password where none is given; return the secret's ARN and the password.

        Both are empty where there is no such user.
        """
        if username is None:
            return pulumi.Output.from_input(""), pulumi.Output.from_input("")
        args = self._args
        password = password if password is not None else database_secrets.new_password(self._owner, purpose)
        arn = secrets.add(
            purpose,
            username,
            password,
            rotates=purpose in args.get("rotating", ()),
            replicas=args.get("secret_replicas", []) if purpose == "application" else [],
            place=args.get("replication_secret_place") if purpose == "replication" else None,
        )
        return arn, password

    def _backups(self, server: DatabaseServer) -> pulumi.Output[str]:
        return database_backups.declare(
            self._owner,
            database_arn=server.arn,
            kms_key_arn=self._args["kms_key_arn"],
            retention_days=int(self._args.get("backup_retention_days", DEFAULT_BACKUP_RETENTION_DAYS)),
            deletion_protection=self._args.get("deletion_protection", True),
        )


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
