"""The program under mocks, once for every stack config."""

import functools
import runpy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components import function_archives
from tests.support.pulumi_mocks import REPOSITORY, Recorder, deploy, stack_config

EXAMPLES = ("fleet-orchestration", "onprem-postgres-aurora", "payments", "postgres-dev-to-staging", "rds-mysql")
STACKS = ("dev", "staging", *EXAMPLES)


def run_program() -> None:
    """Run `__main__.py` as the engine would."""
    runpy.run_path(str(REPOSITORY / "__main__.py"), run_name="__main__")


@functools.cache
def program(stack: str) -> Recorder:
    """Return what the program declares with a stack's configuration."""
    return deploy(run_program, stack_config(stack), stack)


@contextmanager
def without_layer() -> Iterator[None]:
    """Let an empty folder be the layer, so that no package index is needed."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        (Path(folder) / "python").mkdir()
        patch.setattr(function_archives, "layer_folder", lambda *_: Path(folder))
        yield
