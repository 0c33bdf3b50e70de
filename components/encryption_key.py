"""The customer-managed key that encrypts a migration's data, with the services that may use it."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import alerting, checks, policies

DEFAULT_DELETION_WINDOW_DAYS = 30

STORAGE_SERVICES = ("rds", "dms", "secretsmanager", "dynamodb", "backup", "lambda", "ssm")
"""Services that use the key on behalf of a caller of this account; the condition keeps others out."""
GRANTED_SERVICES = ("rds", "dms", "dynamodb", "backup", "lambda")
"""Those of them that keep it by a grant, for what they do when nobody calls."""


class EncryptionKeyArgs(TypedDict):
    """What EncryptionKey needs."""

    account_id: pulumi.Input[str]
    """AWS account the key lives in, twelve digits."""
    region: pulumi.Input[str]
    """AWS region, for example eu-central-1: it names the log service and the calling services."""
    alias: pulumi.Input[str]
    """Alias without the `alias/` prefix."""
    deletion_window_days: NotRequired[int]
    """Days between destroying the stack and the end of the key, 7 to 30. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class EncryptionKey(pulumi.ComponentResource):
    """A rotating KMS key usable by RDS, DMS and the services around them, and its alias."""

    arn: pulumi.Output[str]
    """ARN of the key."""
    alias: pulumi.Output[str]
    """Name of the alias, with its `alias/` prefix."""

    def __init__(self, name: str, args: EncryptionKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:EncryptionKey", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags", {})
        window = checks.whole(
            "deletion_window_days", args.get("deletion_window_days", DEFAULT_DELETION_WINDOW_DAYS), 7, 30
        )
        key = aws.kms.Key(
            f"{name}-key",
            description="Encrypts the migration's databases, replication, secrets, logs and messages",
            enable_key_rotation=True,
            deletion_window_in_days=window,
            policy=_policy(args["account_id"], args["region"]),
            tags=checks.tags_for(tags, f"{name}-key"),
            opts=child,
        )
        alias = aws.kms.Alias(
            f"{name}-alias",
            name=pulumi.Output.concat("alias/", args["alias"]),
            target_key_id=key.key_id,
            opts=child,
        )
        self.arn = key.arn
        self.alias = alias.name
        self.register_outputs({"arn": self.arn, "alias": self.alias})


def _policy(account: pulumi.Input[str], region: pulumi.Input[str]) -> pulumi.Output[str]:
    use = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]

    def called_by(services: Sequence[str]) -> list[pulumi.Output[str]]:
        return [pulumi.Output.concat(service, ".", region, ".amazonaws.com") for service in services]

    return policies.document(
        [
            {
                "Sid": "AccountAdministers",
                "Effect": "Allow",
                "Principal": {"AWS": pulumi.Output.concat("arn:aws:iam::", account, ":root")},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "ServicesOnBehalfOfTheAccount",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": use,
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"kms:CallerAccount": account, "kms:ViaService": called_by(STORAGE_SERVICES)}
                },
            },
            {
                "Sid": "GrantsToServicesAlone",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"kms:CallerAccount": account, "kms:ViaService": called_by(GRANTED_SERVICES)},
                    "Bool": {"kms:GrantIsForAWSResource": "true"},
                },
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Principal": {"Service": pulumi.Output.concat("logs.", region, ".amazonaws.com")},
                "Action": use,
                "Resource": "*",
                "Condition": {
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": pulumi.Output.concat(
                            "arn:aws:logs:", region, ":", account, ":log-group:*"
                        )
                    }
                },
            },
            {
                "Sid": "Publishers",  # to the encrypted topics: without this, their messages vanish silently
                "Effect": "Allow",
                "Principal": {"Service": list(alerting.MIGRATION)},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            },
        ]
    )
