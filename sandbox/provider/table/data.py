"""Where data lives: RDS, DynamoDB, backups."""

from collections.abc import Callable

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import Json, camel

RDS_TAGGING = Tagging("add_tags_to_resource", "remove_tags_from_resource", {"ResourceName": "$arn"})
BACKUP_TAGGING = Tagging("tag_resource", "untag_resource", {"ResourceArn": "$arn"}, keys="TagKeyList")
PARAMETERS = {
    "parameters.name": "ParameterName",
    "parameters.value": "ParameterValue",
    "parameters.applyMethod": "ApplyMethod",
}
CLUSTER = {
    "masterPassword": "MasterUserPassword",
    "clusterIdentifier": "DBClusterIdentifier",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
}
INSTANCE = {
    "identifier": "DBInstanceIdentifier",
    "clusterIdentifier": "DBClusterIdentifier",
    "instanceClass": "DBInstanceClass",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "caCertIdentifier": "CACertificateIdentifier",
}
SERVER = {
    **INSTANCE,
    "username": "MasterUsername",
    "password": "MasterUserPassword",
    "parameterGroupName": "DBParameterGroupName",
    "backupWindow": "PreferredBackupWindow",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
}
REPLICA = {**SERVER, "replicateSourceDb": "SourceDBInstanceIdentifier"}
LOCAL = frozenset({"skipFinalSnapshot", "finalSnapshotIdentifier", "deleteAutomatedBackups", "applyImmediately"})


def _master_secret(_api: Api, _cluster: Resource, found: Json) -> list[Json]:
    secret = found.get("MasterUserSecret")
    return [{camel(key): value for key, value in secret.items()}] if secret else []


def _logs_change(operation: str, identifier: str) -> Callable[[Api, Resource, Json, set[str]], set[str]]:
    """Return what changes the exported logs, which AWS takes as what to add and what to take away."""

    def change(api: Api, database: Resource, old: Json, changed: set[str]) -> set[str]:
        before = set(old.get("enabledCloudwatchLogsExports") or ())
        after = set(database.inputs.get("enabledCloudwatchLogsExports") or ())
        if before != after:
            api.call(
                "rds",
                operation,
                **{identifier: database.id},
                CloudwatchLogsExportConfiguration={
                    "EnableLogTypes": sorted(after - before),
                    "DisableLogTypes": sorted(before - after),
                },
            )
        return changed & {"enabledCloudwatchLogsExports", *LOCAL}

    return change


def _address_and_port(_api: Api, _instance: Resource, found: Json) -> str:
    where = found.get("Endpoint") or {}
    return f"{where.get('Address')}:{where.get('Port')}"


def _keys(request: Json, table: Resource) -> Json:
    """Write a table's keys and encryption as DynamoDB takes them."""
    inputs = table.inputs
    schema = [{"AttributeName": inputs.get("hashKey"), "KeyType": "HASH"}]
    if inputs.get("rangeKey"):
        schema.append({"AttributeName": inputs["rangeKey"], "KeyType": "RANGE"})
    encryption = inputs.get("serverSideEncryption") or {}
    sse: Json = {"Enabled": bool(encryption.get("enabled"))}
    if encryption.get("kmsKeyArn"):
        sse |= {"SSEType": "KMS", "KMSMasterKeyId": encryption["kmsKeyArn"]}
    indexes = [
        {
            "IndexName": index.get("name"),
            "KeySchema": [
                {"AttributeName": key.get("attributeName"), "KeyType": key.get("keyType")}
                for key in index.get("keySchemas") or []
            ],
            "Projection": {"ProjectionType": index.get("projectionType")},
        }
        for index in inputs.get("globalSecondaryIndexes") or []
    ]
    also = {"GlobalSecondaryIndexes": indexes} if indexes else {}
    return {**request, "KeySchema": schema, "SSESpecification": sse, **also}


def _recovery(api: Api, table: Resource) -> None:
    enabled = bool((table.inputs.get("pointInTimeRecovery") or {}).get("enabled"))
    api.call(
        "dynamodb",
        "update_continuous_backups",
        TableName=table.id,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled},
    )


def _table_change(api: Api, table: Resource, _old: Json, changed: set[str]) -> set[str]:
    if "pointInTimeRecovery" in changed:
        _recovery(api, table)
    return changed & {"pointInTimeRecovery"}


