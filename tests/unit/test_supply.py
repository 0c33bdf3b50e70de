"""What is installed is what was asked for, down to the hash; a pull request is judged by the policy pack too."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCKS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.lock", "sandbox/**/*.lock", "policy/**/*.lock")
    for path in ROOT.glob(pattern)
)
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.!+]+)(?: ; (?P<marker>.+))?")
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
    sources = [path.with_suffix(".txt").as_posix() for path in map(Path, LOCKS)]
    written = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("requirements*.txt", "sandbox/**/requirements*.txt", "policy/**/requirements*.txt")
        for path in ROOT.glob(pattern)
    }
    assert set(sources) == written
    assert len(LOCKS) == 5


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_true_to_what_was_asked_for(name: str) -> None:
    lock = ROOT / name
    missing = set(asked_for(lock.with_suffix(".txt"))) - set(locked(lock))
    assert not missing, "make lock was not run since the requirements were edited"


@pytest.mark.parametrize("name", LOCKS)
def test_everything_in_a_lock_has_hashes(name: str) -> None:
    assert [entry for entry, hashes in locked(ROOT / name).items() if not hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_says_nothing_of_where_it_was_made(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"://|--(index-url|extra-index-url|find-links|trusted-host)| @ |(^|\s)/", text)


def test_the_program_runs_on_what_it_is_tested_with() -> None:
    assert locked(ROOT / "requirements.lock").items() <= locked(ROOT / "requirements-dev.lock").items()


def test_make_installs_from_locks_alone() -> None:
    text = (ROOT / "Makefile").read_text()
    assert "--require-hashes" in re.findall(r"^INSTALL := (.+)$", text, re.MULTILINE)[0]
    assert [line for line in text.splitlines() if "pip install" in line and not line.startswith("INSTALL")] == []
    assert all(words.endswith(".lock") for words in re.findall(r"\$\(INSTALL\) (\S+)", text))


def test_a_pull_request_s_previews_are_judged_by_the_policy_pack() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())["jobs"]
    steps = jobs["preview"]["steps"]
    [preview] = [step["with"] for step in steps if step.get("uses", "").startswith("pulumi/actions@")]
    assert (preview["command"], preview["policyPacks"]) == ("preview", "policy")
    assert (ROOT / preview["policyPacks"] / "PulumiPolicy.yaml").exists()

    # The pack runs in the program's environment: its library is in the lock that is installed there.
    [installed] = re.findall(r"--require-hashes --requirement (\S+)", " ".join(step.get("run", "") for step in steps))
    versions = dict(locked(ROOT / installed))
    assert {"pulumi", "pulumi-policy"} <= {name for name, _ in versions}
    assert ("pulumi", preview["pulumi-version"]) in versions, "the engine and the library move together"
    stacks = jobs["preview"]["strategy"]["matrix"]["stack"]
    assert all((ROOT / f"Pulumi.{stack}.yaml").exists() for stack in stacks)
