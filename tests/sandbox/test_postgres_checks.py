"""What the validation sees of PostgreSQL, on real servers."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from handlers.adapters import postgres_checks
from handlers.config import Validation
from handlers.core.checks import Expectation, Observation, Reason, Unreachable, judge
from sandbox.databases import ServerInfo
from sandbox.source import make_role
from tests.support.servers import room, two_servers

ADMIN = {"username": "admin", "password": "admin's password"}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerInfo, ServerInfo]]:
    with room() as folder, two_servers(folder) as both:
        for server in both:
            with server.superuser() as connection, connection.cursor() as cursor:
                make_role(cursor, "admin", ADMIN["password"], "REPLICATION")
                cursor.execute("CREATE DATABASE shop OWNER admin")
        yield both


def config(server: ServerInfo, **changes: object) -> Validation:
    known = {
        "engine": "postgres",
        "host": server.address,
        "port": server.port,
        "database": "shop",
        "ssl_mode": "none",
        "secret_arn": "",
        "topic_arn": "",
        "server": "",
        "character_set": "",
        "lag_seconds": 60,
    }
    return Validation(**{**known, **changes})  # type: ignore[arg-type]


def seen(server: ServerInfo) -> Observation:
    return postgres_checks.observe(config(server), ADMIN, Path("authority.pem"))


def test_the_server_is_seen_as_what_it_is(servers: tuple[ServerInfo, ServerInfo]) -> None:
    for server, major in zip(servers, ("16", "18"), strict=True):
        verdicts = judge(seen(server), Expectation(f"PostgreSQL {major}", "UTF8", 60))
        assert all(verdict.passed for verdict in verdicts), verdicts
        assert verdicts[0].found == "connected without TLS", "the binaries have none"


@pytest.mark.parametrize(
    ("changes", "password", "reason"),
    [
        ({}, "wrong", Reason.CREDENTIALS),
        ({"database": "nothing"}, ADMIN["password"], Reason.DATABASE),
        ({"ssl_mode": "require"}, ADMIN["password"], Reason.TLS),
        ({"port": 1}, ADMIN["password"], Reason.NETWORK),
    ],
)
def test_who_is_not_let_in_learns_why(
    servers: tuple[ServerInfo, ServerInfo], changes: dict[str, object], password: str, reason: Reason
) -> None:
    with pytest.raises(Unreachable) as caught:
        postgres_checks.observe(config(servers[0], **changes), {**ADMIN, "password": password}, Path("authority.pem"))
    assert caught.value.reason is reason


def test_a_subscription_is_seen_running_and_stopped(servers: tuple[ServerInfo, ServerInfo]) -> None:
    source, target = servers
    with source.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    link = psycopg2.extensions.make_dsn(
        host=source.address, port=source.port, user="admin", password=ADMIN["password"], dbname="shop"
    )
    with target.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SUBSCRIPTION from_source CONNECTION %s PUBLICATION everything", (link,))
        try:
            for _ in range(300):
                running = judge(seen(target), Expectation("PostgreSQL 18", "UTF8", 60))[3]
                if running.passed:
                    break
                time.sleep(0.1)
            assert running.found.startswith("from from_source: runs")
            cursor.execute("ALTER SUBSCRIPTION from_source DISABLE")
            stopped = judge(seen(target), Expectation("PostgreSQL 18", "UTF8", 60))[3]
            assert not stopped.passed
            assert "ALTER SUBSCRIPTION" in stopped.remedy
        finally:
            cursor.execute("DROP SUBSCRIPTION from_source")