def _plan(request: Json, plan: Resource) -> Json:
    """Write a backup plan's rules under AWS's names."""
    rules = []
    for rule in plan.inputs.get("rules") or []:
        written: Json = {"RuleName": rule.get("ruleName"), "TargetBackupVaultName": rule.get("targetVaultName")}
        if rule.get("schedule"):
            written["ScheduleExpression"] = rule["schedule"]
        if rule.get("lifecycle"):
            written["Lifecycle"] = {"DeleteAfterDays": int(rule["lifecycle"]["deleteAfter"])}
        rules.append(written)
    request["BackupPlan"] = {"BackupPlanName": plan.inputs.get("name"), "Rules": rules}
    return request


def _selection(request: Json, selection: Resource) -> Json:
    """Write which resources are backed up."""
    inputs = selection.inputs
    conditions = [
        {"ConditionType": tag.get("type"), "ConditionKey": tag.get("key"), "ConditionValue": tag.get("value")}
        for tag in inputs.get("selectionTags") or []
    ]
    every = {
        f"{kind[0].upper()}{kind[1:]}": [{"ConditionKey": one["key"], "ConditionValue": one["value"]} for one in ones]
        for group in inputs.get("conditions") or []
        for kind, ones in group.items()
    }
    request["BackupSelection"] = {
        "SelectionName": inputs.get("name"),
        "IamRoleArn": inputs.get("iamRoleArn"),
        **({"ListOfTags": conditions} if conditions else {}),
        **({"Conditions": every} if every else {}),
        **({"Resources": inputs["resources"]} if inputs.get("resources") else {}),
    }
    return request


def _nothing(_api: Api, _resource: Resource, _old: Json, changed: set[str]) -> set[str]:
    """Take note of properties that only a later deletion reads."""
    return changed & {"forceDestroy"}


def _parameter_group(kind: str, title: str) -> Entry:
    """Return the entry of a parameter group: of clusters (`db_cluster_`) or of instances (`db_`)."""
    name = f"DB{title}ParameterGroupName"
    return Entry(
        type=f"aws:rds/{'clusterParameterGroup:ClusterParameterGroup' if title else 'parameterGroup:ParameterGroup'}",
        service="rds",
        create=Call(f"create_{kind}parameter_group", renames={"name": name, "family": "DBParameterGroupFamily"}),
        also=(Call(f"modify_{kind}parameter_group", {name: "$id"}, PARAMETERS, only=("parameters",)),),
        read=Reading(Call(f"describe_{kind}parameter_groups", {name: "$id"}), f"DB{title}ParameterGroups[0]"),
        delete=Call(f"delete_{kind}parameter_group", {name: "$id"}),
        id="$name",
        outputs={"arn": f"DB{title}ParameterGroupArn"},
        replace=frozenset({"name", "family", "description"}),
        name="name",
        tagging=RDS_TAGGING,
        truth="the values are not set on the server",
    )


