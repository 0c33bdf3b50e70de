"""Ports of this machine: which are free, who keeps one, whether somebody answers."""

import random
import socket
from pathlib import Path

from sandbox.errors import SandboxError

FIRST, KERNELS_USUAL = 10_000, 32_768
_KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_kept: list[socket.socket] = []


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Say whether something accepts connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((address, port)) == 0


def is_free(port: int, address: str) -> bool:
    """Say whether a port can be bound on an address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def keep(port: int) -> bool:
    """Keep other sandboxes off a port until this process ends: they may start before its server listens there.

    False where another process of ours, or this one, keeps it already.
    """
    keeper = socket.socket(socket.AF_UNIX)
    try:
        keeper.bind(f"\0database-migration-port-{port}")
    except OSError:
        keeper.close()
        return False
    _kept.append(keeper)
    return True


def free_port(*addresses: str) -> int:
    """Return a port that is free on every one of these loopback addresses, and keep it until this process ends.

    It is below those the kernel gives to connections: one of them could have it before our server listens there.
    """
    try:
        kernels = int(_KERNELS.read_text().split()[0])
    except (OSError, ValueError):
        kernels = KERNELS_USUAL
    last = kernels if kernels >= 2 * FIRST else KERNELS_USUAL
    for port in random.sample(range(FIRST, last), 200):
        if all(is_free(port, address) for address in addresses or ("127.0.0.1",)) and keep(port):
            return port
    raise SandboxError(f"no port is free on all of {', '.join(addresses)}: end what listens there")
