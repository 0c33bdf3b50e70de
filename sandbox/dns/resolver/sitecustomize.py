"""Gives database drivers the sandbox's DNS: on AWS the VPC's resolver does this, and a machine's own can't be replaced.

Python imports this module by itself from PYTHONPATH. Where SANDBOX_DNS is set, the first import of a driver is
followed, and a host name is resolved there before the driver sees it. Certificates are verified by the name still.
"""

import importlib.abc
import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _AfterImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module as usual and changes it once it is there."""

    def __init__(self, name: str, change: Callable[[Any], None]) -> None:
        self._name = name
        self._change = change

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            self._loader = spec.loader
            spec.loader = self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        self._change(module)


def _psycopg2(module: Any) -> None:
    """Let libpq have the address as `hostaddr`."""
    connect = module._connect

    def with_address(dsn: str, *args: Any, **kwargs: Any) -> Any:
        known = module.extensions.parse_dsn(dsn)
        host = known.get("host", "")
        if _is_name(host) and not known.get("hostaddr"):
            dsn = module.extensions.make_dsn(dsn, hostaddr=_resolve(host))
        return connect(dsn, *args, **kwargs)

    module._connect = with_address


def _pymysql(module: Any) -> None:
    """Let PyMySQL's connections module have a `socket` that connects to the address."""

    class Socket(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(socket, name)

        @staticmethod
        def create_connection(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
            host, port = address
            return socket.create_connection((_resolve(host) if _is_name(host) else host, port), *args, **kwargs)

    module.socket = Socket("socket")


def _is_name(host: str) -> bool:
    return "." in host and not host.replace(".", "").isdigit()


def _resolve(host: str) -> str:
    """Return the address of a host name, by the sandbox's DNS."""
    import dns.resolver  # noqa: PLC0415 - only when a name is asked for

    address, port = os.environ["SANDBOX_DNS"].split(":")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [address], int(port)
    try:
        return str(resolver.resolve(host, "A", lifetime=5)[0])
    except dns.resolver.NXDOMAIN:
        raise OSError(f"the sandbox's DNS does not know {host}") from None


if "SANDBOX_DNS" in os.environ:
    sys.meta_path.insert(0, _AfterImport("psycopg2", _psycopg2))
    sys.meta_path.insert(0, _AfterImport("pymysql.connections", _pymysql))
