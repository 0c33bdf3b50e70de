"""The fixtures of the tests of the sandbox's DMS: all files share one pair of servers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.dms.world import USER, Migration, World, open_world, run


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    """Two servers and DMS, for all tests in this folder: its patches of botocore are not for others."""
    # Not in pytest's own folder: the servers run as another user if we are root, and pytest closes that to others.
    with tempfile.TemporaryDirectory(prefix="dms-") as room, open_world(Path(room)) as opened:
        yield opened


@pytest.fixture
def migration(world: World) -> Iterator[Migration]:
    """A fresh pair of databases, dropped in the end with whatever was made for them."""
    made = Migration(world, f"db{next(world.numbers)}")
    for info in (world.source, world.target):
        run(info, "postgres", f"CREATE DATABASE {made.database}", f"GRANT ALL ON DATABASE {made.database} TO {USER}")
    try:
        yield made
    finally:
        made.end()
