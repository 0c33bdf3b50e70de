"""Whether a database is what the stack promised: four checks, judged from what was seen. Every failure has a remedy."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

CHECKS = ("reachable", "version", "character set", "replication status")


class Reason(StrEnum):
    """Why nobody got in, as far as the driver tells."""

    CREDENTIALS = "credentials"
    DATABASE = "database"
    NETWORK = "network"
    TLS = "tls"


class Unreachable(Exception):
    """Nobody got in. The message is the server's or the driver's; it holds no password."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Replication:
    """One stream of changes into the database. `lag_seconds` is None where the server does not say."""

    source: str
    receiving: bool
    applying: bool
    lag_seconds: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Observation:
    """What was seen of a database. `encryption` is the version of TLS the connection has, empty without."""

    product: str
    version: str
    server_character_set: str
    database_character_set: str
    encryption: str
    replications: tuple[Replication, ...] = ()


@dataclass(frozen=True)
class Expectation:
    """What is promised. `server` is a product and the head of its version, such as MySQL 8.0."""

    server: str
    character_set: str
    lag_seconds: int


@dataclass(frozen=True)
class Verdict:
    """One check: whether it passed, what was found and, where it did not, what to do."""

    check: str
    passed: bool
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


REMEDIES = {
    Reason.CREDENTIALS: (
        "the secret and the server disagree about the password: wait if it is being rotated just now, else have RDS "
        "make another one (modify-db-instance --rotate-master-user-password --apply-immediately)"
    ),
    Reason.DATABASE: "create the database, or name the one there is in target.database",
    Reason.NETWORK: (
        "look whether the instance is available, and whether its security group lets the functions' in on its port"
    ),
    Reason.TLS: (
        "look at the server's certificate and target.sslMode: verify-full needs the authority in "
        "target.certificateBundle, and a server that requires TLS takes no sslMode none"
    ),
}


def judge(seen: Observation | Unreachable, expected: Expectation) -> list[Verdict]:
    """Return a verdict per check, in the order of CHECKS."""
    if isinstance(seen, Unreachable):
        unknown = [Verdict(check, False, "not looked at", "make the database reachable first") for check in CHECKS[1:]]
        return [Verdict(CHECKS[0], False, str(seen), REMEDIES[seen.reason]), *unknown]
    return [
        Verdict(CHECKS[0], True, f"connected with {seen.encryption}" if seen.encryption else "connected without TLS"),
        _version(seen, expected),
        _character_set(seen, expected),
        _replication(seen.replications, expected.lag_seconds),
    ]


def failed(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the names of the checks that failed."""
    return [verdict.check for verdict in verdicts if not verdict.passed]


def _version(seen: Observation, expected: Expectation) -> Verdict:
    product, _, wanted = expected.server.rpartition(" ")
    found = f"{seen.product} {seen.version}"
    parts = wanted.split(".")
    if seen.product == product and seen.version.split(".")[: len(parts)] == parts:
        return Verdict(CHECKS[1], True, found)
    remedy = f"{expected.server} is expected: change target.engineVersion, or upgrade the instance to it"
    return Verdict(CHECKS[1], False, found, remedy)


def _character_set(seen: Observation, expected: Expectation) -> Verdict:
    wanted, sets = expected.character_set, (seen.server_character_set, seen.database_character_set)
    found = f"server {sets[0]}, database {sets[1]}"
    if all(name.lower() == wanted.lower() for name in sets):
        return Verdict(CHECKS[2], True, found)
    # Text that is stored already stays as it is: both remedies are for what comes later.
    remedies = (
        f"set character_set_server to {wanted} in target.parameters and restart",
        f"make {wanted} the database's (ALTER DATABASE in MySQL, a new one in PostgreSQL), then convert its tables",
    )
    wrong = [remedy for remedy, name in zip(remedies, sets, strict=True) if name.lower() != wanted.lower()]
    return Verdict(CHECKS[2], False, found, "; ".join(wrong))


def _replication(replications: Sequence[Replication], limit: int) -> Verdict:
    if not replications:
        return Verdict(CHECKS[3], True, "no replication is configured")
    found = "; ".join(_described(one) for one in replications)
    remedies = list(dict.fromkeys(remedy for one in replications if (remedy := _remedy(one, limit))))
    return Verdict(CHECKS[3], not remedies, found, "; ".join(remedies))


def _described(one: Replication) -> str:
    state = "runs" if one.receiving and one.applying else "has stopped"
    lag = "" if one.lag_seconds is None else f", {one.lag_seconds:.0f} s behind"
    return f"from {one.source}: {state}{lag}{f' ({one.error})' if one.error else ''}"


def _remedy(one: Replication, limit: int) -> str:
    if not one.receiving:
        return (
            f"changes from {one.source} are not received: look whether it can be reached and its user may replicate, "
            "then start it (CALL mysql.rds_start_replication, or ALTER SUBSCRIPTION ... ENABLE)"
        )
    if not one.applying:
        return f"changes from {one.source} are not applied: mend what the error says, then start it again"
    if one.lag_seconds is not None and one.lag_seconds > limit:
        return f"{one.source} is more than {limit} s ahead: wait, or find what holds the apply up"
    return ""
