"""Child processes that never outlive the sandbox: started in groups of their own, watched, ended on every way out."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
NOBODY = 65534
"""User and group that servers run as when we are root: PostgreSQL refuses to be root."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Process:
    """A running child: what it is called, where its output goes, how it is ended."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def last_lines(self, count: int = 3) -> str:
        """Return the end of its log, to explain a failure."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return " | ".join(line.strip() for line in lines[-count:])


@dataclass
class Processes:
    """The children of this process. Use as a context manager: leaving it ends them all, the last one first.

    `all_ours` says that this process has no other children: then whatever is handed to it in the end is ended as well.
    """

    logs: Path
    all_ours: bool = False
    running: list[Process] = field(default_factory=list)

    def __enter__(self) -> "Processes":
        self.logs.mkdir(parents=True, exist_ok=True)
        if self.all_ours:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # grandchildren that lose their parent come to us
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        ready: Callable[[], bool],
        cwd: Path | None = None,
        as_nobody: bool = False,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Process:
        """Start a child and wait until `ready` says so. Raises SandboxError with the end of its log if it is not."""
        process = self.spawn(name, command, env=env, cwd=cwd, as_nobody=as_nobody, stop_signal=stop_signal)
        self.await_ready(process, ready)
        return process

    def spawn(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        as_nobody: bool = False,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Process:
        """Start a child in a group of its own; it is told to end if this process dies, however it dies."""
        log = self.logs / f"{name}.log"
        identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if as_nobody else {}
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [str(part) for part in command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, stop_signal, 0, 0, 0),  # noqa: PLW1509 - no threads here
                **identity,
            )
        process = Process(name, popen, log, stop_signal)
        self.running.append(process)
        return process

    def await_ready(self, process: Process, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says so. Raises SandboxError if the process ends first, or takes too long."""
        until = time.monotonic() + READY_SECONDS
        while not ready():
            if not process.alive:
                raise SandboxError(f"{process.name} ended at once: {process.last_lines()} (log: {process.log})")
            if time.monotonic() > until:
                raise SandboxError(f"{process.name} is not ready after {READY_SECONDS:.0f} s (log: {process.log})")
            time.sleep(POLL_SECONDS)

    def dead(self) -> list[Process]:
        """Return the children that have ended on their own."""
        return [process for process in self.running if not process.alive]

    def stop(self) -> None:
        """End every child and what it has started, the last one first: ask, wait, then kill."""
        for process in reversed(self.running):
            _signal_group(process, process.stop_signal)
            try:
                process.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.popen.wait()
            _signal_group(process, signal.SIGKILL)  # what it left behind in its group
        self.running.clear()
        if self.all_ours:
            _reap_strays()


def _signal_group(process: Process, number: signal.Signals) -> None:
    try:
        os.killpg(process.popen.pid, number)
    except ProcessLookupError:
        return


def _reap_strays() -> None:
    """Kill and collect processes that were handed to us when their parents ended, and those they start meanwhile."""
    while True:
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
                if parent == os.getpid():
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except (OSError, IndexError, ValueError):
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(POLL_SECONDS)


def end_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
