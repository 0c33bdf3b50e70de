"""The application that writes while its database moves: the load client as a process of its own."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY

HARD_LIMIT_SECONDS = 1800.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Source:
    """The database a rehearsal moves, and the role and mode in which the application works on it."""

    database: str
    rows: int
    role: str
    password: str
    mode: str


class Application:
    """A running load client. Use as a context manager: leaving it ends it."""

    def __init__(self, instance: Instance, source: Source, *, name: str, rate: float, seed: int, ledger: Path) -> None:
        settings = {
            "name": name,
            "port": instance.source.port,
            "resolver": ["127.0.0.1", instance.ports.dns],
            "database": source.database,
            "user": source.role,
            "password": source.password,
            "rate": rate,
            "seconds": HARD_LIMIT_SECONDS,
            "ledger": str(ledger),
            "seed": seed,
            "mode": source.mode,
        }
        self._log = instance.logs / "load.log"
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.rehearsal.load"],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps(settings).encode())
        self._process.stdin.close()
        self.summary: dict[str, Any] = {}

    def __enter__(self) -> "Application":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None  # noqa: S101
        printed = self._process.stdout.read().decode().strip().splitlines()
        self._process.stdout.close()
        try:
            self.summary = json.loads(printed[-1])
        except (IndexError, ValueError):
            self.summary = {}

    def check(self) -> None:
        """Raise SandboxError if it has ended by itself."""
        if self._process.poll() is not None:
            said = " ".join(self._log.read_text(errors="replace").split())[-300:]
            raise SandboxError(f"the load ended by itself: {said or f'status {self._process.returncode}'}")
