"""DMS's metrics of a task, or of a serverless replication, for CloudWatch. No input or output here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PERIOD_SECONDS = 1.0
OF_TASKS_ALONE = frozenset({"CDCChangesMemoryTarget"})
"""What DMS does not report of a serverless replication."""


@dataclass(frozen=True)
class Reading:
    """What is measured at a moment: rows in all, changes that wait, and seconds behind."""

    loading: bool
    load_rows: int
    applied: int
    pending: int
    latency_source: float
    latency_target: float


@dataclass
class Meter:
    """Turns readings into metric data, about once a second, all but those `without`."""

    dimensions: Mapping[str, str]
    without: frozenset[str] = frozenset()
    _last: tuple[float, Reading] | None = field(default=None)

    def data(self, now: float, today: datetime, reading: Reading) -> list[dict[str, Any]]:
        """Return the data to send now, none where the last are too young.

        Latencies are reported once changes are applied: a task that loads has none yet.
        """
        if self._last is not None and now - self._last[0] < PERIOD_SECONDS:
            return []
        before, self._last = self._last, (now, reading)
        seconds = now - before[0] if before else 0.0
        rows = reading.load_rows - before[1].load_rows if before else 0
        applied = reading.applied - before[1].applied if before else 0
        values = {
            "FullLoadThroughputRowsTarget": (max(0, rows) / seconds if seconds else 0.0, "Count/Second"),
            "CDCThroughputRowsTarget": (max(0, applied) / seconds if seconds else 0.0, "Count/Second"),
            "CDCIncomingChanges": (float(reading.pending), "Count"),
            "CDCChangesMemoryTarget": (float(reading.pending), "Count"),
            "CDCLatencySource": (reading.latency_source, "Seconds"),
            "CDCLatencyTarget": (reading.latency_target, "Seconds"),
        }
        names = ("FullLoadThroughputRowsTarget",) if reading.loading else tuple(values)[1:]
        return [
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in self.dimensions.items()],
                "Timestamp": today,
                "Value": values[name][0],
                "Unit": values[name][1],
            }
            for name in names
            if name not in self.without
        ]
