"""What a stack's configuration has to say inside a sandbox, by composition: addresses, ports, secrets, short waits."""

import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.databases import MariaDbInfo, ServerInfo

SOURCE_HOST_SUFFIX = "onprem.example"
Values = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class World:
    """What is known of a sandbox before its stack is deployed. `secrets` are ARNs by purpose.

    `mysql` is there where the stack's target is MySQL.
    """

    source: ServerInfo
    target: ServerInfo
    database: str
    schemas: Sequence[str]
    secrets: Mapping[str, str]
    application_role: str
    mysql: MariaDbInfo | None = None
    dns_propagation: float = 0.0
    excluded: Sequence[Mapping[str, str]] = ()
    """Rules of the config that leave tables out; what it includes is another database's."""
    excused: Sequence[Mapping[str, Any]] = ()
    """What the config excuses of preflight's findings."""
    renamed: Sequence[str] = ()
    """Schemas in which the config changes names: the settings want them selected, whether they are there or not."""


def values(composition: str, world: World) -> Values:
    """Return the keys to replace, by section. Raises KeyError for a composition nobody knows."""
    return {**_VALUES[composition](world), "policy": POLICY}


def _migration(world: World) -> Values:
    address = world.source.address.replace(".", "-")
    return {
        "network": {"onPremisesCidrs": ["127.0.0.0/8"]},
        "source": {
            "host": f"db-{address}.{SOURCE_HOST_SUFFIX}",
            "readerHost": f"replica-{address}.{SOURCE_HOST_SUFFIX}",
            "port": world.source.port,
            "database": world.database,
            "replicationSecretArn": world.secrets["replication"],
            "operatorSecretArn": world.secrets["operator"],
            "applicationRoles": [],
            "sslMode": "none",  # the binaries have no TLS
        },
        "target": {
            "engineVersion": f"{world.target.version}.3",
            "port": world.source.port,
            "sslMode": "none",
            "applicationUsername": f"{world.application_role}_next",
            **DISPOSABLE,
        },
        "replication": {"tables": _tables(world)},
        "dns": {"ttlSeconds": 3, "propagationSeconds": math.ceil(world.dns_propagation)},
        "preflight": _preflight(world),
        "switchover": machine(),
    }


def _fleet(world: World) -> Values:  # noqa: ARG001
    """A fleet's databases stay as they are written: declared whole, started never, so their hosts need not exist."""
    return {"dns": {"ttlSeconds": 3}, "functions": machine()}


def _database(world: World) -> Values:
    if world.mysql is None:
        version = world.target.version
        target = {"engineVersion": f"{version}.3", "port": world.target.port, "sslMode": "none"}  # as above
        return {"target": {**target, **DISPOSABLE}, "validation": machine()}
    return {
        "target": {
            "port": world.mysql.port,
            "sslMode": "verify-full",
            "certificateBundle": world.mysql.certificate,
            **DISPOSABLE,
        },
        "validation": {
            "server": f"MariaDB {world.mysql.version}",  # what it is; the check would not take it for MySQL
            **machine(),
        },
    }


def _application(world: World) -> Values:
    def side(server: ServerInfo) -> dict[str, Any]:
        return {
            "engineVersion": f"{server.version}.3",
            "port": server.port,
            "sslMode": "none",  # the binaries have no TLS
            **DISPOSABLE,
        }

    return {
        "source": {"database": side(world.source)},
        "target": {"database": side(world.target)},
        "application": {"deletionProtection": False},
        "transactionLogs": {"forceDestroy": True},
        "replication": {"tables": _tables(world)},
        "dns": {"ttlSeconds": 3, "propagationSeconds": math.ceil(world.dns_propagation)},
        "preflight": _preflight(world),
        "switchover": machine(),
    }


def _preflight(world: World) -> dict[str, Any]:
    return {"excusedRules": [*world.excused, APPENDED_TO]}


def _tables(world: World) -> list[Mapping[str, str]]:
    schemas = dict.fromkeys((*world.schemas, *world.renamed))
    return [*({"schema": schema} for schema in schemas), *world.excluded]


POLICY = {
    "environment": "development",  # what is thrown away is not protected, and has one of each
    "exceptions": [
        {"rule": rule, "resource": "*", "reason": "the sandbox's database servers have no TLS"}
        for rule in ("dms-9-tls", "rds-38-tls")
    ],
}
"""What the policy pack may find in a sandbox."""
APPENDED_TO = {
    "rule": "no-primary-key",
    "objects": ["public.audit_log"],
    "reason": "the shop's audit log is only ever appended to",
}
"""What the owner of the default source answers for."""
DISPOSABLE = {"deletionProtection": False, "finalSnapshot": False, "secretRecoveryDays": 0}
"""What lets a target go with its sandbox."""


def machine() -> dict[str, str]:
    """Return the runtime and the architecture whose layer this machine's Python can load."""
    return {
        "runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "architecture": {"aarch64": "arm64"}.get(platform.machine(), "x86_64"),
    }


EVERY_SCHEMA = "%"
"""What is replicated of a source that is empty when its stack is deployed."""


MAKES_ITS_SOURCE = frozenset({"application"})
"""Compositions whose stack makes the source as well: nobody has to prepare one."""
_VALUES: dict[str, Callable[[World], Values]] = {
    "application": _application,
    "database": _database,
    "fleet": _fleet,
    "migration": _migration,
}
