"""Operations on serverless replications, which run on the same engine as tasks do."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from sandbox.dms import events, mappings, store, task_settings
from sandbox.dms.call import Call
from sandbox.dms.filters import page, select
from sandbox.dms.instances import DEFAULT_WINDOW
from sandbox.dms.plan import CDC, FULL_LOAD
from sandbox.dms.protocol import COMBINATION, INVALID, STATE, Fault, Json
from sandbox.dms.replication import RELOAD, RESUME, START, note_failure
from sandbox.dms.store import Kind, Lifecycle, Record, identifier
from sandbox.dms.tasks import statistics

CAPACITY_UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384)
AT_REST = ("created", "stopped", "failed")
TESTING, PROVISIONING = "testing_connection", "provisioning_capacity"
STAGES = (
    "initializing",
    "preparing_metadata_resources",
    TESTING,
    "fetching_metadata",
    "calculating_capacity",
    PROVISIONING,
    "replication_starting",
)
"""What a replication passes through before it runs."""
PROVISIONED = {
    PROVISIONING: "provisioning",
    **dict.fromkeys(("replication_starting", "running", "stopping", "stopped"), "provisioned"),
    "deleting": "deprovisioning",
}
"""State of the capacity by the replication's status, where there is any."""
WORDS = {
    "ReplicationType": "MigrationType",
    "ReplicationSettings": "ReplicationTaskSettings",
    "SupplementalSettings": "TaskData",
}
"""What the API calls by another name than a task's: bodies are kept in a task's words, which the engine reads."""
KEPT = ("SourceEndpointArn", "TargetEndpointArn", "TableMappings", "ReplicationType", "SupplementalSettings")


def create_replication_config(call: Call) -> Json:
    """Make a replication. It does not start."""
    request, records = call.request, call.store
    name = identifier("ReplicationConfigIdentifier", request["ReplicationConfigIdentifier"])
    compute = {
        "MinCapacityUnits": 1,
        "MultiAZ": False,
        "PreferredMaintenanceWindow": DEFAULT_WINDOW,
        **request["ComputeConfig"],
    }
    compute["KmsKeyId"] = records.key_arn(compute.get("KmsKeyId"))
    if not compute["MultiAZ"]:
        compute.setdefault("AvailabilityZone", f"{records.region}a")
    body = {
        **_in_task_words(request),
        "ReplicationTaskSettings": task_settings.completed(request.get("ReplicationSettings")),
        "ComputeConfig": compute,
        "Created": records.today(),
        "Updated": records.today(),
    }
    _check(call, body)
    ending = request.get("ResourceIdentifier", "")
    record = records.add(Kind.REPLICATION, name, body, Lifecycle("created"), request.get("Tags", []), ending)
    call.region.tell(events.TASK_CREATED, record)
    call.engine.announce()
    return {"ReplicationConfig": _config(record)}


def modify_replication_config(call: Call) -> Json:
    """Change a replication that is not running; of its type only before it had any capacity."""
    request, records = call.request, call.store
    with records.lock:
        record = records.get(Kind.REPLICATION, request["ReplicationConfigArn"])
        status = _at_rest(call, record, "modified")
        if (
            record.run.ever
            and request.get("ReplicationType", record.body["MigrationType"]) != record.body["MigrationType"]
        ):
            raise Fault(
                INVALID,
                f"replication-type {request['ReplicationType']} cannot be modified as the replication is in {status}. "
                "You can only modify replication configs before provisioning capacity.",
            )
        changes = _in_task_words(request)
        if "ReplicationSettings" in request:
            changes["ReplicationTaskSettings"] = task_settings.completed(request["ReplicationSettings"])
        compute = {**record.body["ComputeConfig"], **request.get("ComputeConfig", {})}
        changes |= {"ComputeConfig": compute, "Updated": records.today()}
        _check(call, {**record.body, **changes})
        if "ReplicationConfigIdentifier" in request:
            records.rename(record, identifier("ReplicationConfigIdentifier", request["ReplicationConfigIdentifier"]))
        record.body.update(changes)
        record.lifecycle.move("modifying", status, records.now())
    call.region.tell(events.TASK_MODIFIED, record)
    return {"ReplicationConfig": _config(record)}


