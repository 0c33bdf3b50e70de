"""Which PostgreSQL there is: the wheels', and those of the machine's own that variables name."""

import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.databases.binaries import FIRST, MORE, binaries, fetch, newest, versions
from sandbox.errors import SandboxError


def test_a_version_of_the_machine_s_own_is_taken_before_a_wheel_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    (own / "bin").mkdir(parents=True)
    program = own / "bin" / "postgres"
    program.touch(0o755)
    for version in ("16", "15"):
        monkeypatch.setenv(f"SANDBOX_POSTGRES_{version}", str(own))
        found = binaries(version, tmp_path / "room")
        assert (found / "bin" / "postgres").samefile(program)
    assert {"15", "16", "18"} <= {*versions()}


def test_a_version_that_is_nowhere_is_refused_with_the_variable_that_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_POSTGRES_15", raising=False)
    with pytest.raises(SandboxError, match="no PostgreSQL 15 .* has 16, 17, 18; .* set SANDBOX_POSTGRES_15 to the"):
        binaries("15", Path())
    monkeypatch.setenv("SANDBOX_POSTGRES_15", "/nowhere")
    with pytest.raises(SandboxError, match="SANDBOX_POSTGRES_15 is /nowhere, which has no bin/postgres"):
        binaries("15", Path())


def test_every_wheel_there_is_has_the_versions_it_is_said_to(tmp_path: Path) -> None:
    tried = [one for one in (FIRST, MORE) if not one.lacking()]
    assert FIRST in tried
    for wheel in tried:
        for version in wheel.folders:
            folder = binaries(version, tmp_path / "room")
            header = (folder / "share").rglob("errcodes.txt"), (folder / "share").rglob("information_schema.sql")
            assert any(True for found in header for _ in found)
            assert [*(folder / "lib").rglob("test_decoding.so")]
    assert newest() == fetch() / FIRST.folders["18"]


def test_a_machine_that_a_wheel_does_not_run_on_does_without_and_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SANDBOX_POSTGRES_17", raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    assert versions() == ("16", "18")
    with pytest.raises(
        SandboxError, match=r"needs glibc 2.34 or later \(here: glibc 2.31\): .* set SANDBOX_POSTGRES_17"
    ):
        binaries("17", tmp_path)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert versions() == ()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.41"))
    monkeypatch.setattr("sandbox.databases.binaries.TIME_ZONES", tmp_path / "UTC")
    assert versions() == ("16", "18")
    assert MORE.lacking() == f"{tmp_path / 'UTC'} (package tzdata)"
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "here", "6", "1", "riscv64")))
    with pytest.raises(SandboxError, match="has no binaries for riscv64: the sandbox needs aarch64 or x86_64"):
        fetch(replace(FIRST, folders={}))
