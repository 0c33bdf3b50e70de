"""A running sandbox as others find it: where it lies, what listens where, and the environment that leads into it."""

import json
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from handlers.redaction import hide
from sandbox.cloud import routes
from sandbox.databases import MariaDbInfo, ServerInfo
from sandbox.engine import Engine
from sandbox.errors import SandboxError
from sandbox.paths import BUILD, REPOSITORY

NAME = re.compile(r"^sandbox(-[a-z0-9]+)*$")
RESOLVER = REPOSITORY / "sandbox" / "dns" / "resolver"
STOP_SECONDS = 40.0
PASSPHRASE = "passphrase"  # noqa: S105 - a name
"""The file of that name, in the room, holds what encrypts the stack's secrets."""


@dataclass(frozen=True)
class Ports:
    """What listens where on 127.0.0.1."""

    ministack: int
    moto: int
    dms: int
    provider: int
    dns: int
    mgn: int


@dataclass(frozen=True)
class Instance:
    """One sandbox. `folder` holds logs, stack state and this description; `room` is scratch space that goes with it.

    `mysql` is there where the stack's target is MySQL.
    """

    name: str
    pid: int
    folder: Path
    room: Path
    ports: Ports
    source: ServerInfo
    target: ServerInfo
    passphrase: str
    processes: tuple[tuple[str, int], ...]
    engine: dict[str, Any]
    mysql: MariaDbInfo | None = None

    def __post_init__(self) -> None:
        """Whoever knows an instance may show none of its passwords."""
        hide([self.source.password, self.target.password, self.passphrase])

    @property
    def logs(self) -> Path:
        """Folder of every process's output."""
        return self.folder / "logs"

    @property
    def stack_config(self) -> Path:
        """The stack's configuration, where the engine looks for it. It holds values only."""
        return stack_config(self.name)

    def aws(self) -> dict[str, str]:
        """Return the variables that send AWS SDKs here."""
        return routes.environment(self.ports.ministack, self.ports.moto, self.ports.dms, self.ports.mgn)

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a boto3 client of this sandbox's cloud, for code that runs outside its environment."""
        aws = self.aws()
        suffix = routes.VARIABLES.get(service, service.upper())
        return boto3.client(
            service,
            endpoint_url=aws.get(f"AWS_ENDPOINT_URL_{suffix}", aws["AWS_ENDPOINT_URL"]),
            region_name=region or aws["AWS_REGION"],
            aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
        )

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a command that runs inside this sandbox."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))}
        env |= self.aws()
        env |= {
            "PULUMI_HOME": str(self.folder / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.room / PASSPHRASE),
            "PULUMI_STACK": self.name,
            "PULUMI_DEBUG_PROVIDERS": f"aws:{self.ports.provider},random:{self.ports.provider}",
            "SANDBOX_DNS": f"127.0.0.1:{self.ports.dns}",
            "PYTHONPATH": os.pathsep.join([str(RESOLVER), str(REPOSITORY)]),
        }
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
        return Engine.from_dict(self.engine).environment(env)

    def to_json(self) -> str:
        """Return the description as it is stored."""
        return json.dumps(asdict(self), default=str, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Instance":
        """Return the instance that `to_json` described."""
        raw = json.loads(text)
        return cls(
            **{
                **raw,
                "folder": Path(raw["folder"]),
                "room": Path(raw["room"]),
                "ports": Ports(**raw["ports"]),
                "source": ServerInfo(**raw["source"]),
                "target": ServerInfo(**raw["target"]),
                "mysql": MariaDbInfo(**raw["mysql"]) if raw.get("mysql") else None,
                "processes": tuple((name, pid) for name, pid in raw["processes"]),
            }
        )


def folder_of(name: str) -> Path:
    """Return where a sandbox of this name lies. Raises SandboxError for a name that can't be a stack's."""
    if not NAME.match(name):
        raise SandboxError(f"{name!r} can't be a sandbox's name: write sandbox, or sandbox-something in small letters")
    return BUILD / "sandbox" / name


def stack_config(name: str) -> Path:
    """Return where the configuration of a sandbox's stack lies while it runs."""
    return REPOSITORY / f"Pulumi.{name}.yaml"


def find(name: str) -> Instance | None:
    """Return the running sandbox of this name, None where there is none."""
    try:
        instance = Instance.from_json((folder_of(name) / "instance.json").read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return instance if _runs(instance.pid, name) else None


def need(name: str) -> Instance:
    """Return the running sandbox of this name. Raises SandboxError where there is none."""
    instance = find(name)
    if instance is None:
        raise SandboxError(f"no sandbox called {name} is running: start it with `python -m sandbox up --name {name}`")
    return instance


def stop(name: str) -> bool:
    """End a sandbox with all its processes and say whether there was one. Its logs stay."""
    instance = find(name)
    if instance is not None:
        os.kill(instance.pid, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while _runs(instance.pid, name):
            if time.monotonic() > until:
                os.kill(instance.pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        shutil.rmtree(instance.room, ignore_errors=True)
    (folder_of(name) / "instance.json").unlink(missing_ok=True)
    stack_config(name).unlink(missing_ok=True)
    return instance is not None


def _runs(pid: int, name: str) -> bool:
    """Say whether `pid` is the supervisor of this sandbox, not another process that got its number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return "sandbox.supervisor" in command and name in command and state != "Z"
