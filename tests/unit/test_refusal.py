"""Every refusal is a run error, of which Pulumi shows the message alone."""

import ast

import pulumi
import pytest

from components.checks import ArgumentError
from components.function_archives import ArchiveError
from components.refusal import Refusal
from components.settings import SettingsError
from tests.support.pulumi_mocks import REPOSITORY

OURS = {"RuntimeError", "LookupError", "KeyError", "NoWayBack", "Contradictions"}
"""What says that we made a mistake, or what a caller has to handle: never what a person configured."""


@pytest.mark.parametrize("kind", [ArgumentError, ArchiveError, SettingsError])
def test_refusals_are_run_errors(kind: type[Exception]) -> None:
    assert issubclass(kind, Refusal) and issubclass(Refusal, pulumi.RunError)


def test_what_the_program_raises_by_name_is_a_refusal() -> None:
    """ValueErrors are raised within the settings alone, where they become a SettingsError."""
    wrong = []
    for folder in ("components", "compositions"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            within_settings = "settings" in path.parts
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    name = ast.unparse(node.exc.func).rpartition(".")[2]
                    known = {"Refusal", "ArgumentError", "ArchiveError", "SettingsError", *OURS}
                    if name not in known and not (within_settings and name == "ValueError"):
                        wrong.append(f"{path.name}:{node.lineno} {name}")
    assert not wrong
