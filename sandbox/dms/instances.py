"""Operations on replication subnet groups and replication instances."""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.dms import events
from sandbox.dms.call import Call
from sandbox.dms.cloud import Subnet
from sandbox.dms.filters import page, select
from sandbox.dms.protocol import INVALID, STATE, Fault, Json
from sandbox.dms.store import GONE, Kind, Lifecycle, Record, identifier

CLASSES = tuple(
    f"dms.{family}.{size}"
    for family, sizes in {
        "t3": ("micro", "small", "medium", "large"),
        "c5": ("large", "xlarge", "2xlarge", "4xlarge", "9xlarge", "12xlarge", "18xlarge", "24xlarge"),
        "c6i": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"),
        "c7i": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"),
        "r5": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
        "r6i": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"),
        "r7i": ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"),
    }.items()
    for size in sizes
)
ENGINE_VERSIONS = ("3.5.3", "3.5.4", "3.6.0", "3.6.1")
STORAGE_GB = (5, 6144)
DEFAULT_STORAGE_GB = 50
DEFAULT_WINDOW = "sun:06:00-sun:14:00"
ZONES_NEEDED = 2
PENDING = ("AllocatedStorage", "EngineVersion", "MultiAZ", "NetworkType", "ReplicationInstanceClass")
"""Changes that wait for the maintenance window unless they are to be applied at once."""
_GROUP_NAME = re.compile(r"[A-Za-z0-9._ -]{1,255}")


# Subnet groups


def create_replication_subnet_group(call: Call) -> Json:
    """Make a subnet group."""
    request = call.request
    name = request["ReplicationSubnetGroupIdentifier"].lower()
    if not _GROUP_NAME.fullmatch(name) or name == "default":
        raise Fault(INVALID, f"ReplicationSubnetGroupIdentifier {name!r} isn't valid")
    body = {
        "ReplicationSubnetGroupIdentifier": name,
        "ReplicationSubnetGroupDescription": request["ReplicationSubnetGroupDescription"],
        "SupportedNetworkTypes": ["IPV4"],
        "IsReadOnly": False,
        **_subnets(call.region.cloud.subnets(request["SubnetIds"])),
    }
    record = call.store.add(Kind.SUBNET_GROUP, name, body, Lifecycle("Complete"), request.get("Tags", []))
    return {"ReplicationSubnetGroup": _group(call, record)}


def modify_replication_subnet_group(call: Call) -> Json:
    """Change a subnet group's description and subnets."""
    request = call.request
    record = call.store.named(Kind.SUBNET_GROUP, request["ReplicationSubnetGroupIdentifier"].lower())
    changes = _subnets(call.region.cloud.subnets(request["SubnetIds"]))
    if "ReplicationSubnetGroupDescription" in request:
        changes["ReplicationSubnetGroupDescription"] = request["ReplicationSubnetGroupDescription"]
    record.body.update(changes)
    return {"ReplicationSubnetGroup": _group(call, record)}


def describe_replication_subnet_groups(call: Call) -> Json:
    """Show subnet groups."""
    readers = {"replication-subnet-group-id": lambda record: record.name}
    found = select(
        call.store.all(Kind.SUBNET_GROUP), call.request.get("Filters", []), readers, "replication subnet groups"
    )
    shown, marker = page([_group(call, record) for record in found], call.request)
    return {"ReplicationSubnetGroups": shown, **marker}


def delete_replication_subnet_group(call: Call) -> Json:
    """Delete a subnet group that no instance lies in."""
    name = call.request["ReplicationSubnetGroupIdentifier"].lower()
    record = call.store.named(Kind.SUBNET_GROUP, name)
    if any(one.body["ReplicationSubnetGroupIdentifier"] == name for one in call.store.all(Kind.INSTANCE)):
        raise Fault(STATE, f"Replication Subnet Group {name} is in use by a replication instance.")
    if any(one.body["ComputeConfig"]["ReplicationSubnetGroupId"] == name for one in call.store.all(Kind.REPLICATION)):
        raise Fault(STATE, f"Replication Subnet Group {name} is in use by a serverless replication.")
    call.store.remove(record)
    return {}


