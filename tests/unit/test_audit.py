"""An audit that could look at nothing fails, whatever its scanner says."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox import audit, commands
from sandbox.errors import SandboxError
from tests.unit.test_supply import LOCKS, ROOT

LOCK = """\
# made by hand
coverage[toml]==7.17.3 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via pytest-cov
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
PyYAML==6.0.3 \\
    --hash=sha256:dd
"""
CLEAN: dict[str, Any] = {
    "dependencies": [
        {"name": "coverage", "version": "7.17.3", "vulns": []},
        {"name": "pyyaml", "version": "6.0.3", "vulns": []},
    ],
    "fixes": [],
}
"""As pip-audit 2.10 prints it."""
WANTED = audit.locked(LOCK)


def said_of(**changed: Any) -> list[str]:
    report = copy.deepcopy(CLEAN)
    report["dependencies"][1] = {"name": "pyyaml", **changed}
    return audit.complaints("some.txt", report, WANTED)


def test_a_package_that_was_looked_at_and_is_clean_is_no_news() -> None:
    assert audit.complaints("some.txt", CLEAN, WANTED) == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_is_wanted(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(audit.locked(text)) == sum(line[:1].isalnum() for line in text.splitlines()) > 0
    [said] = audit.complaints(name, {}, audit.locked(text))
    assert "packages were not looked at" in said


@pytest.mark.parametrize(
    ("report", "count"),
    [
        ({"dependencies": [{"name": name, "skip_reason": "not found on PyPI"} for name in ("coverage", "pyyaml")]}, 2),
        ({"dependencies": [CLEAN["dependencies"][0]]}, 1),
        ({"dependencies": [], "fixes": []}, 2),
        ({}, 2),
    ],
)
def test_what_was_not_looked_at_is_counted_and_named(report: dict[str, Any], count: int) -> None:
    [said] = audit.complaints("some.txt", report, WANTED)
    assert said.startswith(f"some.txt: {count} packages were not looked at, such as ")
    assert said.endswith(audit.REMEDY)


def test_a_vulnerability_is_said_with_the_version_that_mends_it() -> None:
    known = {"id": "PYSEC-1", "fix_versions": ["6.1", "7.0"], "aliases": [], "description": "..."}
    assert said_of(version="6.0.3", vulns=[known]) == ["some.txt: pyyaml 6.0.3: PYSEC-1, mended in 6.1, 7.0"]
    assert said_of(version="6.0.3", vulns=[{**known, "fix_versions": []}]) == [
        "some.txt: pyyaml 6.0.3: PYSEC-1, mended in none yet"
    ]


def test_a_lock_that_names_nothing_fails() -> None:
    assert audit.complaints("some.txt", CLEAN, audit.locked("# nothing\n")) == [
        "some.txt names no package: run make lock"
    ]


def test_a_bill_of_materials_that_lacks_a_package_fails() -> None:
    parts = [{"name": "coverage"}, {"name": "colorama"}, {"name": "PyYAML"}]
    assert audit.bill_complaints({"components": parts}, WANTED) == []
    assert audit.bill_complaints({"components": parts[:2]}, WANTED) == ["sbom.json lacks 1 packages, such as pyyaml"]
    assert audit.bill_complaints({}, WANTED) == ["sbom.json lacks 3 packages, such as colorama"]


def answering(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, object]) -> None:
    left = iter(answers)

    def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
        status, said = next(left)
        return subprocess.CompletedProcess(
            command, status, said if isinstance(said, str) else json.dumps(said), "a traceback\nNo route to host\n"
        )

    monkeypatch.setattr(commands, "run", run)


def test_a_scanner_that_finds_nothing_against_what_is_known_to_be_bad_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = {"dependencies": [{"name": "jinja2", "version": "2.10", "vulns": []}]}
    skipped = {"dependencies": [{"name": "jinja2", "skip_reason": "not found"}]}
    bad = {"dependencies": [{"name": "jinja2", "version": "2.10", "vulns": [{"id": "P", "fix_versions": ["2.10.1"]}]}]}
    answering(monkeypatch, (0, clean), (0, skipped), (1, bad))
    for _ in range(2):
        with pytest.raises(SandboxError, match=r"^nothing was audited: .* jinja2==2\.10, which is known to be bad"):
            audit._scanner_knows(Path("python"))
    audit._scanner_knows(Path("python"))


def test_a_scanner_that_does_not_answer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, (1, ""))
    with pytest.raises(SandboxError, match=r"^some\.txt could not be audited: No route to host$"):
        audit._ask(Path("python"), Path("some.txt"))
