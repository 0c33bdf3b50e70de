"""The bucket that access logs of one region go to: those of load balancers and of other buckets."""

from typing import NotRequired, TypedDict

import pulumi

from components import buckets, checks
from components.buckets import BucketPlan
from components.policies import Statement

DEFAULT_RETENTION_DAYS = 90


class AccessLogBucketArgs(TypedDict):
    """What AccessLogBucket needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits: part of the bucket's name, and the only one whose logs are taken."""
    retention_days: NotRequired[int]
    """Days the logs are kept. Default 90."""
    force_destroy: NotRequired[bool]
    """Destroy the bucket with what is in it. Default false."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class AccessLogBucket(pulumi.ComponentResource):
    """A private bucket that S3 and Elastic Load Balancing of this account may write access logs to."""

    bucket: pulumi.Output[str]
    """Name of the bucket, known once logs may be written to it."""
    arn: pulumi.Output[str]
    """ARN of the bucket."""

    def __init__(self, name: str, args: AccessLogBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:AccessLogBucket", name, None, opts)
        days = checks.whole("retention_days", args.get("retention_days", DEFAULT_RETENTION_DAYS), 1, 3650)
        made = buckets.declare(
            BucketPlan(
                name=f"{name}-bucket",
                bucket=pulumi.Output.concat(name, "-", args["account_id"]),
                kms_key_arn=None,  # a load balancer writes to no bucket with a key of KMS
                options=pulumi.ResourceOptions(parent=self),
                force_destroy=args.get("force_destroy", False),
                tags=args.get("tags", {}),
                rules=[
                    {
                        "id": "expire",
                        "status": "Enabled",
                        "filter": {"prefix": ""},
                        "expiration": {"days": days},
                        "noncurrent_version_expiration": {"noncurrent_days": 1},
                    }
                ],
                statements=lambda arn: _writers(arn, args["account_id"]),
            )
        )
        self.bucket = pulumi.Output.all(made.bucket.bucket, made.policy.id).apply(lambda both: str(both[0]))
        self.arn = made.bucket.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _writers(arn: pulumi.Input[str], account: pulumi.Input[str]) -> list[Statement]:
    """Let the log services write, each below a prefix of its own, and just for this account."""
    put = {"Effect": "Allow", "Action": "s3:PutObject"}
    return [
        {
            **put,
            "Sid": "LoadBalancerLogs",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            # The load balancer's account is in the path: that keeps others out.
            "Resource": pulumi.Output.concat(arn, "/load-balancer/AWSLogs/", account, "/*"),
        },
        {
            **put,
            "Sid": "BucketLogs",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Resource": pulumi.Output.concat(arn, "/s3/*"),
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        },
    ]
