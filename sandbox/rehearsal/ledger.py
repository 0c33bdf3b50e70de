"""What the application was told: every write that was acknowledged, or that may have happened, on disk at once."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError

INSERT, UPDATE, DELETE = "insert", "update", "delete"
TAIL_BYTES = 65_536
"""More than the longest record, less than a long ledger."""


@dataclass(frozen=True, slots=True)
class Record:
    """One write. It is *acknowledged* if COMMIT returned, *ambiguous* if COMMIT was sent and failed."""

    id: str
    """Request id: a UUID, never used for another write."""
    kind: str
    """INSERT, UPDATE or DELETE."""
    acknowledged: bool
    at: float
    """When the answer came, in seconds of this machine's monotonic clock."""
    epoch: float
    """The same moment in seconds since 1970."""
    side: str
    """Address of the server it went to."""
    items: int = 0
    """INSERT: rows that belong to the inserted one."""
    counters: tuple[str, ...] = ()
    """Keys of the counters it added one to."""
    of: str = ""
    """DELETE: request id of the row that it deletes."""
    rows: int = 1
    """How many rows it touched. An acknowledged deletion that found none shows that an insert was lost."""

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> "Record":
        """Return the record that was written as `raw`. Raises TypeError or KeyError if it is none."""
        return cls(**{**raw, "counters": tuple(raw["counters"])})


@dataclass(frozen=True)
class Gap:
    """A time without an acknowledged write. `start` and `end` are seconds since 1970."""

    seconds: float
    start: float
    end: float


class Ledger:
    """A file of JSON lines that is only appended to. Each record is handed to the kernel whole, at once.

    So nothing that was recorded is lost when the writing process is killed; only a power cut could take records.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def append(self, record: Record) -> None:
        """Write one record. Threads may call it side by side after a first `open`."""
        if self._descriptor is None:
            self.open()
        line = json.dumps(asdict(record), separators=(",", ":")).encode() + b"\n"
        written = os.write(self._descriptor or 0, line)
        if written != len(line):
            raise OSError(f"the ledger took {written} of {len(line)} bytes: the disk is full")

    def open(self) -> None:
        """Open the file for writing. What a killed process left of a last line is cut off."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(self._descriptor).st_size
        begin = max(0, size - TAIL_BYTES)
        tail = os.pread(self._descriptor, size - begin, begin)
        if tail and not tail.endswith(b"\n"):
            os.ftruncate(self._descriptor, begin + tail.rfind(b"\n") + 1)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self) -> list[Record]:
        """Return all records in the order they were written. A torn last line is none.

        Raises SandboxError if there is no ledger, or a line that is no record.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            raise SandboxError(f"there is no ledger {self.path}: the load has not started") from None
        records = []
        for number, line in enumerate(lines[:-1], 1):
            try:
                records.append(Record.from_dict(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                raise SandboxError(f"{self.path} line {number} is no record of a write: it was tampered with") from None
        return records


def write_gap(records: Iterable[Record], since: float = float("-inf"), until: float = float("inf")) -> Gap | None:
    """Return the longest time between two consecutive acknowledged writes, or None if there are not two.

    `since` and `until` (seconds since 1970) narrow the search to gaps that lie at least partly between them.
    """
    moments = sorted((record.at, record.epoch) for record in records if record.acknowledged)
    gaps = [
        Gap(later - sooner, start, end)
        for (sooner, start), (later, end) in pairwise(moments)
        if start < until and end > since
    ]
    return max(gaps, key=lambda gap: gap.seconds, default=None)
