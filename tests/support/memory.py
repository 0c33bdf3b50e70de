"""Where tests put what they throw away: in memory where there is enough of it.

Each test's database servers make and remove thousands of files, which takes a disk's file system longer than the
servers themselves.
"""

import os
from pathlib import Path

SHARED = Path("/dev/shm")
ROOM, LEFT = 4 << 30, 8 << 30
"""Bytes that there must be room for, and that have to be free of the machine's memory."""


def folder(shared: Path = SHARED, meminfo: Path = Path("/proc/meminfo")) -> Path | None:
    """Return a folder in memory, or None where the machine has none that is large enough and may hold programs."""
    try:
        found = os.statvfs(shared)
        known = dict(line.split(":") for line in meminfo.read_text().splitlines())
        free = int(known["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError):
        return None
    fits = found.f_bavail * found.f_frsize >= ROOM and free >= LEFT
    return shared if fits and not found.f_flag & os.ST_NOEXEC and os.access(shared, os.W_OK) else None
