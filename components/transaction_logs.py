"""Where transaction logs are kept: a bucket in each of two regions, the first replicated to the second."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import buckets, checks, policies
from components.buckets import BucketPlan, DeclaredBucket, objects
from components.policies import Statement, allow

DEFAULT_TRANSITION_DAYS = 30
DEFAULT_NONCURRENT_DAYS = 90
PRIMARY, REPLICA = "source", "target"
ENCRYPTION = "s3:x-amz-server-side-encryption"
KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"


class LogPlaceArgs(TypedDict):
    """One region's half of the pair."""

    region: pulumi.Input[str]
    """AWS region, for example eu-central-1."""
    kms_key_arn: pulumi.Input[str]
    """Key of that region that encrypts the objects."""
    log_bucket: pulumi.Input[str]
    """Bucket of that region that takes the access logs."""
    provider: NotRequired[pulumi.ProviderResource]
    """Provider of that region. Default: the component's."""


class TransactionLogsArgs(TypedDict):
    """What TransactionLogs needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits: part of both names."""
    source: LogPlaceArgs
    """Where logs are written today."""
    target: LogPlaceArgs
    """Where they are replicated to."""
    transition_days: NotRequired[int]
    """Days until an object moves to infrequent access, at least 30. Default 30."""
    noncurrent_days: NotRequired[int]
    """Days that replaced and deleted versions stay. Default 90."""
    force_destroy: NotRequired[bool]
    """Destroy the buckets with what is in them. Default false."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class TransactionLogs(pulumi.ComponentResource):
    """Two versioned, encrypted buckets and the replication from the source's to the target's."""

    source_bucket: pulumi.Output[str]
    """Name of the source's bucket."""
    source_arn: pulumi.Output[str]
    """ARN of the source's bucket."""
    target_bucket: pulumi.Output[str]
    """Name of the target's bucket."""
    target_arn: pulumi.Output[str]
    """ARN of the target's bucket."""

    def __init__(self, name: str, args: TransactionLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:TransactionLogs", name, None, opts)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        source = self._bucket(PRIMARY, args["source"])
        target = self._bucket(REPLICA, args["target"])
        self._replicate(source, target)

        self.source_bucket = source.bucket.bucket
        self.source_arn = source.bucket.arn
        self.target_bucket = target.bucket.bucket
        self.target_arn = target.bucket.arn
        self.register_outputs(
            {
                "source_bucket": self.source_bucket,
                "source_arn": self.source_arn,
                "target_bucket": self.target_bucket,
                "target_arn": self.target_arn,
            }
        )

    def _in(self, place: LogPlaceArgs, depends_on: list[pulumi.Resource] | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=place.get("provider"), depends_on=depends_on)

    def _bucket(self, side: str, place: LogPlaceArgs) -> DeclaredBucket:
        args = self._args
        transition = checks.whole("transition_days", args.get("transition_days", DEFAULT_TRANSITION_DAYS), 30, 3650)
        noncurrent = checks.whole("noncurrent_days", args.get("noncurrent_days", DEFAULT_NONCURRENT_DAYS), 1, 3650)
        return buckets.declare(
            BucketPlan(
                name=f"{self._name}-{side}",
                bucket=pulumi.Output.concat(self._name, "-", side, "-", args["account_id"]),
                kms_key_arn=place["kms_key_arn"],
                options=self._in(place),
                force_destroy=args.get("force_destroy", False),
                tags=self._tags,
                rules=[
                    {
                        "id": "keep-cheaply",
                        "status": "Enabled",
                        "filter": {"prefix": ""},
                        "transitions": [{"days": transition, "storage_class": "STANDARD_IA"}],
                        "noncurrent_version_expiration": {"noncurrent_days": noncurrent},
                    }
                ],
                log_bucket=place["log_bucket"],
                statements=lambda arn: _only_encrypted(arn, place["kms_key_arn"]),
            )
        )

    def _replicate(self, source: DeclaredBucket, target: DeclaredBucket) -> None:
        """Copy every version, also of deletions, and encrypt it anew with the target's key."""
        name, args = f"{self._name}-replication", self._args
        here = self._in(args["source"])
        role = aws.iam.Role(
            f"{name}-role",
            name=name,
            assume_role_policy=pulumi.Output.from_input(args["account_id"]).apply(_trust_s3),
            tags=checks.tags_for(self._tags, name),
            opts=here,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=policies.document(self._rights(source.bucket.arn, target.bucket.arn)),
            opts=here,
        )
        aws.s3.BucketReplicationConfig(
            f"{name}-rules",
            bucket=source.bucket.id,
            role=role.arn,
            rules=[
                {
                    "id": "everything",
                    "priority": 1,
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "delete_marker_replication": {"status": "Enabled"},
                    "source_selection_criteria": {"sse_kms_encrypted_objects": {"status": "Enabled"}},
                    "destination": {
                        "bucket": target.bucket.arn,
                        "storage_class": "STANDARD",
                        "encryption_configuration": {"replica_kms_key_id": args["target"]["kms_key_arn"]},
                    },
                }
            ],
            opts=self._in(args["source"], [source.versioning, target.versioning, policy]),
        )

    def _rights(self, source: pulumi.Input[str], target: pulumi.Input[str]) -> list[Statement]:
        args = self._args

        def through_s3(action: str, place: LogPlaceArgs, bucket: pulumi.Input[str]) -> Statement:
            # With a bucket key, the bucket is what the encryption is bound to.
            via = pulumi.Output.concat("s3.", place["region"], ".amazonaws.com")
            bound: Any = {"StringEquals": {"kms:ViaService": via, "kms:EncryptionContext:aws:s3:arn": bucket}}
            return allow(action, on=place["kms_key_arn"], when=bound)

        return [
            allow("s3:GetReplicationConfiguration", "s3:ListBucket", on=source),
            allow(
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionTagging",
                on=objects(source),
            ),
            allow("s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags", on=objects(target)),
            through_s3("kms:Decrypt", args["source"], source),
            through_s3("kms:GenerateDataKey", args["target"], target),
        ]


def _trust_s3(account: str) -> str:
    return policies.trust("s3.amazonaws.com", when={"StringEquals": {"aws:SourceAccount": account}})


def _only_encrypted(arn: pulumi.Input[str], kms_key_arn: pulumi.Input[str]) -> list[Statement]:
    """Refuse whoever asks for other encryption or another key. Who asks for none gets the bucket's."""
    return [
        {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": objects(arn),
            "Condition": {"Null": {asked: "false"}, "StringNotEquals": {asked: wanted}},
        }
        for sid, asked, wanted in (("OnlyKms", ENCRYPTION, "aws:kms"), ("OnlyOurKey", KEY, kms_key_arn))
    ]
