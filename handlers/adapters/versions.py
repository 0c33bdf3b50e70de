"""One secret in Secrets Manager while it rotates: its versions, their labels and what they hold."""

import json
from typing import Any

from botocore.exceptions import ClientError

from handlers.core.record import Refused
from handlers.core.rotation import CURRENT, PENDING, Stages
from handlers.redaction import hide_secret


class Versions:
    """Reads and moves the labels of one secret's versions. What they hold must not be logged."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def stages(self) -> Stages:
        """Return whether the secret rotates, and each version's labels."""
        found = self._client.describe_secret(SecretId=self._arn)
        labels = {version: tuple(names) for version, names in found.get("VersionIdsToStages", {}).items()}
        return Stages(bool(found.get("RotationEnabled")), labels)

    def read(self, label: str, version: str | None = None) -> dict[str, Any] | None:
        """Return the fields of the version with this label, None where there is none or it holds nothing yet.

        Where a `version` is given it has to be that one. Raises Refused for a value that is no JSON object.
        """
        which = {"VersionId": version} if version else {}
        try:
            found = self._client.get_secret_value(SecretId=self._arn, VersionStage=label, **which)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        if not found.get("SecretString"):
            return None
        try:
            fields = json.loads(found["SecretString"])
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise Refused(f"the {label} version of the secret is no JSON object: set it back to what the stack wrote")
        hide_secret(fields)
        return fields

    def made(self, version: str) -> float:
        """Return when a version's value was made, in seconds since the epoch."""
        found = self._client.get_secret_value(SecretId=self._arn, VersionId=version)
        return float(found["CreatedDate"].timestamp())

    def propose(self, token: str, fields: dict[str, Any]) -> None:
        """Store what the pending version `token` holds."""
        hide_secret(fields)
        text = json.dumps(fields, sort_keys=True)
        self._client.put_secret_value(
            SecretId=self._arn, ClientRequestToken=token, SecretString=text, VersionStages=[PENDING]
        )

    def promote(self, token: str) -> None:
        """Make `token` the current version, unless it is, and take the pending label away. The old one is previous."""
        stages = self.stages()
        current = stages.holder(CURRENT)
        if current != token:
            leaving = {"RemoveFromVersionId": current} if current else {}
            self._client.update_secret_version_stage(
                SecretId=self._arn, VersionStage=CURRENT, MoveToVersionId=token, **leaving
            )
        if PENDING in self.stages().labels.get(token, ()):
            self._client.update_secret_version_stage(
                SecretId=self._arn, VersionStage=PENDING, RemoveFromVersionId=token
            )
