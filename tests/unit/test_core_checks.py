from dataclasses import replace

import pytest

from handlers.core.checks import CHECKS, Expectation, Observation, Reason, Replication, Unreachable, failed, judge

EXPECTED = Expectation("MySQL 8.0", "utf8mb4", 60)
SEEN = Observation("MySQL", "8.0.43", "utf8mb4", "utf8mb4", "TLSv1.3")
RUNNING = Replication("db.corp.example", receiving=True, applying=True, lag_seconds=3)


def one(check: str, seen: Observation | Unreachable, expected: Expectation = EXPECTED) -> tuple[bool, str, str]:
    [verdict] = [v for v in judge(seen, expected) if v.check == check]
    return verdict.passed, verdict.found, verdict.remedy


def test_a_database_as_promised_passes_every_check() -> None:
    verdicts = judge(SEEN, EXPECTED)
    assert [v.check for v in verdicts] == list(CHECKS)
    assert failed(verdicts) == []
    assert not any(v.remedy for v in verdicts)
    assert verdicts[0].found == "connected with TLSv1.3"


def test_a_connection_without_tls_is_called_so() -> None:
    assert one("reachable", replace(SEEN, encryption=""))[1] == "connected without TLS"


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (Reason.CREDENTIALS, "--rotate-master-user-password"),
        (Reason.DATABASE, "target.database"),
        (Reason.NETWORK, "security group"),
        (Reason.TLS, "target.certificateBundle"),
    ],
)
def test_who_is_not_let_in_fails_every_check_and_says_what_to_do(reason: Reason, remedy: str) -> None:
    verdicts = judge(Unreachable(reason, "what the driver said"), EXPECTED)
    assert failed(verdicts) == list(CHECKS)
    assert verdicts[0].found == "what the driver said"
    assert remedy in verdicts[0].remedy
    assert {v.remedy for v in verdicts[1:]} == {"make the database reachable first"}


@pytest.mark.parametrize(
    ("product", "version", "expected", "passes"),
    [
        ("MySQL", "8.0.43", "MySQL 8.0", True),
        ("MySQL", "8.4.5", "MySQL 8.0", False),
        ("MySQL", "8.0.43", "MySQL 8", True),
        ("MySQL", "80.1", "MySQL 8", False),
        ("MariaDB", "10.11.19", "MySQL 8.0", False),
        ("MariaDB", "10.11.19", "MariaDB 10.11", True),
        ("PostgreSQL", "17.6", "PostgreSQL 17", True),
        ("PostgreSQL", "18.3", "PostgreSQL 17", False),
    ],
)
def test_product_and_version_are_what_answers_not_what_was_asked_for(
    product: str, version: str, expected: str, passes: bool
) -> None:
    seen = replace(SEEN, product=product, version=version)
    passed, found, remedy = one("version", seen, replace(EXPECTED, server=expected))
    assert passed is passes
    assert found == f"{product} {version}"
    assert passes or expected in remedy


def test_another_character_set_fails_where_it_is() -> None:
    passed, found, remedy = one("character set", replace(SEEN, database_character_set="latin1"))
    assert (passed, found) == (False, "server utf8mb4, database latin1")
    assert "ALTER DATABASE" in remedy
    assert "target.parameters" not in remedy
    passed, _, remedy = one("character set", replace(SEEN, server_character_set="latin1"))
    assert not passed
    assert "character_set_server to utf8mb4 in target.parameters" in remedy
    assert "ALTER DATABASE" not in remedy
    assert one("character set", replace(SEEN, server_character_set="UTF8MB4"))[0]


def test_a_database_that_replicates_from_nobody_is_fine() -> None:
    assert one("replication status", SEEN) == (True, "no replication is configured", "")


@pytest.mark.parametrize(
    ("state", "passes", "found", "remedy"),
    [
        (RUNNING, True, "from db.corp.example: runs, 3 s behind", ""),
        (replace(RUNNING, lag_seconds=None), True, "from db.corp.example: runs", ""),
        (replace(RUNNING, lag_seconds=60), True, "60 s behind", ""),
        (replace(RUNNING, lag_seconds=61), False, "61 s behind", "more than 60 s ahead"),
        (replace(RUNNING, receiving=False), False, "has stopped", "are not received"),
        (replace(RUNNING, applying=False, error="Duplicate entry"), False, "(Duplicate entry)", "are not applied"),
        (replace(RUNNING, receiving=False, applying=False), False, "has stopped", "are not received"),
    ],
)
def test_replication_has_to_run_and_keep_up(state: Replication, passes: bool, found: str, remedy: str) -> None:
    passed, said, advised = one("replication status", replace(SEEN, replications=(state,)))
    assert passed is passes
    assert found in said
    assert remedy in advised
    assert passes is (advised == "")


def test_one_stopped_stream_among_several_fails() -> None:
    stopped = replace(RUNNING, source="other", receiving=False)
    passed, found, remedy = one("replication status", replace(SEEN, replications=(RUNNING, stopped)))
    assert not passed
    assert "from db.corp.example: runs" in found
    assert "changes from other" in remedy