ENTRIES = (
    Entry(
        type="aws:rds/subnetGroup:SubnetGroup",
        service="rds",
        create=Call(
            "create_db_subnet_group", renames={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"}
        ),
        update=Call(
            "modify_db_subnet_group", renames={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"}
        ),
        read=Reading(
            Call("describe_db_subnet_groups", {"DBSubnetGroupName": "$id"}),
            "DBSubnetGroups[0]",
            ("DBSubnetGroupNotFoundFault",),
        ),
        delete=Call("delete_db_subnet_group", {"DBSubnetGroupName": "$id"}),
        id="$name",
        outputs={"arn": "DBSubnetGroupArn", "vpcId": "VpcId"},
        replace=frozenset({"name"}),
        name="name",
        tagging=RDS_TAGGING,
    ),
    _parameter_group("db_cluster_", "Cluster"),
    _parameter_group("db_", ""),
    Entry(
        type="aws:rds/cluster:Cluster",
        service="rds",
        create=Call("create_db_cluster", renames=CLUSTER),
        update=Call("modify_db_cluster", {"ApplyImmediately": True}, CLUSTER),
        change=_logs_change("modify_db_cluster", "DBClusterIdentifier"),
        read=Reading(Call("describe_db_clusters", {"DBClusterIdentifier": "$id"}), "DBClusters[0]"),
        ready="Status == 'available'",
        delete=Call(
            "delete_db_cluster",
            {
                "DBClusterIdentifier": "$id",
                "SkipFinalSnapshot": "$skipFinalSnapshot",
                "FinalDBSnapshotIdentifier": "$finalSnapshotIdentifier",
            },
        ),
        wait_gone=True,
        id="DBCluster.DBClusterIdentifier",
        outputs={
            "arn": "DBClusterArn",
            "clusterResourceId": "DbClusterResourceId",
            "endpoint": "Endpoint",
            "readerEndpoint": "ReaderEndpoint",
            "engineVersionActual": "EngineVersion",
            "hostedZoneId": "HostedZoneId",
            "masterUserSecrets": _master_secret,
        },
        replace=frozenset(
            {
                "clusterIdentifier",
                "engine",
                "engineMode",
                "databaseName",
                "masterUsername",
                "dbSubnetGroupName",
                "storageEncrypted",
                "kmsKeyId",
            }
        ),
        local=LOCAL - {"deleteAutomatedBackups"},
        name="clusterIdentifier",
        secrets=frozenset({"masterPassword"}),
        tagging=RDS_TAGGING,
        truth="a PostgreSQL server on this machine, or MariaDB for MySQL, without Aurora's storage; its instances are "
        "views of the same server",
    ),
    Entry(
        type="aws:rds/clusterInstance:ClusterInstance",
        service="rds",
        create=Call("create_db_instance", renames=INSTANCE),
        update=Call(
            "modify_db_instance", {"ApplyImmediately": True}, {**INSTANCE, "clusterIdentifier": "DBInstanceIdentifier"}
        ),
        read=Reading(Call("describe_db_instances", {"DBInstanceIdentifier": "$id"}), "DBInstances[0]"),
        ready="DBInstanceStatus == 'available'",
        delete=Call("delete_db_instance", {"DBInstanceIdentifier": "$id", "SkipFinalSnapshot": True}),
        wait_gone=True,
        id="DBInstance.DBInstanceIdentifier",
        outputs={
            "arn": "DBInstanceArn",
            "endpoint": "Endpoint.Address",
            "port": "Endpoint.Port",
            "dbiResourceId": "DbiResourceId",
            "engineVersionActual": "EngineVersion",
        },
        replace=frozenset({"identifier", "clusterIdentifier", "engine"}),
        local=frozenset({"applyImmediately"}),
        name="identifier",
        tagging=RDS_TAGGING,
    ),
    Entry(
        type="aws:rds/instance:Instance",
        service="rds",
        create=Call("create_db_instance", renames=SERVER),
        instead={"replicateSourceDb": Call("create_db_instance_read_replica", renames=REPLICA)},
        update=Call("modify_db_instance", {"ApplyImmediately": True}, {**SERVER, "port": "DBPortNumber"}),
        change=_logs_change("modify_db_instance", "DBInstanceIdentifier"),
        read=Reading(Call("describe_db_instances", {"DBInstanceIdentifier": "$id"}), "DBInstances[0]"),
        ready="DBInstanceStatus == 'available'",
        delete=Call(
            "delete_db_instance",
            {
                "DBInstanceIdentifier": "$id",
                "SkipFinalSnapshot": "$skipFinalSnapshot",
                "FinalDBSnapshotIdentifier": "$finalSnapshotIdentifier",
                "DeleteAutomatedBackups": "$deleteAutomatedBackups",
            },
        ),
        wait_gone=True,
        id="DBInstance.DBInstanceIdentifier",
        outputs={
            "arn": "DBInstanceArn",
            "address": "Endpoint.Address",
            "endpoint": _address_and_port,
            "port": "Endpoint.Port",
            "hostedZoneId": "Endpoint.HostedZoneId",
            "resourceId": "DbiResourceId",
            "status": "DBInstanceStatus",
            "engineVersionActual": "EngineVersion",
            "masterUserSecrets": _master_secret,
        },
        replace=frozenset(
            {"identifier", "engine", "dbName", "username", "storageEncrypted", "kmsKeyId", "replicateSourceDb"}
        ),
        local=LOCAL,
        name="identifier",
        secrets=frozenset({"password"}),
        tagging=RDS_TAGGING,
        truth="a PostgreSQL server on this machine, or MariaDB for MySQL; no standby, a read replica is a view of it, "
        "and the storage is the machine's",
    ),
    Entry(
        type="aws:rds/eventSubscription:EventSubscription",
        service="rds",
        create=Call("create_event_subscription", renames={"name": "SubscriptionName", "snsTopic": "SnsTopicArn"}),
        update=Call(
            "modify_event_subscription",
            renames={"name": "SubscriptionName", "snsTopic": "SnsTopicArn"},
            only=("name", "snsTopic", "sourceType", "eventCategories", "enabled"),
        ),
        read=Reading(
            Call("describe_event_subscriptions", {"SubscriptionName": "$id"}),
            "EventSubscriptionsList[0]",
            ("SubscriptionNotFound", "SubscriptionNotFoundFault"),
        ),
        delete=Call("delete_event_subscription", {"SubscriptionName": "$id"}),
        id="$name",
        outputs={"arn": "EventSubscriptionArn", "customerAwsId": "CustomerAwsId"},
        replace=frozenset({"name", "sourceIds"}),
        name="name",
        tagging=RDS_TAGGING,
        truth="no event is ever sent",
    ),
    Entry(
        type="aws:dynamodb/table:Table",
        service="dynamodb",
        create=Call(
            "create_table",
            renames={
                "name": "TableName",
                "attributes": "AttributeDefinitions",
                "attributes.name": "AttributeName",
                "attributes.type": "AttributeType",
            },
        ),
        prepare=_keys,
        after=_recovery,
        change=_table_change,
        read=Reading(Call("describe_table", {"TableName": "$id"}), "Table"),
        ready="TableStatus == 'ACTIVE'",
        delete=Call("delete_table", {"TableName": "$id"}),
        wait_gone=True,
        id="TableDescription.TableName",
        outputs={"arn": "TableArn"},
        replace=frozenset({"name", "hashKey", "rangeKey", "attributes", "billingMode", "serverSideEncryption"}),
        local=frozenset(
            {"hashKey", "rangeKey", "globalSecondaryIndexes", "serverSideEncryption", "pointInTimeRecovery"}
        ),
        name="name",
        tagging=Tagging("tag_resource", "untag_resource", {"ResourceArn": "$arn"}),
    ),
    Entry(
        type="aws:backup/vault:Vault",
        service="backup",
        create=Call("create_backup_vault", renames={"name": "BackupVaultName", "kmsKeyArn": "EncryptionKeyArn"}),
        change=_nothing,
        read=Reading(Call("describe_backup_vault", {"BackupVaultName": "$id"}), gone=("AccessDeniedException",)),
        delete=Call("delete_backup_vault", {"BackupVaultName": "$id"}),
        id="BackupVaultName",
        outputs={"arn": "BackupVaultArn", "recoveryPoints": "NumberOfRecoveryPoints"},
        replace=frozenset({"name", "kmsKeyArn"}),
        local=frozenset({"forceDestroy"}),
        name="name",
        name_limit=50,
        tagging=BACKUP_TAGGING,
    ),
    Entry(
        type="aws:backup/plan:Plan",
        service="backup",
        create=Call("create_backup_plan"),
        update=Call("update_backup_plan", {"BackupPlanId": "$id"}),
        prepare=_plan,
        read=Reading(Call("get_backup_plan", {"BackupPlanId": "$id"}), "[@] | [?!DeletionDate] | [0]"),
        delete=Call("delete_backup_plan", {"BackupPlanId": "$id"}),
        id="BackupPlanId",
        outputs={"arn": "BackupPlanArn", "version": "VersionId"},
        local=frozenset({"name", "rules"}),
        name="name",
        name_limit=50,
        tagging=BACKUP_TAGGING,
        truth="no backup is ever made",
    ),
    Entry(
        type="aws:backup/selection:Selection",
        service="backup",
        create=Call("create_backup_selection", {"BackupPlanId": "$planId"}),
        prepare=_selection,
        read=Reading(Call("get_backup_selection", {"BackupPlanId": "$planId", "SelectionId": "$id"})),
        delete=Call("delete_backup_selection", {"BackupPlanId": "$planId", "SelectionId": "$id"}),
        id="SelectionId",
        replace=frozenset({"planId", "name", "iamRoleArn", "selectionTags", "conditions", "resources"}),
        local=frozenset({"planId", "name", "iamRoleArn", "selectionTags", "conditions", "resources"}),
        name="name",
        name_limit=50,
    ),
)
