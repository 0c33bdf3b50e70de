"""DMS, served by the sandbox's own service."""

import time

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import Json

TAGGING = Tagging("add_tags_to_resource", "remove_tags_from_resource", {"ResourceArn": "$arn"})
STOP_SECONDS, POLL_SECONDS = 60.0, 0.1
GONE = ("ResourceNotFoundFault",)
INSTANCE = {
    "kmsKeyArn": "KmsKeyId",
    "replicationInstanceId": "ReplicationInstanceIdentifier",
    "replicationSubnetGroupId": "ReplicationSubnetGroupIdentifier",
}
ENDPOINT = {
    "endpointId": "EndpointIdentifier",
    "kmsKeyArn": "KmsKeyId",
    "postgresSettings": "PostgreSQLSettings",
}
CERTIFICATE = {"certificateId": "CertificateIdentifier"}
TASK = {"replicationTaskId": "ReplicationTaskIdentifier"}
SUBNETS = {"replicationSubnetGroupId": "ReplicationSubnetGroupIdentifier"}


def _endpoint(request: Json, endpoint: Resource) -> Json:
    """Put the secret into the engine's settings, where DMS wants it for PostgreSQL."""
    inputs = endpoint.inputs
    settings = dict(request.get("PostgreSQLSettings") or {})
    if inputs.get("secretsManagerArn"):
        settings["SecretsManagerSecretId"] = inputs["secretsManagerArn"]
        settings["SecretsManagerAccessRoleArn"] = inputs.get("secretsManagerAccessRoleArn")
        settings["DatabaseName"] = inputs.get("databaseName")
    return {**request, "PostgreSQLSettings": settings}


def _stop(api: Api, task: Resource) -> None:
    """Stop a running task and wait until it has stopped, as the real provider does before it deletes one."""
    arn = {"ReplicationTaskArn": task.get("replicationTaskArn")}
    by_id = {"Filters": [{"Name": "replication-task-id", "Values": [task.id]}]}

    def status() -> str:
        found = api.call("dms", "describe_replication_tasks", **by_id)["ReplicationTasks"]
        return str(found[0]["Status"]) if found else ""

    if status() == "running":
        api.call("dms", "stop_replication_task", **arn)
    until = time.monotonic() + STOP_SECONDS
    while status() == "stopping" and time.monotonic() < until:
        time.sleep(POLL_SECONDS)


def _stop_serverless(api: Api, replication: Resource) -> None:
    """Stop a replication and wait until it has stopped, as the real provider does before it deletes one."""
    by_arn = {"Filters": [{"Name": "replication-config-arn", "Values": [replication.id]}]}

    def status() -> str:
        found = api.call("dms", "describe_replications", **by_arn)["Replications"]
        return str(found[0]["Status"]) if found else "stopped"

    def wait_while(passing: str) -> None:
        until = time.monotonic() + STOP_SECONDS
        while status() == passing and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    wait_while("modifying")
    if status() not in ("created", "failed", "stopped"):
        api.call("dms", "stop_replication", ReplicationConfigArn=replication.id)
    wait_while("stopping")


