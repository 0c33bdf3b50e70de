"""Each scenario as a user meets it: deployed whole, checked by its outputs, previewed, destroyed.

`make test` deploys the compositions no other test deploys; `make scenarios` every example.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sandbox import instance as instances
from sandbox import lifecycle
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.paths import REPOSITORY
from sandbox.rehearsal import shop
from tests.program.programs import EXAMPLES
from tests.support.cloud import left_over

ELSEWHERE = ("onprem-postgres-aurora", "postgres-dev-to-staging")
"""What Pulumi.dev.yaml and Pulumi.staging.yaml deploy as well, in the other tests."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "deployed" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-scenario")
        wanted = [name for name in EXAMPLES if every or name not in ELSEWHERE]
        metafunc.parametrize("deployed", wanted, indirect=True, scope="module")


@pytest.fixture(scope="module")
def deployed(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """A sandbox with the scenario's stack deployed."""
    name = f"sandbox-scenario-{os.getpid()}"
    options = Options(name, f"examples/{request.param}.yaml", end_with_parent=True)
    instance = lifecycle.start(options, print)
    try:
        shop.create(instance.source, 500, 7, shop.new_passwords())
        lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
        lifecycle.deploy(instance)
        yield instance
    finally:
        instances.stop(name)


def run(instance: Instance, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=REPOSITORY, env=instance.environment(), capture_output=True, text=True, check=False
    )


def test_its_outputs_lead_to_what_was_promised(deployed: Instance) -> None:
    checks = run(
        deployed, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integration", "--live"
    )
    assert checks.returncode == 0, checks.stdout + checks.stderr


def test_a_preview_finds_nothing_to_do(deployed: Instance) -> None:
    preview = run(deployed, "pulumi", "preview", "--expect-no-changes", "--non-interactive")
    assert preview.returncode == 0, preview.stdout


def test_a_destroyed_scenario_leaves_nothing(deployed: Instance) -> None:
    done = run(deployed, "pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive")
    assert done.returncode == 0, done.stdout
    assert left_over(deployed) == {}
