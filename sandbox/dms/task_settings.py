"""Task settings: DMS's own defaults, and the few that change what happens here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.dms.protocol import INVALID, Fault

PREPARATIONS = ("DO_NOTHING", "TRUNCATE_BEFORE_LOAD", "DROP_AND_CREATE")
DEFAULT_CONTROL_SCHEMA = "public"
DEFAULTS: Mapping[str, Any] = {
    "TargetMetadata": {
        "TargetSchema": "",
        "SupportLobs": True,
        "FullLobMode": False,
        "LobChunkSize": 0,
        "LimitedSizeLobMode": True,
        "LobMaxSize": 32,
        "InlineLobMaxSize": 0,
        "LoadMaxFileSize": 0,
        "ParallelLoadThreads": 0,
        "ParallelLoadBufferSize": 0,
        "ParallelLoadQueuesPerThread": 0,
        "ParallelApplyThreads": 0,
        "ParallelApplyBufferSize": 0,
        "ParallelApplyQueuesPerThread": 0,
        "BatchApplyEnabled": False,
        "TaskRecoveryTableEnabled": False,
    },
    "FullLoadSettings": {
        "TargetTablePrepMode": "DROP_AND_CREATE",
        "CreatePkAfterFullLoad": False,
        "StopTaskCachedChangesApplied": False,
        "StopTaskCachedChangesNotApplied": False,
        "MaxFullLoadSubTasks": 8,
        "TransactionConsistencyTimeout": 600,
        "CommitRate": 10000,
    },
    "Logging": {"EnableLogging": False, "EnableLogContext": False, "LogComponents": []},
    "ControlTablesSettings": {
        "ControlSchema": "",
        "HistoryTimeslotInMinutes": 5,
        "HistoryTableEnabled": False,
        "SuspendedTablesTableEnabled": False,
        "StatusTableEnabled": False,
        "FullLoadExceptionTableEnabled": False,
    },
    "StreamBufferSettings": {"StreamBufferCount": 3, "StreamBufferSizeInMB": 8, "CtrlStreamBufferSizeInMB": 5},
    "ChangeProcessingDdlHandlingPolicy": {
        "HandleSourceTableDropped": True,
        "HandleSourceTableTruncated": True,
        "HandleSourceTableAltered": True,
    },
    "ErrorBehavior": {"FailOnNoTablesCaptured": True, "FailOnTransactionConsistencyBreached": False},
    "ValidationSettings": {"EnableValidation": False},
}
"""What DMS fills in where the settings leave it out: the parts that this service knows of."""
_KNOWN = {
    *DEFAULTS,
    "BeforeImageSettings",
    "ChangeProcessingTuning",
    "CharacterSetSettings",
    "FailTaskWhenCleanTaskResourceFailed",
    "LoopbackPreventionSettings",
    "PostProcessingRules",
    "TTSettings",
}


@dataclass(frozen=True)
class TaskSettings:
    """The settings that change what happens here. `lob_limit_kb` is None in full LOB mode, 0 where LOBs stay behind."""

    preparation: str
    lob_limit_kb: int | None
    stops_after_load: str
    consistency_seconds: int
    fails_without_tables: bool
    control_schema: str
    status_table: bool
    suspended_table: bool
    history_table: bool
    history_minutes: int
    prevents_loopback: bool


def completed(text: str | None) -> str:
    """Return settings with what is left out filled in: the very text where nothing is. Raises Fault for no JSON."""
    sent = _parsed(text or "{}")
    for log in ("CloudWatchLogGroup", "CloudWatchLogStream"):
        if (sent.get("Logging") or {}).get(log):
            raise Fault(INVALID, "Task Settings CloudWatchLogGroup or CloudWatchLogStream cannot be set on create")
    whole = _merged(DEFAULTS, sent)
    return text if text and whole == sent else json.dumps(whole)


def parse(text: str) -> TaskSettings:
    """Return the settings in `text`, which is complete. Raises Fault for a value that DMS does not know."""
    raw = _merged(DEFAULTS, _parsed(text))
    target, load, control = raw["TargetMetadata"], raw["FullLoadSettings"], raw["ControlTablesSettings"]
    if load["TargetTablePrepMode"] not in PREPARATIONS:
        raise Fault(INVALID, f"TargetTablePrepMode {load['TargetTablePrepMode']!r}: use {', '.join(PREPARATIONS)}")
    return TaskSettings(
        preparation=load["TargetTablePrepMode"],
        lob_limit_kb=0 if not target["SupportLobs"] else None if target["FullLobMode"] else int(target["LobMaxSize"]),
        stops_after_load=(
            "STOPPED_AFTER_FULL_LOAD"
            if load["StopTaskCachedChangesNotApplied"]
            else "STOPPED_AFTER_CACHED_EVENTS"
            if load["StopTaskCachedChangesApplied"]
            else ""
        ),
        consistency_seconds=int(load["TransactionConsistencyTimeout"]),
        fails_without_tables=bool(raw["ErrorBehavior"]["FailOnNoTablesCaptured"]),
        control_schema=control["ControlSchema"] or DEFAULT_CONTROL_SCHEMA,
        status_table=bool(control["StatusTableEnabled"]),
        suspended_table=bool(control["SuspendedTablesTableEnabled"]),
        history_table=bool(control["HistoryTableEnabled"]),
        history_minutes=int(control["HistoryTimeslotInMinutes"]),
        prevents_loopback=bool((raw.get("LoopbackPreventionSettings") or {}).get("EnableLoopbackPrevention")),
    )


def _parsed(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        raise Fault(INVALID, "Task Settings document error: Invalid json")
    unknown = sorted(raw.keys() - _KNOWN)
    if unknown:
        raise Fault(INVALID, f"Task Settings document error: unknown {', '.join(unknown)}")
    return raw


def _merged(defaults: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **sent}
    for key, default in defaults.items():
        if isinstance(default, Mapping):
            merged[key] = {**default, **(sent.get(key) or {})}
    return merged
