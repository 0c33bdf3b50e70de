"""Secrets of a database's users, in the shape that DMS, rotation and applications all read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.database_engines import Engine
from components.owner import Owner

FIRST_LABEL = "DEPLOYED"
"""Label of the version that a deployment made, which it keeps when it is neither current nor previous."""
PASSWORD_LENGTH = 32
PASSWORD_SPECIALS = "!#$%&*()-_=+[]{}<>:?"  # noqa: S105 - the characters RDS, DMS and connection strings all take


class SecretReplicaArgs(TypedDict):
    """Another region that the application's secret is needed in."""

    region: pulumi.Input[str]
    """AWS region, for example eu-west-1."""
    kms_key_arn: pulumi.Input[str]
    """Key of that region that encrypts the copy."""


class SecretPlaceArgs(TypedDict):
    """Where a secret lies that is needed in another region than the database's alone."""

    provider: pulumi.ProviderResource
    """Provider of that region."""
    kms_key_arn: pulumi.Input[str]
    """Key of that region that encrypts it."""


def new_password(owner: Owner, purpose: str) -> pulumi.Output[str]:
    """Make a user's password."""
    password = random.RandomPassword(
        f"{owner.name}-{purpose}-password",
        length=PASSWORD_LENGTH,
        override_special=PASSWORD_SPECIALS,
        opts=owner.child,
    )
    return password.result


@dataclass(frozen=True)
class UserSecrets:
    """Makes the secrets of one database's users. `endpoint` has its host, port and database."""

    owner: Owner
    engine: Engine
    endpoint: pulumi.Output[dict[str, Any]]
    kms_key_arn: pulumi.Input[str]
    recovery_days: int

    def add(
        self,
        purpose: str,
        username: pulumi.Input[str],
        password: pulumi.Output[str],
        *,
        rotates: bool,
        replicas: Sequence[SecretReplicaArgs] = (),
        place: SecretPlaceArgs | None = None,
    ) -> pulumi.Output[str]:
        """Make a user's secret and return its ARN, known once there is something to read."""
        name = self.owner.name
        provider = place["provider"] if place else None
        secret = aws.secretsmanager.Secret(
            f"{name}-{purpose}-secret",
            name=f"{name}/{purpose}",
            description=f"Credentials of the database's {purpose} user",
            kms_key_id=place["kms_key_arn"] if place else self.kms_key_arn,
            recovery_window_in_days=self.recovery_days,
            replicas=[{"region": one["region"], "kms_key_id": one["kms_key_arn"]} for one in replicas] or None,
            tags=self.owner.tagged(f"{name}-{purpose}"),
            opts=pulumi.ResourceOptions(parent=self.owner.parent, provider=provider),
        )
        text = pulumi.Output.json_dumps(
            {
                "engine": self.engine.kind,
                "host": self.endpoint["host"],
                "port": self.endpoint["port"],
                "dbname": self.endpoint["database"],
                "username": username,
                "password": password,
            },
            sort_keys=True,
        )
        version = aws.secretsmanager.SecretVersion(
            f"{name}-{purpose}-secret-value",
            secret_id=secret.id,
            secret_string=text,  # secret, as the password in it is
            # A version without a label is forgotten one day, and would then be made anew, with a password long changed.
            version_stages=["AWSCURRENT", FIRST_LABEL] if rotates else None,
            opts=pulumi.ResourceOptions(
                parent=self.owner.parent,
                provider=provider,
                ignore_changes=["secretString", "versionStages"] if rotates else None,
            ),
        )
        return pulumi.Output.all(secret.arn, version.id).apply(lambda both: str(both[0]))
