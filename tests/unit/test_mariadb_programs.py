"""Where MariaDB comes from, with apt played by a script that does what it is told."""

import os
from pathlib import Path

import pytest

from sandbox.databases import mariadb_programs
from sandbox.errors import SandboxError

SERVER = "#!/bin/sh\necho 'mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64'\n"
APT = """#!/bin/sh
case "$*" in
  *update*) exit 100 ;;
  *--simulate*) printf 'Inst mariadb-server-core (1)\\nInst libaio1 (1)\\nConf libaio1 (1)\\n' ;;
  *download*) for last; do :; done; echo "$*" >> "$LOG"; touch mariadb-server-core.deb libaio1.deb ;;
esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/sbin" "$3/usr/lib/any" "$3/usr/share/mysql" "$3/usr/share/doc"
cp "$SERVER" "$3/usr/sbin/mariadbd"; chmod +x "$3/usr/sbin/mariadbd"
touch "$3/usr/lib/any/libaio.so.1" "$3/usr/share/mysql/mysql_system_tables.sql" "$3/usr/share/doc/readme"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without MariaDB, whose programs are what is put into `bin`."""
    (tmp_path / "bin").mkdir()
    for program in ("sh", "cp", "chmod", "mkdir", "touch"):
        (tmp_path / "bin" / program).symlink_to(f"/bin/{program}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("SERVER", str(tmp_path / "server"))
    monkeypatch.setattr(mariadb_programs, "INSTALLED", ())
    (tmp_path / "server").write_text(SERVER)
    return tmp_path


def program(machine: Path, name: str, text: str) -> None:
    path = machine / "bin" / name
    path.write_text(text)
    path.chmod(0o755)


def test_packages_are_unpacked_once_and_kept_by_version(machine: Path) -> None:
    program(machine, "apt-get", APT)
    program(machine, "dpkg-deb", DPKG)
    first = mariadb_programs.fetch()
    assert first is not None
    assert first == mariadb_programs.fetch()
    assert first.name.endswith(f"{os.uname().machine}-10.11.19")
    assert (machine / "log").read_text().count("download mariadb-server-core libaio1") == 1
    assert not (first / "usr/share/doc").exists()
    found = mariadb_programs._in(first)
    assert found.version() == "10.11.19"
    assert found.share == first / "usr/share/mysql"
    assert found.libraries == str(first / "usr/lib/any")
    assert [path.name for path in first.parent.iterdir() if path.is_dir()] == [first.name]


def test_an_installed_server_is_used_where_nothing_can_be_downloaded(machine: Path) -> None:
    for name in ("mariadbd", "mariadb", "openssl"):
        program(machine, name, SERVER)
    assert mariadb_programs.fetch() is None
    assert mariadb_programs.find(machine).server == machine / "bin" / "mariadbd"


@pytest.mark.parametrize(
    ("apt", "reason"),
    [
        (None, "this system has no apt-get and dpkg-deb"),
        ("#!/bin/sh\ncase \"$*\" in *--simulate*) echo 'E: no such package' >&2; exit 100;; esac\n", "no such package"),
    ],
)
def test_what_is_missing_is_said_in_one_line_with_what_to_install(machine: Path, apt: str | None, reason: str) -> None:
    if apt is not None:
        program(machine, "apt-get", apt)
        program(machine, "dpkg-deb", DPKG)
    with pytest.raises(SandboxError) as caught:
        mariadb_programs.fetch()
    [line] = str(caught.value).splitlines()
    assert line.startswith("no MariaDB for a MySQL target: ")
    assert reason in line
    assert "install mariadbd, mariadb and openssl" in line
