"""The process that owns a sandbox: it starts every other one, describes them, and ends them when it is ended.

`python -m sandbox.supervisor NAME`, with a JSON object of options on standard input. It prints one line: `ready`, or
`error: ...`. It runs until it gets SIGTERM.
"""

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from sandbox.cloud import routes
from sandbox.databases import MariaDbServer, Server
from sandbox.databases.metrics import REPLICATION, Watched
from sandbox.errors import SandboxError
from sandbox.instance import PASSPHRASE, RESOLVER, Instance, Ports, folder_of, stack_config
from sandbox.paths import REPOSITORY
from sandbox.ports import free_port, is_free, keep, listens
from sandbox.processes import Processes, end_with_parent

SOURCE, TARGET = "127.0.0.2", "127.0.0.3"
"""Addresses of the two servers. One port for both, so that a changed name alone moves a client."""
FIRST_CHOICE = 5432
MYSQL_ADDRESS, MYSQL_FIRST_CHOICE = "127.0.0.4", 3306
CLOUD = REPOSITORY / "sandbox" / "cloud"
SERVERS, RDS, MARIADB, WATCHED = "servers.json", "rds.json", "mariadb.json", "watched.json"
"""Files that say how to reach the servers, which of them stand for RDS's, and what is measured."""
Environment = dict[str, str]


class Ended(Exception):
    """Somebody asked this process to end."""


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever asks again shall not disturb the ending
    raise Ended


def main(name: str) -> int:
    """Run a sandbox until it is ended. Returns the exit status."""
    options = json.loads(sys.stdin.read() or "{}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    if options.get("end_with_parent"):
        end_with_parent()
    folder = folder_of(name)
    room = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    room.chmod(0o711)
    try:
        with Processes(folder / "logs", all_ours=True) as processes:
            instance = start(name, folder, room, processes, options)
            _write(room / PASSPHRASE, instance.passphrase)
            _write(folder / "instance.json", instance.to_json())
            print("ready", flush=True)
            while True:
                signal.pause()
    except Ended:
        return 0
    except SandboxError as error:
        print(f"error: {error}", flush=True)
        return 1
    except OSError as error:
        print(f"error: {error.strerror or error}: {error.filename or room}; make room or change TMPDIR", flush=True)
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        shutil.rmtree(room, ignore_errors=True)
        for written in (folder / "instance.json", stack_config(name)):
            written.unlink(missing_ok=True)  # also where the rehearsal was killed and can't


def start(name: str, folder: Path, room: Path, processes: Processes, options: dict[str, Any]) -> Instance:
    """Start everything and return its description."""
    ports = Ports(*(free_port() for _ in range(6)))
    port = _database_port(options.get("database_port"))
    source, target = (
        Server(name, options[f"{name}_version"], address, port, room)
        for name, address in (("source", SOURCE), ("target", TARGET))
    )
    mysql = _mysql(room) if options.get("mysql") else None
    _write(room / SERVERS, json.dumps([source.info.to_dict(), target.info.to_dict()]))
    of_rds = [source, target] if options["makes_its_source"] else [target]
    _write(room / RDS, json.dumps([server.info.to_dict() for server in of_rds]))
    _write(room / MARIADB, json.dumps([mysql.info.to_dict()] if mysql else []))
    (room / "tmp").mkdir()

    cloud, ours = _environments(room, ports, float(options.get("dns_propagation", 0)))
    waiting = [
        (processes.spawn(title, command, env=env, cwd=room), listening)
        for title, (command, env, listening) in _services(room, ports, options["cloud_python"], cloud, ours).items()
    ]
    servers: list[Server | MariaDbServer] = [source, target, *([mysql] if mysql else [])]
    watched = [
        Watched(server.info.address, server.info.port, server.start(processes).popen.pid, str(server.folder))
        for server in servers
    ]
    replication = next(process for process in processes.running if process.name == "dms")
    watched.append(Watched(REPLICATION, ports.dms, replication.popen.pid, str(room)))
    _write(room / WATCHED, json.dumps([asdict(one) for one in watched]))
    metrics = [sys.executable, "-m", "sandbox.databases.metrics", str(room / WATCHED), *options["regions"]]
    processes.spawn("metrics", metrics, env=ours, cwd=room)
    for process, listening in waiting:
        processes.await_ready(process, lambda listening=listening: listens(listening))  # type: ignore[misc]
    return Instance(
        name=name,
        pid=os.getpid(),
        folder=folder,
        room=room,
        ports=ports,
        source=source.info,
        target=target.info,
        passphrase=secrets.token_urlsafe(18),
        processes=tuple((process.name, process.popen.pid) for process in processes.running),
        engine=options["engine"],
        mysql=mysql.info if mysql else None,
    )


def _environments(room: Path, ports: Ports, dns_propagation: float) -> tuple[Environment, Environment]:
    """Return the variables of the emulators, and of our own services."""
    common = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(room),
        "TMPDIR": str(room / "tmp"),
        "LANG": "C.UTF-8",
        **routes.environment(ports.ministack, ports.moto, ports.dms, ports.mgn),
        "SANDBOX_DNS": f"127.0.0.1:{ports.dns}",
    }
    cloud = {
        **common,
        "PYTHONPATH": str(RESOLVER),
        "MINISTACK_ACCOUNT_ID": routes.ACCOUNT,
        "MINISTACK_REGION": routes.REGION,
        "IOT_MTLS_ENABLED": "0",
        "S3_DATA_DIR": str(room / "tmp" / "s3"),
        "SANDBOX_SERVERS": str(room / RDS),
        "SANDBOX_MARIADB": str(room / MARIADB),
        "SANDBOX_DNS_PROPAGATION": str(dns_propagation),
    }
    return cloud, {**common, "PYTHONPATH": str(REPOSITORY)}


