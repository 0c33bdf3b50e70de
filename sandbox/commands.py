"""Programs that the set-up runs, side by side: whoever gives up ends them all, with what they have started."""

import os
import signal
import subprocess
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
    try:
        with _lock:  # nobody starts between the giving up and the ending
            if _given_up.is_set():
                raise SandboxError(f"{command[0]} was not started: the set-up is being ended")
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            _running.add(process.pid)
    except OSError as error:
        raise SandboxError(f"{command[0]} can't be run: {error.strerror}") from None
    with process:
        try:
            if heard is None:
                printed, complaints = process.communicate(timeout=seconds)
            else:
                printed, complaints = _listen(process, heard)
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            with _lock:
                _running.discard(process.pid)
    return subprocess.CompletedProcess(process.args, process.returncode, printed, complaints)


def _listen(process: subprocess.Popen[str], heard: Callable[[str], None]) -> tuple[str, str]:
    """Hand on standard error line by line, read the output beside it, and return both."""
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    printed: list[str] = []
    reader = threading.Thread(target=lambda: printed.append(process.stdout.read()))  # type: ignore[union-attr]
    reader.start()
    complaints = []
    for line in process.stderr:
        complaints.append(line)
        heard(line)
    reader.join()
    process.wait()
    return "".join(printed), "".join(complaints)


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
