"""Installs Python packages: exactly what a lock names, nothing resolved, nothing built.

uv does it, itself fetched by its hash with the pip that every Python brings along. `uv pip sync` installs what the lock
lists and looks up no dependency; afterwards `uv pip check` says whether the lock was complete. Only the standard
library is imported here: `python3 -m sandbox.installer` makes the environment that everything else runs in.
"""

import hashlib
import os
import platform as _platform
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from sandbox import commands, index
from sandbox.errors import SandboxError, of_system
from sandbox.paths import REPOSITORY, cache_folder, locked

ITSELF = REPOSITORY / "sandbox" / "requirements.txt"
PROGRAM = REPOSITORY / "requirements-dev.txt"
READY = ".ready"
"""The file in an environment that says what it was made of. One without was not finished, or is another's."""
PIP = ("-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-compile")
NO_BUILD = re.compile(r"Because (?P<name>\S+?)==(?P<version>\S+) has no (?:usable )?wheels")
REACH = (
    "from versions: none",
    "error sending request",
    "failed to lookup",
    "connection refused",
    "timed out",
    "dns error",
    "failed to fetch",
)
"""What a client's message holds where the index could not be reached at all."""


def environment(folder: Path, requirements: Path, what: str, *, pip: bool = False) -> Path:
    """Return the Python of the environment in `folder` that has what the lock `requirements` names, and nothing else.

    It is made anew where it is not what the lock, this Python and its own place ask for, or was not finished. `what`
    says in an error what it is for; `pip` has Python's own pip in it. Raises SandboxError where it can't be made.
    """
    python = folder / "bin" / "python"
    wanted = _fingerprint(folder, requirements)
    with locked(folder.parent):
        if _read(folder / READY) == wanted and python.exists():
            return python
        if folder.is_dir():
            shutil.rmtree(folder)
        bare = [] if pip else ["--without-pip"]
        _do([_base_python(), "-m", "venv", *bare, str(folder)], f"{what} can't be installed", os.environ)
        program, env = uv(python if pip else Path(sys.executable))
        _uv([program, "pip", "sync", "--require-hashes", "--python", python, requirements], what, env)
        _uv([program, "pip", "check", "--python", python], what, env)
        (folder / READY).write_text(wanted)
    return python


def named(name: str, requirements: Path) -> Path:
    """Return the folder in the cache of an environment that any checkout with the same lock and Python may use."""
    return cache_folder("environments") / f"{name}-python{sys.version.split()[0]}-{_digest(requirements)}"


def unpack(pinned: str, folder: Path, what: str, *, version: str = "", platform: str = "") -> None:
    """Put the files of wheels into `folder`. `pinned` is a lock's text: requirements with version and hashes.

    `version` is the Python and `platform` the machine (in uv's words, x86_64-manylinux_2_28) that they are for, where
    it is not this one. Raises SandboxError where they can't be had.
    """
    with tempfile.TemporaryDirectory() as work:
        requirements = Path(work) / "requirements.txt"
        requirements.write_text(pinned)
        program, env = uv()
        command: list[str | Path] = [program, "pip", "install", "--no-deps", "--require-hashes", "--target", folder]
        command += ["--requirement", requirements]
        for option, value in (("python", sys.executable), ("python-version", version), ("python-platform", platform)):
            command += [f"--{option}", value] if value else []
        _uv(command, what, env)


def uv(python: Path = Path(sys.executable)) -> tuple[Path, dict[str, str]]:
    """Return the installer and the environment it runs in, fetched with the pip of `python` where it is not there yet.

    Raises SandboxError where it can't be had.
    """
    home = cache_folder("uv")
    folder = home / _digest(ITSELF)
    options = _pip_settings(python)
    with locked(home):
        if not (folder / "bin" / "uv").exists():
            with tempfile.TemporaryDirectory(dir=home) as work:
                _do(
                    [python, *PIP, "--target", work, "-r", ITSELF],
                    "the installer, uv, can't be fetched",
                    index.for_pip(os.environ, options),
                )
                (Path(work) / "bin" / "uv").chmod(0o755)
                folder.mkdir(exist_ok=True)
                (Path(work) / "bin").rename(folder / "bin")
    env = index.for_uv(os.environ, options) | {"UV_CACHE_DIR": str(cache_folder("packages")), "UV_NO_CONFIG": "1"}
    return folder / "bin" / "uv", env | {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_BUILD": "1"}


@cache
def _pip_settings(python: Path) -> Mapping[str, str]:
    command: list[str | Path] = [python, "-m", "pip", "config", "list"]
    listed = _do(command, "pip does not say how it is set up", index.for_asking(os.environ))
    return index.settings(listed)


def _uv(command: Sequence[str | Path], what: str, env: Mapping[str, str]) -> None:
    program, *words = command
    _do([program, "--quiet", *words], f"{what} can't be installed", env)


def _do(command: Sequence[str | Path], complaint: str, env: Mapping[str, str]) -> str:
    done = commands.run(command, env=env)
    if done.returncode:
        raise SandboxError(f"{complaint}: {explained(done.stderr or done.stdout, machine())}")
    return done.stdout


def machine() -> str:
    """Say what a wheel has to be built for to run here: Python, processor, C library."""
    library = " ".join(_platform.libc_ver()).strip() or "a C library that is not glibc, such as musl"
    return f"Python {_platform.python_version()}, {_platform.machine()}, {library}"


def explained(said: str, here: str) -> str:
    """Return what an installer's complaint means, in a line: the package and the way out. `here` is the machine."""
    missing = NO_BUILD.search(said)
    if missing:
        return (
            f"{missing['name']} {missing['version']} has no build for this machine ({here}): use Python 3.11 to 3.14 "
            "on x86_64 or aarch64 with glibc 2.28 or later, such as Debian 12 or Ubuntu 22.04; another Python is named "
            "with make PYTHON=/path/to/python3"
        )
    reason = " ".join(said.split())[-400:]
    if any(words in reason.lower() for words in REACH):
        return f"{reason}. Is the package index reachable? It is the one that pip is told of"
    if "hash mismatch" in reason.lower() or "do not match the hashes" in reason.lower():
        return f"{reason}. The package index offers another file than the one that was locked: do not trust it"
    return reason


def _fingerprint(folder: Path, requirements: Path) -> str:
    """Return what an environment depends on: the lock, the Python, and its own place, which its scripts name."""
    return f"{_digest(requirements)} {sys.version.split()[0]} {sys.base_prefix} {folder}\n"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _base_python() -> str:
    """Return the Python that this one is made from: it may be the very environment that is made anew."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def main(arguments: list[str]) -> int:
    """Make the program's own environment; with `uv`, print where uv is."""
    commands.end_as_by_ctrl_c()
    try:
        match arguments:
            case []:
                environment(REPOSITORY / ".venv", PROGRAM, "what the program needs", pip=True)
            case ["uv"]:
                print(uv()[0])
            case _:
                raise SandboxError("write no argument, or `uv`")
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {of_system(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what was begun is made anew next time", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
