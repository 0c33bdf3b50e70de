"""The whole program, as `pulumi up` runs it, under mocks for every stack config of the repository."""

import runpy

import pytest

from tests.support.pulumi_mocks import REPOSITORY, Recorder, deploy, stack_config

STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in REPOSITORY.glob("Pulumi.*.yaml"))


def run_program() -> None:
    runpy.run_path(str(REPOSITORY / "__main__.py"), run_name="__main__")


def program(stack: str) -> Recorder:
    return deploy(run_program, stack_config(stack), stack)


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_config_deploys(stack: str) -> None:
    recorder = program(stack)
    print(len(recorder.resources))
    assert len(recorder.resources) > 50
