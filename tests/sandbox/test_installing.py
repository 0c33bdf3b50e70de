"""Set-up on another day, with another pip, with somebody's own settings: the locked versions, or one line.

An index on loopback offers newer releases of everything. The first tests show that it lures: what asks a resolver takes
them, or stops, as the set-up did in its time.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.markers import Marker

from components import function_archives
from sandbox import index as indexes
from sandbox import installer
from sandbox.databases.binaries import FIRST, fetch
from sandbox.errors import SandboxError
from tests.support.package_index import NEWER, WITHOUT_WHEEL, Index, canonical, entries, installed, serving, wheel
from tests.unit.test_supply import LOCKS, ROOT, asked_for

PIPS = Path(__file__).parent / "pips"
"""Locks of the oldest pip that Python 3.11 came with, Debian 12's, and the newest there was when this was written."""


def fits(marker: str) -> bool:
    return not marker or Marker(marker).evaluate()


def wanted(lock: Path) -> dict[str, str]:
    return {one.name: one.version for one in entries(lock) if fits(one.marker)}


@pytest.fixture(scope="module")
def real_uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's own wheel, fetched as anybody would: the index of another day has to offer a program that runs."""
    folder = tmp_path_factory.mktemp("uv")
    env = indexes.for_pip(os.environ, installer._pip_settings(Path(sys.executable)))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", folder]
    subprocess.run([*command, "-r", installer.ITSELF], check=True, env=env)
    [found] = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def another_day(real_uv: Path) -> Iterator[Index]:
    index = Index()
    index.offer("uv", real_uv.name, real_uv.read_bytes(), yanked=True)
    index.age("uv")
    with serving(index):
        yield index


