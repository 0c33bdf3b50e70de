"""Where the sandbox keeps things."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import SandboxError

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build"


def cache_folder(*parts: str) -> Path:
    """Return a folder of the cache, made if need be. What is in it is keyed by version and never edited.

    It lies in the user's cache; in the checkout's build folder where that can't be written: a read-only home.
    """
    folder = _cache().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _cache() -> Path:
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "database-migration"
    try:
        users.mkdir(parents=True, exist_ok=True)
    except OSError:
        return BUILD / "cache"
    return users if os.access(users, os.W_OK) else BUILD / "cache"


@contextmanager
def claimed(folder: Path, complaint: str) -> Iterator[int]:
    """Hold `folder`, made if need be, or raise SandboxError with `complaint` where another process holds it.

    Yields a descriptor: a child that inherits it goes on holding the folder after this process has let go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(complaint) from None
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes of this user, so that a set-up runs once."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
