"""Rotations on a real MariaDB, with and without TLS: rights handed on, an account that steps back, a busy client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from handlers.adapters.mysql_users import Accounts, handed_on
from handlers.config import Side
from handlers.core.record import Refused
from handlers.core.rotation import CURRENT, Call, Subject
from handlers.core.users import Strategy
from handlers.rotation import Rotation
from sandbox.databases import MariaDbInfo, MariaDbServer
from sandbox.ports import free_port
from sandbox.processes import Processes
from tests.support.rotating import FakeSecret, rotate, written_through
from tests.support.servers import room

ADDRESSES = ("127.0.0.72", "127.0.0.73")
ADMINISTRATOR = {"username": "admin", "password": "admin's password"}
PASSWORD = "app's password"
SCHEMA = f"""
CREATE DATABASE shop;
CREATE TABLE shop.orders (id int PRIMARY KEY);
CREATE TABLE shop.prices (id int PRIMARY KEY, name text);
CREATE DATABASE `od``d`;
CREATE TABLE `od``d`.t (id int);
CREATE USER admin@'%' IDENTIFIED BY "{ADMINISTRATOR["password"]}";
GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION;
CREATE USER app@'%' IDENTIFIED BY "{PASSWORD}";
GRANT PROCESS ON *.* TO app@'%';
GRANT SELECT, INSERT, CREATE, CREATE VIEW ON shop.* TO app@'%' WITH GRANT OPTION;
GRANT UPDATE (name) ON shop.prices TO app@'%';
GRANT SELECT ON `od``d`.* TO app@'%';
CREATE ROLE reader;
GRANT SELECT ON mysql.user TO reader;
GRANT reader TO admin@'%' WITH ADMIN OPTION;
GRANT reader TO app@'%';
SET DEFAULT ROLE reader FOR app@'%';
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[MariaDbInfo, MariaDbInfo]]:
    """A server, and another for its certificate."""
    with room() as folder, Processes(folder / "logs") as processes:
        port = free_port(*ADDRESSES)
        made = [MariaDbServer(name, where, port, folder) for name, where in zip(("one", "two"), ADDRESSES, strict=True)]
        for server in made:
            server.start(processes)
        yield made[0].info, made[1].info


@pytest.fixture
def server(servers: tuple[MariaDbInfo, MariaDbInfo]) -> Iterator[MariaDbInfo]:
    server = servers[0]
    server.run(SCHEMA)
    yield server
    server.run(
        """SET GLOBAL require_secure_transport = OFF; DROP DATABASE shop; DROP DATABASE `od``d`; DROP ROLE reader;
        DROP USER IF EXISTS admin@'%', app@'%', app_a@'%', app_b@'%', app@'10.%';"""
    )


def place(server: MariaDbInfo, **changes: Any) -> dict[str, Any]:
    fields = {"engine": "mysql", "host": server.address, "port": server.port, "dbname": "shop"}
    return {**fields, "username": "app", "password": PASSWORD, **changes}


def rotation(
    server: MariaDbInfo,
    secret: FakeSecret,
    strategy: str = "alternating",
    ssl_mode: str = "verify-full",
    authority: str | None = None,
) -> Rotation:
    side = Side(server.address, server.port, "shop", ssl_mode, "", "")
    return Rotation(
        subject=Subject("app", Strategy(strategy), place(server)),
        versions=secret.versions,
        accounts=Accounts(side, lambda: ADMINISTRATOR, Path(authority or server.certificate)),
        paused=lambda: None,
    )


def session(server: MariaDbInfo, fields: Any) -> Any:
    """Open a session as an application does, over TLS."""
    return pymysql.connect(
        host=server.address,
        port=server.port,
        user=fields["username"],
        password=fields["password"],
        database="shop",
        ssl={"ca": server.certificate},
        autocommit=True,
    )


def grants(server: MariaDbInfo, user: str) -> set[str]:
    """Return what an account was granted, without its name and its password."""
    lines = server.run(f"SHOW GRANTS FOR {user}@'%';").splitlines()
    return {line.split(" IDENTIFIED BY ")[0].replace(f"`{user}`", "`who`") for line in lines}


def test_accounts_take_turns_with_every_right_and_the_first_steps_back(server: MariaDbInfo) -> None:
    secret, wanted = FakeSecret(place(server)), grants(server, "app")
    for user in ("app_a", "app_b", "app_a", "app_b"):
        before = secret.fields()
        rotate(rotation(server, secret), secret)
        now = secret.fields()
        assert now["username"] == user
        assert {line for line in grants(server, user) if "USAGE" not in line} == {
            line for line in wanted if "USAGE" not in line
        }
        for fields in (before, now):
            with session(server, fields) as connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO orders SELECT count(*) FROM orders")
                cursor.execute("SELECT count(*) FROM mysql.user")  # by the role
    with pytest.raises(pymysql.err.OperationalError, match="account is locked"):
        session(server, place(server))


