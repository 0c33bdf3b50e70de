"""The topic people hear a migration from: encrypted, TLS only, open to the AWS services that have something to say."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components import checks, policies

SERVICES = ["cloudwatch.amazonaws.com", "dms.amazonaws.com", "events.amazonaws.com", "events.rds.amazonaws.com"]


def declare(
    name: str,
    *,
    parent: pulumi.Resource,
    account_id: pulumi.Input[str],
    kms_key_arn: pulumi.Input[str],
    emails: Sequence[str],
    tags: Mapping[str, str],
) -> aws.sns.Topic:
    """Make the topic, its policy and a subscription for every address, each of which has to confirm."""
    child = pulumi.ResourceOptions(parent=parent)
    topic = aws.sns.Topic(
        f"{name}-topic",
        name=f"{name}-topic",
        display_name="Database migration",
        kms_master_key_id=kms_key_arn,
        tags=checks.tags_for(tags, f"{name}-topic"),
        opts=child,
    )
    aws.sns.TopicPolicy(
        f"{name}-topic-policy",
        arn=topic.arn,
        policy=policies.document(
            [
                {
                    "Sid": "ServicesPublish",
                    "Effect": "Allow",
                    "Principal": {"Service": SERVICES},
                    "Action": "sns:Publish",
                    "Resource": topic.arn,
                    "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
                },
                {
                    "Sid": "OnlyTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": topic.arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ]
        ),
        opts=child,
    )
    for number, address in enumerate(emails, start=1):
        aws.sns.TopicSubscription(
            f"{name}-email-{number}", topic=topic.arn, protocol="email", endpoint=address, opts=child
        )
    return topic
