import json

import pulumi_aws as aws
import pytest

from components import TargetDatabase, TargetDatabaseArgs
from components.checks import ArgumentError
from components.database_secrets import SecretPlaceArgs
from tests.support.pulumi_mocks import Recorder, deploy

ARGS: TargetDatabaseArgs = {
    "engine_version": "17.5",
    "database_name": "shop",
    "subnet_ids": ["subnet-1", "subnet-2"],
    "security_group_id": "sg-1",
    "kms_key_arn": "arn:key",
    "application_username": "shop_app",
    "replication_username": "dms",
}


def target(**changes: object) -> Recorder:
    return deploy(lambda: TargetDatabase("db", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def test_children_are_exactly_these() -> None:
    assert target().kinds() == {
        "db-subnets": "aws:rds/subnetGroup:SubnetGroup",
        "db-parameters-17": "aws:rds/clusterParameterGroup:ClusterParameterGroup",
        "db-log": "aws:cloudwatch/logGroup:LogGroup",
        "db-final-snapshot": "random:index/randomId:RandomId",
        "db-cluster": "aws:rds/cluster:Cluster",
        "db-monitoring-role": "aws:iam/role:Role",
        "db-monitoring-policy": "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "db-writer": "aws:rds/clusterInstance:ClusterInstance",
        "db-reader-1": "aws:rds/clusterInstance:ClusterInstance",
        "db-reader-2": "aws:rds/clusterInstance:ClusterInstance",
        "db-master-rotation": "aws:secretsmanager/secretRotation:SecretRotation",
        **{
            f"db-{purpose}-{part}": kind
            for purpose in ("application", "replication")
            for part, kind in (
                ("password", "random:index/randomPassword:RandomPassword"),
                ("secret", "aws:secretsmanager/secret:Secret"),
                ("secret-value", "aws:secretsmanager/secretVersion:SecretVersion"),
            )
        },
        "db-vault": "aws:backup/vault:Vault",
        "db-plan": "aws:backup/plan:Plan",
        "db-backup-role": "aws:iam/role:Role",
        "db-backup-policy": "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "db-selection": "aws:backup/selection:Selection",
    }


def test_the_cluster_is_as_the_requirements_say() -> None:
    cluster = target().one("aws:rds/cluster:Cluster")
    expected = {
        "engine": "aurora-postgresql",
        "engineMode": "provisioned",
        "storageEncrypted": True,
        "kmsKeyId": "arn:key",
        "serverlessv2ScalingConfiguration": {"minCapacity": 0.5, "maxCapacity": 2.0},
        "backupRetentionPeriod": 7,
        "enabledCloudwatchLogsExports": ["postgresql"],
        "manageMasterUserPassword": True,
        "deletionProtection": True,
        "skipFinalSnapshot": False,
        "finalSnapshotIdentifier": "db-final-0badcafe",
    }
    assert {key: cluster[key] for key in expected} == expected
    assert "masterPassword" not in cluster
    assert cluster["tags"]["Purpose"] == "database-migration"


def test_a_throw_away_cluster_leaves_nothing_behind() -> None:
    recorder = target(deletion_protection=False, final_snapshot=False, secret_recovery_days=0)
    cluster = recorder.one("aws:rds/cluster:Cluster")
    assert cluster["deletionProtection"] is False
    assert cluster["skipFinalSnapshot"] is True
    assert "finalSnapshotIdentifier" not in cluster
    assert recorder.one("aws:backup/vault:Vault")["forceDestroy"] is True
    assert {s["recoveryWindowInDays"] for s in recorder.of("aws:secretsmanager/secret:Secret").values()} == {0}


def test_fail_back_is_possible_and_tls_is_required_from_the_first_start() -> None:
    group = target().one("aws:rds/clusterParameterGroup:ClusterParameterGroup")
    values = {p["name"]: (p["value"], p["applyMethod"]) for p in group["parameters"]}
    assert group["family"] == "aurora-postgresql17"
    assert values["rds.logical_replication"] == ("1", "pending-reboot")
    assert values["rds.force_ssl"] == ("1", "pending-reboot")
    relaxed = target(require_tls=False).one("aws:rds/clusterParameterGroup:ClusterParameterGroup")
    assert "rds.force_ssl" not in {p["name"] for p in relaxed["parameters"]}


def test_the_writer_comes_first_and_readers_wait_for_it() -> None:
    recorder = target()
    instances = recorder.of("aws:rds/clusterInstance:ClusterInstance")
    assert {i["instanceClass"] for i in instances.values()} == {"db.serverless"}
    assert not any(i["publiclyAccessible"] for i in instances.values())
    assert {name: i["promotionTier"] for name, i in instances.items()} == {
        "db-writer": 0,
        "db-reader-1": 1,
        "db-reader-2": 1,
    }
    assert "db-writer" in recorder.named("db-reader-2").depends_on
    assert recorder.outputs["db"]["reader_identifiers"] == ["db-reader-1", "db-reader-2"]


def test_a_later_engine_version_is_aws_s_business() -> None:
    assert "engineVersion" in target().named("db-cluster").ignore_changes


@pytest.mark.parametrize(
    ("version", "changes", "name"),
    [
        ("16.9", {}, "db-parameters-16"),
        ("17.5", {"instance": {}}, "db-parameters-17"),
        ("8.4.5", {"instance": {}, "engine": "mysql"}, "db-parameters-8-4"),
        ("8.0.mysql_aurora.3.08.0", {"engine": "aurora-mysql"}, "db-parameters-8-0"),
        ("8.4", {"engine": "aurora-mysql"}, "db-parameters-8-4"),
    ],
)
def test_another_major_version_gets_a_parameter_group_of_its_own(
    version: str, changes: dict[str, object], name: str
) -> None:
    [group] = [r for r in target(engine_version=version, **changes).resources if "arameterGroup" in r.type]
    assert (group.name, group.inputs["name"]) == (name, name)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ({}, "open-source-rds-extended-support-disabled"),
        ({"extended_support": True}, "open-source-rds-extended-support"),
    ],
)
def test_extended_support_is_paid_for_only_where_it_is_asked_for(wanted: dict[str, object], value: str) -> None:
    for recorder, name in (
        (target(**wanted), "db-cluster"),
        (target(instance={}, **wanted), "db-instance"),
        (target(**MYSQL, **wanted), "db-instance"),
    ):
        database = recorder.named(name)
        assert database.inputs["engineLifecycleSupport"] == value
        assert "engineLifecycleSupport" in database.ignore_changes, "AWS takes it at the creation only"


