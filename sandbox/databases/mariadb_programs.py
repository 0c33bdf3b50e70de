"""MariaDB's programs: from packages of Debian or Ubuntu, unpacked in the user's cache; else those installed here."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.databases.binaries import open_to_servers
from sandbox.databases.packages import unpack
from sandbox.errors import SandboxError
from sandbox.paths import cache_folder, locked

PACKAGES = ("mariadb-server-core", "mariadb-client-core", "openssl")
"""What is run. What they need comes along, as far as it is not here already."""
KEPT = ("usr/sbin/mariadbd", "usr/bin/mariadb", "usr/bin/openssl", "usr/lib", "usr/share/mysql", "usr/share/mariadb")
INSTALLED = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin")
"""Where a server lies that is not on the path of a user."""


@dataclass(frozen=True)
class Programs:
    """What a server is made with. `share` holds its messages and system tables, `libraries` what it is linked with."""

    server: Path
    client: Path
    openssl: Path
    share: Path
    libraries: str

    def environment(self) -> dict[str, str]:
        """Return the environment the programs run in."""
        return {"PATH": os.defpath, "LD_LIBRARY_PATH": self.libraries, "TZ": "UTC", "LC_ALL": "C.UTF-8"}

    def version(self) -> str:
        """Return the server's version, such as 10.11.19."""
        command = [str(self.server), "--no-defaults", "--version"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(), check=False)
        found = done.stdout.partition("Ver ")[2].partition("-MariaDB")[0]
        if done.returncode or not found:
            reason = " ".join(done.stderr.split())[-200:]
            raise SandboxError(
                f"{self.server} can't be run: {reason}; remove {cache_folder('mariadb')} and run `make setup`"
            )
        return found


def find(room: Path) -> Programs:
    """Return the programs, unpacked or installed, where a server's user can run them. Raises SandboxError without."""
    unpacked = fetch()
    if unpacked is None:
        return _installed()
    return _in(open_to_servers(unpacked, room / "mariadb"))


def fetch() -> Path | None:
    """Return the folder of the unpacked packages, made once; None where MariaDB is installed on this machine.

    Raises SandboxError where neither can be had.
    """
    home = cache_folder("mariadb")
    system = _system()
    with locked(home):
        known = sorted(home.glob(f"{system}-*"))
        if known:
            return known[-1]
        reason = "this system has no apt-get and dpkg-deb"
        if shutil.which("apt-get") and shutil.which("dpkg-deb"):
            try:
                return _download(home, system)
            except SandboxError as error:
                reason = str(error)
    try:
        _installed()
    except SandboxError:
        raise SandboxError(
            f"no MariaDB for a MySQL target: {reason}; install mariadbd, mariadb and openssl (packages mariadb-server, "
            "mariadb-client, openssl) or let apt reach its index"
        ) from None
    return None


def _download(home: Path, system: str) -> Path:
    """Download what is missing here, unpack it, and keep what is run under the server's version."""
    with tempfile.TemporaryDirectory(dir=home) as work:
        scratch = Path(work)
        unpacked = unpack(PACKAGES, scratch)
        kept = scratch / "kept"
        for part in KEPT:
            if (unpacked / part).exists():
                (kept / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(unpacked / part, kept / part)
        folder = home / f"{system}-{_in(kept).version()}"
        shutil.move(kept, folder)
    return folder


def _system() -> str:
    """Return what packages depend on: distribution, release and machine, such as debian-12-x86_64."""
    release = Path("/etc/os-release")
    lines = release.read_text().splitlines() if release.exists() else []
    known = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    return f"{known.get('ID', 'unknown')}-{known.get('VERSION_ID', 'rolling')}-{os.uname().machine}"


def _in(root: Path) -> Programs:
    """Return the programs of an unpacked folder; those that came from the system already are used from there."""
    folders = sorted({str(path.parent) for path in (root / "usr" / "lib").rglob("*.so*")})
    openssl = root / "usr" / "bin" / "openssl"
    found = shutil.which("openssl")
    return Programs(
        server=root / "usr" / "sbin" / "mariadbd",
        client=root / "usr" / "bin" / "mariadb",
        openssl=openssl if openssl.exists() else Path(found or openssl),
        share=_share(root / "usr" / "share"),
        libraries=os.pathsep.join(folders),
    )


def _installed() -> Programs:
    """Return the programs on this machine. Raises SandboxError where one is missing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *INSTALLED])
    found = {program: shutil.which(program, path=path) for program in ("mariadbd", "mariadb", "openssl")}
    missing = [program for program, where in found.items() if where is None]
    if missing:
        raise SandboxError(f"{', '.join(missing)} can't be found on this machine")
    server, client, openssl = (Path(str(where)) for where in found.values())
    return Programs(server, client, openssl, _share(server.resolve().parent.parent / "share"), "")


def _share(folder: Path) -> Path:
    """Return where the system tables are: distributions call it by either name."""
    return next((folder / n for n in ("mysql", "mariadb") if list((folder / n).glob("*system_tables.sql"))), folder)
