"""Operations on replication tasks."""

from collections.abc import Mapping
from typing import Any

from sandbox.dms import events, mappings, task_settings, transformations
from sandbox.dms.call import Call
from sandbox.dms.endpoints import connected
from sandbox.dms.filters import page, select
from sandbox.dms.plan import CDC
from sandbox.dms.protocol import COMBINATION, INVALID, STATE, Fault, Json
from sandbox.dms.replication import RELOAD, RESUME, START
from sandbox.dms.run import TableFigures
from sandbox.dms.store import Kind, Lifecycle, Record, identifier

STATISTICS_PAGE = (20, 500)
AT_REST = ("ready", "stopped", "failed")
SECTIONS = ("CdcStartPosition", "CdcStopPosition", "TaskData")


def create_replication_task(call: Call) -> Json:
    """Make a task. It does not start."""
    request, store = call.request, call.store
    name = identifier("ReplicationTaskIdentifier", request["ReplicationTaskIdentifier"])
    for member, kind in (("SourceEndpointArn", "source"), ("TargetEndpointArn", "target")):
        endpoint = store.get(Kind.ENDPOINT, request[member])
        if endpoint.body["EndpointType"] != kind:
            raise Fault(INVALID, f"{member} {endpoint.arn} is no {kind} endpoint")
    instance = store.get(Kind.INSTANCE, request["ReplicationInstanceArn"])
    if store.status(instance) != "available":
        raise Fault(STATE, f"Replication Instance {instance.name} is not available.")
    body = {
        "ReplicationTaskIdentifier": name,
        "SourceEndpointArn": request["SourceEndpointArn"],
        "TargetEndpointArn": request["TargetEndpointArn"],
        "ReplicationInstanceArn": request["ReplicationInstanceArn"],
        "MigrationType": request["MigrationType"],
        "TableMappings": request["TableMappings"],
        "ReplicationTaskSettings": task_settings.completed(request.get("ReplicationTaskSettings")),
        "ReplicationTaskCreationDate": store.today(),
        **{key: request[key] for key in SECTIONS if key in request},
    }
    _check(body, request)
    lifecycle = Lifecycle("ready")
    lifecycle.move("creating", "ready", store.now())
    ending = request.get("ResourceIdentifier", "")
    record = store.add(Kind.TASK, name, body, lifecycle, request.get("Tags", []), ending)
    call.region.tell(events.TASK_CREATED, record)
    call.engine.announce()
    return {"ReplicationTask": _task(call, record)}


def modify_replication_task(call: Call) -> Json:
    """Change a task that is not running."""
    request, store = call.request, call.store
    with store.lock:
        record = store.get(Kind.TASK, request["ReplicationTaskArn"])
        status = store.status(record)
        if status not in AT_REST:
            raise Fault(STATE, f"Replication Task cannot be modified while it is {status} state")
        changes = {key: request[key] for key in ("MigrationType", "TableMappings", *SECTIONS) if key in request}
        if "ReplicationTaskSettings" in request:
            changes["ReplicationTaskSettings"] = task_settings.completed(request["ReplicationTaskSettings"])
        _check({**record.body, **changes}, request)
        if "ReplicationTaskIdentifier" in request:
            name = identifier("ReplicationTaskIdentifier", request["ReplicationTaskIdentifier"])
            store.rename(record, name)
            changes["ReplicationTaskIdentifier"] = name
        record.body.update(changes)
        record.lifecycle.move("modifying", status, store.now())
    call.region.tell(events.TASK_MODIFIED, record)
    return {"ReplicationTask": _task(call, record)}


def describe_replication_tasks(call: Call) -> Json:
    """Show tasks."""
    readers: Mapping[str, Any] = {
        "replication-task-arn": lambda record: record.arn,
        "replication-task-id": lambda record: record.name,
        "migration-type": lambda record: record.body["MigrationType"],
        "replication-instance-arn": lambda record: record.body["ReplicationInstanceArn"],
        "endpoint-arn": lambda record: (record.body["SourceEndpointArn"], record.body["TargetEndpointArn"]),
    }
    found = select(call.store.all(Kind.TASK), call.request.get("Filters", []), readers, "replication tasks")
    shown, marker = page([_task(call, record) for record in found], call.request)
    if call.request.get("WithoutSettings"):
        shown = [{key: value for key, value in one.items() if key != "ReplicationTaskSettings"} for one in shown]
    return {"ReplicationTasks": shown, **marker}


def delete_replication_task(call: Call) -> Json:
    """Delete a task that is not running, and what it made in the databases."""
    store = call.store
    with store.lock:
        record = store.get(Kind.TASK, call.request["ReplicationTaskArn"])
        if store.status(record) not in AT_REST:
            raise Fault(STATE, f"Replication Task cannot be deleted, invalid state: {store.status(record)}")
        record.lifecycle.set("deleting")
    call.engine.remove(record)
    return {"ReplicationTask": _task(call, record)}


