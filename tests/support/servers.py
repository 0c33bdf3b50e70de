"""Two real PostgreSQL servers, 16 and 18, for tests that need no more than that."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.databases import Server, ServerInfo
from sandbox.processes import Processes, free_port

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


@contextmanager
def two_servers(folder: Path) -> Iterator[tuple[ServerInfo, ServerInfo]]:
    """PostgreSQL 16 and 18 on addresses of their own and one port, empty, ended with the context."""
    addresses = [f"127.0.0.{next(_ADDRESSES)}" for _ in range(2)]
    port = free_port(*addresses)
    blue = Server("blue", "16", addresses[0], port, folder)
    green = Server("green", "18", addresses[1], port, folder)
    with Processes(folder / "logs") as processes:
        blue.start(processes)
        green.start(processes)
        yield blue.info, green.info