@pytest.mark.parametrize(("storage", "limit"), [(20, 40), (40000, 65536), (60000, None), (65536, None)])
def test_storage_grows_where_rds_leaves_room_to(storage: int, limit: int | None) -> None:
    recorder = target(engine="mysql", instance={"storage_gb": storage, "read_replicas": 1})
    for database in recorder.of("aws:rds/instance:Instance").values():
        assert database.get("maxAllocatedStorage") == limit


def test_a_secret_is_known_once_it_has_a_value() -> None:
    def program() -> None:
        made = TargetDatabase("db", ARGS)
        for purpose, arn in (("app", made.application_secret_arn), ("dms", made.replication_secret_arn)):
            aws.ssm.Parameter(f"who-reads-{purpose}", type="String", value=arn)

    recorder = deploy(program)
    assert "db-application-secret-value" in recorder.named("who-reads-app").depends_on
    assert "db-replication-secret-value" in recorder.named("who-reads-dms").depends_on
    assert recorder.named("who-reads-app").inputs["value"].endswith("db-application-secret")


def test_secrets_have_the_shape_dms_and_rotation_read_and_stay_secret() -> None:
    recorder = target()
    value = recorder.named("db-replication-secret-value")
    assert json.loads(value.inputs["secretString"]) == {
        "engine": "postgres",
        "host": "db-cluster.cluster.example",
        "port": 5432,
        "dbname": "shop",
        "username": "dms",
        "password": "password of db-replication-password",
    }
    assert value.secret_inputs == {"secretString"}
    assert recorder.named("db-application-password").inputs["length"] == 32


def test_what_rotates_is_given_once_and_its_first_version_is_never_forgotten() -> None:
    """A later deployment must neither put the first password back nor make its version anew."""
    value = target(rotating=["application"]).named("db-application-secret-value")
    assert value.ignore_changes == ("secretString", "versionStages")
    assert value.inputs["versionStages"] == ["AWSCURRENT", "DEPLOYED"]
    kept = target().named("db-application-secret-value")
    assert kept.ignore_changes == ()
    assert "versionStages" not in kept.inputs
    master = target(**{**MYSQL, "instance": {"read_replicas": 1}}).named("db-master-secret-value")
    assert master.ignore_changes == ("secretString", "versionStages")


