"""What a person sees of a program that ends early, on the real engine and the language host that is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import engine, stack
from tests.support.pulumi_mocks import REPOSITORY

PROGRAM = """
import pulumi
from components.checks import ArgumentError, one_of
from components.settings import load

class Component(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("test:index:Component", "made")
        one_of("mode", "loud", ["quiet"])

def late(value):
    raise ArgumentError(f"late is {value}: write earlier")

def mistake(value):
    return {}["absent"]

"""
SENTENCE = "mode is 'loud': write one of quiet"


def preview(folder: Path, body: str) -> str:
    """Return what a preview of a program prints."""
    (folder / "Pulumi.yaml").write_text("name: screen\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM + body)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {
        **engine.find_or_install(print).environment({**os.environ, "PATH": path}),
        "PULUMI_BACKEND_URL": f"file://{folder}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONPATH": str(REPOSITORY),
    }

    def pulumi(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *args, "--non-interactive"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    begun = pulumi("stack", "init", "screen")
    assert begun.returncode == 0, begun.stderr
    done = pulumi("preview")
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('load({"composition": "magic"})', "composition is 'magic': write one of application, database"),
        ("Component()", SENTENCE),
        ('pulumi.export("x", pulumi.Output.from_input(1).apply(late))', "late is 1: write earlier"),
    ],
    ids=["settings", "component", "apply"],
)
def test_of_a_refusal_the_message_alone_is_shown_and_once(tmp_path: Path, body: str, said: str) -> None:
    printed = preview(tmp_path, body)
    diagnostics = printed[printed.index("Diagnostics:") :]
    assert diagnostics.count(said) == 1, printed
    assert "Traceback" not in printed and 'File "' not in printed, printed
    assert said in stack.errors(printed)


def test_a_mistake_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    printed = preview(tmp_path, "mistake(1)")
    assert "Traceback" in printed and "in mistake" in printed and "KeyError" in printed, printed
    assert "'absent'" in stack.errors(printed)
