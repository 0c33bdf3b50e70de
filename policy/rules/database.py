"""Rules about databases, their backups and their secrets."""

from collections.abc import Iterator, Sequence

from policy.rule import (
    Level,
    Resource,
    Rule,
    StackRule,
    attached,
    given,
    is_off,
    is_true,
    of,
    own_key,
    plain,
    read,
    wants,
)

INSTANCE, CLUSTER, MEMBER = (
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    ("aws:rds/clusterInstance:ClusterInstance"),
)
SERVERS = (INSTANCE, CLUSTER)
SECRET, ROTATION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretRotation:SecretRotation"
EVENTS = "aws:rds/eventSubscription:EventSubscription"
GROUPS = ("aws:rds/parameterGroup:ParameterGroup", "aws:rds/clusterParameterGroup:ClusterParameterGroup")
USUAL_ADMINS = ("admin", "administrator", "master", "postgres", "root", "user")
TLS = {"rds.force_ssl": ("1",), "require_secure_transport": ("1", "ON")}
"""What makes a server refuse a connection without TLS: PostgreSQL's parameter, MySQL's."""
LEAST_BACKUP_DAYS = 7


def _two_zones(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for cluster in of(resources, CLUSTER):
        if len(attached(of(resources, MEMBER), cluster)) < 2:
            yield cluster, "the cluster has one instance: give target.aurora.readers at least 1"


def _force_tls(resource: Resource) -> Iterator[str]:
    given_values = {p["name"]: str(p["value"]) for p in plain(read(resource.props, "parameters") or [])}
    family = str(read(resource.props, "family"))
    name = "require_secure_transport" if "mysql" in family else "rds.force_ssl"
    if given_values.get(name) not in TLS[name]:
        yield f"parameter {name} is {given_values.get(name, 'not given')}: write target.sslMode require"


def _heard(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    if not of(resources, EVENTS):
        for server in of(resources, *SERVERS):
            yield server, "no event subscription follows it: declare one for failover, failure and maintenance"


def _rotates(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    rotations = of(resources, ROTATION)
    for secret in of(resources, SECRET):
        if not attached(rotations, secret):
            yield secret, "it is not rotated: declare a SecretRotation with a function that knows the database"


def _days(resource: Resource) -> Iterator[str]:
    if read(resource.props, "replicateSourceDb") is None:
        yield from wants(
            "backupRetentionPeriod",
            lambda days: days is not None and days >= LEAST_BACKUP_DAYS,
            f"write target.backupRetentionDays {LEAST_BACKUP_DAYS} or more",
        )(resource)


RULES = (
    Rule(
        *("RDS.2", "private", "Databases have no public address", Level.CRITICAL, (INSTANCE, MEMBER)),
        wants("publiclyAccessible", is_off, "leave it out, and reach it through the network"),
    ),
    Rule(
        *("RDS.3", "encrypted", "Databases are encrypted", Level.CRITICAL, SERVERS),
        wants("storageEncrypted", is_true, "set it, with kmsKeyId"),
    ),
    own_key("RDS.27", "Databases are", (CLUSTER,), "kmsKeyId"),
    Rule(
        *("RDS.5", "multi-az", "Instances have a standby in another zone", Level.MEDIUM, (INSTANCE,)),
        wants("multiAz", is_true, "write target.instance.multiAz true"),
    ),
    StackRule(*("RDS.15", "two-zones", "Clusters span zones", Level.MEDIUM, (CLUSTER,)), _two_zones),
    Rule(
        *("RDS.6", "enhanced-monitoring", "The server's own figures are kept", Level.MEDIUM, (INSTANCE, MEMBER)),
        wants("monitoringInterval", given, "set it to 60, with a monitoringRoleArn"),
    ),
    Rule(
        *("RDS.8", "deletion-protection", "Databases can't be deleted by mistake", Level.MEDIUM, SERVERS),
        wants("deletionProtection", is_true, "write target.deletionProtection true"),
    ),
    Rule(
        *("RDS.9", "logs-exported", "The server's logs reach CloudWatch", Level.MEDIUM, SERVERS),
        wants("enabledCloudwatchLogsExports", given, "export the engine's logs"),
    ),
    Rule(
        *("RDS.10", "iam-authentication", "Who has an IAM role needs no password", Level.MEDIUM, SERVERS),
        wants("iamDatabaseAuthenticationEnabled", is_true, "set it: it lets in nobody by itself"),
    ),
    Rule(*("RDS.11", "backups", "Backups are kept for a week at least", Level.HIGH, SERVERS), _days),
    Rule(
        *("RDS.13", "minor-upgrades", "Minor versions follow AWS's", Level.MEDIUM, (INSTANCE, MEMBER)),
        wants("autoMinorVersionUpgrade", is_true, "set it"),
    ),
    Rule(
        *("RDS.17", "tagged-snapshots", "Snapshots carry the database's tags", Level.MEDIUM, SERVERS),
        wants("copyTagsToSnapshot", is_true, "set it"),
    ),
    StackRule(*("RDS.19", "events", "People hear of a database's events", Level.MEDIUM, SERVERS), _heard),
    Rule(
        *("RDS.25", "own-admin", "The administrator has no name that everybody tries", Level.MEDIUM, (INSTANCE,)),
        wants("username", lambda name: name not in USUAL_ADMINS, "choose a name of your own"),
    ),
    Rule(
        *("RDS.24", "own-cluster-admin", "The administrator has no name that everybody tries", Level.MEDIUM),
        (CLUSTER,),
        wants("masterUsername", lambda name: name not in USUAL_ADMINS, "choose a name of your own"),
    ),
    Rule(
        *("RDS.38", "tls", "Nobody gets in without TLS", Level.HIGH, GROUPS),
        _force_tls,
    ),
    StackRule(*("SecretsManager.1", "rotated", "Secrets are rotated", Level.MEDIUM, (SECRET,)), _rotates),
    Rule(
        *("SecretsManager.4", "often", "Secrets are rotated within 90 days", Level.MEDIUM, (ROTATION,)),
        wants(
            "rotationRules.automaticallyAfterDays",
            lambda days: days is not None and days <= 90,
            "write target.masterRotationDays 90 or less",
        ),
    ),
    own_key("SecretsManager.2", "Secrets are", (SECRET,), "kmsKeyId"),
    Rule(
        *("DynamoDB.2", "point-in-time", "Tables can be restored to any second", Level.MEDIUM),
        ("aws:dynamodb/table:Table",),
        wants("pointInTimeRecovery.enabled", is_true, "set it"),
    ),
    own_key("DynamoDB.3", "Tables are", ("aws:dynamodb/table:Table",), "serverSideEncryption.kmsKeyArn"),
    own_key("Backup.1", "Backups are", ("aws:backup/vault:Vault",), "kmsKeyArn"),
)
