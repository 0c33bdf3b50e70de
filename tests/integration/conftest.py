"""Which checks are for the stack at hand: each composition's are in a module of its name.

Without `--live` that stack is the session's sandbox, a migration. With it, it is the stack selected in this
environment, on AWS or anywhere; `tests/sandbox/test_scenarios.py` runs them so for every scenario.
"""

import json
import subprocess
from pathlib import Path

import pytest

from components.stack_outputs import composition_of

WANTED = pytest.StashKey[str]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not collection_path.name.startswith("test_"):
        return None
    if WANTED not in config.stash:
        config.stash[WANTED] = _live() if config.getoption("--live") else "migration"
    return True if collection_path.stem != f"test_{config.stash[WANTED]}" else None


def _live() -> str:
    done = subprocess.run(["pulumi", "stack", "output", "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise pytest.UsageError(f"no stack's outputs can be read here: {done.stderr.strip()}")
    return composition_of(json.loads(done.stdout))