def _subnets(subnets: list[Subnet]) -> Json:
    zones = {subnet.zone for subnet in subnets}
    vpcs = sorted({subnet.vpc for subnet in subnets if subnet.vpc})
    if "" not in zones and len(zones) < ZONES_NEEDED:
        raise Fault(
            "ReplicationSubnetGroupDoesNotCoverEnoughAZs",
            f"The subnets lie in {', '.join(sorted(zones))}: a replication subnet group needs two availability zones.",
        )
    if len(vpcs) > 1:
        raise Fault("InvalidSubnet", f"The subnets lie in {', '.join(vpcs)}: they have to lie in one VPC.")
    shown = [
        {
            "SubnetIdentifier": subnet.id,
            "SubnetStatus": "Active",
            **({"SubnetAvailabilityZone": {"Name": subnet.zone}} if subnet.zone else {}),
        }
        for subnet in subnets
    ]
    return {"Subnets": shown, **({"VpcId": vpcs[0]} if vpcs else {})}


def _group(call: Call, record: Record) -> Json:
    return {**record.body, "SubnetGroupStatus": call.store.status(record)}


# Instances


def create_replication_instance(call: Call) -> Json:
    """Make an instance. It is a declaration only: tasks run in this process whatever the class."""
    request, store = call.request, call.store
    name = identifier("ReplicationInstanceIdentifier", request["ReplicationInstanceIdentifier"].lower())
    group = request.get("ReplicationSubnetGroupIdentifier", "").lower()
    zones = _zones(store.named(Kind.SUBNET_GROUP, group).body if group else {}, store.region)
    body: Json = {
        "ReplicationInstanceIdentifier": name,
        "ReplicationInstanceClass": request["ReplicationInstanceClass"],
        "AllocatedStorage": request.get("AllocatedStorage", DEFAULT_STORAGE_GB),
        "InstanceCreateTime": store.today(),
        "VpcSecurityGroups": _security_groups(request),
        "AvailabilityZone": request.get("AvailabilityZone", zones[0]),
        "PreferredMaintenanceWindow": request.get("PreferredMaintenanceWindow", DEFAULT_WINDOW),
        "MultiAZ": request.get("MultiAZ", False),
        "EngineVersion": request.get("EngineVersion", ENGINE_VERSIONS[-1]),
        "AutoMinorVersionUpgrade": request.get("AutoMinorVersionUpgrade", True),
        "KmsKeyId": store.key_arn(request.get("KmsKeyId")),
        "PubliclyAccessible": request.get("PubliclyAccessible", True),
        "NetworkType": request.get("NetworkType", "IPV4"),
        "ReplicationInstancePrivateIpAddress": "127.0.0.1",
        "ReplicationInstancePrivateIpAddresses": ["127.0.0.1"],
        "PendingModifiedValues": {},
        "ReplicationSubnetGroupIdentifier": group,
    }
    body |= {key: request[key] for key in ("DnsNameServers", "KerberosAuthenticationSettings") if key in request}
    _check(body)
    if body["MultiAZ"]:
        body["SecondaryAvailabilityZone"] = zones[-1]
    lifecycle = Lifecycle("available")
    lifecycle.move("creating", "available", store.now())
    ending = request.get("ResourceIdentifier", "")
    record = store.add(Kind.INSTANCE, name, body, lifecycle, request.get("Tags", []), ending)
    call.region.tell(events.INSTANCE_CREATING, record)
    call.region.tell(events.INSTANCE_CREATED, record)
    return {"ReplicationInstance": _instance(call, record)}


def modify_replication_instance(call: Call) -> Json:
    """Change an instance, at once or, as AWS does, when the maintenance window comes."""
    request, store = call.request, call.store
    record = store.get(Kind.INSTANCE, request["ReplicationInstanceArn"])
    _expect(call, record, "modified")
    direct = ("PreferredMaintenanceWindow", "AutoMinorVersionUpgrade", "KerberosAuthenticationSettings")
    changes = {key: request[key] for key in direct if key in request}
    if "VpcSecurityGroupIds" in request:
        changes["VpcSecurityGroups"] = _security_groups(request)
    if "ReplicationInstanceIdentifier" in request:
        name = identifier("ReplicationInstanceIdentifier", request["ReplicationInstanceIdentifier"].lower())
        store.rename(record, name)
        changes["ReplicationInstanceIdentifier"] = name
    waiting = {key: request[key] for key in PENDING if key in request and request[key] != record.body[key]}
    _check({**record.body, **waiting})
    if request.get("ApplyImmediately"):
        changes |= {**waiting, "PendingModifiedValues": {}}
    else:
        changes["PendingModifiedValues"] = {**record.body["PendingModifiedValues"], **waiting}
    record.body.update(changes)
    record.lifecycle.move("modifying", "available", store.now())
    return {"ReplicationInstance": _instance(call, record)}


