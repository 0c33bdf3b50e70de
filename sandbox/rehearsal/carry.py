"""The operator's own command, run as a person would run it: `python -m migrate carry`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.databases.server import SUPERUSER
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY

FEW = 3
"""So many differences are named of those there are."""


@dataclass(frozen=True)
class Login:
    """A role and its password."""

    username: str
    password: str


@dataclass(frozen=True)
class Carry:
    """Runs a step of the carry for the stack with these outputs.

    `passwords` go along where a superuser can read them on the source: RDS shows them to nobody.
    """

    instance: Instance
    outputs: Mapping[str, Any]
    passwords: bool = True

    def __call__(self, step: str, *options: str) -> dict[str, Any]:
        """Run a step and return its result. Raises SandboxError with what it says where it does not succeed."""
        instance = self.instance
        superuser = {"MIGRATE_SOURCE_USER": SUPERUSER, "MIGRATE_SOURCE_PASSWORD": instance.source.password}
        programs = [] if step == "before-switchover" else [f"--bin={Path(instance.target.binaries) / 'bin'}"]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as outputs:
            json.dump(dict(self.outputs), outputs)
            outputs.flush()
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "migrate", "carry", step, "--yes", "--json"),
                    *(f"--outputs={outputs.name}", *programs, *options),
                ],
                cwd=REPOSITORY,
                env=instance.environment() | (superuser if self.passwords else {}),
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise SandboxError(f"carry {step} failed: {_reason(done)}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return " ".join(done.stderr.split())[-500:]
    wrong = [f"{one['what']}: {one['source']} | {one['target']}" for one in said["differences"] if not one["noted"]]
    found = [*said["failed"], *wrong]
    more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
    return " ".join("; ".join(found[:FEW]).split()) + more
