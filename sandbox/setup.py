"""What the sandbox needs before it can start, made side by side and once: engine, emulators, database servers."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox import databases, engine
from sandbox.databases import mariadb_programs
from sandbox.errors import SandboxError
from sandbox.paths import REPOSITORY, cache_folder, locked

REQUIREMENTS = REPOSITORY / "sandbox" / "cloud" / "requirements.lock"


@dataclass(frozen=True)
class Ready:
    """What the set-up made: the engine, and the Python that runs the emulators and the functions."""

    engine: engine.Engine
    cloud_python: Path


def prepare(tell: Callable[[str], None], *, mariadb: bool = False) -> Ready:
    """Make everything that is missing and return it. `tell` gets lines of progress.

    `mariadb` is wanted where a stack's target is MySQL. Raises SandboxError where something can't be had.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=4) as work:
        found = work.submit(engine.find_or_install, tell)
        emulators = work.submit(_emulators, tell)
        servers = work.submit(databases.fetch)
        mysql = work.submit(mariadb_programs.fetch) if mariadb else None
        ready = Ready(found.result(), emulators.result())
        servers.result()
        if mysql is not None:
            mysql.result()
    took = time.monotonic() - began
    if took > 5:
        tell(f"set-up took {took:.0f} s; the next one finds it in the cache")
    return ready


def _emulators(tell: Callable[[str], None]) -> Path:
    """Return the Python of the emulators' own environment."""
    return environment("cloud", REQUIREMENTS, "the emulators", tell)


def environment(name: str, requirements: Path, what: str, tell: Callable[[str], None]) -> Path:
    """Return the Python of an environment of its own, keyed by what is in it and by the Python it is made of.

    `requirements` is a lock: nothing is installed without a hash. Raises SandboxError where it can't be made.
    """
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    home = cache_folder(name)
    folder = home / f"python{version}-{key}"
    python = folder / "bin" / "python"
    with locked(home):
        if (folder / ".ready").exists() and python.exists():
            return python
        tell(f"installing {what}")
        shutil.rmtree(folder, ignore_errors=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        with tempfile.TemporaryFile("w+") as output:
            for command in ([sys.executable, "-m", "venv", str(folder)], [*install, "-r", str(requirements)]):
                done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
                if done.returncode:
                    output.seek(0)
                    reason = " ".join(output.read().split())[-400:]
                    raise SandboxError(f"{what} can't be installed: {reason}. Is the package index reachable?")
        (folder / ".ready").touch()
    return python
