"""The Pulumi engine: found, fetched or built, with the Python language host it needs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import commands
from sandbox.engine import build
from sandbox.errors import SandboxError
from sandbox.paths import cache_folder, locked

OLDEST = (3, 200, 0)
"""The oldest `pulumi` on PATH that is used; an older one is passed over."""
INSTALLER_SECONDS = 300
HOST_STAND_IN = Path(__file__).parent / "host"

_INSTALL = """
import socket, sys
from semver import VersionInfo
from pulumi.automation import PulumiCommand
socket.setdefaulttimeout(10)
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""


@dataclass(frozen=True)
class Engine:
    """A usable Pulumi CLI.

    `origin` says how it was come by and `host` which Python language host serves programs; `folders` go to the front
    of PATH for both.
    """

    executable: Path
    version: str
    origin: str
    host: str
    folders: tuple[Path, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "executable": str(self.executable),
            "version": self.version,
            "origin": self.origin,
            "host": self.host,
            "folders": [str(folder) for folder in self.folders],
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> "Engine":
        """Return the engine that `to_dict` described."""
        folders = tuple(Path(folder) for folder in raw["folders"])
        return cls(Path(raw["executable"]), raw["version"], raw["origin"], raw["host"], folders)

    def line(self, provider: str) -> str:
        """Say in one line which engine, host and provider are used."""
        return f"engine: pulumi {self.version} ({self.origin}); Python host: {self.host}; provider: {provider}"

    def environment(self, env: dict[str, str]) -> dict[str, str]:
        """Return `env` with this engine first on its PATH."""
        path = os.pathsep.join([*map(str, self.folders), env.get("PATH", os.defpath)])
        return {**env, "PATH": path, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def find_or_install(tell: Callable[[str], None]) -> Engine:
    """Return an engine: on PATH, else cached, else by the official installer, else built from Go modules.

    `tell` gets lines of progress. Raises SandboxError where none of the four ways works.
    """
    found = shutil.which("pulumi")
    if found:
        version = _version(Path(found))
        if version and _numbers(version) >= OLDEST:
            return _engine(Path(found), version, "on PATH")
        wanted = ".".join(map(str, OLDEST))
        tell(f"pulumi {version or 'of unknown version'} on PATH is passed over: {wanted} or later is needed")
    folder = cache_folder("engine", build.VERSION)
    with locked(folder):
        for executable, origin in ((folder / "bin" / "pulumi", "official release"), (folder / "built" / "pulumi", "")):
            version = _version(executable)
            if version:
                return _engine(executable, version, f"{origin or build.origin(executable)}, cached")
        if _official(folder, tell):
            return _engine(folder / "bin" / "pulumi", build.VERSION, "official release")
        executable = build.build(folder / "built", tell)
    return _engine(executable, build.VERSION, build.origin(executable))


def _engine(executable: Path, version: str, origin: str) -> Engine:
    beside = executable.with_name("pulumi-language-python")
    if beside.exists() or shutil.which("pulumi-language-python"):
        return Engine(executable, version, origin, "official", (executable.parent,))
    return Engine(executable, version, origin, "stand-in", (executable.parent, HOST_STAND_IN))


def _version(executable: Path) -> str:
    """Return the version `executable` gives itself, or nothing where it does not run."""
    if not executable.exists():
        return ""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run([executable, "version"], capture_output=True, text=True, timeout=20, env=env, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().removeprefix("v") if done.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _official(folder: Path, tell: Callable[[str], None]) -> bool:
    """Try the official installer through the SDK. It downloads a release; False where that can't be reached."""
    tell("fetching the official Pulumi release")
    try:
        command = [sys.executable, "-c", _INSTALL, str(folder), build.VERSION]
        done = commands.run(command, seconds=INSTALLER_SECONDS)
    except subprocess.TimeoutExpired:
        done = None
    if done and done.returncode == 0 and _version(folder / "bin" / "pulumi"):
        return True
    shutil.rmtree(folder / "bin", ignore_errors=True)
    tell("the official release can't be downloaded here: building the engine from its Go modules instead")
    return False


__all__ = ["Engine", "SandboxError", "find_or_install"]
