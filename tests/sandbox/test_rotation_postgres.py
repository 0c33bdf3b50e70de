"""Rotations on real PostgreSQL 16 and 18: users, ownership, a client that goes on writing, the fence, TLS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from handlers.adapters.postgres import Database
from handlers.adapters.postgres_users import Accounts
from handlers.config import Side
from handlers.core import access
from handlers.core.record import Refused
from handlers.core.rotation import CURRENT, PENDING, Call, LoginFailed, Subject
from handlers.core.users import Strategy
from handlers.rotation import Rotation
from sandbox.databases import ServerInfo
from sandbox.source import make_role
from tests.support.rotating import FakeSecret, rotate, written_through
from tests.support.servers import room, two_servers
from tests.support.tls_front import certificate, tls_front

ADMINISTRATOR = {"username": "admin", "password": "admin's password"}
PASSWORDS = {"app": "app's password", "dms": "dms's password"}
SCHEMA = """
CREATE SCHEMA shop AUTHORIZATION app;
SET ROLE app;
CREATE TABLE shop.orders (id int PRIMARY KEY);
RESET ROLE;
CREATE TABLE shop.prices (id int PRIMARY KEY);
GRANT SELECT ON shop.prices TO app;
ALTER ROLE app SET search_path = shop, "a b";
ALTER ROLE app IN DATABASE shop SET shop.tenant = 'it''s, 7';
GRANT SET ON PARAMETER shop.tenant TO admin;
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerInfo, ServerInfo]]:
    with room() as folder, two_servers(folder) as both:
        yield both


