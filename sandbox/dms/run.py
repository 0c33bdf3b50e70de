"""What a task's runs have come to: all that the API shows of a task beyond its declaration."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class TableState(StrEnum):
    """States of a table as DMS names them."""

    MISSING = "Table does not exist"
    BEFORE_LOAD = "Before load"
    LOADING = "Full load"
    COMPLETED = "Table completed"
    ERROR = "Table error"


@dataclass(frozen=True)
class Changes:
    """Inserts, updates and deletes of one table."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.inserts + self.updates + self.deletes


@dataclass(frozen=True)
class TableFigures:
    """The statistics of one table."""

    schema: str
    name: str
    state: TableState
    load_rows: int = 0
    load_started: datetime | None = None
    load_ended: datetime | None = None
    reloaded: bool = False
    captured: Changes = Changes()
    applied: Changes = Changes()
    updated: datetime | None = None

    def shape(self) -> dict[str, Any]:
        """Return them as the API's TableStatistics."""
        return {
            "SchemaName": self.schema,
            "TableName": self.name,
            "Inserts": self.captured.inserts,
            "Updates": self.captured.updates,
            "Deletes": self.captured.deletes,
            "Ddls": 0,
            "AppliedInserts": self.applied.inserts,
            "AppliedUpdates": self.applied.updates,
            "AppliedDeletes": self.applied.deletes,
            "AppliedDdls": 0,
            "FullLoadRows": self.load_rows,
            "FullLoadCondtnlChkFailedRows": 0,
            "FullLoadErrorRows": 0,
            "FullLoadStartTime": self.load_started,
            "FullLoadEndTime": self.load_ended,
            "FullLoadReloaded": self.reloaded,
            "LastUpdateTime": self.updated,
            "TableState": str(self.state),
            "ValidationPendingRecords": 0,
            "ValidationFailedRecords": 0,
            "ValidationSuspendedRecords": 0,
            "ValidationState": "Not enabled",
        }


@dataclass
class Run:
    """Dates, results and tables of a task's runs. `fresh_started` is the last start that was no resumption."""

    ever: bool = False
    stop_reason: str = ""
    failure: str = ""
    checkpoint: str = ""
    started: datetime | None = None
    fresh_started: datetime | None = None
    stopped: datetime | None = None
    load_started: datetime | None = None
    load_ended: datetime | None = None
    tables: tuple[TableFigures, ...] = ()

    def begin(self, now: datetime, *, fresh: bool) -> None:
        """Note that the task starts."""
        self.ever = True
        self.started, self.stopped = now, None
        self.stop_reason = self.failure = ""
        if fresh:
            self.fresh_started = now
            self.load_started = self.load_ended = None
            self.checkpoint, self.tables = "", ()

    def percent(self) -> int:
        """Return how much of the full load is done. It is over when no table waits or loads, in error or not."""
        done = sum(table.state not in (TableState.BEFORE_LOAD, TableState.LOADING) for table in self.tables)
        return 100 * done // len(self.tables) if self.tables else 100 if self.load_ended else 0

    def stats(self, now: datetime) -> dict[str, Any]:
        """Return the API's ReplicationTaskStats."""
        states = [table.state for table in self.tables]
        elapsed = ((self.stopped or now) - self.started).total_seconds() if self.started else 0.0
        return {
            "FullLoadProgressPercent": self.percent(),
            "ElapsedTimeMillis": int(elapsed * 1000),
            "TablesLoaded": states.count(TableState.COMPLETED),
            "TablesLoading": states.count(TableState.LOADING),
            "TablesQueued": states.count(TableState.BEFORE_LOAD),
            "TablesErrored": states.count(TableState.ERROR) + states.count(TableState.MISSING),
            "FreshStartDate": self.fresh_started,
            "StartDate": self.started,
            "StopDate": self.stopped,
            "FullLoadStartDate": self.load_started,
            "FullLoadFinishDate": self.load_ended,
        }