@pytest.fixture(scope="module")
def fetched(another_day: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with nothing but the installer in it."""
    folder = tmp_path_factory.mktemp("fetched")
    with pytest.MonkeyPatch.context() as patch:
        told_of(another_day, folder, patch)
        installer.uv()
    return folder


@pytest.fixture
def on_that_day(another_day: Index, fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The installer and nothing else in the cache, and pip told of the index of another day and of nothing else."""
    told_of(another_day, tmp_path / "cache", monkeypatch)
    shutil.copytree(fetched, tmp_path / "cache", copy_function=os.link)
    return another_day


def told_of(index: Index, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    installer._pip_settings.cache_clear()


def an_environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module", params=[path.stem for path in sorted(PIPS.glob("*.txt"))])
def with_pip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with another pip in it."""
    installer._pip_settings.cache_clear()
    python = an_environment(tmp_path_factory.mktemp(request.param) / "environment")
    program, env = installer.uv()
    command = [program, "pip", "install", "--quiet", "--require-hashes", "--python", python]
    subprocess.run([*command, "-r", PIPS / f"{request.param}.txt"], check=True, env=env)
    said = subprocess.run([python, "-m", "pip", "--version"], check=True, capture_output=True, text=True).stdout
    assert f"pip {request.param.removeprefix('pip-')} " in said
    return python


def pip_install(python: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_whoever_asks_a_resolver_gets_what_came_out_since(on_that_day: Index, tmp_path: Path) -> None:
    on_that_day.offer_lock(ROOT / "requirements.txt", tmp_path)
    python = an_environment(tmp_path / "environment")
    first = (ROOT / "requirements.in").read_text().splitlines()[1]
    done = pip_install(python, first)
    assert done.returncode, "it built a source distribution that does not open"
    assert any(f"-{WITHOUT_WHEEL}.tar.gz" in path for path in on_that_day.asked)
    assert pip_install(python, "--only-binary", ":all:", "-r", ROOT / "requirements.in").returncode == 0
    found = installed(python, os.environ)
    asked = {name for name, _ in asked_for(ROOT / "requirements.in")}
    assert asked < {*found}
    assert {version for name, version in found.items() if name not in {*asked, "pip", "setuptools"}} == {NEWER}


def test_a_lock_without_extras_in_a_resolver_s_hands_stops_on_another_day(on_that_day: Index, tmp_path: Path) -> None:
    lock = on_that_day.offer_lock(ROOT / "requirements-dev.txt", tmp_path)
    lock.write_text(re.sub(r"\[[^]]*\]", "", lock.read_text()))
    done = pip_install(an_environment(tmp_path / "environment"), "--require-hashes", "-r", lock)
    assert "all requirements must have their versions pinned with ==" in done.stderr


@pytest.mark.parametrize("name", LOCKS)
def test_an_environment_has_what_its_lock_names_and_nothing_else(name: str, on_that_day: Index, tmp_path: Path) -> None:
    lock = on_that_day.offer_lock(ROOT / name, tmp_path)
    python = installer.environment(tmp_path / "environment", lock, "what is tried")
    assert installed(python, os.environ) == wanted(ROOT / name)


def test_make_environment_in_a_downloaded_archive_installs_what_is_locked(
    on_that_day: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As both commands begin: without git, in a folder with a space and an umlaut, in a shell set up for others."""
    project = tmp_path / "für später" / "database migration"
    shutil.copytree(ROOT / "sandbox", project / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", project)
    written = on_that_day.offer_lock(ROOT / "requirements-dev.txt", tmp_path)
    shutil.move(written, project / "requirements-dev.txt")
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "platform.py").write_text("raise SystemExit('a module of somebody else')\n")
    for name, value in {**HOSTILE, "PYTHONPATH": "elsewhere", "PYTHONOPTIMIZE": "2", "PYTHONSAFEPATH": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("MAKE")]:
        monkeypatch.delenv(name)
    command = ["make", "--silent", "environment", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = installed(project / ".venv" / "bin" / "python", {})
    assert found.pop("pip")
    assert found == wanted(ROOT / "requirements-dev.txt")


def test_every_pip_fetches_the_pinned_installer(with_pip: Path, on_that_day: Index, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    program, env = installer.uv(with_pip)
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, env=env).stdout
    assert said.split()[1] == wanted(installer.ITSELF)["uv"]
    assert program.is_relative_to(tmp_path)


def test_every_pip_installs_the_program_s_lock_as_pulumi_install_does(
    with_pip: Path, on_that_day: Index, tmp_path: Path
) -> None:
    lock = on_that_day.offer_lock(ROOT / "requirements.txt", tmp_path)
    folder = tmp_path / "installed"
    done = pip_install(with_pip, "--target", folder, "-r", lock)
    assert done.returncode == 0, done.stderr
    found = {
        canonical(path.name.split("-")[0]): path.name.removesuffix(".dist-info").split("-")[1]
        for path in folder.glob("*.dist-info")
    }
    assert found == wanted(ROOT / "requirements.txt")


@pytest.mark.parametrize(("kind", "name"), [("postgres", "psycopg2-binary"), ("mysql", "pymysql")])
def test_a_layer_has_the_pinned_driver(
    kind: str, name: str, on_that_day: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = function_archives.REQUIREMENTS[kind].read_text()
    version = re.search(r"==(\S+)", pinned)
    assert version
    content = wheel(name, version[1])
    on_that_day.offer_wheel(name, version[1], content, yanked=True)
    on_that_day.age(name)
    mine = tmp_path / "layer.txt"
    mine.write_text(f"{name}=={version[1]} \\\n    --hash=sha256:{hashlib.sha256(content).hexdigest()}\n")
    monkeypatch.setitem(function_archives.REQUIREMENTS, kind, mine)
    folder = function_archives.layer_folder("python3.13", "x86_64", kind)
    assert [path.name.split("-")[1] for path in folder.glob("python/*.dist-info")] == [f"{version[1]}.dist"]


def test_the_servers_are_the_pinned_ones(on_that_day: Index) -> None:
    name, version = FIRST.requirement.split("==")
    content = wheel(name, version)
    on_that_day.offer_wheel(name, version, content)
    on_that_day.age(name)
    offered = replace(FIRST, hashes={os.uname().machine: hashlib.sha256(content).hexdigest()}, folders={})
    assert [path.name for path in fetch(offered).glob("*.dist-info")] == [
        f"{name.replace('-', '_')}-{version}.dist-info"
    ]


def test_another_file_under_a_locked_version_is_refused(on_that_day: Index, tmp_path: Path) -> None:
    lock = on_that_day.offer_lock(ROOT / "requirements-audit.txt", tmp_path)
    victim = entries(ROOT / "requirements-audit.txt")[0]
    on_that_day.offer_wheel(victim.name, victim.version, wheel(victim.name, victim.version, ["evil"]))
    with pytest.raises(SandboxError, match="another file than the one that was locked"):
        installer.environment(tmp_path / "environment", lock, "what is tried")
    assert not (tmp_path / "environment" / installer.READY).exists()


def test_a_lock_that_lacks_a_dependency_is_refused(on_that_day: Index, tmp_path: Path) -> None:
    lock = on_that_day.offer_lock(ROOT / "requirements-dev.txt", tmp_path)
    lock.write_text(re.sub(r"^coverage\[.*\n", "", lock.read_text(), flags=re.M))
    with pytest.raises(SandboxError, match=r"pytest-cov.*requires.*coverage"):
        installer.environment(tmp_path / "environment", lock, "what is tried")


def test_a_package_without_a_build_for_this_machine_is_named_with_the_way_out(
    on_that_day: Index, tmp_path: Path
) -> None:
    content = wheel("foreign", "1.85.1", tag="cp311-cp311-win_amd64")
    on_that_day.offer_wheel("foreign", "1.85.1", content, tag="cp311-cp311-win_amd64")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"foreign==1.85.1 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n")
    with pytest.raises(SandboxError) as refused:
        installer.environment(tmp_path / "environment", lock, "what is tried")
    said = str(refused.value)
    assert said.startswith("what is tried can't be installed: foreign 1.85.1 has no build for this machine (Python 3.")
    assert platform.machine() in said
    assert "another Python is named with make PYTHON=/path/to/python3" in said
    assert "\n" not in said


def test_an_index_that_does_not_answer_is_said_in_a_line(
    on_that_day: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = on_that_day.offer_lock(ROOT / "requirements-audit.txt", tmp_path)
    installer.uv()
    installer._pip_settings.cache_clear()
    monkeypatch.setenv("PIP_INDEX_URL", "http://somebody:s3cret@127.0.0.1:9/simple")
    with pytest.raises(SandboxError, match="Is the package index reachable") as refused:
        installer.environment(tmp_path / "environment", lock, "what is tried")
    assert "s3cret" not in str(refused.value)
    assert "\n" not in str(refused.value)


HOSTILE = {
    "PIP_TARGET": "/nowhere",
    "PIP_PREFIX": "/nowhere",
    "PIP_ROOT": "/nowhere",
    "PIP_USER": "1",
    "PIP_CONSTRAINT": "/nowhere/constraints.txt",
    "PIP_REQUIREMENT": "/nowhere/requirements.txt",
    "PIP_NO_BINARY": ":all:",
    "PIP_ONLY_BINARY": ":none:",
    "PIP_NO_DEPS": "0",
    "PIP_DRY_RUN": "1",
    "PIP_PRE": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_PYTHON": "/nowhere/python",
    "PIP_LOG": "/nowhere/log",
    "UV_NO_BINARY": "1",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_OFFLINE": "1",
    "UV_PYTHON": "/nowhere/python",
    "UV_CONSTRAINT": "/nowhere/constraints.txt",
    "UV_SYSTEM_PYTHON": "1",
    "UV_CONFIG_FILE": "/nowhere/uv.toml",
    "VIRTUAL_ENV": "/nowhere",
    "CONDA_PREFIX": "/nowhere",
}
"""What people set for their own programs, and what must not reach a set-up."""


def test_what_a_person_set_for_other_programs_changes_nothing(
    on_that_day: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = on_that_day.offer_lock(ROOT / "sandbox" / "engine" / "requirements.txt", tmp_path)
    shutil.rmtree(tmp_path / "cache")
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    python = installer.environment(tmp_path / "environment", lock, "what is tried")
    assert installed(python, {}) == wanted(ROOT / "sandbox" / "engine" / "requirements.txt")


def test_an_environment_that_was_not_finished_is_made_anew_and_a_finished_one_kept(
    on_that_day: Index, tmp_path: Path
) -> None:
    name = "sandbox/engine/requirements.txt"
    lock = on_that_day.offer_lock(ROOT / name, tmp_path)
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to("/nowhere/python3.11")
    (folder / "lib").write_text("where a folder should be")
    python = installer.environment(folder, lock, "what is tried")
    assert installed(python, {}) == wanted(ROOT / name)
    (folder / "kept").touch()
    installer.environment(folder, lock, "what is tried")
    assert (folder / "kept").exists()
    lock.write_text(lock.read_text() + "# edited\n")
    installer.environment(folder, lock, "what is tried")
    assert not (folder / "kept").exists()


@pytest.mark.parametrize("fails", ["venv", "sync", "check"])
def test_interrupted_in_any_step_it_is_begun_again(
    fails: str, on_that_day: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "sandbox/engine/requirements.txt"
    lock = on_that_day.offer_lock(ROOT / name, tmp_path)
    run = installer.commands.run

    def interrupted(command: list[str], **options: object) -> object:
        if fails in map(str, command):
            raise KeyboardInterrupt
        return run(command, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(installer.commands, "run", interrupted)
        installer.environment(tmp_path / "environment", lock, "what is tried")
    assert installed(installer.environment(tmp_path / "environment", lock, "what is tried"), {}) == wanted(ROOT / name)


def test_without_a_home_to_write_to_the_cache_is_the_checkout_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("sandbox.paths.BUILD", tmp_path / "build")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert installer.cache_folder("uv") == tmp_path / "build" / "cache" / "uv"


def test_a_cache_from_an_older_release_is_left_alone(
    on_that_day: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folders were keyed otherwise, its locks were files."""
    old = tmp_path / "cache" / "database-migration"
    for path in ("uv/.lock", "environments/.lock", "cloud/python3.11.7-0a1b2c/.ready", "uv/0a1b2c/half"):
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).touch()
    name = "sandbox/engine/requirements.txt"
    lock = on_that_day.offer_lock(ROOT / name, tmp_path)
    assert installed(installer.environment(installer.named("x", lock), lock, "what is tried"), {}) == wanted(
        ROOT / name
    )
    assert (old / "cloud" / "python3.11.7-0a1b2c" / ".ready").exists()
