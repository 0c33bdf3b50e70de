"""Where tests put temporary files."""

from pathlib import Path

import pytest

from tests.support import memory


@pytest.mark.parametrize(("free", "fits"), [(8 << 20, True), ((8 << 20) - 1, False)])
def test_memory_is_used_where_enough_of_it_is_free(
    free: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "ROOM", 0)
    (tmp_path / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:  {free} kB\n")
    assert memory.folder(tmp_path, tmp_path / "meminfo") == (tmp_path if fits else None)


def test_a_folder_without_room_or_that_is_not_there_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemAvailable: 99999999 kB\n")
    assert memory.folder(tmp_path / "none", tmp_path / "meminfo") is None
    assert memory.folder(tmp_path, tmp_path / "none") is None
    monkeypatch.setattr(memory, "ROOM", 1 << 60)
    assert memory.folder(tmp_path, tmp_path / "meminfo") is None
