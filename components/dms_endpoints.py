"""DMS's endpoints: both databases read and written through Secrets Manager, verified where they are to be."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks, function_archives, policies
from components.owner import Owner

SOURCE_ENGINES = ("postgres", "aurora-postgresql")
SSL_MODES = ("none", "require", "verify-ca", "verify-full")
HEARTBEAT_SCHEMA = "migration_control"
HEARTBEAT_MINUTES = 5
NO_FOREIGN_KEYS = "SET session_replication_role = 'replica'"
"""Triggers and foreign keys must not fire while DMS writes: rows arrive in no order they would accept."""
BEHIND_A_FENCE = "SET default_transaction_read_only = off"
"""The side that was left is read-only by default; what comes back is written all the same."""
EXACT_NUMERIC = "MapUnboundedNumericAsString=true"
"""Without it DMS rounds every NUMERIC of undeclared precision to six decimals."""


class DmsEndpointArgs(TypedDict):
    """One side of the replication."""

    engine_name: str
    """postgres or aurora-postgresql."""
    database_name: pulumi.Input[str]
    """Name of the database."""
    secret_arn: pulumi.Input[str]
    """Secret with host, port, username and password of DMS's user."""
    ssl_mode: NotRequired[str]
    """none, require, verify-ca or verify-full. Default require."""
    certificate_bundle: NotRequired[str | None]
    """File with the authorities that verify-ca and verify-full trust, PEM."""


def check(side: DmsEndpointArgs) -> None:
    """Raise ArgumentError for what DMS would refuse."""
    checks.one_of("engine_name", side["engine_name"], SOURCE_ENGINES)
    mode = checks.one_of("ssl_mode", side.get("ssl_mode", "require"), SSL_MODES)
    if mode.startswith("verify") and not side.get("certificate_bundle"):
        raise checks.ArgumentError(f"ssl_mode is {mode}, but no certificate_bundle is given: name the PEM file")


def access_role(
    owner: Owner,
    *,
    region: pulumi.Input[str],
    secret_arns: Sequence[pulumi.Input[str]],
    kms_key_arn: pulumi.Input[str],
) -> pulumi.Output[str]:
    """Make the role through which DMS reads the secrets; its ARN is known once it may read them."""
    name = owner.name
    role = aws.iam.Role(
        f"{name}-access-role",
        name=f"{name}-access",
        assume_role_policy=pulumi.Output.concat("dms.", region, ".amazonaws.com").apply(policies.trust),
        tags=owner.tagged(f"{name}-access"),
        opts=owner.child,
    )
    via = pulumi.Output.concat("secretsmanager.", region, ".amazonaws.com")
    reads = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
    policy = aws.iam.RolePolicy(
        f"{name}-access-policy",
        role=role.name,
        policy=policies.document(
            [
                policies.allow(*reads, on=list(secret_arns)),
                policies.allow("kms:Decrypt", on=kms_key_arn, when={"StringEquals": {"kms:ViaService": via}}),
            ]
        ),
        opts=owner.child,
    )
    return pulumi.Output.all(role.arn, policy.id).apply(lambda both: str(both[0]))


def authority(owner: Owner, purpose: str, side: DmsEndpointArgs) -> pulumi.Output[str] | None:
    """Give DMS the file that a side is verified by, where there is one, and return its ARN."""
    bundle = side.get("certificate_bundle")
    if not bundle:
        return None
    name = f"{owner.name}-{purpose}-authority"
    made = aws.dms.Certificate(
        name,
        certificate_id=name,
        certificate_pem=function_archives.authority(bundle),
        tags=owner.tagged(name),
        opts=owner.child,
    )
    return made.certificate_arn


def declare(
    owner: Owner,
    purpose: str,
    kind: str,
    side: DmsEndpointArgs,
    *,
    access: pulumi.Input[str],
    authority: pulumi.Input[str] | None,
    kms_key_arn: pulumi.Input[str],
    failback_slot: str | None,
) -> aws.dms.Endpoint:
    """Make an endpoint that reads from a side, `kind` being source, or writes to it, target."""
    name = f"{owner.name}-{purpose}"
    if kind == "source":
        attributes: str | None = EXACT_NUMERIC
        settings = aws.dms.EndpointPostgresSettingsArgs(
            # It needs an event trigger, which only a superuser can make; the schema is frozen and compared instead.
            capture_ddls=False,
            fail_tasks_on_lob_truncation=True,
            heartbeat_enable=True,
            heartbeat_frequency=HEARTBEAT_MINUTES,
            heartbeat_schema=HEARTBEAT_SCHEMA,
            slot_name=failback_slot if purpose == "failback-source" else None,
        )
    else:
        attributes = None
        settings = aws.dms.EndpointPostgresSettingsArgs(
            after_connect_script=NO_FOREIGN_KEYS if purpose == "target" else f"{NO_FOREIGN_KEYS}; {BEHIND_A_FENCE}"
        )
    return aws.dms.Endpoint(
        name,
        endpoint_id=name,
        endpoint_type=kind,
        engine_name=side["engine_name"],
        database_name=side["database_name"],
        secrets_manager_arn=side["secret_arn"],
        secrets_manager_access_role_arn=access,
        ssl_mode=side.get("ssl_mode", "require"),
        certificate_arn=authority,
        extra_connection_attributes=attributes,
        postgres_settings=settings,
        kms_key_arn=kms_key_arn,
        tags=owner.tagged(name),
        opts=owner.child,
    )
