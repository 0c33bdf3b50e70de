"""What is left to `make scenarios`."""

from pathlib import Path

import pytest

ONLY_WHOLE = "test_other_region.py"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a whole rehearsal of one more scenario to those who ask for every one."""
    left = collection_path.name == ONLY_WHOLE and not config.getoption("--every-scenario")
    return True if left else None