def _services(
    room: Path, ports: Ports, emulators: str, cloud: Environment, ours: Environment
) -> dict[str, tuple[list[str | Path], Environment, int]]:
    """Return command, variables and port of every service, by name. `emulators` is the Python they run with."""
    python = Path(sys.executable)
    return {
        "ministack": ([emulators, CLOUD / "ministack_server.py", str(ports.ministack)], cloud, ports.ministack),
        "moto": ([emulators, CLOUD / "moto_server.py", str(ports.moto)], cloud, ports.moto),
        "provider": ([python, "-m", "sandbox.provider.server", str(ports.provider)], ours, ports.provider),
        "dms": (
            [python, "-m", "sandbox.dms.server", "--port", str(ports.dms), "--servers", room / SERVERS],
            ours,
            ports.dms,
        ),
        "dns": ([python, "-m", "sandbox.dns.server", str(ports.dns)], ours, ports.dns),
        "mgn": ([python, "-m", "sandbox.mgn.server", str(ports.mgn)], ours, ports.mgn),
    }


def _mysql(room: Path) -> MariaDbServer:
    """Return the server that stands for MySQL, on MySQL's own port if that is free."""
    own = is_free(MYSQL_FIRST_CHOICE, MYSQL_ADDRESS) and keep(MYSQL_FIRST_CHOICE)
    port = MYSQL_FIRST_CHOICE if own else free_port(MYSQL_ADDRESS)
    return MariaDbServer("mysql", MYSQL_ADDRESS, port, room)


def _database_port(wanted: int | None) -> int:
    """Return the port both servers listen on: the wanted one, else PostgreSQL's own if free, else any."""
    addresses = (SOURCE, TARGET)
    if wanted is not None:
        for address in addresses:
            if not is_free(wanted, address):
                raise SandboxError(f"port {wanted} on {address} is taken: choose another with --database-port, or none")
        return wanted
    if all(is_free(FIRST_CHOICE, address) for address in addresses) and keep(FIRST_CHOICE):
        return FIRST_CHOICE
    return free_port(*addresses)


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read: it holds passwords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
    scratch.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
