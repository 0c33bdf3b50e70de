"""What is installed is what was asked for, down to the hash; a pull request is judged by the policy pack too."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox import installer

ROOT = Path(__file__).parents[2]
WRITTEN = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("requirements*.in"), *ROOT.glob("[a-z]*/**/requirements*.in"))
)
"""What people edit. The .txt beside each is its lock."""
LOCKS = [name.removesuffix(".in") + ".txt" for name in WRITTEN]
REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[a-z0-9,._-]+\])?==(?P<version>[A-Za-z0-9.!+]+)(?: ; (?P<marker>.+))?"
)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(source: Path) -> Iterator[tuple[str, str]]:
    """Yield what a person has written, with what other files that brings along."""
    for line in source.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            yield from asked_for(source.parent / text.removeprefix("-r "))
        elif text:
            found = REQUIREMENT.fullmatch(text)
            assert found, f"{source.name} pins no version: {text}"
            yield canonical(found["name"]), found["version"]


def locked(lock: Path) -> dict[tuple[str, str], list[str]]:
    """Return the hashes of each version that a lock holds. Nothing else may stand in it."""
    entries: dict[tuple[str, str], list[str]] = {}
    text = re.sub(r"^ *#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    for line in re.sub(r" *\\\n", "", text).splitlines():
        requirement, *hashes = re.split(r" +(?=--hash)", line)
        found = REQUIREMENT.fullmatch(requirement)
        assert found, f"{lock.name} has what is no pinned version: {line[:80]}"
        assert all(HASH.fullmatch(one) for one in hashes), f"{lock.name}: {requirement}"
        entries[canonical(found["name"]), found["version"]] = hashes
    return entries


def test_everything_that_is_asked_for_has_a_lock() -> None:
    there = {path.name for name in LOCKS for path in (ROOT / name).parent.glob("requirements*.txt")}
    assert there == {Path(name).name for name in LOCKS}
    assert len(LOCKS) >= 7
    assert [name for name in LOCKS if not (ROOT / name).is_file()] == []


def test_make_lock_makes_every_lock() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", "")
    [folders] = re.findall(r"^LOCKED := (.+)$", text, re.MULTILINE)
    own = re.findall(r"^\t\$\(LOCK\) .* --output-file (\S+)$", text, re.MULTILINE)
    assert sorted([*own, *(f"{one}.txt" for one in folders.split())]) == LOCKS
    assert "--no-strip-extras" in text


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_true_to_what_was_asked_for(name: str) -> None:
    lock = ROOT / name
    missing = set(asked_for(lock.with_suffix(".in"))) - set(locked(lock))
    assert not missing, "make lock was not run since the requirements were edited"


@pytest.mark.parametrize("name", LOCKS)
def test_everything_in_a_lock_has_hashes(name: str) -> None:
    assert [entry for entry, hashes in locked(ROOT / name).items() if not hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_says_nothing_of_where_it_was_made(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"://|--(index-url|extra-index-url|find-links|trusted-host)| @ |(^|\s)/", text)


def test_the_program_runs_on_what_it_is_tested_with() -> None:
    assert locked(ROOT / "requirements.txt").items() <= locked(ROOT / "requirements-dev.txt").items()


COMMANDS = re.compile(r"""pip3?["'], *["'](install|download)\b""")
"""An installation as Python writes a command."""
LINES = re.compile(r"\b(pip3?|pipx|npm|conda|go|cargo) +(install|download|get)\b")
"""And as a shell does."""


def test_only_two_places_install_anything() -> None:
    python = [path for path in ROOT.glob("[a-z]*/**/*.py") if path.relative_to(ROOT).parts[0] not in {"tests", "build"}]
    shell = [ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / ".github").rglob("*.yml")]
    assert len(python) > 200
    assert len(shell) > 2
    assert {path.relative_to(ROOT).as_posix() for path in python if COMMANDS.search(path.read_text())} == {
        "components/function_archives.py",
        "sandbox/installer.py",
    }
    assert [path.name for path in shell if LINES.search(path.read_text())] == []


def test_who_installs_does_so_by_hash_and_without_dependencies() -> None:
    assert {"--require-hashes", "--no-deps", ":all:"} <= set(installer.PIP)
    source = (ROOT / "components" / "function_archives.py").read_text()
    assert all(option in source for option in ("--require-hashes", "--no-deps", "--only-binary=:all:"))


def test_a_pull_request_s_previews_are_judged_by_the_policy_pack() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())["jobs"]
    steps = jobs["preview"]["steps"]
    [preview] = [step["with"] for step in steps if step.get("uses", "").startswith("pulumi/actions@")]
    assert (preview["command"], preview["policyPacks"]) == ("preview", "policy")
    assert (ROOT / preview["policyPacks"] / "PulumiPolicy.yaml").exists()

    # The pack runs in the program's environment: its library is in the lock that is installed there.
    assert [step["run"] for step in steps if "run" in step] == ["make environment"]
    versions = dict(locked(installer.PROGRAM))
    assert {"pulumi", "pulumi-policy"} <= {name for name, _ in versions}
    assert ("pulumi", preview["pulumi-version"]) in versions, "the engine and the library move together"
    stacks = jobs["preview"]["strategy"]["matrix"]["stack"]
    assert all((ROOT / f"Pulumi.{stack}.yaml").exists() for stack in stacks)