def test_backups_run_daily_at_five_and_this_database_alone_is_chosen_by_tag() -> None:
    recorder = target(backup_retention_days=14)
    [rule] = recorder.one("aws:backup/plan:Plan")["rules"]
    assert rule["schedule"] == "cron(0 5 * * ? *)"
    assert rule["lifecycle"] == {"deleteAfter": 14}
    selection = recorder.one("aws:backup/selection:Selection")
    by_tag = {"key": "aws:ResourceTag/Purpose", "value": "database-migration"}
    assert selection["conditions"] == [{"stringEquals": [by_tag]}]
    assert selection["resources"] == [recorder.outputs["db"]["arn"]], "other stacks' databases carry the tag as well"
    assert "selectionTags" not in selection, "these would add to the selection, not narrow it"
    assert recorder.one("aws:backup/vault:Vault")["kmsKeyArn"] == "arn:key"


def test_the_log_group_is_there_before_rds_would_make_one_without_a_key() -> None:
    recorder = target(log_retention_days=7)
    assert recorder.named("db-log").inputs["name"] == "/aws/rds/cluster/db-cluster/postgresql"
    assert recorder.named("db-log").inputs["retentionInDays"] == 7
    assert "db-log" in recorder.named("db-cluster").depends_on


def test_outputs() -> None:
    outputs = target().outputs["db"]
    assert outputs["endpoint"] == "db-cluster.cluster.example"
    assert outputs["reader_endpoint"] == "db-cluster.cluster-ro.example"
    assert outputs["master_secret_arn"].endswith("db-cluster-master")
    assert outputs["database_name"] == "shop"
    assert outputs["port"] == 5432


def test_an_instance_is_made_of_these_children_instead() -> None:
    a_cluster_s = ("cluster", "arameterGroup", "logGroup")
    both = {name: kind for name, kind in target().kinds().items() if not any(part in kind for part in a_cluster_s)}
    assert target(instance={}).kinds() == {
        **both,
        "db-postgresql-log": "aws:cloudwatch/logGroup:LogGroup",
        "db-upgrade-log": "aws:cloudwatch/logGroup:LogGroup",
        "db-parameters-17": "aws:rds/parameterGroup:ParameterGroup",
        "db-instance": "aws:rds/instance:Instance",
    }


def test_an_instance_is_encrypted_private_watched_and_has_room_to_grow() -> None:
    recorder = target(instance={"instance_class": "db.m6g.large", "storage_gb": 40}, log_retention_days=7)
    instance = recorder.one("aws:rds/instance:Instance")
    expected = {
        "engine": "postgres",
        "instanceClass": "db.m6g.large",
        "allocatedStorage": 40,
        "maxAllocatedStorage": 80,
        "storageType": "gp3",
        "storageEncrypted": True,
        "kmsKeyId": "arn:key",
        "multiAz": True,
        "publiclyAccessible": False,
        "manageMasterUserPassword": True,
        "backupRetentionPeriod": 7,
        "monitoringInterval": 60,
        "performanceInsightsEnabled": True,
        "autoMinorVersionUpgrade": True,
        "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
        "deletionProtection": True,
        "skipFinalSnapshot": False,
        "deleteAutomatedBackups": False,
        "finalSnapshotIdentifier": "db-final-0badcafe",
    }
    assert {key: instance[key] for key in expected} == expected
    assert "password" not in instance
    assert instance["tags"]["Purpose"] == "database-migration"
    assert "engineVersion" in recorder.named("db-instance").ignore_changes
    assert set(recorder.named("db-instance").depends_on) >= {
        *("db-postgresql-log", "db-upgrade-log", "db-monitoring-policy")
    }
    assert recorder.named("db-upgrade-log").inputs["name"] == "/aws/rds/instance/db-instance/upgrade"
    assert recorder.one("aws:rds/parameterGroup:ParameterGroup")["family"] == "postgres17"


