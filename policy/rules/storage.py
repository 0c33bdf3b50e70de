"""Rules about buckets, keys, topics, queues and logs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from policy.rule import (
    Level,
    Resource,
    Rule,
    StackRule,
    attached,
    given,
    is_true,
    listed,
    of,
    own_key,
    plain,
    read,
    statements,
    wants,
)

BUCKET = "aws:s3/bucket:Bucket"
TOPIC, TOPIC_POLICY = "aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy"
KEY, QUEUE = "aws:kms/key:Key", "aws:sqs/queue:Queue"
LOG = "aws:cloudwatch/logGroup:LogGroup"
LEAST_LOG_DAYS = 365
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
Part = Callable[[Resource], bool]


def _with(kind: str, good: Part, remedy: str) -> Any:
    """Return a judgement of buckets by a resource of their own that says something of them."""

    def judge(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
        parts = of(resources, f"aws:s3/bucket{kind}:Bucket{kind}")
        for bucket in of(resources, BUCKET):
            if not any(good(part) for part in attached(parts, bucket)):
                yield bucket, remedy

    return judge


def _all_blocked(part: Resource) -> bool:
    return all(read(part.props, key) is True for key in BLOCKS)


def _by_key(part: Resource) -> bool:
    rules = plain(read(part.props, "rules") or [])
    wanted = [rule.get("applyServerSideEncryptionByDefault", {}) for rule in rules]
    return any(rule.get("sseAlgorithm") in ("aws:kms", "AES256") for rule in wanted)


def _versioned(part: Resource) -> bool:
    return bool(read(part.props, "versioningConfiguration.status") == "Enabled")


def _tls_only(part: Resource) -> bool:
    return any(
        one["Effect"] == "Deny" and one.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"
        for one in statements(read(part.props, "policy"))
    )


def _topics(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for topic in of(resources, TOPIC):
        if not any(_tls_only(part) for part in attached(of(resources, TOPIC_POLICY), topic)):
            yield topic, "its policy does not refuse publishers without TLS: deny where aws:SecureTransport is false"


def _key_policy(resource: Resource) -> Iterator[str]:
    for one in statements(read(resource.props, "policy")):
        principal = one.get("Principal")
        anybody = principal == "*" or (isinstance(principal, dict) and "*" in listed(principal.get("AWS", [])))
        if one["Effect"] == "Allow" and anybody and not one.get("Condition"):
            yield f"statement {one.get('Sid')} lets anybody use the key: name a principal, or a condition"


RULES = (
    StackRule(
        *("S3.8", "no-public-access", "Buckets can't be made public", Level.CRITICAL, (BUCKET,)),
        _with(
            "PublicAccessBlock", _all_blocked, "it may be made public: declare a BucketPublicAccessBlock with all four"
        ),
    ),
    StackRule(
        *("S3.17", "encrypted", "Buckets are encrypted", Level.CRITICAL, (BUCKET,)),
        _with(
            "ServerSideEncryptionConfiguration",
            _by_key,
            "it is not encrypted: declare a BucketServerSideEncryptionConfiguration with aws:kms",
        ),
    ),
    StackRule(
        *("S3.14", "versioned", "Buckets keep what is overwritten", Level.MEDIUM, (BUCKET,)),
        _with("Versioning", _versioned, "it keeps no versions: declare a BucketVersioning that is Enabled"),
    ),
    StackRule(
        *("S3.13", "lifecycle", "Buckets let go of what is old", Level.MEDIUM, (BUCKET,)),
        _with(
            "LifecycleConfiguration", lambda _: True, "nothing ever leaves it: declare a BucketLifecycleConfiguration"
        ),
    ),
    StackRule(
        *("S3.5", "tls", "Buckets answer over TLS alone", Level.HIGH, (BUCKET,)),
        _with("Policy", _tls_only, "it answers without TLS: deny where aws:SecureTransport is false"),
    ),
    Rule(
        *("KMS.4", "rotated", "Keys rotate", Level.HIGH, (KEY,)),
        wants("enableKeyRotation", is_true, "set it"),
    ),
    Rule(*("KMS.5", "not-for-anybody", "Keys are not for anybody", Level.CRITICAL, (KEY,)), _key_policy),
    own_key("SNS.1", "Topics are", (TOPIC,), "kmsMasterKeyId"),
    StackRule(*("SNS.5", "tls", "Topics take messages over TLS alone", Level.HIGH, (TOPIC,)), _topics),
    own_key("SQS.1", "Queues are", (QUEUE,), "kmsMasterKeyId"),
    Rule(
        *("CloudWatch.16", "retention", "Logs are kept for a year, and not for ever", Level.MEDIUM, (LOG,)),
        wants(
            "retentionInDays",
            lambda days: days is not None and days >= LEAST_LOG_DAYS,
            f"write monitoring.logRetentionDays {LEAST_LOG_DAYS}, or leave it out",
        ),
    ),
    own_key("CloudWatch.18", "Logs are", (LOG,), "kmsKeyId"),
    Rule(
        *("CloudWatch.15", "told", "Alarms tell somebody", Level.MEDIUM, ("aws:cloudwatch/metricAlarm:MetricAlarm",)),
        wants("alarmActions", given, "name a topic"),
    ),
)
