"""The fixtures of the tests of the sandbox's DMS: a plugin, so that all files of a run share one pair of servers."""

from collections.abc import Iterator

import pytest

from tests.sandbox.dms_world import USER, Migration, World, open_world, run


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two servers and DMS, for all tests of a run."""
    room = tmp_path_factory.mktemp("dms")
    for part in (room, *room.parents):
        # The servers run as another user if we are root: they have to get through to their data.
        if part.stat().st_uid == 0 and part.stat().st_mode & 0o005 != 0o005 and part.name.startswith("pytest-"):
            part.chmod(0o755)
    with open_world(room) as opened:
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
