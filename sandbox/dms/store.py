"""What was declared to DMS, in memory: records whose status settles by itself after a short while, as AWS's does."""

import re
import secrets
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from threading import RLock

from sandbox.dms.protocol import EXISTS, INVALID, MISSING, Fault, Json
from sandbox.dms.run import Run

ACCOUNT = "123456789012"
SETTLE_SECONDS = 0.2
GONE = ""
"""The status of a record that is deleted: it vanishes when the time comes."""
_ALPHABET = string.ascii_uppercase + string.digits
_IDENTIFIER = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*")


class Kind(StrEnum):
    """Kinds of records, each by the part of an ARN that names it."""

    SUBNET_GROUP = "subgrp"
    INSTANCE = "rep"
    ENDPOINT = "endpoint"
    TASK = "task"
    REPLICATION = "replication-config"
    EVENT_SUBSCRIPTION = "es"
    CONNECTION = "connection"
    CERTIFICATE = "cert"


MOVERS = (Kind.TASK, Kind.REPLICATION)
"""What moves rows. A serverless replication's body is kept in a task's words, which the engine reads."""


@dataclass
class Lifecycle:
    """A status: the one it has settled on, and until a moment the one it passes through."""

    settled: str
    passing: str = ""
    until: float = 0.0

    def at(self, now: float) -> str:
        """Return the status at a moment."""
        return self.passing if now < self.until else self.settled

    def move(self, passing: str, settled: str, now: float) -> None:
        """Pass through one status for a short while and settle on another."""
        self.passing, self.settled, self.until = passing, settled, now + SETTLE_SECONDS

    def set(self, status: str) -> None:
        """Take a status at once."""
        self.settled, self.until = status, 0.0


@dataclass
class Record:
    """One resource. `body` is what the API answers of it, all but the status; `run` is that of what moves rows."""

    kind: Kind
    name: str
    arn: str
    body: Json
    lifecycle: Lifecycle
    tags: dict[str, str] = field(default_factory=dict)
    run: Run = field(default_factory=Run)

    @property
    def resource_id(self) -> str:
        """The last part of the ARN: what DMS calls the resource id."""
        return self.arn.rsplit(":", maxsplit=1)[-1]


class Store:
    """The records of one region. Hold `lock` to read and change several things as one."""

    def __init__(self, region: str, clock: Callable[[], float] = time.time) -> None:
        self.region = region
        self.lock = RLock()
        self._clock = clock
        self._records: dict[tuple[Kind, str], Record] = {}
        self._default_key = f"arn:aws:kms:{region}:{ACCOUNT}:key/{_uuid()}"

    def now(self) -> float:
        """Return the time in seconds."""
        return self._clock()

    def today(self) -> datetime:
        """Return the time as a date."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def status(self, record: Record) -> str:
        """Return a record's status now."""
        return record.lifecycle.at(self.now())

    def all(self, kind: Kind) -> list[Record]:
        """Return every record of a kind, oldest first. Those whose deletion is over are dropped."""
        with self.lock:
            for key, record in list(self._records.items()):
                if self.status(record) == GONE:
                    del self._records[key]
            return [record for (other, _), record in self._records.items() if other is kind]

    def __iter__(self) -> Iterator[Record]:
        return iter([record for kind in Kind for record in self.all(kind)])

    def get(self, kind: Kind, arn: str) -> Record:
        """Return the record with an ARN. Raises Fault where there is none."""
        for record in self.all(kind):
            if record.arn == arn:
                return record
        raise Fault(MISSING, f"{_words(kind)} {arn} not found.")

    def movers(self) -> list[Record]:
        """Return everything that moves rows."""
        return [record for kind in MOVERS for record in self.all(kind)]

    def mover(self, arn: str) -> Record:
        """Return the task or the serverless replication with an ARN. Raises Fault where there is none."""
        return next((record for record in self.movers() if record.arn == arn), None) or self.get(Kind.TASK, arn)

    def named(self, kind: Kind, name: str) -> Record:
        """Return the record with a name. Raises Fault where there is none."""
        for record in self.all(kind):
            if record.name == name:
                return record
        raise Fault(MISSING, f"{_words(kind)} {name} not found.")

    def add(
        self, kind: Kind, name: str, body: Json, lifecycle: Lifecycle, tags: list[Json], ending: str = ""
    ) -> Record:
        """Add a record. `ending` is the end of its ARN where the request gave one. Raises Fault for a name in use."""
        with self.lock:
            if any(record.name == name for record in self.all(kind)):
                raise Fault(EXISTS, f"{_words(kind)} {name} already exists.")
            by_name = kind in (Kind.SUBNET_GROUP, Kind.EVENT_SUBSCRIPTION)
            ending = name if by_name else ending or "".join(secrets.choice(_ALPHABET) for _ in range(26))
            arn = name if kind is Kind.CONNECTION else f"arn:aws:dms:{self.region}:{ACCOUNT}:{kind}:{ending}"
            if (kind, arn) in self._records:
                raise Fault(EXISTS, f"{_words(kind)} {arn} already exists.")
            record = Record(kind, name, arn, body, lifecycle, {tag["Key"]: tag.get("Value", "") for tag in tags})
            self._records[kind, arn] = record
            return record

    def rename(self, record: Record, name: str) -> None:
        """Give a record another name. Raises Fault for a name in use."""
        if any(other.name == name and other is not record for other in self.all(record.kind)):
            raise Fault(EXISTS, f"{_words(record.kind)} {name} already exists.")
        record.name = name

    def remove(self, record: Record) -> None:
        """Drop a record at once."""
        with self.lock:
            self._records.pop((record.kind, record.arn), None)

    def tagged(self, arn: str) -> Record:
        """Return whatever has an ARN. Raises Fault where nothing has."""
        for record in self:
            if record.arn == arn and record.kind is not Kind.CONNECTION:
                return record
        raise Fault(MISSING, f"Resource {arn} not found.")

    def key_arn(self, key: str | None) -> str:
        """Return the ARN of a key given by ARN, id or alias; the account's default key where none is given."""
        if not key:
            return self._default_key
        resource = key if key.startswith("alias/") else f"key/{key}"
        return key if key.startswith("arn:") else f"arn:aws:kms:{self.region}:{ACCOUNT}:{resource}"


def identifier(member: str, value: str) -> str:
    """Return an identifier. Raises Fault unless it is letters, digits and single hyphens that begin with a letter."""
    if len(value) > 255 or not _IDENTIFIER.fullmatch(value):
        raise Fault(
            INVALID,
            f"{member} {value!r} isn't valid: at most 255 letters, digits and hyphens, a letter first, "
            "no hyphen at the end and no two in a row",
        )
    return value


def _words(kind: Kind) -> str:
    return {
        Kind.SUBNET_GROUP: "Replication Subnet Group",
        Kind.INSTANCE: "Replication Instance",
        Kind.ENDPOINT: "Endpoint",
        Kind.TASK: "Replication Task",
        Kind.REPLICATION: "Replication Config",
        Kind.EVENT_SUBSCRIPTION: "Event Subscription",
        Kind.CONNECTION: "Connection",
        Kind.CERTIFICATE: "Certificate",
    }[kind]


def _uuid() -> str:
    digits = secrets.token_hex(16)
    return "-".join(digits[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
