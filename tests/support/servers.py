"""Two real PostgreSQL servers, 16 and 18, for tests that need no more than that."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.databases import Server, ServerInfo
from sandbox.ports import free_port
from sandbox.processes import Processes

_ADDRESSES = itertools.count(50)


@contextmanager
def room() -> Iterator[Path]:
    """A folder that servers run by another user may enter; it goes in the end."""
    folder = Path(tempfile.mkdtemp(prefix="servers-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Restartable:
    """Servers that can be started anew: for settings that nothing else brings into force."""

    def __init__(self, servers: list[Server], processes: Processes) -> None:
        self.infos = [server.info for server in servers]
        self._servers = {server.info.name: server for server in servers}
        self._processes = processes

    def restart(self, name: str) -> None:
        """Stop a server and start it with its settings as they are now."""
        server = self._servers[name]
        [running] = [one for one in self._processes.running if one.name == f"postgres-{name}"]
        os.killpg(running.popen.pid, running.stop_signal)
        running.popen.wait(30)
        self._processes.running.remove(running)
        server.run(self._processes)


@contextmanager
def restartable(folder: Path, **versions: str) -> Iterator[Restartable]:
    """As `started`, and each of them can be restarted."""
    addresses = [f"127.0.0.{next(_ADDRESSES)}" for _ in versions]
    port = free_port(*addresses)
    servers = [
        Server(name, version, address, port, folder)
        for (name, version), address in zip(versions.items(), addresses, strict=True)
    ]
    with Processes(folder / "logs") as processes:
        for server in servers:
            server.start(processes)
        yield Restartable(servers, processes)


@contextmanager
def started(folder: Path, **versions: str) -> Iterator[list[ServerInfo]]:
    """Empty servers of these versions, by name, on addresses of their own and one port, ended with the context."""
    with restartable(folder, **versions) as servers:
        yield servers.infos


@contextmanager
def two_servers(folder: Path) -> Iterator[tuple[ServerInfo, ServerInfo]]:
    """PostgreSQL 16 and 18 on addresses of their own and one port, empty, ended with the context."""
    with started(folder, blue="16", green="18") as (blue, green):
        yield blue, green
