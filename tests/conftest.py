"""Fixtures of every layer. Without `--live` a sandbox is started once for all tests that need one."""

import gc
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox.databases.binaries import versions
from sandbox.instance import Instance
from tests.support import memory
from tests.support.sandboxes import deployed

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = 3_000
DECLARE_PROGRAMS = ("test_peer.py", "test_policies.py")
"""Modules that look at what whole programs declare, which takes seconds each and is kept."""

# Whole programs are declared again and again: looking for what they leave took a fifth of the time.
gc.set_threshold(100_000, 50, 100)
if "TMPDIR" not in os.environ and (in_memory := memory.folder()):
    os.environ["TMPDIR"] = tempfile.tempdir = str(in_memory)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells start what runs in the background so, and what is started by tests would never hear of Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live",
        action="store_true",
        help="run the integration checks against the stack that is selected in this environment, on AWS or anywhere",
    )
    parser.addoption(
        "--every-scenario", action="store_true", help="deploy every example, not only what no other test deploys"
    )
    parser.addoption(
        "--every-version",
        action="store_true",
        help="try every preflight rule on each version of PostgreSQL, not in turns, and compare between any two",
    )


def pytest_report_header() -> str:
    return f"temporary files: {tempfile.gettempdir()}; PostgreSQL {', '.join(versions())}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests out among workers so that nothing is started twice but the session's sandbox.

    The groups that marks make are lost between pytest-xdist 3.8 and pytest 9.2, hence this.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByWhatTheyStart(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return ByWhatTheyStart(config, log)


def together(nodeid: str) -> str:
    """Return what a test stays together with: its scenario, what declares the same programs, itself, or its module."""
    module, _, test = nodeid.partition("::")
    if module.startswith("tests/program/") or module.endswith(DECLARE_PROGRAMS):
        return "programs"
    if module.endswith("test_scenarios.py"):
        return f"{module}{test[test.find('[') :]}"
    return nodeid if module.endswith("test_refusals.py") else module


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Instance]:
    """A sandbox of its own, with a small shop on the source, the stack declared and deployed."""
    with deployed("test", rows=ROWS) as instance:
        yield instance


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment in which the deployed stack is reached."""
    if request.config.getoption("--live"):
        return dict(os.environ)
    instance: Instance = request.getfixturevalue("sandbox")
    return instance.environment()


@pytest.fixture(scope="session")
def outputs(environment: dict[str, str]) -> dict[str, Any]:
    """The stack's outputs, as `pulumi stack output --json` gives them."""
    done = subprocess.run(
        ["pulumi", "stack", "output", "--json"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def aws(environment: dict[str, str]) -> Iterator[Callable[..., Any]]:
    """Clients of the account the stack is in, by service and, where it is not the environment's own, region."""
    clients: dict[tuple[str, str | None], Any] = {}

    def client(service: str, region: str | None = None) -> Any:
        if (service, region) not in clients:
            clients[service, region] = boto3.client(service, region_name=region)
        return clients[service, region]

    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            if key.startswith("AWS_"):
                patch.setenv(key, value)
        yield client
