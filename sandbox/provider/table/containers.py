"""Containers: ECS and what scales it."""

import json

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import UNKNOWN, Json

SCALED = {
    "ServiceNamespace": "$serviceNamespace",
    "ResourceId": "$resourceId",
    "ScalableDimension": "$scalableDimension",
}
SCALED_PROPS = frozenset({"serviceNamespace", "resourceId", "scalableDimension"})
DEPLOYMENT = {
    "deploymentMinimumHealthyPercent": "minimumHealthyPercent",
    "deploymentMaximumPercent": "maximumPercent",
    "deploymentCircuitBreaker": "deploymentCircuitBreaker",
}


def _tagging(by: str) -> Tagging:
    return Tagging("tag_resource", "untag_resource", {"resourceArn": by}, keys="tagKeys", tags="tags")


def _definition(request: Json, task: Resource) -> Json:
    """Open the containers, which Pulumi has as JSON."""
    text = task.inputs.get("containerDefinitions")
    return {**request, "containerDefinitions": text if text in (None, UNKNOWN) else json.loads(text)}


def _service(request: Json, service: Resource) -> Json:
    """Nest what Pulumi has flat: how a service is deployed and where it stands."""
    inputs = service.inputs
    deployment = {name: inputs[prop] for prop, name in DEPLOYMENT.items() if inputs.get(prop) is not None}
    if deployment:
        request["deploymentConfiguration"] = deployment
    network = inputs.get("networkConfiguration")
    if network and network != UNKNOWN:
        public = "ENABLED" if network.get("assignPublicIp") else "DISABLED"
        place = {"subnets": network.get("subnets"), "securityGroups": network.get("securityGroups")}
        request["networkConfiguration"] = {"awsvpcConfiguration": {**place, "assignPublicIp": public}}
    return request


def _drain(api: Api, service: Resource) -> None:
    """Stop its tasks first, as ECS wants."""
    where = {"cluster": service.inputs["cluster"], "service": service.inputs["name"]}
    found = api.call("ecs", "describe_services", cluster=where["cluster"], services=[where["service"]])["services"]
    if any(one["status"] == "ACTIVE" for one in found):
        api.call("ecs", "update_service", **where, desiredCount=0)


ENTRIES = (
    Entry(
        type="aws:ecs/cluster:Cluster",
        service="ecs",
        create=Call("create_cluster", renames={"name": "clusterName"}),
        update=Call("update_cluster", {"cluster": "$id"}),
        read=Reading(Call("describe_clusters", {"clusters": ["$id"]}), "clusters[?status=='ACTIVE'] | [0]"),
        delete=Call("delete_cluster", {"cluster": "$id"}),
        id="cluster.clusterArn",
        outputs={"arn": "clusterArn"},
        replace=frozenset({"name"}),
        name="name",
        tagging=_tagging("$id"),
    ),
    Entry(
        type="aws:ecs/taskDefinition:TaskDefinition",
        service="ecs",
        create=Call("register_task_definition"),
        prepare=_definition,
        read=Reading(
            Call("describe_task_definition", {"taskDefinition": "$family"}),
            "[taskDefinition] | [?status=='ACTIVE'] | [0]",
            ("ClientException",),
        ),
        delete=Call("deregister_task_definition", {"taskDefinition": "$arn"}),
        id="$family",
        outputs={
            "arn": "taskDefinitionArn",
            "arnWithoutRevision": lambda _api, _task, found: found["taskDefinitionArn"].rsplit(":", maxsplit=1)[0],
            "revision": "revision",
        },
        replace=frozenset(
            {
                *("family", "containerDefinitions", "cpu", "memory", "networkMode", "requiresCompatibilities"),
                *("executionRoleArn", "taskRoleArn", "runtimePlatform"),
            }
        ),
        local=frozenset({"containerDefinitions"}),
        name="family",
        tagging=_tagging("$arn"),
    ),
    Entry(
        type="aws:ecs/service:Service",
        service="ecs",
        create=Call("create_service", renames={"name": "serviceName"}),
        update=Call("update_service", {"service": "$name"}),
        prepare=_service,
        read=Reading(
            Call("describe_services", {"cluster": "$cluster", "services": ["$name"]}),
            "services[?status=='ACTIVE'] | [0]",
        ),
        before_delete=_drain,
        delete=Call("delete_service", {"cluster": "$cluster", "service": "$name"}),
        wait_gone=True,
        id="service.serviceArn",
        outputs={"arn": "serviceArn"},
        replace=frozenset({"name", "cluster", "launchType"}),
        local=frozenset({*DEPLOYMENT, "networkConfiguration"}),
        name="name",
        tagging=_tagging("$id"),
        truth="no container runs",
    ),
    Entry(
        type="aws:appautoscaling/target:Target",
        service="application-autoscaling",
        create=Call("register_scalable_target"),
        update=Call("register_scalable_target"),
        read=Reading(
            Call(
                "describe_scalable_targets",
                {
                    "ServiceNamespace": "$serviceNamespace",
                    "ResourceIds": ["$resourceId"],
                    "ScalableDimension": "$scalableDimension",
                },
            ),
            "ScalableTargets[0]",
        ),
        delete=Call("deregister_scalable_target", SCALED),
        id="$resourceId",
        outputs={"arn": "ScalableTargetARN"},
        replace=SCALED_PROPS,
        tagging=Tagging("tag_resource", "untag_resource", {"ResourceARN": "$arn"}),
        truth="nothing is scaled",
    ),
    Entry(
        type="aws:appautoscaling/policy:Policy",
        service="application-autoscaling",
        create=Call("put_scaling_policy", renames={"name": "PolicyName"}),
        update=Call("put_scaling_policy", renames={"name": "PolicyName"}),
        read=Reading(
            Call(
                "describe_scaling_policies",
                {"ServiceNamespace": "$serviceNamespace", "ResourceId": "$resourceId", "PolicyNames": ["$name"]},
            ),
            "ScalingPolicies[?PolicyName==<name>] | [0]",
        ),
        delete=Call("delete_scaling_policy", {**SCALED, "PolicyName": "$name"}),
        id="$name",
        outputs={"arn": "PolicyARN"},
        replace=SCALED_PROPS | {"name"},
        name="name",
    ),
)
