"""The ledger, the gap in it, and the progress file beside it."""

import json
import threading
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.rehearsal.ledger import DELETE, INSERT, UPDATE, Gap, Ledger, Record, write_gap
from sandbox.rehearsal.progress import Progress, progress_path, read
from sandbox.rehearsal.verify import expectations


def record(identity: str, at: float = 0.0, *, acknowledged: bool = True, kind: str = INSERT, **keys: object) -> Record:
    return Record(identity, kind, acknowledged, at, 1000.0 + at, "127.0.0.2", **keys)  # type: ignore[arg-type]


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    written = [
        record("a", 1.5, items=3, counters=("stock 1 2", "stock 1 3")),
        record("b", 2.5, kind=DELETE, of="a", rows=0, acknowledged=False),
    ]
    for entry in written:
        ledger.append(entry)
        assert ledger.read()[-1] == entry, "a record is on disk as soon as append returns"
    ledger.close()
    assert Ledger(tmp_path / "ledger").read() == written


def test_a_line_torn_by_a_kill_is_no_record_and_is_cut_off(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(record("a"))
    ledger.close()
    with ledger.path.open("ab") as handle:
        handle.write(b'{"id":"torn')
    assert [r.id for r in ledger.read()] == ["a"]
    ledger.append(record("b"))
    ledger.close()
    assert [r.id for r in ledger.read()] == ["a", "b"]


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"id": "x"}\n', b"[1]\n", b'{"counters": [], "other": 1}\n'])
def test_a_line_that_is_no_record_is_refused_with_its_number(tmp_path: Path, line: bytes) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(record("a"))
    ledger.close()
    with ledger.path.open("ab") as handle:
        handle.write(line)
    with pytest.raises(SandboxError, match="line 2"):
        ledger.read()


def test_a_missing_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no ledger"):
        Ledger(tmp_path / "none").read()


def test_threads_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.open()
    threads = [
        threading.Thread(target=lambda n=n: [ledger.append(record(f"{n} {i}" * 20)) for i in range(200)])  # type: ignore[misc]
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    assert len({r.id for r in ledger.read()}) == 800


def test_the_gap_is_the_longest_time_between_acknowledged_writes() -> None:
    records = [record("a", 1.0), record("d", 9.0), record("b", 2.0), record("c", 6.5, acknowledged=False)]
    assert write_gap(records) == Gap(7.0, 1002.0, 1009.0)


def test_the_gap_can_be_looked_for_in_a_window() -> None:
    records = [record(str(at), at) for at in (0.0, 5.0, 6.0, 6.5, 7.0)]
    assert write_gap(records, since=1005.5) == Gap(1.0, 1005.0, 1006.0)
    assert write_gap(records, since=1006.2, until=1006.4) == Gap(0.5, 1006.0, 1006.5)


@pytest.mark.parametrize("records", [[], [record("a")], [record("a"), record("b", acknowledged=False)]])
def test_there_is_no_gap_without_two_acknowledged_writes(records: list[Record]) -> None:
    assert write_gap(records) is None


def test_progress_counts_in_buckets_and_is_read_from_where_one_left_off(tmp_path: Path) -> None:
    path = progress_path(tmp_path / "ledger")
    assert read(path) == ([], 0)
    with Progress(path) as progress:
        progress.address = "127.0.0.2"
        progress.acknowledged("127.0.0.2")
        progress.acknowledged("127.0.0.2")
        progress.error("timeout")
        progress.flush()
        first, offset = read(path)
        progress.flush()
        with path.open("ab") as handle:
            handle.write(b'{"torn')
        second, end = read(path, offset)
        assert end < path.stat().st_size
    assert [(dict(b.acknowledged), dict(b.errors), b.address) for b in first] == [
        ({"127.0.0.2": 2}, {"timeout": 1}, "127.0.0.2")
    ]
    assert [(dict(b.acknowledged), dict(b.errors)) for b in second] == [({}, {})]
    assert progress.sides == {"127.0.0.2": 2} and progress.errors == {"timeout": 1}
    assert first[0].seconds > 0


def test_the_ledger_folds_into_what_must_be_there() -> None:
    expected = expectations(
        [
            record("kept", items=2, counters=("stock 1 1", "stock 1 2")),
            record("gone"),
            record("perhaps gone"),
            record("perhaps", acknowledged=False, counters=("stock 1 1",)),
            record("x", kind=DELETE, of="gone"),
            record("y", kind=DELETE, of="perhaps gone", acknowledged=False),
            record("z", kind=UPDATE, counters=("accounts 7",)),
        ]
    )
    assert expected.inserted == {"kept": (1, 1, 2), "gone": (0, 0, 0), "perhaps gone": (0, 1, 0), "perhaps": (0, 1, 0)}
    assert expected.counters == {"stock 1 1": (1, 2), "stock 1 2": (1, 1), "accounts 7": (1, 1)}


def test_a_ledger_is_lines_of_json(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(record("a", 2.0))
    ledger.close()
    raw = json.loads(ledger.path.read_text())
    assert (raw["id"], raw["kind"], raw["acknowledged"], raw["at"], raw["epoch"]) == ("a", "insert", True, 2.0, 1002.0)
    assert ledger.path.stat().st_mode & 0o077 == 0
