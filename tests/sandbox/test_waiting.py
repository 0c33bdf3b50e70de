"""Waits for a database that says nothing: they end."""

import socket
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import set_wait_callback

from handlers.adapters import waiting
from handlers.adapters.postgres import Database
from handlers.adapters.waiting import Limited, TimedOut
from handlers.config import Side
from sandbox.databases import ServerInfo
from tests.support.servers import room, two_servers


@pytest.fixture(scope="module")
def server() -> Iterator[ServerInfo]:
    with room() as folder, two_servers(folder) as (one, _):
        yield one


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Limited, "seconds", 0.3)
    monkeypatch.setattr("handlers.adapters.postgres_session.GRACE_SECONDS", 0.3)
    waiting.limit_waits()
    yield
    set_wait_callback(None)


def connected(server: ServerInfo, seconds: float) -> Database:
    side = Side(server.address, server.port, "postgres", "none", "", "")
    return Database.connect(side, {"username": "sandbox", "password": server.password}, seconds)


def test_a_server_that_accepts_and_says_nothing_is_given_up(patient: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TimedOut):
        psycopg2.connect(host="127.0.0.1", port=listener.getsockname()[1], connection_factory=Limited)


def test_a_statement_is_given_up_though_the_server_never_ends_it(
    patient: None, server: ServerInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limited, "seconds", 10.0)
    database = connected(server, 0.2)
    assert database.rows("SELECT 1") == [(1,)]
    database.rows("SET statement_timeout = 0")  # as if it did not answer at all
    with pytest.raises(TimedOut, match="did not answer in time"):
        database.rows("SELECT pg_sleep(60)")
    with pytest.raises(psycopg2.InterfaceError):
        database.rows("SELECT 1")
    database.close()


def test_a_limit_holds_for_the_server_and_for_the_wait(
    patient: None, server: ServerInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limited, "seconds", 10.0)
    database = connected(server, 60.0)
    database.limit(0.2)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        database.rows("SELECT pg_sleep(60)")
    database.limit(5.0)
    assert database.rows("SELECT pg_sleep(0.5)") == [("",)]
    database.rows("SET statement_timeout = 0")
    database.limit(0.1)
    database.rows("SET statement_timeout = 0")
    with pytest.raises(TimedOut):
        database.run(["SELECT pg_sleep(60)"])
    database.close()
