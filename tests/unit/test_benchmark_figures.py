"""The figures of the benchmarks: nothing is made prettier than it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.switchover.figures import percentile, spread, steps
from benchmarks.validation import peers
from sandbox.errors import SandboxError


def test_p99_of_twenty_is_the_worst() -> None:
    values = [float(number) for number in range(20, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99)) == (10.0, 20.0)
    assert spread(values) == {"p50": 10.0, "p99": 20.0, "least": 1.0, "most": 20.0}


def test_one_value_is_all_of_them() -> None:
    assert spread([0.12345]) == {"p50": 0.123, "p99": 0.123, "least": 0.123, "most": 0.123}


def test_every_step_has_its_own_spread_in_the_order_of_the_first_run() -> None:
    runs = [{"steps": {"fence": 0.1, "drain": 0.2}}, {"steps": {"drain": 0.4, "fence": 0.3}}]
    found = steps(runs)
    assert list(found) == ["fence", "drain"]
    assert found["fence"]["most"] == 0.3


def side(rows: int, checksum: str) -> dict[str, Any]:
    return {"rowcount": rows, "checksum": checksum}


def test_what_pgcopydb_says_is_counted_by_table() -> None:
    same = {"name": "a", "source": side(1, "x"), "target": side(1, "x")}
    other = {"name": "b", "source": side(1, "x"), "target": side(1, "y")}
    fewer = {"name": "c", "source": side(2, "x"), "target": side(1, "x")}
    assert peers.tables_that_differ(json.dumps([same])) == 0
    assert peers.tables_that_differ(json.dumps([same, other, fewer])) == 2


def test_peers_come_from_where_the_machine_has_its_own_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'Other one/'; echo 'Debian mirror/debian'; echo 'Debian security/debian'\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(peers, "KEYRING", tmp_path / "keyring")
    with pytest.raises(SandboxError, match="come from Debian's packages, and apt knows no source of them here"):
        peers._later(tmp_path)
    (tmp_path / "keyring").touch()
    options = peers._later(tmp_path)
    assert f"Dir::Etc::sourcelist={tmp_path / 'sources.list'}" in options
    written = (tmp_path / "sources.list").read_text()
    assert written == f"deb [signed-by={tmp_path / 'keyring'}] mirror/debian trixie main\n"
    assert (tmp_path / "status").read_text() == "", "it must seem that nothing is installed"


def test_packages_of_another_release_are_run_by_what_came_with_them(tmp_path: Path) -> None:
    libraries = tmp_path / "usr/lib/x86_64-linux-gnu"
    for name in ("usr/lib64", "usr/lib/x86_64-linux-gnu/perl/5.40", "usr/share/perl5"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "usr/lib64/ld-linux-x86-64.so.2").touch()
    (libraries / "libc.so.6").touch()
    found = peers.Peers(tmp_path)
    loader, _, where, program = found.command("pgcopydb")
    assert (loader, where) == (str(tmp_path / "usr/lib64/ld-linux-x86-64.so.2"), str(libraries))
    assert program == str(tmp_path / "usr/bin/pgcopydb")
    assert found.modules().split(":") == [f"{libraries}/perl/5.40", f"{tmp_path}/usr/share/perl5"]