def test_a_view_of_an_account_that_stepped_back_goes_on(server: MariaDbInfo) -> None:
    with session(server, place(server)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE VIEW counted AS SELECT count(*) FROM orders")
    secret = FakeSecret(place(server))
    for _ in range(3):
        rotate(rotation(server, secret), secret)
        with session(server, secret.fields()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM counted")


def test_rights_given_and_taken_meanwhile_are_the_next_one_s(server: MariaDbInfo) -> None:
    secret = FakeSecret(place(server))
    for _ in range(2):
        rotate(rotation(server, secret), secret)
    server.run("GRANT DELETE ON shop.prices TO app@'%'; REVOKE SELECT ON `od``d`.* FROM app@'%';")
    rotate(rotation(server, secret), secret)
    with session(server, secret.fields()) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM prices")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("SELECT * FROM `od``d`.t")


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_crash_between_any_two_steps(server: MariaDbInfo, strategy: str) -> None:
    secret = FakeSecret(place(server))
    made = rotation(server, secret, strategy)
    for last in Call:
        token = secret.begin()
        for call in Call:
            made.act(call, token)
            if call == last:
                break
        rotate(made, secret, token)
        session(server, secret.fields()).close()
        assert secret.versions.stages().labels[token] == (CURRENT,)


def test_a_crash_amid_the_rights_leaves_nobody_in_and_is_mended(
    server: MariaDbInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement counts at once: who comes stays locked until all are done."""
    secret = FakeSecret(place(server))
    made, token = rotation(server, secret), secret.begin()
    made.act(Call.CREATE, token)
    handed, execute = [], pymysql.cursors.Cursor.execute

    def dies(cursor: Any, query: str, args: Any = None) -> Any:
        if query.startswith("GRANT"):
            handed.append(query)
        if len(handed) == 2:
            raise KeyboardInterrupt
        return execute(cursor, query, args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pymysql.cursors.Cursor, "execute", dies)
        made.act(Call.SET, token)
    with pytest.raises(pymysql.err.OperationalError, match=r"denied|locked"):
        session(server, secret.fields("AWSPENDING"))
    session(server, secret.fields()).close()
    rotate(made, secret, token)
    with session(server, secret.fields()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE prices SET name = 'x'")


def test_a_client_writes_through_three_rotations_without_an_error(server: MariaDbInfo) -> None:
    def write(fields: dict[str, Any], number: int) -> str:
        with session(server, fields) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (%s)", (number,))
        return str(fields["username"])

    secret = FakeSecret(place(server))
    written, users = written_through(secret, lambda: rotation(server, secret), write)
    assert users == {"app", "app_a", "app_b"}
    assert int(server.run("SELECT count(*) FROM shop.orders;")) == written


def test_what_is_not_as_it_should_be_is_refused_and_nothing_changed(server: MariaDbInfo) -> None:
    wrong = FakeSecret(place(server, password="wrong"))
    with pytest.raises(Refused, match="Access denied"):
        rotate(rotation(server, wrong), wrong)
    server.run(f"""CREATE USER app@'10.%' IDENTIFIED BY "{PASSWORD}";""")
    two = FakeSecret(place(server))
    with pytest.raises(Refused, match=r"app has .*10\.%"):
        rotate(rotation(server, two), two)
    assert server.run("SELECT user FROM mysql.user WHERE user LIKE 'app%';").split() == ["app", "app"]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_tls_is_asked_for_and_never_done_without(
    servers: tuple[MariaDbInfo, MariaDbInfo], server: MariaDbInfo, strategy: str
) -> None:
    theirs = servers[1].certificate
    secret = FakeSecret(place(server))
    token = secret.begin()
    with pytest.raises(Refused, match="certificate verify failed"):
        rotate(rotation(server, secret, strategy, authority=theirs), secret, token)
    server.run("SET GLOBAL require_secure_transport = ON;")
    with pytest.raises(Refused, match=r"denied|secure"):
        rotate(rotation(server, secret, strategy, "none"), secret, token)
    rotate(rotation(server, secret, strategy, "require"), secret, token)
    session(server, secret.fields()).close()


def test_an_account_that_asks_for_tls_has_successors_that_do(server: MariaDbInfo) -> None:
    server.run("ALTER USER app@'%' REQUIRE SSL;")
    secret = FakeSecret(place(server))
    rotate(rotation(server, secret), secret)
    assert server.run("SELECT ssl_type FROM mysql.user WHERE user = 'app_a';").strip() == "ANY"


def test_what_the_server_says_of_a_right_is_handed_on_without_its_account() -> None:
    app, other = ("app", "%"), ("o`ther", "10.%")
    hashed = "GRANT SELECT ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*AB' REQUIRE SSL WITH GRANT OPTION"
    assert handed_on(hashed, app, other) == "GRANT SELECT ON *.* TO `o``ther`@`10.%` WITH GRANT OPTION"
    assert handed_on("GRANT `r`@`%` TO `app`@`%`", app, other) == "GRANT `r`@`%` TO `o``ther`@`10.%`"
    with pytest.raises(Refused, match="can't be handed on"):
        handed_on("GRANT SELECT ON *.* TO 'app'@'%'", app, other)