def test_settings_of_postgresql_are_added_and_may_take_the_place_of_ours() -> None:
    parameters = {"max_connections": "200", "log_statement": "all"}
    group = target(instance={}, parameters=parameters).one("aws:rds/parameterGroup:ParameterGroup")
    values = {p["name"]: (p["value"], p["applyMethod"]) for p in group["parameters"]}
    assert values["max_connections"] == ("200", "pending-reboot")
    assert values["log_statement"] == ("all", "pending-reboot")
    assert values["rds.logical_replication"] == ("1", "pending-reboot")


def test_outputs_of_an_instance() -> None:
    outputs = target(instance={}).outputs["db"]
    assert (outputs["engine"], outputs["dimension"]) == ("postgres", "DBInstanceIdentifier")
    assert outputs["endpoint"] == outputs["reader_endpoint"] == "db-instance.instance.example"
    assert outputs["reader_identifiers"] == []
    assert outputs["master_secret_arn"].endswith("db-instance-master")


MYSQL = {"engine": "mysql", "engine_version": "8.4.5", "instance": {"instance_class": "db.t3.micro", "storage_gb": 20}}


def test_mysql_has_its_own_port_settings_and_logs() -> None:
    recorder = target(**MYSQL)
    instance = recorder.one("aws:rds/instance:Instance")
    assert (instance["engine"], instance["port"], instance["instanceClass"]) == ("mysql", 3306, "db.t3.micro")
    assert instance["enabledCloudwatchLogsExports"] == ["error", "slowquery"]
    assert {g["name"] for g in recorder.of("aws:cloudwatch/logGroup:LogGroup").values()} == {
        "/aws/rds/instance/db-instance/error",
        "/aws/rds/instance/db-instance/slowquery",
    }
    group = recorder.one("aws:rds/parameterGroup:ParameterGroup")
    values = {p["name"]: p["value"] for p in group["parameters"]}
    assert group["family"] == "mysql8.4"
    assert values["require_secure_transport"] == "1"
    assert values["binlog_format"] == "ROW"
    assert values["character_set_server"] == "utf8mb4"
    assert not [name for name in values if name.startswith(("rds.", "log_min"))]
    secret = json.loads(recorder.named("db-application-secret-value").inputs["secretString"])
    assert (secret["engine"], secret["port"]) == ("mysql", 3306)
    assert recorder.outputs["db"]["engine"] == "mysql"


@pytest.mark.parametrize(("instance_class", "insights"), [("db.t3.micro", False), ("db.t3.medium", True)])
def test_performance_insights_are_left_out_where_rds_refuses_them(instance_class: str, insights: bool) -> None:
    changes = {**MYSQL, "instance": {"instance_class": instance_class}}
    instance = target(**changes).one("aws:rds/instance:Instance")
    assert instance["performanceInsightsEnabled"] is insights
    assert ("performanceInsightsKmsKeyId" in instance) is insights
    small = target(instance={"instance_class": "db.t3.micro"}).one("aws:rds/instance:Instance")
    assert small["performanceInsightsEnabled"] is True, "PostgreSQL has them on every class"


AURORA_MYSQL = {"engine": "aurora-mysql", "engine_version": "8.0.mysql_aurora.3.08.0"}


def test_aurora_mysql_has_the_cluster_s_children_and_mysql_s_settings() -> None:
    recorder = target(**AURORA_MYSQL)
    assert {kind for kind in recorder.kinds().values() if kind.startswith("aws:rds/")} == {
        "aws:rds/subnetGroup:SubnetGroup",
        "aws:rds/clusterParameterGroup:ClusterParameterGroup",
        "aws:rds/cluster:Cluster",
        "aws:rds/clusterInstance:ClusterInstance",
    }
    cluster = recorder.one("aws:rds/cluster:Cluster")
    assert (cluster["engine"], cluster["engineVersion"]) == ("aurora-mysql", AURORA_MYSQL["engine_version"])
    assert cluster["port"] == 3306
    assert cluster["enabledCloudwatchLogsExports"] == ["error", "slowquery"]
    assert recorder.named("db-slowquery-log").inputs["name"] == "/aws/rds/cluster/db-cluster/slowquery"
    instances = recorder.of("aws:rds/clusterInstance:ClusterInstance")
    assert {i["engine"] for i in instances.values()} == {"aurora-mysql"}
    group = recorder.one("aws:rds/clusterParameterGroup:ClusterParameterGroup")
    values = {p["name"]: (p["value"], p["applyMethod"]) for p in group["parameters"]}
    assert group["family"] == "aurora-mysql8.0"
    assert values["binlog_format"] == ("ROW", "pending-reboot"), "static in Aurora"
    assert values["require_secure_transport"] == ("ON", "immediate")
    assert values["character_set_server"] == ("utf8mb4", "immediate")
    secret = json.loads(recorder.named("db-application-secret-value").inputs["secretString"])
    assert (secret["engine"], secret["port"]) == ("mysql", 3306)
    assert recorder.outputs["db"]["engine"] == "aurora-mysql"


