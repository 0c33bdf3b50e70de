"""The probe on real servers: it sees both sides open where they are, and a session from before a fence."""

import time
from collections.abc import Callable, Iterator

import pytest
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from handlers.core import access
from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.rehearsal.application import Source
from sandbox.rehearsal.probe import SCHEMA, TABLE, Probe, create_table
from sandbox.rehearsal.writability import BLUE, GREEN, HELD, NEW, Try
from tests.support.servers import room, two_servers

DATABASE, ROLE, PASSWORD = "probed", "probed_app", "application's secret"
SOURCE = Source(DATABASE, 0, ROLE, PASSWORD, "own_table")
PATIENCE = 60.0
Servers = tuple[ServerInfo, ServerInfo]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Two servers with a database, in it the probe's table, and the application's role."""
    with room() as folder, two_servers(folder) as both:
        for server in both:
            with server.superuser() as connection, connection.cursor() as cursor:
                verifier = encrypt_password(PASSWORD, ROLE, connection, "scram-sha-256")
                role = sql.Identifier(ROLE)
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(verifier)))
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            with server.superuser(DATABASE) as connection:
                create_table(connection, ROLE)
        yield both


@pytest.fixture
def closed_green(servers: Servers) -> Iterator[Servers]:
    """The two servers as before a switchover; afterwards both are open again."""
    close(servers[1])
    yield servers
    for server in servers:
        reopen(server)


def close(server: ServerInfo, *, end_sessions: bool = True) -> None:
    """Fence a server as the migration does."""
    on(server, *access.close(access.Access(DATABASE, (access.PUBLIC,)), ("sandbox",)))
    if end_sessions:
        on(server, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{ROLE}'")


def reopen(server: ServerInfo) -> None:
    on(server, f"GRANT CONNECT ON DATABASE {DATABASE} TO PUBLIC", f"ALTER DATABASE {DATABASE} RESET ALL")


def on(server: ServerInfo, *statements: str) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def await_tries(probe: Probe, found: Callable[[list[Try]], bool]) -> None:
    """Wait until the tries from now on are as wanted."""
    now = time.monotonic()
    while not found([one for one in probe.tries() if one.began >= now]):
        assert time.monotonic() < now + PATIENCE, "the probe never got so far"
        time.sleep(0.01)


def several(side: str, way: str, *, accepted: bool) -> Callable[[list[Try]], bool]:
    """Return whether some tries of a side went as wanted."""
    return lambda tries: sum((t.side, t.way, t.accepted) == (side, way, accepted) for t in tries) >= 3


def test_two_open_sides_are_seen(servers: Servers) -> None:
    with Probe(*servers, SOURCE) as probe:
        for side in (BLUE, GREEN):
            for way in (NEW, HELD):
                await_tries(probe, several(side, way, accepted=True))
    verdict = probe.verdict()
    assert verdict.both_instants > 0
    assert verdict.accepted[BLUE] >= 6 and verdict.accepted[GREEN] >= 6
    assert verdict.tries >= sum(verdict.accepted.values())


def test_nothing_is_left_of_the_tries(servers: Servers) -> None:
    with Probe(*servers, SOURCE) as probe:
        await_tries(probe, several(GREEN, HELD, accepted=True))
    for server in servers:
        with server.superuser(DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {TABLE}")
            assert cursor.fetchone() == (0,)
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state <> 'idle'", (ROLE,))
            assert cursor.fetchone() == (0,)


def test_a_fence_before_an_opening_leaves_a_time_when_neither_is_open(closed_green: Servers) -> None:
    blue, green = closed_green
    with Probe(blue, green, SOURCE) as probe:
        await_tries(probe, several(BLUE, HELD, accepted=True))
        await_tries(probe, several(GREEN, NEW, accepted=False))
        close(blue)
        await_tries(probe, several(BLUE, NEW, accepted=False))
        reopen(green)
        await_tries(probe, several(GREEN, NEW, accepted=True))
    verdict = probe.verdict()
    assert verdict.both_instants == 0
    assert verdict.neither_seconds > 0
    assert all(verdict.accepted.values())


def test_a_session_that_a_fence_forgot_is_seen(closed_green: Servers) -> None:
    """New connections are refused by blue, and yet somebody writes there while green is open."""
    blue, green = closed_green
    with Probe(blue, green, SOURCE) as probe:
        await_tries(probe, several(BLUE, HELD, accepted=True))
        close(blue, end_sessions=False)
        await_tries(probe, several(BLUE, NEW, accepted=False))
        reopen(green)
        await_tries(probe, several(GREEN, NEW, accepted=True))
        await_tries(probe, several(BLUE, HELD, accepted=True))
    assert probe.verdict().both_instants > 0


def test_a_server_that_is_gone_is_a_side_that_takes_nothing(servers: Servers) -> None:
    blue, _ = servers
    nowhere = ServerInfo("green", "18", "127.0.0.1", 1, "", "")
    with Probe(blue, nowhere, SOURCE) as probe:
        await_tries(probe, several(GREEN, NEW, accepted=False))
        await_tries(probe, several(BLUE, NEW, accepted=True))
    verdict = probe.verdict()
    assert (verdict.both_instants, verdict.accepted[GREEN]) == (0, 0)


def test_a_probe_that_breaks_is_said(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries that were not made prove nothing."""
    monkeypatch.setattr("sandbox.rehearsal.probe.connect", lambda **_: 1 / 0)
    with Probe(*servers, SOURCE) as probe:
        pass
    with pytest.raises(SandboxError, match="probe of writable sides failed on blue: ZeroDivisionError"):
        probe.verdict()


def test_a_database_with_such_a_schema_is_refused(servers: Servers) -> None:
    with servers[0].superuser(DATABASE) as connection, pytest.raises(SandboxError, match=f"a schema {SCHEMA}"):
        create_table(connection, ROLE)
