"""The validation function: what it returns, whom it tells, and its edge to Lambda."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.constants import CR, ER

from handlers.adapters import mysql
from handlers.adapters.postgres_checks import reason
from handlers.config import ConfigError, Validation, parse_validation
from handlers.core.checks import Observation, Reason, Replication, Unreachable
from handlers.functions import validate

CONFIG = {
    "engine": "mysql",
    "host": "db.example",
    "port": 3306,
    "database": "shop",
    "ssl_mode": "require",
    "secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:master",
    "topic_arn": "arn:topic",
    "server": "MySQL 8.0",
    "character_set": "utf8mb4",
    "lag_seconds": 60,
}
SEEN = Observation("MySQL", "8.0.43", "utf8mb4", "utf8mb4", "TLSv1.3")
CREDENTIALS = {"username": "admin", "password": "geheim"}
EVENT = {"detail": {"EventCategories": ["availability"], "Message": "DB instance restarted"}}


class Secrets:
    def read(self, arn: str) -> dict[str, str]:
        assert arn == CONFIG["secret_arn"]
        return CREDENTIALS


def run(seen: Observation | Unreachable, event: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    told: list[Any] = []

    def observe(config: Validation, credentials: Mapping[str, str], authority: Path) -> Observation:
        assert (config.host, credentials, authority.name) == ("db.example", CREDENTIALS, "authority.pem")
        if isinstance(seen, Unreachable):
            raise seen
        return seen

    config = parse_validation(json.dumps(CONFIG))
    result = validate.step(config, event, Secrets(), observe, lambda *said: told.append(said))  # type: ignore[arg-type]
    return result, told


def test_a_database_as_promised_is_told_to_nobody() -> None:
    result, told = run(SEEN, {})
    assert (result["outcome"], result["trigger"]) == ("passed", "called by hand")
    assert [check["passed"] for check in result["checks"]] == [True] * 4
    assert told == []


def test_a_failed_check_is_told_with_its_remedy_and_what_called() -> None:
    result, [(subject, detail)] = run(Unreachable(Reason.NETWORK, "no route"), EVENT)
    assert result["outcome"] == "failed"
    assert subject == "Database check failed: reachable, version, character set, replication status"
    assert detail == result
    assert detail["trigger"] == "DB instance restarted"
    assert "security group" in detail["checks"][0]["remedy"]
    assert "geheim" not in json.dumps(result)


class Clients:
    """Stands in for boto3's clients."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        return {"SecretString": json.dumps(CREDENTIALS)}

    def publish(self, **message: Any) -> None:
        self.published.append(message)


@pytest.mark.parametrize("engine", ["mysql", "postgres"])
def test_the_edge_reads_its_environment_and_picks_the_driver(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients()
    monkeypatch.setattr(validate, "client", lambda *_: clients)
    monkeypatch.setenv("VALIDATION", json.dumps({**CONFIG, "engine": engine, "character_set": "utf16"}))
    monkeypatch.setattr(validate.importlib.import_module(validate.ADAPTERS[engine]), "observe", lambda *_: SEEN)
    result = validate.handler(EVENT, None)
    assert [c["check"] for c in result["checks"] if not c["passed"]] == ["character set"]
    [message] = clients.published
    assert (message["TopicArn"], message["Subject"]) == ("arn:topic", "Database check failed: character set")
    assert json.loads(message["Message"]) == result


def test_a_bad_environment_names_the_field() -> None:
    with pytest.raises(ConfigError, match="validation.port is 'x': int is needed"):
        parse_validation(json.dumps({**CONFIG, "port": "x"}))
    with pytest.raises(ConfigError, match="VALIDATION is not JSON"):
        parse_validation("{")


MYSQL_8 = {
    "Source_Host": "old",
    "Replica_IO_Running": "Yes",
    "Replica_SQL_Running": "No",
    "Seconds_Behind_Source": None,
    "Last_IO_Error": "",
    "Last_SQL_Error": "Duplicate entry",
}
MARIADB = {
    "Master_Host": "old",
    "Slave_IO_Running": "Connecting",
    "Slave_SQL_Running": "Yes",
    "Seconds_Behind_Master": 7,
    "Last_IO_Error": "no route",
    "Last_SQL_Error": "",
}


def test_both_products_columns_are_read() -> None:
    assert mysql.replication(MYSQL_8) == Replication("old", True, False, None, "Duplicate entry")
    assert mysql.replication(MARIADB) == Replication("old", False, True, 7.0, "no route")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (pymysql.err.OperationalError(ER.ACCESS_DENIED_ERROR, "Access denied"), Reason.CREDENTIALS),
        (pymysql.err.OperationalError(ER.BAD_DB_ERROR, "Unknown database"), Reason.DATABASE),
        (pymysql.err.OperationalError(3159, "require_secure_transport=ON"), Reason.TLS),
        (pymysql.err.OperationalError(CR.CR_SSL_CONNECTION_ERROR, "SSL"), Reason.TLS),
        (pymysql.err.OperationalError(CR.CR_CONN_HOST_ERROR, "Can't connect"), Reason.NETWORK),
        (pymysql.err.InterfaceError(), Reason.NETWORK),
    ],
)
def test_mysql_s_errors_have_a_reason(
    error: pymysql.err.MySQLError, expected: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise error

    monkeypatch.setattr(mysql.pymysql, "connect", refuse)
    with pytest.raises(Unreachable) as caught:
        mysql.observe(parse_validation(json.dumps(CONFIG)), CREDENTIALS, Path("authority.pem"))
    assert caught.value.reason is expected


def test_verify_full_without_certificates_is_an_error_of_tls() -> None:
    config = parse_validation(json.dumps({**CONFIG, "ssl_mode": "verify-full"}))
    with pytest.raises(Unreachable, match=r"authority.pem can't be read") as caught:
        mysql.observe(config, CREDENTIALS, Path("/nonexistent/authority.pem"))
    assert caught.value.reason is Reason.TLS


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('FATAL: password authentication failed for user "admin"', Reason.CREDENTIALS),
        ('FATAL: database "shop" does not exist', Reason.DATABASE),
        ("server does not support SSL, but SSL was required", Reason.TLS),
        ("connection refused", Reason.NETWORK),
    ],
)
def test_libpq_s_words_have_a_reason(message: str, expected: Reason) -> None:
    assert reason(message) is expected