def describe_replication_configs(call: Call) -> Json:
    """Show what replications were made with."""
    shown, marker = page([_config(record) for record in _selected(call)], call.request)
    return {"ReplicationConfigs": shown, **marker}


def describe_replications(call: Call) -> Json:
    """Show how far replications are."""
    shown, marker = page([_replication(call, record) for record in _selected(call)], call.request)
    return {"Replications": shown, **marker}


def describe_replication_table_statistics(call: Call) -> Json:
    """Show the counters of a replication's tables. There are none before it had any capacity."""
    record = call.store.get(Kind.REPLICATION, call.request["ReplicationConfigArn"])
    if not record.run.ever:
        raise Fault(STATE, f"Replication Config {record.name} has no provisioned replication.")
    shown, marker = statistics(call, record)
    return {"ReplicationConfigArn": record.arn, "ReplicationTableStatistics": shown, **marker}


def start_replication(call: Call) -> Json:
    """Start, resume or reload a replication. What keeps it from running shows in its status."""
    request, records = call.request, call.store
    kind = request["StartReplicationType"]
    given = [key for key in ("CdcStartPosition", "CdcStartTime", "CdcStopPosition") if key in request]
    if given:
        raise Fault(COMBINATION, f"{', '.join(given)}: DMS Serverless knows no custom start or stop of its changes")
    with records.lock:
        record = records.get(Kind.REPLICATION, request["ReplicationConfigArn"])
        _at_rest(call, record, "started")
        _check_start(record, kind)
        record.body["StartReplicationType"] = kind
        record.run.begin(records.today(), fresh=kind != RESUME)
        record.lifecycle.set(STAGES[0])
    threading.Thread(target=_bring_up, args=(call, record, kind), name=record.name, daemon=True).start()
    return {"Replication": _replication(call, record)}


def stop_replication(call: Call) -> Json:
    """Stop a replication. It keeps its slot and its capacity, and can be resumed."""
    records = call.store
    with records.lock:
        record = records.get(Kind.REPLICATION, call.request["ReplicationConfigArn"])
        if records.status(record) != "running":
            raise Fault(STATE, f"Replication Config {record.name} is {records.status(record)} and cannot be stopped.")
        record.lifecycle.set("stopping")
    call.engine.stop(record)
    return {"Replication": _replication(call, record)}


def delete_replication_config(call: Call) -> Json:
    """Delete a replication that is not running: its capacity, and what it made in the databases."""
    records = call.store
    with records.lock:
        record = records.get(Kind.REPLICATION, call.request["ReplicationConfigArn"])
        _at_rest(call, record, "deleted")
        record.lifecycle.set("deleting")
    call.engine.remove(record)
    return {"ReplicationConfig": _config(record)}


def _bring_up(call: Call, record: Record, kind: str) -> None:
    """Pass through the stages, test the connections where DMS does, and start the engine."""
    for status in STAGES:
        record.lifecycle.set(status)
        if status == TESTING:
            for member in ("SourceEndpointArn", "TargetEndpointArn"):
                endpoint = call.store.get(Kind.ENDPOINT, record.body[member])
                failure = call.engine.test(endpoint)
                if failure:
                    record.run.ever = False  # it has not run yet: the next start is still its first
                    note_failure(call.region, record, f"Test connection failed for endpoint {endpoint.name}. {failure}")
                    return
        time.sleep(store.SETTLE_SECONDS)
    call.engine.start(record, kind, "")


def _at_rest(call: Call, record: Record, act: str) -> str:
    status = call.store.status(record)
    if status not in AT_REST:
        raise Fault(
            STATE, f"Replication for Replication Config: {record.name} is in {status} state and cannot be {act}"
        )
    return status


def _in_task_words(request: Json) -> Json:
    return {WORDS.get(key, key): request[key] for key in KEPT if key in request}