@pytest.mark.parametrize(
    ("engine", "instance_class", "insights"),
    [
        ("aurora-mysql", "db.serverless", True),
        ("aurora-mysql", "db.r6g.large", True),
        ("aurora-mysql", "db.t4g.medium", True),
        ("aurora-mysql", "db.t3.medium", False),
        ("aurora-mysql", "db.t4g.small", False),
        ("aurora-postgresql", "db.t3.medium", True),
    ],
)
def test_a_cluster_s_class_decides_on_scaling_and_performance_insights(
    engine: str, instance_class: str, insights: bool
) -> None:
    recorder = target(engine=engine, aurora={"instance_class": instance_class, "readers": 1})
    for instance in recorder.of("aws:rds/clusterInstance:ClusterInstance").values():
        assert instance["instanceClass"] == instance_class
        assert instance["performanceInsightsEnabled"] is insights
    scales = "serverlessv2ScalingConfiguration" in recorder.one("aws:rds/cluster:Cluster")
    assert scales is (instance_class == "db.serverless")


def test_events_are_those_of_the_cluster_and_its_instances() -> None:
    outputs = target(aurora={"readers": 1}).outputs["db"]
    assert [arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for arn in outputs["arns"]] == [
        "db-cluster",
        "db-writer",
        "db-reader-1",
    ]
    assert outputs["instance_identifier"] == "db-writer"
    alone = target(instance={}).outputs["db"]
    assert (alone["arns"], alone["instance_identifier"]) == ([alone["arn"]], "db-instance")


def test_read_replicas_follow_the_instance_and_are_watched() -> None:
    recorder = target(**{**MYSQL, "instance": {"instance_class": "db.m6g.large", "read_replicas": 2}})
    replica = recorder.named("db-replica-2").inputs
    expected = {
        "identifier": "db-replica-2",
        "replicateSourceDb": "db-instance",
        "instanceClass": "db.m6g.large",
        "storageEncrypted": True,
        "publiclyAccessible": False,
        "monitoringInterval": 60,
        "skipFinalSnapshot": True,
        "deletionProtection": True,
    }
    assert {key: replica[key] for key in expected} == expected
    # What RDS takes from the source, and refuses beside it.
    assert not {
        "engine",
        "engineLifecycleSupport",
        "dbName",
        "username",
        "kmsKeyId",
        "dbSubnetGroupName",
        "backupWindow",
    } & set(replica)
    assert {"db-replica-2-error-log", "db-replica-2-slowquery-log"} <= set(recorder.kinds())
    outputs = recorder.outputs["db"]
    assert outputs["endpoint"] == "db-instance.instance.example"
    assert outputs["reader_endpoint"] == "db-replica-1.instance.example"
    assert outputs["reader_identifiers"] == ["db-replica-1", "db-replica-2"]


def test_read_replicas_cost_the_managed_password_which_rds_would_refuse_beside_them() -> None:
    recorder = target(**{**MYSQL, "instance": {"read_replicas": 1}})
    instance = recorder.named("db-instance")
    assert "manageMasterUserPassword" not in instance.inputs
    assert instance.inputs["password"] == "password of db-master-password"
    assert "password" in instance.secret_inputs
    assert not recorder.of("aws:secretsmanager/secretRotation:SecretRotation")
    secret = json.loads(recorder.named("db-master-secret-value").inputs["secretString"])
    assert (secret["username"], secret["password"]) == ("migration_admin", "password of db-master-password")
    assert recorder.outputs["db"]["master_secret_arn"].endswith("db-master-secret")


