"""What a DMS task is told: table mappings and task settings, as complete canonical JSON.

DMS answers with every setting it knows. A program that sends only some shows a difference at every preview, so all are
sent, in one order. Values that are not DMS's own default say why.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from components import checks
from components.dms_transformations import TransformationRule, documents
from components.name_patterns import overlap

CONTROL_SCHEMA = "migration_control"
DRAIN_TABLE, FENCE_TABLE = "drain_token", "fence"
"""Whatever the rules select, drain tokens are replicated, and the fence's token is not: each side has its own."""
DMS_CONTROL_SCHEMA = "awsdms_control"
"""Schema on the target where DMS keeps its status, suspended tables and exceptions."""
ACTIONS = ("include", "exclude")
LOG_COMPONENTS = ("SOURCE_CAPTURE", "SOURCE_UNLOAD", "TARGET_APPLY", "TARGET_LOAD", "TASK_MANAGER")
DEFAULT_LOB_MAXIMUM_KB, MOST_LOB_KB = 1024, 102400


class TableRule(TypedDict):
    """Tables to replicate or to leave out. `%` stands for any characters."""

    schema: str
    """Schema name, for example public or app_%."""
    table: NotRequired[str]
    """Table name. Default % (all)."""
    action: NotRequired[str]
    """include or exclude. Default include."""
    load_order: NotRequired[int | None]
    """Tables with higher numbers begin to load first. Default: as DMS likes."""


class ParallelLoad(TypedDict):
    """Ranges of one column that a large table's full load is split into."""

    column: str
    """Column by which it is split, best the primary key."""
    boundaries: list[str]
    """Values of it, rising, at which one range ends and the next begins."""


class TableSettings(TypedDict):
    """What holds for one table alone. DMS knows no wildcards here."""

    schema: str
    """Schema name."""
    table: str
    """Table name."""
    lob_maximum_kb: NotRequired[int | None]
    """Largest large object in KB, 1 to 102400, of this table. Default: the task's."""
    parallel_load: NotRequired[ParallelLoad | None]
    """Ranges that are loaded side by side. Default: one load."""


def table_mappings(
    rules: Sequence[TableRule],
    transformations: Sequence[TransformationRule] = (),
    table_settings: Sequence[TableSettings] = (),
) -> str:
    """Return DMS's table mappings for `rules`, with the control schema added, and for what changes its name on the way.

    `table_settings` hold for one table each.

    Raises ArgumentError for an unknown action, where nothing is included, for a transformation DMS would not take, and
    for settings of a table that are there twice or that no rule includes.
    """
    wanted: list[dict[str, Any]] = [{"table": "%", "action": "include", **rule} for rule in rules]
    for number, rule in enumerate(wanted):
        checks.one_of(f"tables[{number}].action", str(rule["action"]), ACTIONS)
    checks.not_empty("tables with action include", [rule for rule in wanted if rule["action"] == "include"])
    _check_settings(table_settings, wanted)
    wanted.append({"schema": CONTROL_SCHEMA, "table": DRAIN_TABLE, "action": "include"})
    wanted.append({"schema": CONTROL_SCHEMA, "table": FENCE_TABLE, "action": "exclude"})
    mapped: list[dict[str, Any]] = [
        {
            "rule-type": "selection",
            "rule-id": str(number),
            "rule-name": f"{rule['action']}-{number}",
            "object-locator": {"schema-name": rule["schema"], "table-name": rule["table"]},
            "rule-action": rule["action"],
            "filters": [],
            **({"load-order": str(order)} if (order := rule.get("load_order")) else {}),
        }
        for number, rule in enumerate(wanted, start=1)
    ]
    mapped += documents(transformations, first_id=len(mapped) + 1)
    mapped += [
        {
            "rule-type": "table-settings",
            "rule-id": str(number),
            "rule-name": f"table-settings-{number}",
            "object-locator": {"schema-name": one["schema"], "table-name": one["table"]},
            **_settings_of(one),
        }
        for number, one in enumerate(table_settings, start=len(mapped) + 1)
    ]
    return json.dumps({"rules": mapped}, separators=(",", ":"))


def _check_settings(settings: Sequence[TableSettings], rules: Sequence[Mapping[str, Any]]) -> None:
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(settings):
        names = (one["schema"], one["table"])
        called = f"table_settings[{number}]: table {'.'.join(names)}"
        if names in seen:
            raise checks.ArgumentError(f"{called} is there twice: write all its settings in one place")
        seen.add(names)
        if (limit := one.get("lob_maximum_kb")) is not None:
            checks.whole(f"table_settings[{number}].lob_maximum_kb", limit, 1, MOST_LOB_KB)
        speaking = {
            rule["action"] for rule in rules if overlap(rule["schema"], names[0]) and overlap(rule["table"], names[1])
        }
        if speaking != {"include"}:
            raise checks.ArgumentError(f"{called} is not replicated: include it in tables, or leave its settings out")


