"""The thin functions of a validation in chunks, and the bucket behind them."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.adapters.object_store import AT_ONCE, ObjectStore
from handlers.config import Chunks, ConfigError, parse_chunks
from handlers.core.comparison import Table
from handlers.functions import conclude, partition
from handlers.validation import runs
from handlers.validation.result import TableResult, Verdict
from handlers.validation.runs import About
from tests.support.chunks import FakeStore, planned
from tests.support.fakes import World
from tests.support.recorded_aws import RecordedAws
from tests.unit.test_validation_chunks import BY_ID, first, pair

ABOUT = About(False, (0, 0), 0.0)
CONFIG = Chunks("bucket", 100, 50_000, 10)


class Kept:
    """A tracking table that remembers the last verdict."""

    def __init__(self) -> None:
        self.said: tuple[str, dict[str, Any]] | None = None

    def keep_validation(self, run: str, said: dict[str, Any], now: float) -> None:
        self.said = run, said


def scene(store: FakeStore) -> Any:
    migration = SimpleNamespace(tracking=Kept(), clock=SimpleNamespace(now=lambda: 0.0))
    return SimpleNamespace(store=store, migration=migration, config=CONFIG)


def test_what_lacks_a_chunk_is_incomplete_and_the_table_knows() -> None:
    acting = scene(FakeStore())
    runs.begin(acting.store, "r", [first(pair(), BY_ID)], [], ABOUT)
    said = conclude.step(acting, {"run": "r", "round": 1})
    assert said["outcome"] == "incomplete"
    assert said["reason"].startswith(f"{len(planned(acting.store, 'r', 1))} of ")
    assert acting.migration.tracking.said == ("r", said)


def test_a_verdict_is_kept_and_a_next_round_is_not() -> None:
    acting = scene(FakeStore())
    missing = TableResult(Table("shop", "a"), Verdict.DIFFERENT, None, reason="missing on the target")
    runs.begin(acting.store, "r", [], [missing], ABOUT)
    said = conclude.step(acting, {"run": "r", "round": 1})
    assert (said["outcome"], said["tables"]) == ("different", 1)
    assert acting.migration.tracking.said == ("r", said)


@pytest.mark.parametrize("wanted", [{"chunk_rows": 10}, {"chunk_rows": "many"}, {"settle_seconds": 99}])
def test_numbers_that_can_t_be_are_refused(wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def databases() -> Iterator[Any]:
        side = SimpleNamespace(tables=dict)
        yield side, side

    acting = scene(FakeStore())
    acting.databases = databases
    acting.migration.task = SimpleNamespace(mappings=list)
    monkeypatch.setattr(partition.subjects, "read", lambda *_, **__: ([], {}))
    monkeypatch.setattr(partition.postgres_cells, "large_objects", lambda _: 0)
    with pytest.raises(ValueError, match=f"{next(iter(wanted))} is"):
        partition.step(acting, {"run": "r", "input": wanted})
    assert partition.step(acting, {"run": "r", "input": {"settle_seconds": 3}})["outcome"] == "nothing"


def test_the_store_reads_what_was_written_and_many_in_order() -> None:
    aws = RecordedAws(World(), {})
    store = ObjectStore(aws.client("s3"), "bucket")
    written = [f"runs/r/{number:03d}" for number in range(3 * AT_ONCE + 1)]
    for name in written:
        store.put(name, f"text of {name}")
    assert store.get(written[0]) == "text of runs/r/000"
    assert list(store.many(written)) == [f"text of {name}" for name in written]
    assert store.names("runs/r/00") == set(written[:10])


def test_what_the_functions_know_is_checked() -> None:
    text = '{"bucket": "bucket", "chunk_seconds": 100, "rows_per_second": 50000, "settle_seconds": 10}'
    assert parse_chunks(text) == CONFIG
    with pytest.raises(ConfigError, match="CHUNKS is not JSON"):
        parse_chunks("{")
    with pytest.raises(ConfigError, match="lacks"):
        parse_chunks("{}")
