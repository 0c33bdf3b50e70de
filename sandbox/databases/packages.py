"""Debian's and Ubuntu's packages, unpacked beside the system: nothing is installed, and nobody needs to be root."""

import os
from collections.abc import Sequence
from pathlib import Path

from sandbox import commands
from sandbox.errors import SandboxError


def unpack(packages: Sequence[str], scratch: Path, options: Sequence[str] = ()) -> Path:
    """Download packages and what they need, unpack them under `scratch`, and return where.

    What the system has already is left out. Lists and cache are of our own; `options` are more of apt's, as -o takes
    them. Raises SandboxError where apt refuses, or the first of them is installed.
    """
    for part in ("lists/partial", "cache/archives/partial", "packages", "unpacked"):
        (scratch / part).mkdir(parents=True)
    own = [f"Dir::State::Lists={scratch / 'lists'}", f"Dir::Cache={scratch / 'cache'}", "APT::Sandbox::User=", *options]
    apt = ["apt-get", *(part for option in own for part in ("-o", option))]
    run([*apt, "-qq", "update"], scratch, tolerated=True)  # a broken source of somebody else's is no obstacle
    planned = run([*apt, "--simulate", "--no-install-recommends", "install", *packages], scratch)
    missing = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    if packages[0] not in missing:
        raise SandboxError(f"{packages[0]} is installed, but no package to unpack is offered")
    run([*apt, "-q", "download", *missing], scratch / "packages")
    for package in sorted((scratch / "packages").glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), str(scratch / "unpacked")], scratch)
    return scratch / "unpacked"


def run(command: list[str], where: Path, *, tolerated: bool = False) -> str:
    """Run a program and return what it printed. Raises SandboxError where it fails and that is not tolerated."""
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = commands.run(command, cwd=where, env=env)
    if done.returncode and not tolerated:
        raise SandboxError(f"{command[0]} failed: {' '.join(done.stderr.split())[-300:]}")
    return done.stdout
