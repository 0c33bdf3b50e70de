"""The application's manners: its pace, its patience, the names of its errors, its settings, what it writes next."""

import io
import json
import random
import sys
from collections import Counter
from types import SimpleNamespace

import psycopg2
import pytest
from psycopg2 import errors

from sandbox.rehearsal import load
from sandbox.rehearsal.client import TimedOut, breaks_connection, error_class
from sandbox.rehearsal.resolver import NameFailure
from sandbox.rehearsal.writes import Chooser, OwnTable, Shop

SETTINGS = {
    **{"name": "writer.test", "port": 5432, "resolver": ["127.0.0.1", 53], "database": "shop", "user": "u"},
    **{"password": "very secret", "rate": 10, "seconds": 5, "ledger": "/tmp/ledger", "mode": "shop"},
}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_writes_come_due_at_the_rate_however_long_they_take() -> None:
    clock = Clock()
    pacer = load.Pacer(10.0, clock)
    assert [round(pacer.next_due() - 100.0, 3) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]


def test_after_an_outage_no_more_than_a_small_burst_is_caught_up_on() -> None:
    clock = Clock()
    pacer = load.Pacer(100.0, clock)
    pacer.next_due()
    clock.now = 160.0
    due = [pacer.next_due() for _ in range(1000)]
    assert due[0] == 160.0 - load.BURST_SECONDS
    assert sum(moment <= clock.now for moment in due) <= load.BURST_SECONDS * 100 + 1


def test_the_pause_before_a_retry_grows_and_has_a_limit() -> None:
    rng = random.Random(1)
    first = [load.pause_before_retry(0, rng) for _ in range(300)]
    late = [load.pause_before_retry(1000, rng) for _ in range(300)]
    assert min(first) >= 0.01 and max(first) <= 0.05
    assert min(late) >= 0.01 and 0.1 < max(late) <= 0.2
    assert len(set(first)) > 290, "jittered, or all workers come back at once"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (psycopg2.OperationalError('FATAL:  permission denied for database "shop"'), "connect: permission denied"),
        (psycopg2.OperationalError("connection to server failed: Connection refused"), "connect: refused"),
        (psycopg2.OperationalError('FATAL:  too many connections for database "x"'), "connect: too many"),
        (psycopg2.OperationalError('FATAL:  password authentication failed for user "x"'), "connect: wrong password"),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), "connection lost"),
        (psycopg2.InterfaceError("connection already closed"), "connection lost"),
        (TimedOut("timed out"), "timeout"),
        (NameFailure("writer.test: NXDOMAIN"), "name failure"),
        (load.NotCommitted(), "not committed"),
    ],
)
def test_errors_have_short_names(error: Exception, name: str) -> None:
    assert error_class(error) == name


@pytest.mark.parametrize(
    ("error", "breaks"),
    [
        (errors.ReadOnlySqlTransaction(), True),
        (errors.InsufficientPrivilege(), True),
        (errors.AdminShutdown(), True),
        (TimedOut(), True),
        (psycopg2.InterfaceError(), True),
        (errors.UniqueViolation(), False),
        (errors.CheckViolation(), False),
    ],
)
def test_a_connection_is_given_up_where_another_server_may_help(error: Exception, breaks: bool) -> None:
    assert breaks_connection(error) is breaks


@pytest.mark.parametrize(
    ("change", "named"),
    [({"rate": 0}, "rate"), ({"mode": "other"}, "mode"), ({"port": "x"}, "port"), ({"extra": 1}, "extra")],
)
def test_wrong_settings_are_named_and_the_password_is_not(
    change: dict[str, object],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = json.dumps({**SETTINGS, **change}).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
    assert load.main() == 1
    said = capsys.readouterr().err
    assert named in said and "very secret" not in said and said.count("\n") == 1


def test_settings_do_not_show_the_password() -> None:
    settings = load.Settings.model_validate(SETTINGS)
    assert "very secret" not in repr(settings) and settings.workers == 8


def shop() -> Shop:
    mode = Shop()
    mode.prepare(_Cursor([[("c1", 1), ("c2", 1)], [(1, 1, 10), (1, 2, 5), (2, 1, 10), (2, 2, 7)], [(7,), (8,)]]))
    return mode


class _Cursor:
    def __init__(self, answers: list[list[tuple[object, ...]]]) -> None:
        self._answers = answers

    def execute(self, *_: object) -> None:
        pass

    def fetchall(self) -> list[tuple[object, ...]]:
        return self._answers.pop(0)


@pytest.mark.parametrize("mode", [shop(), OwnTable()])
def test_the_mix_is_as_promised_and_only_acknowledged_inserts_are_deleted_once(mode: Shop | OwnTable) -> None:
    if isinstance(mode, OwnTable):
        mode.prepare(_Cursor([[(1,), (2,)]]))
    chooser, rng = Chooser(mode), random.Random(3)
    kinds: Counter[str] = Counter()
    identities, inserted, deleted = set(), set(), []
    for _ in range(4000):
        write = chooser.next(rng)
        kinds[write.kind] += 1
        identities.add(write.id)
        if write.kind == "delete":
            deleted.append(write.of)
        if write.kind == "insert" and rng.random() < 0.5:  # the others are never acknowledged
            chooser.acknowledged(write)
            inserted.add(write.id)
    assert len(identities) == 4000
    assert 0.61 < kinds["insert"] / 4000 < 0.69 and 0.21 < kinds["update"] / 4000 < 0.29
    assert 0.07 < kinds["delete"] / 4000 < 0.13
    assert len(set(deleted)) == len(deleted) and set(deleted) <= inserted


def test_an_order_takes_stock_in_one_order_everywhere() -> None:
    rng = random.Random(5)
    for _ in range(200):
        write = shop().insert(rng, "x")
        assert list(write.counters) == sorted(write.counters) and write.items == len(set(write.counters))
        assert 1 <= write.items <= 3
