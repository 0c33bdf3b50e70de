"""Bring a sandbox up, whole: processes, source, stack; and take it down again."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox import adaptation, programs, setup, source, stack
from sandbox import instance as instances
from sandbox.adaptation import World
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY, claimed

Tell = Callable[[str], None]
_SUPERVISORS: list[subprocess.Popen[bytes]] = []
"""Held so that Python does not complain of them at the end: they live on, or are ended by `instance.stop`."""


@dataclass(frozen=True)
class Options:
    """What a person may choose.

    `end_with_parent` ties the sandbox's life to this process. `dns_propagation` is how many seconds a change of Route
    53 takes until its name servers have it. The versions are major ones of PostgreSQL.
    """

    name: str = "sandbox"
    stack_config: str = stack.DEFAULT_CONFIG
    database_port: int | None = None
    end_with_parent: bool = False
    dns_propagation: float = 0.0
    source_version: str = "16"
    target_version: str = "18"


def start(options: Options, tell: Tell) -> Instance:
    """Set up what is missing and start the processes. Raises SandboxError with one line if they do not all start."""
    refuse_second(options.name)
    stack.check(options.stack_config)
    config = stack.load(options.stack_config)
    if _makes_its_source(config) and options.source_version == options.target_version:
        raise SandboxError(
            f"{options.stack_config} makes source and target, which are told apart by their versions: give another "
            "--source-version or --target-version"
        )
    ready = setup.prepare(tell, mariadb=stack.wants_mysql(config))
    tell(ready.engine.line("stand-in (sandbox)"))
    with claimed(instances.folder_of(options.name), _is_running(options.name)) as claim:
        return _started(options, ready, config, claim)


def refuse_second(name: str) -> None:
    """Raise SandboxError where a sandbox of this name runs."""
    if instances.find(name):
        raise SandboxError(_is_running(name))


def _is_running(name: str) -> str:
    return (
        f"a sandbox called {name} is running: use it, end it with `python -m sandbox down --name {name}`, or start "
        "another with --name"
    )


def _started(options: Options, ready: setup.Ready, config: Mapping[str, Any], claim: int) -> Instance:
    """Start the supervisor, who inherits `claim`, and wait until everything runs."""
    folder = instances.folder_of(options.name)
    for left in folder.iterdir():  # by an earlier one of this name: logs and a stack without a cloud
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
    (folder / "logs").mkdir()
    with (folder / "logs" / "supervisor.log").open("wb") as log_file:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "sandbox.supervisor", options.name],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,
            pass_fds=(claim,),
        )
    told = {
        "database_port": options.database_port,
        "end_with_parent": options.end_with_parent,
        "dns_propagation": options.dns_propagation,
        "source_version": options.source_version,
        "target_version": options.target_version,
        "makes_its_source": _makes_its_source(config),
        "mysql": stack.wants_mysql(config),
        "regions": stack.regions(config),
        "cloud_python": str(ready.cloud_python),
        "engine": ready.engine.to_dict(),
    }
    try:
        assert supervisor.stdin is not None  # noqa: S101
        assert supervisor.stdout is not None  # noqa: S101
        supervisor.stdin.write(json.dumps(told).encode())
        supervisor.stdin.close()
        with supervisor.stdout:
            said = supervisor.stdout.readline().decode().strip()
        if said != "ready":
            raise SandboxError(said.removeprefix("error: ") or f"the sandbox did not start (log: {folder / 'logs'})")
        _SUPERVISORS.append(supervisor)
        return instances.need(options.name)
    except BaseException:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait()
        raise


def declare(instance: Instance, options: Options, database: str = "", application_role: str = "") -> dict[str, str]:
    """Give the migration its roles on the source, write the stack's configuration and make the stack, undeployed.

    A stack that makes its source itself needs neither `database` nor `application_role`: nothing is there yet.
    """
    base = stack.load(options.stack_config)
    if _makes_its_source(base):
        arns, schemas = {}, [adaptation.EVERY_SCHEMA]
    else:
        arns = source.prepare(instance, database, stack.region(base))
        schemas = source.schemas(instance, database)
    world = World(
        *(instance.source, instance.target, database, schemas, arns, application_role, instance.mysql),
        dns_propagation=options.dns_propagation,
    )
    instance.folder.joinpath("state").mkdir(parents=True, exist_ok=True)
    stack.write_config(instance, stack.derived(base, world))
    stack.initialise(instance)
    return arns


def _makes_its_source(config: Mapping[str, Any]) -> bool:
    return stack.composition(config) in adaptation.MAKES_ITS_SOURCE


def deploy(instance: Instance) -> None:
    """Deploy the stack with the real engine."""
    stack.pulumi(instance, "up", "--yes", "--skip-preview", "--suppress-outputs")


def end(name: str) -> bool:
    """End a sandbox, whatever is pressed meanwhile, and say whether there was one."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return instances.stop(name)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def execute(name: str, command: list[str], tell: Tell) -> int:
    """Run a command inside a running sandbox, in the caller's folder, and return its exit status."""
    instance = instances.need(name)
    if not command:
        raise SandboxError("nothing to run: write for example `python -m sandbox exec -- pulumi preview`")
    env = programs.first_on_path(instance.environment(), instance.folder / "programs", tell)
    program = shutil.which(command[0], path=env["PATH"])
    if program is None:
        raise SandboxError(f"{command[0]} can't be run: there is no such program on the path of a sandbox")
    try:
        process = subprocess.Popen(command, executable=program, env=env)
    except OSError as error:
        raise SandboxError(f"{command[0]} can't be run: {error.strerror}") from None
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the command got it as well and decides
