"""What the sandbox needs before it can start, made side by side and once: engine, emulators, database servers."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import commands, databases, engine, installer
from sandbox.databases import mariadb_programs
from sandbox.databases.binaries import MORE
from sandbox.errors import SandboxError
from sandbox.paths import REPOSITORY

REQUIREMENTS = REPOSITORY / "sandbox" / "cloud" / "requirements.txt"
WISHED: tuple[tuple[str, Callable[[], object]], ...] = (
    ("stacks with a MySQL target can't be deployed here", mariadb_programs.fetch),
    (f"PostgreSQL {', '.join(MORE.folders)} can't be tried here", partial(databases.fetch, MORE)),
)
"""What tests use where it can be had: what can't be done without, and how it is made."""


@dataclass(frozen=True)
class Ready:
    """What the set-up made: the engine, and the Python that runs the emulators and the functions."""

    engine: engine.Engine
    cloud_python: Path


def prepare(tell: Callable[[str], None], *, mariadb: bool = False, everything: bool = False) -> Ready:
    """Make everything that is missing and return it. `tell` gets lines of progress.

    `mariadb` is wanted where a stack's target is MySQL. With `everything` what tests use besides is made as well, as
    far as it can be had here. Raises SandboxError where something that is needed can't be had.
    """
    began = time.monotonic()
    with commands.side_by_side(6) as work:
        found = work.submit(engine.find_or_install, tell)
        emulators = work.submit(environment, "cloud", REQUIREMENTS, "the emulators", tell)
        rest: list[Future[Any]] = [work.submit(databases.fetch)]
        if mariadb:
            rest.append(work.submit(mariadb_programs.fetch))
        wished = [work.submit(_wish, tell, *one) for one in WISHED] if everything else []
        all_of_it: list[Future[Any]] = [found, emulators, *rest, *wished]
        done, _ = wait(all_of_it, return_when=FIRST_EXCEPTION)
        for one in done:
            one.result()  # the first that failed says why; the others are ended, not waited for
    took = time.monotonic() - began
    if took > 5:
        tell(f"set-up took {took:.0f} s; the next one finds it in the cache")
    return Ready(found.result(), emulators.result())


def _wish(tell: Callable[[str], None], without: str, make: Callable[[], object]) -> None:
    try:
        make()
    except SandboxError as error:
        tell(f"{without}: {error}")


def environment(name: str, requirements: Path, what: str, tell: Callable[[str], None]) -> Path:
    """Return the Python of an environment of its own, keyed by what is in it and by the Python it is made of.

    `requirements` is a lock: nothing is installed without a hash. Raises SandboxError where it can't be made.
    """
    folder = installer.named(name, requirements)
    if not folder.is_dir():
        tell(f"installing {what}")
    return installer.environment(folder, requirements, what)