def describe_replication_instances(call: Call) -> Json:
    """Show instances."""
    readers: Mapping[str, Any] = {
        "replication-instance-arn": lambda record: record.arn,
        "replication-instance-id": lambda record: record.name,
        "replication-instance-class": lambda record: record.body["ReplicationInstanceClass"],
        "engine-version": lambda record: record.body["EngineVersion"],
    }
    found = select(call.store.all(Kind.INSTANCE), call.request.get("Filters", []), readers, "replication instances")
    shown, marker = page([_instance(call, record) for record in found], call.request)
    return {"ReplicationInstances": shown, **marker}


def delete_replication_instance(call: Call) -> Json:
    """Delete an instance that has no tasks."""
    store = call.store
    record = store.get(Kind.INSTANCE, call.request["ReplicationInstanceArn"])
    _expect(call, record, "deleted")
    if any(task.body["ReplicationInstanceArn"] == record.arn for task in store.all(Kind.TASK)):
        raise Fault(STATE, f"Replication Instance {record.arn} has one or more replication tasks.")
    for connection in store.all(Kind.CONNECTION):
        if connection.body["ReplicationInstanceArn"] == record.arn:
            store.remove(connection)
    record.lifecycle.move("deleting", GONE, store.now())
    call.region.tell(events.INSTANCE_DELETING, record)
    return {"ReplicationInstance": _instance(call, record)}


def describe_orderable_replication_instances(call: Call) -> Json:
    """Show the classes and versions that an instance can have."""
    offers = [
        {
            "EngineVersion": version,
            "ReplicationInstanceClass": one,
            "StorageType": "gp2",
            "MinAllocatedStorage": STORAGE_GB[0],
            "MaxAllocatedStorage": STORAGE_GB[1],
            "DefaultAllocatedStorage": DEFAULT_STORAGE_GB,
            "IncludedAllocatedStorage": DEFAULT_STORAGE_GB,
            "AvailabilityZones": [f"{call.region.name}{letter}" for letter in "abc"],
            "ReleaseStatus": "prod",
        }
        for one in CLASSES
        for version in ENGINE_VERSIONS
    ]
    shown, marker = page(offers, call.request)
    return {"OrderableReplicationInstances": shown, **marker}


def _check(body: Json) -> None:
    if body["ReplicationInstanceClass"] not in CLASSES:
        raise Fault(INVALID, f"Invalid replication instance class: {body['ReplicationInstanceClass']}")
    if body["EngineVersion"] not in ENGINE_VERSIONS:
        known = ", ".join(ENGINE_VERSIONS)
        raise Fault(INVALID, f"No replication engine found with version: {body['EngineVersion']}; there are {known}")
    if not STORAGE_GB[0] <= body["AllocatedStorage"] <= STORAGE_GB[1]:
        raise Fault(INVALID, f"AllocatedStorage {body['AllocatedStorage']} isn't valid: from 5 to 6144")


def _expect(call: Call, record: Record, verb: str) -> None:
    status = call.store.status(record)
    if status != "available":
        raise Fault(STATE, f"Replication Instance {record.name} is {status} and cannot be {verb}.")


def _security_groups(request: Json) -> list[Json]:
    return [{"VpcSecurityGroupId": one, "Status": "active"} for one in request.get("VpcSecurityGroupIds", [])]


def _zones(group: Json, region: str) -> list[str]:
    zones = [
        one["SubnetAvailabilityZone"]["Name"] for one in group.get("Subnets", []) if "SubnetAvailabilityZone" in one
    ]
    return list(dict.fromkeys(zones)) or [f"{region}a", f"{region}b"]


def _instance(call: Call, record: Record) -> Json:
    body = dict(record.body)
    group = body.pop("ReplicationSubnetGroupIdentifier")
    if group:
        body["ReplicationSubnetGroup"] = _group(call, call.store.named(Kind.SUBNET_GROUP, group))
    return {
        **body,
        "ReplicationInstanceArn": record.arn,
        "ReplicationInstanceStatus": call.store.status(record),
    }
