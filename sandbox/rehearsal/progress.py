"""What the application does from moment to moment: a bucket of numbers every 100 ms, for the display and the report."""

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

BUCKET_SECONDS = 0.1


@dataclass(frozen=True)
class Bucket:
    """What happened in one bucket of time."""

    at: float
    """When it ended, in seconds since 1970."""
    seconds: float
    """How long it was: 0.1, or longer where the machine was busy."""
    acknowledged: Mapping[str, int]
    """Acknowledged writes by the address of the server."""
    errors: Mapping[str, int]
    """Errors by class, as `client.error_class` names them."""
    address: str
    """What the writer's name resolved to last, "" if it never did."""


def progress_path(ledger: Path) -> Path:
    """Return where the load whose ledger this is writes its buckets."""
    return ledger.with_name(f"{ledger.name}.progress")


class Progress:
    """Counts, and appends a bucket to a file whenever `flush` is called. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._acknowledged: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._began = time.monotonic()
        self.address = ""
        self.sides: Counter[str] = Counter()
        """Acknowledged writes by address, since the start."""
        self.errors: Counter[str] = Counter()
        """Errors by class, since the start."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._file.close()

    def acknowledged(self, side: str) -> None:
        """Count an acknowledged write."""
        with self._lock:
            self._acknowledged[side] += 1
            self.sides[side] += 1

    def error(self, name: str) -> None:
        """Count an error."""
        with self._lock:
            self._errors[name] += 1
            self.errors[name] += 1

    def flush(self) -> None:
        """End the bucket and write it down, also if nothing happened: that nothing happened is what matters most."""
        with self._lock:
            now = time.monotonic()
            counted = dict(self._acknowledged), dict(self._errors)
            bucket = Bucket(time.time(), now - self._began, *counted, self.address)
            self._acknowledged, self._errors, self._began = Counter(), Counter(), now
            self._file.write(json.dumps(asdict(bucket)) + "\n")


def read(path: Path, offset: int = 0) -> tuple[list[Bucket], int]:
    """Return the buckets from byte `offset` on and where to go on reading. A file that is not there yet has none."""
    try:
        with path.open("rb") as handle:
            handle.seek(offset)
            whole, newline, _ = handle.read().rpartition(b"\n")
    except FileNotFoundError:
        return [], offset
    return [Bucket(**json.loads(line)) for line in whole.splitlines()], offset + len(whole) + len(newline)
