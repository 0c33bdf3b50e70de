"""Programs that the set-up runs, side by side: whoever gives up ends them all, with what they have started."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sandbox.errors import SandboxError

_running: set[int] = set()
_lock = threading.Lock()
_given_up = threading.Event()
_open = 0
"""How many `side_by_side` there are, one inside another."""


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    heard: Callable[[str], None] | None = None,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its exit status and what it printed, whatever they are.

    `heard` gets each line of its standard error as it comes. `seconds` is how long it may take. Raises SandboxError
    where it can't be run, or everything is being ended; subprocess.TimeoutExpired where it took too long.
    """
    process: subprocess.Popen[str] | None = None
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            with _signals_wait(), _lock:  # nobody starts between the giving up and the ending
                if _given_up.is_set():
                    raise SandboxError(f"{command[0]} was not started: the set-up is being ended")
                process = subprocess.Popen(
                    [str(part) for part in command],
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
                _running.add(process.pid)
            complaints = process.communicate(timeout=seconds)[1] if heard is None else _listen(process, heard)
        except BaseException as error:
            if process is not None:
                _kill(process.pid)
            elif isinstance(error, OSError):
                raise SandboxError(f"{command[0]} can't be run: {error.strerror}") from None
            raise
        finally:
            if process is not None:
                with _lock:
                    _running.discard(process.pid)
                with process:  # closes its pipe and waits for its end
                    pass
        output.seek(0)
        return subprocess.CompletedProcess(process.args, process.returncode, output.read(), complaints)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Put off what Ctrl-C and SIGTERM raise: in the middle of a start it would leave a program that nobody knows of."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda which, _: came.append(which)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)


def _listen(process: subprocess.Popen[str], heard: Callable[[str], None]) -> str:
    """Hand on standard error line by line to its end, and return it."""
    assert process.stderr is not None  # noqa: S101
    complaints = []
    for line in process.stderr:
        complaints.append(line)
        heard(line)
    process.wait()
    return "".join(complaints)


@contextmanager
def side_by_side(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads to run programs in. Left by an exception (a failure, Ctrl-C, an exit), it ends all that run."""
    global _open  # noqa: PLW0603
    with _lock:
        _open += 1
    try:
        with ThreadPoolExecutor(workers) as work:
            try:
                yield work
            except BaseException:
                with _lock:
                    _given_up.set()
                    for pid in _running:
                        _kill(pid)
                work.shutdown(cancel_futures=True)
                raise
    finally:
        with _lock:
            _open -= 1
            if not _open:  # one inside another leaves it to that one to go on
                _given_up.clear()


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM end this process as Ctrl-C does, with everything it has started."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
