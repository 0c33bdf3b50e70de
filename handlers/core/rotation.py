"""What a rotation may do, judged from the labels of a secret's versions and from what two of them hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from handlers.core.record import BUSY, Phase, Record, Refused, Step
from handlers.core.users import Strategy, allowed, following

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
PLACE = ("engine", "host", "port", "dbname")
"""Fields that say which database a secret is for. No rotation changes them."""

Fields = Mapping[str, Any]


class LoginFailed(Exception):
    """A user could not log in, or not as it should. The message is the server's, without any password."""


class Call(StrEnum):
    """The four calls by which Secrets Manager rotates a secret, in their order; it repeats any of them at will."""

    CREATE = "createSecret"
    SET = "setSecret"
    TEST = "testSecret"
    FINISH = "finishSecret"


@dataclass(frozen=True)
class Stages:
    """What Secrets Manager says of a secret: whether it rotates, and the labels of each version."""

    enabled: bool
    labels: Mapping[str, tuple[str, ...]]

    def holder(self, label: str) -> str | None:
        """Return the version that carries a label."""
        return next((version for version, labels in self.labels.items() if label in labels), None)


@dataclass(frozen=True)
class Subject:
    """Whose secret it is: `name` in the database at `place`, whose fields are those of PLACE."""

    name: str
    strategy: Strategy
    place: Fields


def concluded(stages: Stages, token: str) -> bool:
    """Say whether the version `token` is the current one already. Raises Refused where it is none to be rotated to."""
    if not stages.enabled:
        raise Refused("rotation of this secret is switched off: switch it on, or take its schedule away")
    labels = stages.labels.get(token)
    if labels is None:
        raise Refused(f"this secret has no version {token}: Secrets Manager makes it when a rotation begins")
    if CURRENT not in labels and PENDING not in labels:
        raise Refused(f"version {token} of this secret is not pending: it was overtaken by a later rotation")
    return CURRENT in labels


def next_fields(current: Fields, subject: Subject, password: str) -> dict[str, Any]:
    """Return what the pending version holds: the user whose turn it is with a new password, all else as it is."""
    username = following(subject.name, str(current["username"]), subject.strategy)
    return {**current, "username": username, "password": password}


def check_current(current: Fields, subject: Subject) -> None:
    """Raise Refused unless a secret's value is for the user and the database this function was deployed for.

    Who may write a secret may not have a rotation change another user, or send a password to another host.
    """
    lacking = [name for name in (*PLACE, "username", "password") if not current.get(name)]
    if lacking:
        raise Refused(f"the secret lacks {', '.join(lacking)}: give it the fields that the stack wrote")
    for name in PLACE:
        found, known = str(current[name]), str(subject.place[name])
        if found.lower() != known.lower():
            raise Refused(f"the secret's {name} is {found}, and it is rotated for {known}: set it back")
    users = allowed(subject.name, subject.strategy)
    if current["username"] not in users:
        raise Refused(f"the secret's username is {current['username']}, not {' or '.join(users)}: set it back")


def check_pending(current: Fields, pending: Fields, subject: Subject) -> None:
    """Raise Refused unless the pending version is what `next_fields` makes of the current one."""
    lacking = [name for name in (*PLACE, "username", "password") if not pending.get(name)]
    changed = [
        name
        for name in sorted({*current, *pending} - {"username", "password"})
        if str(pending.get(name, "")) != str(current.get(name, ""))
    ]
    wanted = following(subject.name, str(current["username"]), subject.strategy)
    if lacking or changed or pending["username"] != wanted:
        what = ", ".join(lacking or changed or ["username"])
        raise Refused(f"the pending version differs in {what}: take its AWSPENDING label away and rotate anew")


def paused(record: Record) -> str | None:
    """Return why nothing may be rotated while the migration stands as it does, None where it may."""
    failed_back = record.phase is Phase.FAILED_BACK and Step.SETTLE not in record.done
    if record.phase in BUSY | {Phase.OPEN, Phase.NEEDS_A_PERSON} or failed_back:
        return f"migration {record.migration_id} is {record.phase}: its secrets rotate when it is over"
    return None