@pytest.fixture(params=[0, 1], ids=["16", "18"])
def server(request: pytest.FixtureRequest, servers: tuple[ServerInfo, ServerInfo]) -> Iterator[ServerInfo]:
    """A server with an administrator like RDS's, who is no superuser, and a database with an application's things."""
    found = servers[request.param]
    with found.superuser() as connection, connection.cursor() as cursor:
        make_role(cursor, "admin", ADMINISTRATOR["password"], "CREATEROLE CREATEDB")
        cursor.execute("GRANT pg_signal_backend TO admin")
    with found.session("postgres", "admin", ADMINISTRATOR["password"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE shop")
        for role, password in PASSWORDS.items():
            make_role(cursor, role, password)
    with found.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
    yield found
    with found.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE shop WITH (FORCE)")
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^(app|dms|admin)'")
        for (role,) in cursor.fetchall():
            cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def place(server: ServerInfo, name: str = "app", **changes: Any) -> dict[str, Any]:
    fields = {"engine": "postgres", "host": server.address, "port": server.port, "dbname": "shop"}
    return {**fields, "username": name, "password": PASSWORDS[name], **changes}


def rotation(
    server: ServerInfo, secret: FakeSecret, name: str = "app", strategy: str = "alternating", **side: Any
) -> Rotation:
    wanted = {"port": server.port, "ssl_mode": "none", **side}
    authority = Path(str(wanted.pop("authority", "/nowhere")))
    where = Side(server.address, wanted["port"], "shop", wanted["ssl_mode"], "", "")
    return Rotation(
        subject=Subject(name, Strategy(strategy), place(server, name, port=wanted["port"])),
        versions=secret.versions,
        accounts=Accounts(where, lambda: ADMINISTRATOR, authority),
        paused=lambda: None,
    )


def as_user(server: ServerInfo, fields: Any) -> Any:
    """Open a session as an application does."""
    return server.session("shop", fields["username"], fields["password"])


def test_users_take_turns_and_all_belongs_to_their_role(server: ServerInfo) -> None:
    secret = FakeSecret(place(server))
    made = rotation(server, secret)
    for turn, user in enumerate(("app_a", "app_b", "app_a", "app_b")):
        before = secret.fields()
        rotate(made, secret)
        now = secret.fields()
        assert now["username"] == user
        with as_user(server, now) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT session_user, current_user, current_setting('shop.tenant')")
            assert cursor.fetchone() == (user, "app", "it's, 7")
            cursor.execute("SHOW search_path")
            assert cursor.fetchone() == ('shop, "a b"',)
            cursor.execute(f"CREATE TABLE made_{turn} (id int)")
            cursor.execute("SELECT count(*) FROM prices")  # a right that the role was given
            for earlier in range(turn + 1):
                cursor.execute(f"INSERT INTO made_{earlier} VALUES (1)")
                cursor.execute(f"ALTER TABLE made_{earlier} ADD COLUMN by_{user}_{turn} int")
        with as_user(server, before) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders SELECT count(*) FROM orders")  # whoever has not read it anew
    with server.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'shop' AND tablename ~ 'made|ord'")
        assert cursor.fetchall() == [("app",)]
        cursor.execute("SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname ~ '^app' ORDER BY 1")
        assert cursor.fetchall() == [("app", False), ("app_a", True), ("app_b", True)]
        cursor.execute("GRANT INSERT ON shop.prices TO app")
    for label in (CURRENT, "AWSPREVIOUS"):
        with as_user(server, secret.fields(label)) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO prices SELECT count(*) FROM prices")  # counts for both at once


def test_what_the_role_no_longer_sets_the_next_user_has_not(server: ServerInfo) -> None:
    secret = FakeSecret(place(server))
    made = rotation(server, secret)
    for _ in range(2):
        rotate(made, secret)
    with server.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("ALTER ROLE app RESET search_path; ALTER ROLE app IN DATABASE shop RESET ALL")
    rotate(made, secret)
    with as_user(server, secret.fields()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path'), current_setting('shop.tenant', true), current_user")
        assert cursor.fetchone() == ('"$user", public', None, "app")


def test_a_setting_the_administrator_may_not_hand_on_is_named(server: ServerInfo) -> None:
    with server.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("ALTER ROLE app SET log_statement = 'all'")
    secret = FakeSecret(place(server))
    with pytest.raises(Refused, match='can\'t make app_a ready: permission denied to set parameter "log_statement"'):
        rotate(rotation(server, secret), secret)
    with as_user(server, secret.fields()), server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'app_a'")
        assert cursor.fetchall() == [], "all of it or nothing"


def test_a_search_path_of_the_application_leads_the_administrator_nowhere(server: ServerInfo) -> None:
    """What the application may set for itself is carried over as data, and by nothing it could have put in the way."""
    evil = """
    CREATE FUNCTION shop.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS
        $$ INSERT INTO shop.orders VALUES (666) RETURNING 'x' $$;
    ALTER ROLE app SET search_path = shop, pg_catalog;
    ALTER ROLE app SET application_name = 'x''; CREATE ROLE app_evil; --';
    """
    with as_user(server, place(server)) as connection, connection.cursor() as cursor:
        cursor.execute(evil)
    secret = FakeSecret(place(server))
    rotate(rotation(server, secret), secret)
    with as_user(server, secret.fields()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'app_evil'")
        assert cursor.fetchall() == []


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_crash_between_any_two_steps(server: ServerInfo, strategy: str) -> None:
    secret = FakeSecret(place(server))
    made = rotation(server, secret, strategy=strategy)
    for last in Call:
        token = secret.begin()
        for call in Call:
            made.act(call, token)
            if call == last:
                break
        rotate(made, secret, token)  # from the beginning, as Secrets Manager does
        with as_user(server, secret.fields()):
            pass
        assert secret.versions.stages().labels[token] == (CURRENT,)


def test_a_client_writes_through_three_rotations_without_an_error(server: ServerInfo) -> None:
    def write(fields: dict[str, Any], number: int) -> str:
        with as_user(server, fields) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (%s) RETURNING session_user", (number,))
            return str(cursor.fetchone()[0])

    secret = FakeSecret(place(server))
    written, users = written_through(secret, lambda: rotation(server, secret), write)
    assert users == {"app", "app_a", "app_b"}
    with server.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM shop.orders")
        assert cursor.fetchone() == (written,)


@pytest.mark.parametrize("listed", [(), ("app",)], ids=["every role", "app listed"])
def test_a_fence_shuts_out_both_users_and_no_rotation_gets_through_it(
    server: ServerInfo, listed: tuple[str, ...]
) -> None:
    secret = FakeSecret(place(server))
    for _ in range(2):
        rotate(rotation(server, secret), secret)
    now, before = secret.fields(), secret.fields("AWSPREVIOUS")
    side = Side(server.address, server.port, "shop", "none", "", "")
    fence = Database.connect(side, ADMINISTRATOR, 20)
    with as_user(server, now), as_user(server, before):
        spared = access.keepers(fence.login_roles(), ("admin", "dms"), listed)
        saved = fence.access()
        fence.run(access.close(saved, spared))
        fence.end_sessions(spared)
    assert not {"app", "app_a", "app_b"} & set(spared)
    assert access.intruders(fence.login_roles(), spared) == []
    for fields in (now, before):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"), as_user(server, fields):
            pass
    token = secret.begin()
    with pytest.raises(Refused, match="permission denied for database"):
        rotate(rotation(server, secret), secret, token)
    fence.run(access.open_again(saved, fence.access()))
    rotate(rotation(server, secret), secret, token)
    with as_user(server, secret.fields()):
        fence.close()


def test_a_single_user_changes_its_own_password_and_nobody_else_s(server: ServerInfo) -> None:
    secret = FakeSecret(place(server, "dms"))
    made = rotation(server, secret, "dms", "single")
    with as_user(server, secret.fields()) as session, session.cursor() as cursor:
        rotate(made, secret)
        cursor.execute("SELECT session_user")  # who is connected stays connected
        assert cursor.fetchone() == ("dms",)
    with as_user(server, secret.fields()):
        pass
    with (
        pytest.raises(psycopg2.OperationalError, match="password authentication"),
        as_user(server, place(server, "dms")),
    ):
        pass
    with as_user(server, place(server)):
        pass


def test_what_is_not_as_it_should_be_is_refused_and_nothing_changed(server: ServerInfo) -> None:
    wrong = FakeSecret(place(server, password="wrong"))
    with pytest.raises(Refused, match="password authentication failed"):
        rotate(rotation(server, wrong), wrong)
    missing = FakeSecret(place(server, username="app_a"))
    with pytest.raises(Refused, match="password authentication failed"):
        rotate(rotation(server, missing), missing)
    with server.superuser() as connection, connection.cursor() as cursor:
        make_role(cursor, "app_a", "a stranger")
    taken = FakeSecret(place(server))
    with pytest.raises(Refused, match="app_a is there already and is no member of app"):
        rotate(rotation(server, taken), taken)
    with server.session("shop", "app_a", "a stranger"):
        pass


def test_a_user_that_does_not_act_as_its_role_does_not_pass_the_test(server: ServerInfo) -> None:
    secret = FakeSecret(place(server))
    made, token = rotation(server, secret), secret.begin()
    made.act(Call.CREATE, token)
    made.act(Call.SET, token)
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("ALTER ROLE app_a RESET role")
    with pytest.raises(LoginFailed, match="logs in as app_a, not as app"):
        made.act(Call.TEST, token)
    rotate(made, secret, token)
    with as_user(server, secret.fields()):
        pass


def test_tls_is_asked_for_and_never_done_without(server: ServerInfo, tmp_path: Path) -> None:
    ours, key = certificate(tmp_path, "ours", server.address)
    theirs, _ = certificate(tmp_path, "theirs", server.address)
    with tls_front(server.address, server.port, ours, key) as port:
        secret = FakeSecret(place(server, port=port))
        with pytest.raises(Refused, match="certificate verify failed"):
            rotate(rotation(server, secret, port=port, ssl_mode="verify-full", authority=theirs), secret)
        for mode, authority in (("require", theirs), ("verify-full", ours)):
            token = str(secret.versions.stages().holder(PENDING) or secret.begin())
            rotate(rotation(server, secret, port=port, ssl_mode=mode, authority=authority), secret, token)
            with as_user(server, secret.fields()):
                pass
    for mode in ("require", "verify-full"):
        secret = FakeSecret(place(server))
        with pytest.raises(Refused, match="server does not support SSL"):
            rotate(rotation(server, secret, ssl_mode=mode, authority=ours), secret)
