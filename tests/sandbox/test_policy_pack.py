"""The policy pack run by the real engine: on staging as it is written, on broken variants of it, on a running task."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import stack
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY
from sandbox.rehearsal.carry import Carry
from sandbox.rehearsal.operator import Operator
from tests.support.sandboxes import deployed

VIOLATION = re.compile(r"\[(mandatory|advisory)\] \[severity: \w+\]\s+([\w-]+)")


@pytest.fixture(scope="module")
def own() -> Iterator[Instance]:
    """A sandbox of this module's own, with staging deployed as far as a sandbox can have it."""
    with deployed("policies", "staging") as instance:
        yield instance


def preview(instance: Instance, *options: str) -> tuple[int, dict[str, set[str]], str]:
    """Preview with the pack; return the exit status, the rules violated by enforcement, and what was printed.

    Those under `unseen` could not be judged before the first deployment.
    """
    done = subprocess.run(
        ["pulumi", "preview", "--policy-pack", "policy", "--non-interactive", *options],
        cwd=REPOSITORY,
        env=instance.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    found: dict[str, set[str]] = {"mandatory": set(), "advisory": set(), "unseen": set()}
    for line in re.split(r"(?m)^\s+- (?=\[(?:mandatory|advisory)\])", printed):
        for enforcement, rule in VIOLATION.findall(line):
            found["unseen" if "can't run policy" in line else enforcement].add(rule)
    return done.returncode, found, printed


def written(tmp: Path, **sections: dict[str, Any]) -> Path:
    """Return staging's configuration as a file, with keys of some sections changed."""
    config = stack.load("staging")
    for section, keys in sections.items():
        full = f"{stack.PROJECT}:{section}"
        config[full] = {**config.get(full, {}), **keys}
    path = tmp / "Pulumi.staging.yaml"
    path.write_text(yaml.safe_dump({"config": config}))
    return path


@pytest.fixture
def fresh(own: Instance) -> Iterator[str]:
    """A stack in which nothing is deployed. Its configuration goes with it."""
    name = f"organization/{stack.PROJECT}/{own.name}-as-written"

    def pulumi(*command: str) -> None:
        subprocess.run(["pulumi", "stack", *command], cwd=REPOSITORY, env=own.environment(), check=True)

    pulumi("init", name, "--no-select", "--non-interactive")
    try:
        yield name
    finally:
        pulumi("rm", name, "--yes", "--non-interactive")


def test_staging_as_it_is_written_violates_nothing(own: Instance, fresh: str, tmp_path: Path) -> None:
    status, found, printed = preview(own, "--stack", fresh, "--config-file", str(written(tmp_path)))
    assert (status, found["mandatory"], found["advisory"]) == (0, set(), set()), printed
    print(f"staging: 0 rules violated, {sorted(found['unseen'])} to be seen once deployed")


def test_a_broken_staging_fails_its_preview(own: Instance, fresh: str, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        network={"flowLogs": False},
        source={"sslMode": "none"},
        target={"deletionProtection": False, "masterRotationDays": 400},
        replication={"multiAz": False},
    )
    status, found, printed = preview(own, "--stack", fresh, "--config-file", str(path))
    assert status != 0
    broken = {"ec2-6-flow-logs", "dms-9-tls", "rds-8-deletion-protection", "secretsmanager-4-often", "dms-13-multi-az"}
    assert broken <= found["mandatory"], printed
    assert "write replication.multiAz true" in printed


def test_an_exception_of_a_sandbox_is_heard_and_what_is_medium_is_only_advised(own: Instance) -> None:
    status, found, printed = preview(own)
    assert (status, found["mandatory"]) == (0, set()), printed
    assert "rds-8-deletion-protection" in found["advisory"]
    assert not {"dms-9-tls", "rds-38-tls"} & found["advisory"], printed


def test_a_change_to_a_running_task_is_refused(own: Instance) -> None:
    outputs = stack.outputs(own)
    operator = Operator(own.client, outputs, lambda: None, Carry(own, outputs))
    operator.prepare()
    operator.carry_definitions()
    operator.load_fully()
    assert preview(own)[0] == 0
    before = own.stack_config.read_text()
    config = yaml.safe_load(before)
    key = f"{stack.PROJECT}:replication"
    tables = [*config["config"][key]["tables"], {"schema": "public", "table": "left_behind", "action": "exclude"}]
    config["config"][key]["tables"] = tables
    own.stack_config.write_text(yaml.safe_dump(config))
    try:
        status, found, printed = preview(own)
    finally:
        own.stack_config.write_text(before)
    assert status != 0
    assert found["mandatory"] == {"mission-running-task"}, printed
    assert "tableMappings of a task that is running would change" in printed
