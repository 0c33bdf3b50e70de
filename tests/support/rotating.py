"""A secret in memory, with Secrets Manager's rules for versions and labels, and who calls a rotation as it does."""

import json
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from handlers.adapters.versions import Versions
from handlers.core.rotation import CURRENT, PENDING, PREVIOUS, Call, LoginFailed
from handlers.core.users import family
from handlers.rotation import Rotation

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/application-AbCdEf"
MADE = datetime(2026, 1, 2, tzinfo=UTC)
"""When every version is made."""


class FakeSecret:
    """One secret, by the calls of boto3's client that a rotation makes."""

    def __init__(
        self, fields: Mapping[str, Any] | None, enabled: bool = True, arn: str = ARN, version: str = "first"
    ) -> None:
        self.enabled = enabled
        self.arn = arn
        self.values: dict[str, str | None] = {}
        self.labels: dict[str, set[str]] = {}
        if fields is not None:
            self.values[version], self.labels[version] = json.dumps(fields), {CURRENT}

    @property
    def versions(self) -> Versions:
        return Versions(self, self.arn)

    def begin(self, token: str | None = None) -> str:
        """Make the empty pending version that AWS makes when a rotation begins."""
        token = token or str(uuid.uuid4())
        if PENDING in self.labels.get(token, set()):
            return token
        assert not any(PENDING in labels and CURRENT not in labels for labels in self.labels.values()), (
            "A previous rotation isn't complete"
        )
        self.values.setdefault(token, None)
        self.labels.setdefault(token, set()).add(PENDING)
        return token

    def fields(self, label: str = CURRENT) -> dict[str, Any] | None:
        return self.versions.read(label)

    def called(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a call by its operation's name."""
        answer: dict[str, Any] = getattr(self, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower())(**params)
        return answer

    def describe_secret(self, SecretId: str) -> dict[str, Any]:
        self._mine(SecretId)
        shown = {version: sorted(labels) for version, labels in self.labels.items() if labels}
        return {"ARN": self.arn, "RotationEnabled": self.enabled, "VersionIdsToStages": shown}

    def get_secret_value(
        self, SecretId: str, VersionStage: str | None = None, VersionId: str | None = None
    ) -> dict[str, Any]:
        self._mine(SecretId)
        for version, labels in list(self.labels.items()):
            wanted = (VersionStage is None or VersionStage in labels) and VersionId in (None, version)
            if wanted and self.values[version] is not None:
                text = self.values[version]
                shown = {"VersionStages": sorted(labels), "CreatedDate": MADE}
                return {"ARN": self.arn, "VersionId": version, "SecretString": text, **shown}
        raise _error("ResourceNotFoundException", "GetSecretValue")

    def put_secret_value(
        self, SecretId: str, ClientRequestToken: str, SecretString: str, VersionStages: list[str]
    ) -> dict[str, Any]:
        self._mine(SecretId)
        if self.values.get(ClientRequestToken) not in (None, SecretString):
            raise _error("ResourceExistsException", "PutSecretValue")
        self.values[ClientRequestToken] = SecretString
        for stage in VersionStages:
            self._move(stage, ClientRequestToken)
        return {"ARN": self.arn, "VersionId": ClientRequestToken}

    def update_secret_version_stage(
        self,
        SecretId: str,
        VersionStage: str,
        MoveToVersionId: str | None = None,
        RemoveFromVersionId: str | None = None,
    ) -> dict[str, Any]:
        self._mine(SecretId)
        holder = next((version for version, labels in self.labels.items() if VersionStage in labels), None)
        if RemoveFromVersionId != (holder if holder != MoveToVersionId else None):
            raise _error("InvalidParameterException", "UpdateSecretVersionStage")
        if MoveToVersionId is None:
            self.labels[str(holder)].discard(VersionStage)
        else:
            if VersionStage == CURRENT and holder:
                self._move(PREVIOUS, holder)
            self._move(VersionStage, MoveToVersionId)
        return {"ARN": self.arn}

    def _move(self, stage: str, version: str) -> None:
        for labels in self.labels.values():
            labels.discard(stage)
        self.labels.setdefault(version, set()).add(stage)

    def _mine(self, secret_id: str) -> None:
        assert secret_id == self.arn


class FakeAccounts:
    """Users of one database and their passwords; who has none can't log in. The administrator is looked up."""

    def __init__(self, passwords: dict[str, str | None], administrator: Callable[[], Any] = dict) -> None:
        self.passwords = passwords
        self._administrator = administrator

    def log_in(self, credentials: Mapping[str, Any], acts_as: str) -> None:
        known = self.passwords.get(credentials["username"])
        mine = credentials["username"] in family(acts_as)
        if known is None or known != credentials["password"] or not mine:
            raise LoginFailed(f"{credentials['username']} is not let in")

    def change_own(self, credentials: Mapping[str, Any], password: str) -> None:
        self.log_in(credentials, credentials["username"])
        self.passwords[credentials["username"]] = password

    def take_turns(self, name: str, leaving: str, coming: Mapping[str, Any]) -> None:
        self._administrator()
        if leaving != name:
            self.passwords[name] = None
        self.passwords[coming["username"]] = coming["password"]


def rotate(rotation: Rotation, secret: FakeSecret, token: str | None = None) -> dict[str, Any]:
    """Call a rotation's four steps in their order and return what the last one came to."""
    token = secret.begin(token)
    return [rotation.act(call, token) for call in Call][-1]


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


def written_through(
    secret: FakeSecret, rotation: Callable[[], Rotation], write: Callable[[dict[str, Any], int], str]
) -> tuple[int, set[str]]:
    """Rotate three times while a client writes; return how many rows it wrote, and as whom.

    `write` writes one row, in a session of its own, with what the secret held a few writes ago, and returns the user.
    """
    over, written, users, errors = threading.Event(), 0, set[str](), list[str]()

    def client() -> None:
        nonlocal written
        while not over.is_set():
            fields = secret.fields() or {}
            for _ in range(3):
                try:
                    users.add(write(fields, written))
                    written += 1
                except Exception as error:
                    errors.append(str(error))

    writing = threading.Thread(target=client)
    writing.start()
    try:
        for _ in range(3):
            rotate(rotation(), secret)
            seen = written
            while written < seen + 6 and not errors:
                over.wait(0.01)
    finally:
        over.set()
        writing.join()
    assert errors == []
    return written, users
