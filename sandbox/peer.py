"""Checkov on what the scenarios deploy: `python -m sandbox.peer`, or with names of examples.

Each is deployed in a sandbox as it is written, but for the addresses and versions of the sandbox's own servers; its
state, without a secret, becomes a plan that checkov reads. Nothing is asked of anybody outside.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from policy.peer import excuses, plan
from policy.peer.excuses import Excuse, Verdict
from sandbox import instance as instances
from sandbox import lifecycle, setup, stack
from sandbox.errors import SandboxError
from sandbox.lifecycle import Options
from sandbox.paths import BUILD, REPOSITORY
from sandbox.rehearsal import shop

REQUIREMENTS = Path(plan.__file__).parent / "requirements.txt"
KEPT = frozenset(
    {"certificateBundle", "deletionProtection", "finalSnapshot", "forceDestroy", "secretRecoveryDays", "sslMode"}
)
"""Keys that a sandbox changes for its own sake: here they are as the scenario has them."""
FOLDER = BUILD / "checkov"


def as_written(adapted: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """Return an adapted configuration with what KEPT names as it was written, at any depth."""
    found: dict[str, Any] = {}
    for key, value in adapted.items():
        before = written.get(key)
        if key in KEPT:
            if key in written:
                found[key] = before
        elif isinstance(value, Mapping):
            found[key] = as_written(value, before if isinstance(before, Mapping) else {})
        else:
            found[key] = value
    return found


def state(scenario: str) -> dict[str, Any]:
    """Deploy a scenario in a sandbox of its own and return its state, secrets encrypted."""
    name, path = f"sandbox-checkov-{os.getpid()}", f"examples/{scenario}.yaml"
    options = Options(name, path, end_with_parent=True)
    instance = lifecycle.start(options, lambda _: None)
    try:
        shop.create(instance.source, 500, 7, shop.new_passwords())
        lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
        adapted = stack.load(str(instance.stack_config))
        stack.write_config(instance, as_written(adapted, stack.load(path)))
        lifecycle.deploy(instance)
        found: dict[str, Any] = json.loads(stack.pulumi(instance, "stack", "export"))
        return found
    finally:
        instances.stop(name)


def check(python: Path, scenario: str, exported: Mapping[str, Any]) -> dict[str, Any]:
    """Return what checkov says of a state."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{scenario}.json"
    path.write_text(json.dumps(plan.of_state(exported)))
    command = [str(python), str(python.parent / "checkov"), "--framework", "terraform_plan", "-f", str(path)]
    done = subprocess.run(
        [*command, "-o", "json", "--compact", "--quiet", "--skip-download"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise SandboxError(f"checkov said nothing of {scenario}: {done.stderr.strip()[-500:]}") from None
    if "results" not in found or found["summary"]["parsing_errors"]:
        raise SandboxError(f"checkov could not read {path}")
    return found


def main(scenarios: Sequence[str]) -> int:
    """Check scenarios and print what came of each. Returns 1 for a failure unexcused, or an excuse unneeded."""
    known = sorted(path.stem for path in (REPOSITORY / "examples").glob("*.yaml"))
    asked = list(scenarios) or known
    for scenario in asked:
        if scenario not in known:
            raise SandboxError(f"there is no example {scenario}: write some of {', '.join(known)}")
    python = setup.environment("checkov", REQUIREMENTS, "checkov", print)
    listed, needed = excuses.load(), set[Excuse]()
    verdicts: dict[str, Verdict] = {}
    for scenario in asked:
        found = check(python, scenario, state(scenario))
        verdicts[scenario], used = excuses.judge(found, listed)
        needed |= used
        verdict = verdicts[scenario]
        print(
            f"{scenario}: {verdict.passed} passed, {len(verdict.failed)} failed, {verdict.excused} excused, "
            f"{found['summary']['resource_count']} resources"
        )
        for line in sorted(verdict.failed):
            print(f"  {line}")
    unneeded = [one for one in listed if one not in needed] if asked == known else []
    for one in unneeded:
        print(f"no longer needed: {one.check} of {one.resource}")
    return 1 if unneeded or any(verdict.failed for verdict in verdicts.values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SandboxError as error:
        sys.exit(f"error: {error}")
