"""Peers from Debian's packages of a later release than this machine's: unpacked beside it, run by their own loader."""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.validation.stage import Stage
from sandbox.databases.packages import run, unpack
from sandbox.errors import SandboxError
from sandbox.paths import cache_folder, locked

RELEASE = "trixie"
PACKAGES = ("pgcopydb", "postgresql-comparator")
COMPARATOR_VERSION = "17"
"""The PostgreSQL that the release's pg_comparator has its functions for."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MODULES = ("perl/5.*", "perl5", "perl5/5.*", "perl-base")


@dataclass(frozen=True)
class Peers:
    """The unpacked packages."""

    root: Path

    def command(self, program: str) -> list[str]:
        """Return how a program is started: by the loader and with the libraries that came with it."""
        [loader] = self.root.glob("usr/lib*/ld-linux-*.so.*")
        folders = sorted({str(path.parent) for path in (self.root / "usr/lib").rglob("*.so*")})
        return [str(loader), "--library-path", os.pathsep.join(folders), str(self.root / "usr/bin" / program)]

    def modules(self) -> str:
        """Return where Perl's modules lie."""
        parents = [*(self.root / "usr/lib").glob("*-linux-gnu"), self.root / "usr/share"]
        found = {str(path) for parent in parents for name in MODULES for path in parent.glob(name)}
        return os.pathsep.join(sorted(found))

    def put_functions(self, stage: Stage) -> bool:
        """Give both servers pg_comparator's own functions, and say whether they are of a version that can have them."""
        if {server.version for server in stage.both} != {COMPARATOR_VERSION}:
            return False
        [library] = self.root.rglob("pgcmp.so")
        [script] = self.root.rglob("pgcmp--*.sql")
        place = stage.folder / library.name  # where the servers' user can read it
        shutil.copy(library, place)
        lines = script.read_text().replace("MODULE_PATHNAME", str(place)).splitlines()
        stage.run("\n".join(line for line in lines if not line.startswith("\\")))
        return True


def fetch() -> Peers:
    """Return the peers, downloaded once. Raises SandboxError where this machine's apt knows no packages of Debian."""
    home = cache_folder("benchmarks")
    folder = home / f"{RELEASE}-{'-'.join(PACKAGES)}"
    with locked(home):
        if not folder.exists():
            if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
                raise SandboxError(f"{', '.join(PACKAGES)} come from Debian's packages, and here is no apt-get")
            with tempfile.TemporaryDirectory(dir=home) as work:
                scratch = Path(work)
                shutil.move(unpack(PACKAGES, scratch, _later(scratch)), folder)
    return Peers(folder)


def _later(scratch: Path) -> Sequence[str]:
    """Return apt's options for the later release, from where this machine gets its own, as if it had nothing of it."""
    listing = ["apt-get", "indextargets", "Created-By: Packages", "--format", "$(ORIGIN) $(REPO_URI)"]
    found = [line.split()[1] for line in run(listing, scratch).splitlines() if line.startswith("Debian ")]
    if not found or not KEYRING.exists():
        raise SandboxError(f"{', '.join(PACKAGES)} come from Debian's packages, and apt knows no source of them here")
    (scratch / "sources.list").write_text(f"deb [signed-by={KEYRING}] {found[0]} {RELEASE} main\n")
    (scratch / "status").touch()
    files = {"Dir::Etc::sourcelist": scratch / "sources.list", "Dir::State::status": scratch / "status"}
    return [*(f"{option}={path}" for option, path in files.items()), "Dir::Etc::sourceparts=/dev/null"]


def tables_that_differ(said: str) -> int:
    """Return how many tables pgcopydb found to differ: it names no rows."""
    found = json.loads(said)
    return sum(one["source"] != one["target"] for one in found)