def _check(call: Call, body: Json) -> None:
    for member, kind in (("SourceEndpointArn", "source"), ("TargetEndpointArn", "target")):
        endpoint = call.store.get(Kind.ENDPOINT, body[member])
        if endpoint.body["EndpointType"] != kind:
            raise Fault(INVALID, f"{member} {endpoint.arn} is no {kind} endpoint")
    mappings.parse(body["TableMappings"])
    task_settings.parse(body["ReplicationTaskSettings"])
    compute = body["ComputeConfig"]
    for member in ("MinCapacityUnits", "MaxCapacityUnits"):
        if compute.get(member) not in CAPACITY_UNITS:
            raise Fault(INVALID, f"{member} {compute.get(member)} isn't valid: use one of {CAPACITY_UNITS}")
    if compute["MinCapacityUnits"] > compute["MaxCapacityUnits"]:
        raise Fault(COMBINATION, "MinCapacityUnits is above MaxCapacityUnits")
    if compute["MultiAZ"] and compute.get("AvailabilityZone"):
        raise Fault(COMBINATION, "AvailabilityZone can't be set where MultiAZ is true")
    if "ReplicationSubnetGroupId" in compute:
        call.store.named(Kind.SUBNET_GROUP, compute["ReplicationSubnetGroupId"])


def _check_start(record: Record, kind: str) -> None:
    ever, migration = record.run.ever, record.body["MigrationType"]
    if kind not in (START, RESUME, RELOAD):
        raise Fault(INVALID, f"StartReplicationType {kind!r} isn't valid: use {START}, {RESUME} or {RELOAD}")
    if kind == START and ever:
        raise Fault(
            COMBINATION, "Start Type : START_REPLICATION, valid only for replications running for the first time"
        )
    if kind != START and not ever:
        words = kind.upper().replace("-", "_")
        raise Fault(COMBINATION, f"Start Type : {words}, not valid for replications running for the first time")
    if (kind, migration) in ((RELOAD, CDC), (RESUME, FULL_LOAD)):
        raise Fault(COMBINATION, f"StartReplicationType {kind} is not valid for replication type {migration}")


def _selected(call: Call) -> list[Record]:
    readers: Mapping[str, Any] = {
        "replication-config-arn": lambda record: record.arn,
        "replication-config-id": lambda record: record.name,
    }
    filters = call.request.get("Filters", [])
    return select(call.store.all(Kind.REPLICATION), filters, readers, "replication configs")


def _config(record: Record) -> Json:
    body = record.body
    shown = {
        "ReplicationConfigIdentifier": record.name,
        "ReplicationConfigArn": record.arn,
        "SourceEndpointArn": body["SourceEndpointArn"],
        "TargetEndpointArn": body["TargetEndpointArn"],
        **{api: body.get(ours) for api, ours in WORDS.items()},
        "ComputeConfig": body["ComputeConfig"],
        "TableMappings": body["TableMappings"],
        "ReplicationConfigCreateTime": body["Created"],
        "ReplicationConfigUpdateTime": body["Updated"],
    }
    return {key: value for key, value in shown.items() if value is not None}


def _replication(call: Call, record: Record) -> Json:
    run, records, body = record.run, call.store, record.body
    with records.lock:
        status = records.status(record)
        state = PROVISIONED.get(status) if run.ever else None
        shown = {
            "ReplicationConfigIdentifier": record.name,
            "ReplicationConfigArn": record.arn,
            "SourceEndpointArn": body["SourceEndpointArn"],
            "TargetEndpointArn": body["TargetEndpointArn"],
            "ReplicationType": body["MigrationType"],
            "Status": status,
            "ProvisionData": _provisioned(state, body["ComputeConfig"]) if state else None,
            "StopReason": run.stop_reason or None,
            "FailureMessages": [run.failure] if run.failure else None,
            "ReplicationStats": run.stats(records.today()) if run.ever else None,
            "StartReplicationType": body.get("StartReplicationType"),
            "RecoveryCheckpoint": run.checkpoint or None,
            "ReplicationCreateTime": body["Created"],
            "ReplicationUpdateTime": body["Updated"],
            "ReplicationLastStopTime": run.stopped,
        }
    return {key: value for key, value in shown.items() if value is not None}


def _provisioned(state: str, compute: Json) -> Json:
    """Return what the API says of the capacity, which stays at its minimum: rows move in this process."""
    return {"ProvisionState": state, "ProvisionedCapacityUnits": compute["MinCapacityUnits"]}
