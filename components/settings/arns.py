"""ARNs in the configuration: of which service and region they have to be, and in whose account."""

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, ValidationInfo

from components.settings.sections import Hidden

PARTITIONS = {
    **{"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"},
    **{"us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f"},
}
"""Partitions by how the names of their regions begin; all other regions are of `aws`.

docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html, 2026-12-01.
"""
_COMPLETE = re.compile(r"secret:\S+-[A-Za-z0-9]{6}\Z")
_CERTIFICATE = re.compile(r"certificate/[A-Za-z0-9-]+\Z")
_ACCOUNT = re.compile(r"\d{12}\Z")
REGION = "region"
"""Where the context of a validation has the region the stack is in."""


class Arn(NamedTuple):
    """The parts of an ARN."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse(text: str) -> Arn | None:
    """Return the parts of an ARN, or None where a text is none."""
    first, *parts = text.split(":", 5)
    return Arn(*parts) if first == "arn" and len(parts) == len(Arn._fields) else None


def partition(region: str) -> str:
    """Return the partition a region is in."""
    return next((name for start, name in PARTITIONS.items() if region.startswith(start)), "aws")


def _regional(text: str, service: str) -> Arn:
    """Return the ARN of something that lives in one region and account. Raises ValueError for what is none."""
    arn = parse(text)
    if arn is None:
        raise ValueError("no ARN")
    if arn.service != service:
        raise ValueError(f"an ARN of {arn.service or 'no service'}, not of {service}")
    if not _ACCOUNT.match(arn.account):
        raise ValueError("an ARN without an account's twelve digits")
    if not arn.region:
        raise ValueError("an ARN without a region")
    if arn.partition != partition(arn.region):
        raise ValueError(f"whose partition {arn.partition} is not that of {arn.region}, {partition(arn.region)}")
    return arn


def _secret(text: str, info: ValidationInfo) -> str:
    """Check a secret's ARN: whole, and of the stack's region.

    DMS and the functions ask Secrets Manager in their own region, where a secret of another is found by its replica
    alone, whose ARN differs by the region (docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html,
    docs.aws.amazon.com/dms/latest/userguide/security_iam_secretsmanager.html, 2026-12-01). Roles are allowed to read by
    the ARN, which a policy compares whole, with the six characters that Secrets Manager appends
    (docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html, 2026-12-01).
    """
    arn = _regional(text, "secretsmanager")
    region = (info.context or {}).get(REGION)
    if region and arn.region != region:
        raise ValueError(f"which is of {arn.region}, but the stack is in {region}, where a replica of it would do")
    if not arn.resource.startswith("secret:"):
        raise ValueError("an ARN of something else than a secret")
    if not _COMPLETE.match(arn.resource):
        raise ValueError("which lacks the six characters that Secrets Manager appends to a name")
    return text


def _certificate(text: str) -> str:
    """Check a certificate's ARN. Of which region it has to be, its side says."""
    arn = _regional(text, "acm")
    if not _CERTIFICATE.match(arn.resource):
        raise ValueError("an ARN of something else than a certificate")
    return text


SecretArn = Annotated[str, AfterValidator(_secret), Hidden()]
"""A secret that DMS or a function reads. What is written here by mistake may be the secret itself."""
CertificateArn = Annotated[str, AfterValidator(_certificate)]
"""A certificate that a load balancer shows."""
