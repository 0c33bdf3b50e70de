"""Gives psycopg2 the sandbox's DNS: on AWS the VPC's resolver does this, and a machine's own can't be replaced here.

Python imports this module by itself from PYTHONPATH. Where SANDBOX_DNS is set, the first import of psycopg2 is
followed, and a host name is resolved there before libpq sees it; libpq gets it as `hostaddr`.
"""

import importlib.abc
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _AfterImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds psycopg2 as usual and changes how it opens connections."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != "psycopg2":
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
        connect = module._connect

        def with_address(dsn: str, *args: Any, **kwargs: Any) -> Any:
            known = module.extensions.parse_dsn(dsn)
            host = known.get("host", "")
            if "." in host and not known.get("hostaddr") and not host.replace(".", "").isdigit():
                dsn = module.extensions.make_dsn(dsn, hostaddr=_resolve(host))
            return connect(dsn, *args, **kwargs)

        module._connect = with_address


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
    sys.meta_path.insert(0, _AfterImport())
