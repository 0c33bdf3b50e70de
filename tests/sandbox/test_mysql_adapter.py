"""What the validation sees of MySQL, on a real MariaDB: who gets in, what is found, and what is wrong."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handlers.adapters import mysql
from handlers.config import Validation
from handlers.core.checks import Expectation, Observation, Reason, Unreachable, judge
from sandbox.databases import MariaDbInfo, MariaDbServer
from sandbox.ports import free_port
from sandbox.processes import Processes
from tests.support.servers import room

ADDRESSES = ("127.0.0.70", "127.0.0.71")
PASSWORD = "admin's password"
ADMIN = {"username": "admin", "password": PASSWORD}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[MariaDbInfo, MariaDbInfo]]:
    """A server, and one that can replicate from it."""
    with room() as folder, Processes(folder / "logs") as processes:
        port = free_port(*ADDRESSES)
        made = [
            MariaDbServer(name, address, port, folder) for name, address in zip(("one", "two"), ADDRESSES, strict=True)
        ]
        for number, server in enumerate(made, start=1):
            server.start(processes)
            server.info.run(
                f"""
                SET GLOBAL server_id = {number};
                CREATE USER admin@'%' IDENTIFIED BY "{PASSWORD}";
                GRANT ALL ON *.* TO admin@'%';
                CREATE DATABASE shop;
                CREATE DATABASE old CHARACTER SET latin1;
                """
            )
        yield made[0].info, made[1].info


@pytest.fixture
def server(servers: tuple[MariaDbInfo, MariaDbInfo]) -> MariaDbInfo:
    return servers[0]


def config(server: MariaDbInfo, **changes: object) -> Validation:
    known = {
        "engine": "mysql",
        "host": server.address,
        "port": server.port,
        "database": "shop",
        "ssl_mode": "require",
        "secret_arn": "",
        "topic_arn": "",
        "server": "",
        "character_set": "",
        "lag_seconds": 60,
    }
    return Validation(**{**known, **changes})  # type: ignore[arg-type]


def seen(server: MariaDbInfo, **changes: object) -> Observation:
    return mysql.observe(config(server, **changes), ADMIN, Path(server.certificate))


def refusal(server: MariaDbInfo, credentials: dict[str, str] = ADMIN, **changes: object) -> Unreachable:
    authority = Path(str(changes.pop("authority", server.certificate)))
    with pytest.raises(Unreachable) as caught:
        mysql.observe(config(server, **changes), credentials, authority)
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_the_server_is_seen_as_what_it_is(server: MariaDbInfo) -> None:
    found = seen(server)
    assert found == Observation("MariaDB", server.version, "utf8mb4", "utf8mb4", found.encryption)
    assert found.encryption.startswith("TLSv1.")
    verdicts = judge(found, Expectation(f"MariaDB {server.version}", "utf8mb4", 60))
    assert all(verdict.passed for verdict in verdicts), verdicts
    [version] = [v for v in judge(found, Expectation("MySQL 8.0", "utf8mb4", 60)) if not v.passed]
    assert version.check == "version", "MariaDB is not taken for MySQL"


@pytest.mark.parametrize(("mode", "encrypted"), [("none", False), ("require", True), ("verify-full", True)])
def test_tls_is_as_the_config_says(server: MariaDbInfo, mode: str, encrypted: bool) -> None:
    assert bool(seen(server, ssl_mode=mode).encryption) is encrypted


def test_a_certificate_of_somebody_else_is_refused(servers: tuple[MariaDbInfo, MariaDbInfo]) -> None:
    one, two = servers
    assert refusal(one, ssl_mode="verify-full", authority=two.certificate).reason is Reason.TLS


def test_a_certificate_for_another_name_is_refused(server: MariaDbInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda _, *rest: connect((server.address, server.port), *rest))
    assert seen(server, host="somebody.else.example").encryption
    error = refusal(server, ssl_mode="verify-full", host="somebody.else.example")
    assert error.reason is Reason.TLS
    assert "somebody.else.example" in str(error)


def test_a_server_that_requires_tls_takes_nobody_without(server: MariaDbInfo) -> None:
    server.run("SET GLOBAL require_secure_transport = ON;")
    try:
        assert "Access denied" in str(refusal(server, ssl_mode="none"))  # MySQL has an error of its own for that
        assert seen(server).encryption
    finally:
        server.run("SET GLOBAL require_secure_transport = OFF;")


def test_a_wrong_password_is_a_matter_of_credentials(server: MariaDbInfo) -> None:
    error = refusal(server, {"username": "admin", "password": "wrong"})
    assert error.reason is Reason.CREDENTIALS
    assert "Access denied for user 'admin'" in str(error)


def test_a_missing_database_is_called_so(server: MariaDbInfo) -> None:
    assert refusal(server, database="nothing").reason is Reason.DATABASE


def test_a_server_that_is_gone_is_a_matter_of_the_network(server: MariaDbInfo) -> None:
    assert refusal(server, port=free_port(server.address)).reason is Reason.NETWORK
    assert refusal(server, host="nowhere.invalid").reason is Reason.NETWORK


def test_another_character_set_is_seen(server: MariaDbInfo) -> None:
    found = seen(server, database="old")
    assert (found.server_character_set, found.database_character_set) == ("utf8mb4", "latin1")


def status(found: Observation) -> tuple[bool, str]:
    verdict = judge(found, Expectation("MariaDB 10", "utf8mb4", 60))[3]
    return verdict.passed, verdict.found


def test_replication_is_seen_configured_running_and_stopped(servers: tuple[MariaDbInfo, MariaDbInfo]) -> None:
    source, replica = servers
    replica.run(
        f"""
        CHANGE MASTER TO MASTER_HOST='{source.address}', MASTER_PORT={source.port}, MASTER_USER='admin',
            MASTER_PASSWORD="{PASSWORD}", MASTER_SSL=1, MASTER_SSL_VERIFY_SERVER_CERT=0, MASTER_CONNECT_RETRY=1;
        """
    )
    try:
        assert status(seen(replica)) == (False, f"from {source.address}: has stopped")
        begin = source.run("SHOW MASTER STATUS;").split()
        replica.run(f"CHANGE MASTER TO MASTER_LOG_FILE='{begin[0]}', MASTER_LOG_POS={begin[1]}; START SLAVE;")
        running = _eventually(replica, lambda found: status(found)[0])
        assert (running.replications[0].receiving, running.replications[0].applying) == (True, True)
        source.run("CREATE TABLE shop.t (id int PRIMARY KEY);")
        for _ in range(300):
            if "t" in replica.run("SHOW TABLES IN shop;").split():
                break
            time.sleep(0.1)
        replica.run("STOP SLAVE SQL_THREAD;")
        [stopped] = seen(replica).replications
        assert (stopped.receiving, stopped.applying) == (True, False)
        source.run("INSERT INTO shop.t VALUES (1);")
        replica.run("INSERT INTO shop.t VALUES (1); START SLAVE SQL_THREAD;")
        [broken] = _eventually(replica, lambda found: bool(found.replications[0].error)).replications
        assert "Duplicate entry" in broken.error
    finally:
        replica.run("STOP SLAVE; RESET SLAVE ALL; DROP TABLE IF EXISTS shop.t;")
    assert status(seen(replica)) == (True, "no replication is configured")


def _eventually(server: MariaDbInfo, right: Callable[[Observation], bool]) -> Observation:
    """Look until what is seen is right, and fail with what was seen last."""
    for _ in range(300):
        found = seen(server)
        if right(found):
            return found
        time.sleep(0.1)
    raise AssertionError(found)
