"""Each scenario as a user meets it: deployed whole, checked by its outputs, previewed, destroyed.

`make test` deploys the compositions no other test deploys; `make scenarios` every example.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import stack
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY
from tests.program.programs import EXAMPLES
from tests.support import sandboxes
from tests.support.cloud import left_over
from tests.support.secrets import secrets_of, where_read

ELSEWHERE = ("onprem-postgres-aurora", "postgres-dev-to-staging")
"""What Pulumi.dev.yaml and Pulumi.staging.yaml deploy as well, in the other tests."""

TARGET = "database-migration:target"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "rds-mysql-on-aurora": (
        "rds-mysql",
        {
            "engine": "aurora-mysql",
            "engineVersion": "8.0.mysql_aurora.3.08.0",
            "aurora": {"maximumCapacity": 1, "readers": 1},
        },
    ),
}
"""What the documentation says an example may be turned into: the example, and what its target says instead."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "deployed" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-scenario")
        wanted = [name for name in (*EXAMPLES, *VARIANTS) if every or name not in (*ELSEWHERE, *VARIANTS)]
        metafunc.parametrize("deployed", wanted, indirect=True, scope="module")


@pytest.fixture(scope="module")
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A sandbox with the scenario's stack deployed."""
    config = f"examples/{request.param}.yaml"
    if request.param in VARIANTS:
        config = str(varied(request.param, tmp_path_factory.mktemp("config") / "variant.yaml"))
    with sandboxes.deployed("scenario", config) as instance:
        yield instance


def varied(variant: str, path: Path) -> Path:
    """Write the configuration of a variant of an example."""
    example, changes = VARIANTS[variant]
    written = yaml.safe_load((REPOSITORY / "examples" / f"{example}.yaml").read_text())
    kept = {key: value for key, value in written["config"][TARGET].items() if key != "instance"}
    written["config"][TARGET] = {**kept, **changes}
    path.write_text(yaml.safe_dump(written))
    return path


def run(instance: Instance, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**instance.environment(), **stack.AT_ONCE}
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)


def test_its_outputs_lead_to_what_was_promised(deployed: Instance) -> None:
    checks = run(
        deployed, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integration", "--live"
    )
    assert checks.returncode == 0, checks.stdout + checks.stderr


def test_a_preview_finds_nothing_to_do(deployed: Instance) -> None:
    preview = run(deployed, "pulumi", "preview", "--expect-no-changes", "--non-interactive")
    assert preview.returncode == 0, preview.stdout


def test_no_secret_can_be_read(deployed: Instance) -> None:
    secrets = secrets_of(deployed)
    assert len(secrets) >= 4, "two superusers, a passphrase, and whatever the scenario keeps"
    assert where_read(deployed, secrets) == set()
    planted = deployed.logs / "planted.log"
    planted.write_text(f"password={sorted(secrets)[0]}")
    assert where_read(deployed, secrets) == {"logs/planted.log"}, "it would have been seen"
    planted.unlink()


def test_a_destroyed_scenario_leaves_nothing(deployed: Instance) -> None:
    done = run(deployed, "pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive")
    assert done.returncode == 0, done.stdout
    assert left_over(deployed) == {}
