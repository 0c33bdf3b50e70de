"""The programs that the guide's commands call, first on the path of `sandbox exec`: aws, psql, pg_dump."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox import setup
from sandbox.databases.binaries import newest
from sandbox.errors import SandboxError
from sandbox.paths import REPOSITORY

AWS = REPOSITORY / "sandbox" / "aws" / "requirements.txt"
"""The CLI's lock. An environment of its own: its requirements are not the program's."""
CLIENTS = ("psql", "pg_dump", "pg_dumpall", "pg_restore")
"""PostgreSQL's, of the newest version: pg_dump reads every older server, and a newer one not at all."""


def first_on_path(env: Mapping[str, str], folder: Path, tell: Callable[[str], None]) -> dict[str, str]:
    """Return `env` with these programs first on its path, linked in `folder`. One that can't be had is told."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, where in _found(tell).items():
        _link(folder / name, where)
    return {**env, "PATH": os.pathsep.join([str(folder), env.get("PATH", os.defpath)])}


def _found(tell: Callable[[str], None]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    try:
        found |= {name: newest() / "bin" / name for name in CLIENTS}
        found["aws"] = setup.environment("aws", AWS, "the AWS CLI", tell).parent / "aws"
    except SandboxError as error:
        tell(str(error))
    return found


def _link(link: Path, where: Path) -> None:
    """Point a link, in one step: another command may be started meanwhile."""
    if link.is_symlink() and link.readlink() == where:
        return
    own = link.with_name(f"{link.name}.{os.getpid()}")
    own.symlink_to(where)
    own.replace(link)
