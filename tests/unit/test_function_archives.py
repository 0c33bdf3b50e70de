import zipfile
from pathlib import Path
from typing import Any

import pytest

from components import function_archives
from components.function_archives import ArchiveError, layer_folder

PEM = "-----BEGIN CERTIFICATE-----\n"


class Pip:
    """Stands in for pip: leaves a wheel where it was told to, or fails."""

    def __init__(self, returncode: int = 0) -> None:
        self.commands: list[list[str]] = []
        self.env: dict[str, str] = {}
        self.returncode = returncode
        self.stderr = "no matching distribution"

    def __call__(self, command: list[str], env: dict[str, str], **_: Any) -> "Pip":
        self.commands.append(command)
        self.env = env
        if not self.returncode:
            wheel = Path(command[command.index("--dest") + 1]) / "driver-1.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr("psycopg2/__init__.py", "")
        return self


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_layer_is_fetched_once_for_the_runtime_by_pinned_hash(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip()
    monkeypatch.setattr(function_archives.subprocess, "run", pip)
    first = layer_folder("python3.12", "arm64")
    assert layer_folder("python3.12", "arm64") == first
    [command] = pip.commands
    assert "--require-hashes" in command
    assert command[command.index("--python-version") + 1] == "3.12"
    assert "manylinux_2_28_aarch64" in command
    assert (first / "python" / "psycopg2" / "__init__.py").exists()
    assert first.is_relative_to(cache)


def test_where_packages_come_from_is_the_person_s_and_nothing_else(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"PIP_INDEX_URL": "https://packages.example/simple", "PIP_CERT": "/ca.pem", "PIP_CONFIG_FILE": "/pip.conf"}
    dropped = {"PIP_CONSTRAINT": "c.txt", "PIP_PYTHON": "/x", "PIP_IMPLEMENTATION": "pp", "PIP_LOG": "/x/y"}
    for name, value in {**kept, **dropped}.items():
        monkeypatch.setenv(name, value)
    pip = Pip()
    monkeypatch.setattr(function_archives.subprocess, "run", pip)
    assert layer_folder("python3.13", "x86_64").is_relative_to(cache)
    assert {name: value for name, value in pip.env.items() if name in {**kept, **dropped}} == kept
    assert pip.env["PATH"]


def test_without_a_cache_the_layer_is_kept_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(function_archives, "BUILD", tmp_path / "build")
    monkeypatch.setattr(function_archives.subprocess, "run", Pip())
    assert layer_folder("python3.13", "x86_64").parent == tmp_path / "build" / "layers"
    (tmp_path / "build").rename(tmp_path / "elsewhere")
    (tmp_path / "build").touch()
    with pytest.raises(ArchiveError, match=r"neither .* nor .*build can be written"):
        layer_folder("python3.13", "x86_64")


def test_an_unreachable_index_is_said_with_the_remedy(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_archives.subprocess, "run", Pip(returncode=1))
    with pytest.raises(ArchiveError, match=r"psycopg2-binary .* for python3.13 on x86_64 .*Check that pip reaches"):
        layer_folder("python3.13", "x86_64")
    assert not list(cache.rglob("psycopg2-binary*"))


def test_archives_are_what_pulumi_can_send(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_archives.subprocess, "run", Pip())
    assert function_archives.layer_archive("python3.13", "x86_64").path.endswith(
        "psycopg2-binary-2.9.13-python3.13-x86_64"
    )
    assert "handlers/functions/switch.py" in function_archives.code_archive().assets


def test_mysql_s_driver_is_a_layer_of_its_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip()
    monkeypatch.setattr(function_archives.subprocess, "run", pip)
    mysql, postgres = (layer_folder("python3.13", "x86_64", kind) for kind in ("mysql", "postgres"))
    assert mysql.name == "PyMySQL-1.2.4-python3.13-x86_64"
    assert mysql != postgres
    wanted = [command[command.index("--requirement") + 1] for command in pip.commands]
    assert [Path(path).name for path in wanted] == ["layer-requirements-mysql.txt", "layer-requirements.txt"]


def test_a_certificate_bundle_goes_beside_the_code(tmp_path: Path) -> None:
    bundle = tmp_path / "global-bundle.pem"
    bundle.write_text(f"{PEM}RDS's")
    other = tmp_path / "ours.pem"
    other.write_text(f"{PEM}ours")
    archive = function_archives.code_archive(str(bundle), str(other), str(bundle))
    assert archive.assets["authority.pem"].text == f"{PEM}RDS's\n{PEM}ours"
    assert "authority.pem" not in function_archives.code_archive().assets
    with pytest.raises(
        ArchiveError,
        match=r"certificateBundle is 'missing.pem', which can't be read \(No such file or directory\): name",
    ):
        function_archives.code_archive("missing.pem")
    other.write_text("no certificate")
    with pytest.raises(ArchiveError, match=r"ours.pem', which holds no certificate: name a PEM file"):
        function_archives.code_archive(str(other))