def test_rds_changes_the_administrator_s_password_without_a_function() -> None:
    rotation = target(master_rotation_days=14).one("aws:secretsmanager/secretRotation:SecretRotation")
    assert rotation["secretId"].endswith("db-cluster-master")
    assert rotation["rotationRules"] == {"automaticallyAfterDays": 14}
    assert rotation["rotateImmediately"] is False
    assert "rotationLambdaArn" not in rotation


def test_users_and_vault_are_made_only_where_they_are_asked_for() -> None:
    recorder = target(application_username=None, replication_username=None, backup_vault=False)
    assert not recorder.of("aws:secretsmanager/secret:Secret")
    assert not recorder.of("random:index/randomPassword:RandomPassword")
    assert not [kind for kind in recorder.kinds().values() if kind.startswith("aws:backup/")]
    outputs = recorder.outputs["db"]
    for name in ("application_secret_arn", "replication_secret_arn", "backup_vault_name"):
        assert outputs[name] == ""
    assert outputs["master_secret_arn"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": "mysql"}, "engine is 'mysql': write one of aurora-mysql, aurora-postgresql"),
        ({"engine": "aurora-mysql", "instance": {}}, "engine of an instance is 'aurora-mysql': write one of mysql, po"),
        ({"engine": "oracle", "instance": {}}, "engine of an instance is 'oracle': write one of mysql, postgres"),
        ({"instance": {"read_replicas": 16}}, "instance.read_replicas is 16: write a number from 0 to 15"),
        ({"master_rotation_days": 0}, "master_rotation_days is 0: write a number from 1 to 1000"),
        ({"aurora": {"minimum_capacity": 0}}, "aurora.minimum_capacity is 0: write a number from 0.5 to 256"),
        ({"aurora": {"minimum_capacity": 8}}, "minimum_capacity is 8, above aurora.maximum_capacity 2.0: lower it"),
        ({"aurora": {"maximum_capacity": 500}}, "aurora.maximum_capacity is 500"),
        ({"aurora": {"readers": 16}}, "aurora.readers is 16: write a number from 0 to 15"),
        ({"instance": {"storage_gb": 5}}, "instance.storage_gb is 5: write a number from 20 to 65536"),
        ({"instance": {}, "aurora": {}}, "aurora and instance are both given"),
        ({"port": 22}, "port is 22"),
        ({"backup_retention_days": 0}, "backup_retention_days is 0: write a number from 1 to 35"),
        ({"secret_recovery_days": 3}, "secret_recovery_days is 3: write a number from 7 to 30"),
    ],
)
def test_bad_arguments_are_named_with_their_value_and_the_remedy(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        target(**changes)


def test_the_application_s_secret_can_be_replicated_to_another_region() -> None:
    assert "replicas" not in target().named("db-replication-secret").inputs
    recorder = target(secret_replicas=[{"region": "eu-west-1", "kms_key_arn": "arn:other-key"}])
    secret = recorder.named("db-application-secret").inputs
    assert secret["replicas"] == [{"region": "eu-west-1", "kmsKeyId": "arn:other-key"}]
    assert "replicas" not in recorder.named("db-replication-secret").inputs


def test_the_secret_of_dms_s_user_can_lie_where_dms_is() -> None:
    def program() -> None:
        elsewhere: SecretPlaceArgs = {
            "provider": aws.Provider("elsewhere", region="eu-west-1"),
            "kms_key_arn": "arn:other",
        }
        TargetDatabase("db", {**ARGS, "replication_secret_place": elsewhere})

    recorder = deploy(program)
    for purpose, key, there in (("application", "arn:key", False), ("replication", "arn:other", True)):
        secret, value = (recorder.named(f"db-{purpose}-secret{part}") for part in ("", "-value"))
        assert secret.inputs["kmsKeyId"] == key
        assert [("::elsewhere::" in one.provider) for one in (secret, value)] == [there, there]


def test_the_application_s_password_can_be_that_of_another_database() -> None:
    recorder = target(application_password="that of the other")
    assert set(recorder.of("random:index/randomPassword:RandomPassword")) == {"db-replication-password"}
    value = recorder.named("db-application-secret-value")
    assert json.loads(value.inputs["secretString"])["password"] == "that of the other"
    assert "secretString" in value.secret_inputs
    assert "application_password" not in recorder.outputs["db"]