ENTRIES = (
    Entry(
        type="aws:dms/replicationSubnetGroup:ReplicationSubnetGroup",
        service="dms",
        create=Call("create_replication_subnet_group", renames=SUBNETS),
        update=Call("modify_replication_subnet_group", renames=SUBNETS),
        read=Reading(
            Call(
                "describe_replication_subnet_groups",
                {"Filters": [{"Name": "replication-subnet-group-id", "Values": ["$id"]}]},
            ),
            "ReplicationSubnetGroups[0]",
            GONE,
        ),
        delete=Call("delete_replication_subnet_group", {"ReplicationSubnetGroupIdentifier": "$id"}),
        id="$replicationSubnetGroupId",
        outputs={
            "vpcId": "VpcId",
            "replicationSubnetGroupArn": lambda api, group, _: (
                f"arn:aws:dms:{api.region}:{api.account}:subgrp:{group.id}"
            ),
            "arn": lambda api, group, _: f"arn:aws:dms:{api.region}:{api.account}:subgrp:{group.id}",
        },
        replace=frozenset({"replicationSubnetGroupId"}),
        tagging=TAGGING,
    ),
    Entry(
        type="aws:dms/replicationInstance:ReplicationInstance",
        service="dms",
        create=Call("create_replication_instance", renames=INSTANCE),
        update=Call(
            "modify_replication_instance",
            {"ReplicationInstanceArn": "$replicationInstanceArn", "ApplyImmediately": True},
            INSTANCE,
        ),
        read=Reading(
            Call(
                "describe_replication_instances", {"Filters": [{"Name": "replication-instance-id", "Values": ["$id"]}]}
            ),
            "ReplicationInstances[0]",
            GONE,
        ),
        ready="ReplicationInstanceStatus == 'available'",
        delete=Call("delete_replication_instance", {"ReplicationInstanceArn": "$replicationInstanceArn"}),
        wait_gone=True,
        id="$replicationInstanceId",
        outputs={
            "arn": "ReplicationInstanceArn",
            "replicationInstanceArn": "ReplicationInstanceArn",
            "replicationInstancePrivateIps": "ReplicationInstancePrivateIpAddresses",
        },
        replace=frozenset({"replicationInstanceId", "kmsKeyArn", "publiclyAccessible", "replicationSubnetGroupId"}),
        local=frozenset({"applyImmediately"}),
        tagging=TAGGING,
        truth="tasks run on this machine whatever the class",
    ),
    Entry(
        type="aws:dms/certificate:Certificate",
        service="dms",
        create=Call("import_certificate", renames=CERTIFICATE),
        read=Reading(
            Call("describe_certificates", {"Filters": [{"Name": "certificate-id", "Values": ["$id"]}]}),
            "Certificates[0]",
            GONE,
        ),
        delete=Call("delete_certificate", {"CertificateArn": "$certificateArn"}),
        id="$certificateId",
        outputs={"certificateArn": "CertificateArn"},
        replace=frozenset({"certificateId", "certificatePem", "certificateWallet"}),
        secrets=frozenset({"certificatePem", "certificateWallet"}),
        tagging=Tagging("add_tags_to_resource", "remove_tags_from_resource", {"ResourceArn": "$certificateArn"}),
        truth="kept, and no server is verified by it: the binaries have no TLS",
    ),
    Entry(
        type="aws:dms/endpoint:Endpoint",
        service="dms",
        create=Call("create_endpoint", renames=ENDPOINT),
        update=Call("modify_endpoint", {"EndpointArn": "$endpointArn"}, ENDPOINT),
        prepare=_endpoint,
        read=Reading(
            Call("describe_endpoints", {"Filters": [{"Name": "endpoint-id", "Values": ["$id"]}]}), "Endpoints[0]", GONE
        ),
        ready="Status == 'active'",
        delete=Call("delete_endpoint", {"EndpointArn": "$endpointArn"}),
        wait_gone=True,
        id="$endpointId",
        outputs={"arn": "EndpointArn", "endpointArn": "EndpointArn"},
        replace=frozenset({"endpointId", "kmsKeyArn"}),
        local=frozenset({"secretsManagerArn", "secretsManagerAccessRoleArn"}),
        secrets=frozenset({"password"}),
        tagging=TAGGING,
    ),
    Entry(
        type="aws:dms/replicationTask:ReplicationTask",
        service="dms",
        create=Call("create_replication_task", renames=TASK),
        update=Call("modify_replication_task", {"ReplicationTaskArn": "$replicationTaskArn"}, TASK),
        read=Reading(
            Call("describe_replication_tasks", {"Filters": [{"Name": "replication-task-id", "Values": ["$id"]}]}),
            "ReplicationTasks[0]",
            GONE,
        ),
        ready="Status != 'creating' && Status != 'modifying'",
        before_delete=_stop,
        delete=Call("delete_replication_task", {"ReplicationTaskArn": "$replicationTaskArn"}),
        wait_gone=True,
        id="$replicationTaskId",
        outputs={"arn": "ReplicationTaskArn", "replicationTaskArn": "ReplicationTaskArn", "status": "Status"},
        replace=frozenset({"replicationTaskId", "replicationInstanceArn", "sourceEndpointArn", "targetEndpointArn"}),
        local=frozenset({"startReplicationTask"}),
        tagging=TAGGING,
        truth="rows move by PostgreSQL's own logical replication, within DMS's limits",
    ),
    Entry(
        type="aws:dms/replicationConfig:ReplicationConfig",
        service="dms",
        create=Call("create_replication_config"),
        update=Call("modify_replication_config", {"ReplicationConfigArn": "$id"}),
        read=Reading(
            Call("describe_replication_configs", {"Filters": [{"Name": "replication-config-arn", "Values": ["$id"]}]}),
            "ReplicationConfigs[0]",
            GONE,
        ),
        before_delete=_stop_serverless,
        delete=Call("delete_replication_config", {"ReplicationConfigArn": "$id"}),
        wait_gone=True,
        id="ReplicationConfig.ReplicationConfigArn",
        outputs={"arn": "ReplicationConfigArn"},
        replace=frozenset({"replicationConfigIdentifier", "resourceIdentifier"}),
        local=frozenset({"startReplication"}),
        tagging=Tagging("add_tags_to_resource", "remove_tags_from_resource", {"ResourceArn": "$id"}),
        truth="provisions nothing: rows move as a task's do, whatever the capacity, which is never measured",
    ),
    Entry(
        type="aws:dms/eventSubscription:EventSubscription",
        service="dms",
        create=Call("create_event_subscription", renames={"name": "SubscriptionName"}),
        update=Call(
            "modify_event_subscription",
            renames={"name": "SubscriptionName"},
            only=("name", "snsTopicArn", "sourceType", "eventCategories", "enabled"),
        ),
        read=Reading(
            Call("describe_event_subscriptions", {"SubscriptionName": "$id"}), "EventSubscriptionsList[0]", GONE
        ),
        delete=Call("delete_event_subscription", {"SubscriptionName": "$id"}),
        id="$name",
        outputs={"arn": lambda api, sub, _: f"arn:aws:dms:{api.region}:{api.account}:es:{sub.id}"},
        replace=frozenset({"name", "sourceIds"}),
        name="name",
        tagging=TAGGING,
    ),
)