def _settings_of(one: TableSettings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    ranges, limit = one.get("parallel_load"), one.get("lob_maximum_kb")
    if ranges:
        bounds = [[bound] for bound in ranges["boundaries"]]
        found["parallel-load"] = {"type": "ranges", "columns": [ranges["column"]], "boundaries": bounds}
    if limit:
        found["lob-settings"] = {"mode": "limited", "bulk-max-size": str(limit)}
    return found


FIXED_SETTINGS = {
    "Logging": {
        "EnableLogging": True,
        "EnableLogContext": False,
        "LogComponents": [{"Id": name, "Severity": "LOGGER_SEVERITY_DEFAULT"} for name in LOG_COMPONENTS],
    },
    "ControlTablesSettings": {
        "ControlSchema": DMS_CONTROL_SCHEMA,
        "HistoryTimeslotInMinutes": 5,
        # The switchover reads all of these.
        "HistoryTableEnabled": True,
        "SuspendedTablesTableEnabled": True,
        "StatusTableEnabled": True,
        "FullLoadExceptionTableEnabled": True,
    },
    "StreamBufferSettings": {"StreamBufferCount": 3, "StreamBufferSizeInMB": 8, "CtrlStreamBufferSizeInMB": 5},
    "ChangeProcessingDdlHandlingPolicy": {
        "HandleSourceTableDropped": True,
        "HandleSourceTableTruncated": True,
        "HandleSourceTableAltered": True,
    },
    "ErrorBehavior": {
        "FailOnNoTablesCaptured": True,
        "FailOnTransactionConsistencyBreached": True,
        # Anything that could lose a row stops the table or the task; DMS would log most of it and go on.
        "DataErrorPolicy": "SUSPEND_TABLE",
        "DataErrorEscalationPolicy": "STOP_TASK",
        "DataErrorEscalationCount": 0,
        "DataTruncationErrorPolicy": "SUSPEND_TABLE",
        "DataMaskingErrorPolicy": "STOP_TASK",
        "EventErrorPolicy": "IGNORE",
        "TableErrorPolicy": "SUSPEND_TABLE",
        "TableErrorEscalationPolicy": "STOP_TASK",
        "TableErrorEscalationCount": 0,
        "RecoverableErrorCount": -1,
        "RecoverableErrorInterval": 5,
        "RecoverableErrorThrottling": True,
        "RecoverableErrorThrottlingMax": 1800,
        "RecoverableErrorStopRetryAfterThrottlingMax": False,
        "ApplyErrorDeletePolicy": "IGNORE_RECORD",
        "ApplyErrorInsertPolicy": "LOG_ERROR",
        "ApplyErrorUpdatePolicy": "LOG_ERROR",
        "ApplyErrorEscalationPolicy": "STOP_TASK",
        "ApplyErrorEscalationCount": 0,
        "ApplyErrorFailOnTruncationDdl": True,
        "FullLoadIgnoreConflicts": True,
    },
    "ChangeProcessingTuning": {
        "BatchApplyPreserveTransaction": True,
        "BatchApplyTimeoutMin": 1,
        # Seconds a batch may wait: this is what the drain waits for.
        "BatchApplyTimeoutMax": 5,
        "BatchApplyMemoryLimit": 500,
        "BatchSplitSize": 0,
        "MinTransactionSize": 1000,
        "CommitTimeout": 1,
        "MemoryLimitTotal": 1024,
        "MemoryKeepTime": 60,
        "StatementCacheSize": 50,
        "RecoveryTimeout": -1,
    },
    # The switchover compares every row itself: DMS's validation needs keys and stops at 10,000 failures.
    "ValidationSettings": {
        "EnableValidation": False,
        "ValidationMode": "ROW_LEVEL",
        "ThreadCount": 5,
        "FailureMaxCount": 10000,
        "RecordFailureDelayInMinutes": 5,
        "RecordFailureDelayLimitInMinutes": 0,
        "RecordSuspendDelayInMinutes": 30,
        "TableFailureMaxCount": 1000,
        "ValidationOnly": False,
        "HandleCollationDiff": False,
        "SkipLobColumns": False,
        "ValidationPartialLobSize": 0,
        "PartitionSize": 10000,
        "MaxKeyColumnSize": 8096,
        "ValidationQueryCdcDelaySeconds": 0,
    },
    "CharacterSetSettings": None,
    "LoopbackPreventionSettings": None,
    "BeforeImageSettings": None,
    "PostProcessingRules": None,
    "FailTaskWhenCleanTaskResourceFailed": False,
    "TTSettings": None,
}
"""Sections of a task's settings that are the same for every task."""


def task_settings(
    *, lob_maximum_kb: int = DEFAULT_LOB_MAXIMUM_KB, batch_apply: bool = True, stop_after_load: bool = False
) -> str:
    """Return the settings of a replication task.

    `lob_maximum_kb` is the largest large object carried; the endpoints fail the task on a larger one, so that nothing
    is cut silently. `batch_apply` groups changes per table, which needs limited LOB mode. `stop_after_load` stops the
    task when all rows are loaded, before it applies what has changed meanwhile: whoever resumes it can build indexes.
    """
    checks.whole("lob_maximum_kb", lob_maximum_kb, 1, MOST_LOB_KB)
    settings = {
        "TargetMetadata": {
            "TargetSchema": "",
            "SupportLobs": True,
            "FullLobMode": False,
            "LobChunkSize": 64,
            "LimitedSizeLobMode": True,
            "LobMaxSize": lob_maximum_kb,
            "InlineLobMaxSize": 0,
            "LoadMaxFileSize": 0,
            "ParallelLoadThreads": 0,
            "ParallelLoadBufferSize": 0,
            "ParallelLoadQueuesPerThread": 0,
            "ParallelApplyThreads": 0,
            "ParallelApplyBufferSize": 0,
            "ParallelApplyQueuesPerThread": 0,
            "BatchApplyEnabled": batch_apply,
            # Where to go on after a crash stands in the target itself, written with the rows.
            "TaskRecoveryTableEnabled": True,
        },
        "FullLoadSettings": {
            # The operator's command carries the schema: DMS knows tables and primary keys only.
            "TargetTablePrepMode": "DO_NOTHING",
            "CreatePkAfterFullLoad": False,
            "StopTaskCachedChangesApplied": False,
            "StopTaskCachedChangesNotApplied": stop_after_load,
            "MaxFullLoadSubTasks": 8,
            "TransactionConsistencyTimeout": 600,
            "CommitRate": 10000,
        },
        **FIXED_SETTINGS,
    }
    return json.dumps(settings, separators=(",", ":"))