def start_replication_task(call: Call) -> Json:
    """Start, resume or reload a task. What keeps it from running shows in its status."""
    request, store = call.request, call.store
    kind = request["StartReplicationTaskType"]
    with store.lock:
        record = store.get(Kind.TASK, request["ReplicationTaskArn"])
        if store.status(record) not in AT_REST:
            raise Fault(STATE, "Replication Task cannot be started, invalid state")
        _check_start(call, record, kind)
        changes: Json = {key: request[key] for key in ("CdcStartPosition", "CdcStopPosition") if key in request}
        _check({**record.body, **changes}, request)
        record.body.update(changes)
        record.run.begin(store.today(), fresh=kind != RESUME)
        record.lifecycle.set("starting")
    call.engine.start(record, kind, record.body.get("CdcStartPosition", ""))
    return {"ReplicationTask": _task(call, record)}


def stop_replication_task(call: Call) -> Json:
    """Stop a task. It keeps its slot and can be resumed."""
    store = call.store
    with store.lock:
        record = store.get(Kind.TASK, call.request["ReplicationTaskArn"])
        if store.status(record) != "running":
            raise Fault(STATE, f"Replication Task cannot be stopped, invalid state: {store.status(record)}")
        record.lifecycle.set("stopping")
    call.engine.stop(record)
    return {"ReplicationTask": _task(call, record)}


def describe_table_statistics(call: Call) -> Json:
    """Show the counters of a task's tables."""
    record = call.store.get(Kind.TASK, call.request["ReplicationTaskArn"])
    shown, marker = statistics(call, record)
    return {"ReplicationTaskArn": record.arn, "TableStatistics": shown, **marker}


def statistics(call: Call, record: Record) -> tuple[list[Json], Json]:
    """Return a page of the counters of a task's, or a serverless replication's, tables, and how to ask for the next."""
    readers: Mapping[str, Any] = {
        "schema-name": lambda figures: figures.schema,
        "table-name": lambda figures: figures.name,
        "table-state": lambda figures: str(figures.state),
    }
    known: list[TableFigures] = list(record.run.tables)
    filters = call.request.get("Filters", [])
    found = select(known, filters, readers, "tables") if filters else known
    return page([figures.shape() for figures in found], call.request, STATISTICS_PAGE)


def _check(body: Json, request: Json) -> None:
    mappings.parse(body["TableMappings"])
    transformations.parse(body["TableMappings"])
    task_settings.parse(body["ReplicationTaskSettings"])
    if "CdcStartTime" in request:
        raise Fault(COMBINATION, "CdcStartTime isn't supported: a PostgreSQL source knows no start from a time")
    if body.get("CdcStartPosition") and body["MigrationType"] != CDC:
        raise Fault(COMBINATION, "CdcStartPosition goes with migration type cdc only")
    if body.get("CdcStopPosition"):
        raise Fault(COMBINATION, "the sandbox's tasks do not stop by themselves at a CdcStopPosition")


def _check_start(call: Call, record: Record, kind: str) -> None:
    ever, migration = record.run.ever, record.body["MigrationType"]
    if kind == START and ever and migration != CDC:
        raise Fault(COMBINATION, "Start Type : START_REPLICATION, valid only for tasks running for the first time")
    if kind in (RESUME, RELOAD) and not ever:
        words = kind.upper().replace("-", "_")
        raise Fault(COMBINATION, f"Start Type : {words}, not valid for tasks running for the first time")
    if kind == RELOAD and migration == CDC:
        raise Fault(COMBINATION, "Start Type : RELOAD_TARGET, not valid for migration type cdc")
    instance = record.body["ReplicationInstanceArn"]
    for endpoint in (record.body["SourceEndpointArn"], record.body["TargetEndpointArn"]):
        if not connected(call, instance, endpoint):
            raise Fault(
                STATE,
                f"Test connection for replication instance {instance} and endpoint {endpoint} should be successful for "
                "starting the replication task",
            )


def _task(call: Call, record: Record) -> Json:
    run, store = record.run, call.store
    with store.lock:
        shown = {
            **record.body,
            "ReplicationTaskArn": record.arn,
            "Status": store.status(record),
            "ReplicationTaskStartDate": run.started,
            "LastFailureMessage": run.failure or None,
            "StopReason": run.stop_reason or None,
            "RecoveryCheckpoint": run.checkpoint or None,
            "ReplicationTaskStats": run.stats(store.today()) if run.ever else None,
        }
    return {key: value for key, value in shown.items() if value is not None}
