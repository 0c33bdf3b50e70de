"""A rehearsal as a person runs it: by its command line, in a process group of its own as under a terminal."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sandbox.instance import Instance, folder_of, stack_config
from sandbox.paths import REPOSITORY
from sandbox.ports import listens

PATIENCE = 400.0
"""Seconds until a test gives up. Nothing is said about how long a rehearsal should take."""
PHASE = re.compile(r"\[ *[\d.]+ s\] |           ")
REPORTS = ("report.json", "report.html")
_NUMBERS = count(1)


@dataclass(frozen=True)
class Ended:
    """How a rehearsal ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def last_lines(self) -> list[str]:
        """What it said besides its phases."""
        return [line for line in self.err.splitlines() if not PHASE.match(line)]


class Run:
    """A running `python -m sandbox rehearse`, with a name and an output folder of its own."""

    def __init__(
        self,
        folder: Path,
        *args: str | Path,
        name: str = "",
        environment: Mapping[str, str] | None = None,
        preexec: Callable[[], None] | None = None,
        said: str = "said",
    ) -> None:
        self.name = name or f"sandbox-person-{next(_NUMBERS)}-{os.getpid()}"
        self.output = folder / "report"
        folder.mkdir(exist_ok=True)
        self.instance: Instance | None = None
        self._said = folder / f"{said}.out", folder / f"{said}.err"
        with self._said[0].open("wb") as out, self._said[1].open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "rehearse", "--name", self.name, "--output", self.output, *args],
                cwd=REPOSITORY,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
                preexec_fn=preexec,  # noqa: PLW1509 - no threads here
            )

    def printed(self) -> str:
        """Return what it has said on standard error so far."""
        return self._said[1].read_text()

    def await_phase(self, name: str) -> None:
        """Wait until a phase has begun."""
        self.wait_for(lambda: f"] {name}\n" in self.printed(), name)

    def wait_for(self, found: Callable[[], Any], what: str) -> Any:
        """Wait until `found` returns something, and return it. It must not end meanwhile."""
        until = time.monotonic() + PATIENCE
        while not (result := found()):
            self._look()
            assert self.process.poll() is None, f"it ended before {what}: {self.printed()}"
            assert time.monotonic() < until, f"no {what}: {self.printed()}"
            time.sleep(0.02)
        return result

    def child(self, part: str) -> int | None:
        """Return the process it has started whose command line has `part`, None where there is none."""
        for entry in _processes():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == self.process.pid and part in _words(entry / "cmdline"):
                    return int(entry.name)
        return None

    def press(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal as a terminal does, to the whole group."""
        os.killpg(self.process.pid, number)

    def end(self) -> Ended:
        """Wait until it has ended."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it does not end: {self.printed()}"
            self._look()
            time.sleep(0.02)
        return Ended(self.process.returncode, self._said[0].read_text(), self.printed())

    def left(self) -> list[str]:
        """Return everything that is still there of the sandbox: processes, listeners, files."""
        found = [f"process {entry.name}: {_words(entry / 'cmdline')}" for entry in _processes() if self._belongs(entry)]
        if self.instance:
            listeners = [("127.0.0.1", port) for port in vars(self.instance.ports).values()]
            listeners += [(one.address, one.port) for one in (self.instance.source, self.instance.target)]
            found += [f"{address}:{port} answers" for address, port in listeners if listens(port, address)]
        files = [stack_config(self.name), folder_of(self.name) / "instance.json"]
        files += Path(tempfile.gettempdir()).glob(f"{self.name}-*")
        files += self.output.glob(".*")
        return found + [f"{path} is there" for path in files if path.exists()]

    def await_nothing_left(self) -> None:
        """Wait until nothing is there of the sandbox any more."""
        until = time.monotonic() + PATIENCE
        while found := self.left():
            assert time.monotonic() < until, found
            time.sleep(0.1)

    def destroy(self) -> None:
        """End what a failed test left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _look(self) -> None:
        """Remember where its processes listen."""
        if self.instance is None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.instance = Instance.from_json((folder_of(self.name) / "instance.json").read_text())

    def _belongs(self, entry: Path) -> bool:
        """Say whether a process has to do with the sandbox: by its command, environment, folder or open files."""
        if int(entry.name) == os.getpid():
            return False
        texts = [_words(entry / "cmdline"), _words(entry / "environ")]
        with contextlib.suppress(OSError):
            texts += [str(link.readlink()) for link in (entry / "cwd", *(entry / "fd").iterdir())]
        return any(self.name in text or str(self.output) in text for text in texts)


@contextlib.contextmanager
def rehearsal(folder: Path, *args: str | Path, **options: Any) -> Iterator[Run]:
    """Run a rehearsal; whatever a failing test leaves of it is ended."""
    run = Run(folder, *args, **options)
    try:
        yield run
    finally:
        run.destroy()


def report_of(run: Run) -> dict[str, Any]:
    """Return what the rehearsal reported."""
    found: dict[str, Any] = json.loads((run.output / "report.json").read_text())
    return found


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _words(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
