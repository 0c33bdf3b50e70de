"""What every bucket of a migration has: owned, private, versioned, encrypted, reached by TLS only, tidied up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from components import checks
from components.policies import Statement, document

ABORT_UPLOAD_DAYS = 7


@dataclass(frozen=True)
class BucketPlan:
    """A bucket to declare.

    `name` is the resources' name, `bucket` the bucket's, `kms_key_arn` None for S3's own key. `statements` get the
    bucket's ARN and return what its policy says beside TLS. `rules` are lifecycle rules beside aborting uploads.
    """

    name: str
    bucket: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str] | None
    options: pulumi.ResourceOptions
    force_destroy: bool
    tags: Mapping[str, str]
    rules: Sequence[Any] = ()
    log_bucket: pulumi.Input[str] | None = None
    statements: Any = field(default=lambda _arn: [])


@dataclass(frozen=True)
class DeclaredBucket:
    """A bucket that was declared, with what others have to wait for."""

    bucket: aws.s3.Bucket
    versioning: aws.s3.BucketVersioning
    policy: aws.s3.BucketPolicy


def declare(plan: BucketPlan) -> DeclaredBucket:
    """Declare a bucket and everything that makes it safe."""
    name, opts = plan.name, plan.options
    bucket = aws.s3.Bucket(
        name,
        bucket=plan.bucket,
        force_destroy=plan.force_destroy,
        tags=checks.tags_for(dict(plan.tags), name),
        opts=opts,
    )
    aws.s3.BucketOwnershipControls(
        f"{name}-ownership", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=opts
    )
    private = aws.s3.BucketPublicAccessBlock(
        f"{name}-private",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    versioning = aws.s3.BucketVersioning(
        f"{name}-versioning", bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=opts
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption", bucket=bucket.id, rules=[_encryption(plan.kms_key_arn)], opts=opts
    )
    aws.s3.BucketLifecycleConfiguration(
        f"{name}-lifecycle",
        bucket=bucket.id,
        rules=[*plan.rules, _abort_uploads()],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[versioning])),
    )
    if plan.log_bucket is not None:
        aws.s3.BucketLogging(
            f"{name}-logging",
            bucket=bucket.id,
            target_bucket=plan.log_bucket,
            target_prefix="s3/",
            opts=opts,
        )
    policy = aws.s3.BucketPolicy(
        f"{name}-policy",
        bucket=bucket.id,
        policy=document([_only_tls(bucket.arn), *plan.statements(bucket.arn)]),
        # Two changes of a bucket's access at once are refused by S3.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[private])),
    )
    return DeclaredBucket(bucket, versioning, policy)


def objects(arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the ARN of every object of a bucket."""
    return pulumi.Output.concat(arn, "/*")


def _encryption(kms_key_arn: pulumi.Input[str] | None) -> Any:
    if kms_key_arn is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": kms_key_arn},
        "bucket_key_enabled": True,  # else every object costs a call of KMS
    }


def _abort_uploads() -> Any:
    return {
        "id": "abort-unfinished-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": ABORT_UPLOAD_DAYS},
    }


def _only_tls(arn: pulumi.Input[str]) -> Statement:
    return {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, objects(arn)],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
