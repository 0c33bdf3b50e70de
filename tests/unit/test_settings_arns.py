"""ARNs in the configuration: what they have to name, and where it has to be."""

from typing import Any

import pytest
from botocore.loaders import Loader

from components import settings
from components.settings import SettingsError, arns
from tests.unit.test_settings import LEAST
from tests.unit.test_settings_application import changed
from tests.unit.test_settings_fleet import LEAST as FLEET

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b-AbCdEf"
TAKES = "write the ARN of the secret with host, port, username and password of DMS's user"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/4d0b1c1e"


def problems(raw: dict[str, Any], region: str | None = "us-east-1") -> tuple[str, ...]:
    try:
        settings.load(raw, region)
    except SettingsError as error:
        return error.problems
    return ()


def with_secret(arn: str) -> dict[str, Any]:
    whole = {**LEAST["source"], "operatorSecretArn": arn, "replicationSecretArn": arn}
    return {**LEAST, "source": whole}


REGIONS = [
    (region, partition["id"])
    for partition in Loader().load_data("partitions")["partitions"]
    for region in partition["regions"]
    if not region.endswith("-global")
]
"""Every region that the AWS SDK knows, with its partition."""


@pytest.mark.parametrize(("region", "partition"), REGIONS)
def test_a_region_is_in_one_partition(region: str, partition: str) -> None:
    assert arns.partition(region) == partition
    arn = f"arn:{partition}:secretsmanager:{region}:123456789012:secret:a/b-AbCdEf"
    assert problems(with_secret(arn), region) == ()
    assert problems(with_secret(arn), None) == ()


@pytest.mark.parametrize(
    ("arn", "said"),
    [
        (
            SECRET.replace("us-east-1", "eu-west-1"),
            "which is of eu-west-1, but the stack is in us-east-1, where a replica of it would do",
        ),
        (SECRET.replace("arn:aws:", "arn:aws-cn:"), "whose partition aws-cn is not that of us-east-1, aws"),
        (SECRET.replace("us-east-1", "cn-north-1"), "whose partition aws is not that of cn-north-1, aws-cn"),
        ("arn:aws:rds:us-east-1:123456789012:db:shop", "an ARN of rds, not of secretsmanager"),
        ("arn:aws:ssm:us-east-1:123456789012:parameter/shop", "an ARN of ssm, not of secretsmanager"),
        (SECRET.replace(":secret:", ":rotation:"), "an ARN of something else than a secret"),
        (SECRET.removesuffix("-AbCdEf"), "which lacks the six characters that Secrets Manager appends to a name"),
        (SECRET.replace("123456789012", "1234"), "an ARN without an account's twelve digits"),
        (SECRET.replace("us-east-1", ""), "an ARN without a region"),
        ("arn:aws:secretsmanager:us-east-1", "no ARN"),
    ],
)
def test_a_secret_s_arn_that_can_t_be_read_is_refused(arn: str, said: str) -> None:
    lines = problems(with_secret(arn))
    assert [line.split(" ")[0] for line in lines] == ["source.operatorSecretArn", "source.replicationSecretArn"]
    assert lines[1].startswith(f"source.replicationSecretArn is '{arn}', {said}: {TAKES}")


def test_every_database_of_a_fleet_is_looked_at() -> None:
    lines = problems(FLEET, "eu-west-1")
    assert [line.split(" ")[0] for line in lines] == [
        f"databases[{number}].{side}.replicationSecretArn"
        for number in range(len(FLEET["databases"]))
        for side in ("source", "target")
    ]


def test_sides_have_regions_of_their_own_and_the_stack_s_does_not_matter() -> None:
    for region in ("eu-west-1", "eu-central-1", "us-east-1"):
        assert problems(changed("application.name", "pay"), region) == ()


@pytest.mark.parametrize(
    ("arn", "said"),
    [
        (CERTIFICATE.replace("eu-west-1", "us-east-1"), "is not of target.region eu-west-1: a load balancer takes"),
        (CERTIFICATE.replace(":acm:", ":iam:"), "an ARN of iam, not of acm: write the ARN of a certificate in ACM"),
        (CERTIFICATE.replace("certificate/", "secret/"), "an ARN of something else than a certificate: write"),
        (CERTIFICATE.replace("arn:aws:", "arn:aws-cn:"), "whose partition aws-cn is not that of eu-west-1, aws: write"),
        ("a certificate", "target.certificateArn is 'a certificate', no ARN: write the ARN of a certificate in ACM"),
    ],
)
def test_a_certificate_that_the_load_balancer_can_t_take_is_refused(arn: str, said: str) -> None:
    [line] = problems(changed("target.certificateArn", arn))
    assert line.startswith("target.certificateArn ") and said in line


def test_what_may_be_of_another_region_or_account_is_not_held_against_it() -> None:
    """Images are pulled, and names are resolved, across regions and accounts."""
    image = "999999999999.dkr.ecr.ap-southeast-2.amazonaws.com/app:1"
    loaded = settings.load(changed("application.image", image), "us-east-1")
    settings.check_account(loaded, "123456789012")
    elsewhere = {**LEAST["source"], "host": "shop.abcdefghijkl.eu-west-1.rds.amazonaws.com"}
    assert problems({**LEAST, "source": elsewhere}) == ()


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        (LEAST, ["source.replicationSecretArn", "source.operatorSecretArn"]),
        (changed("application.name", "pay"), ["source.certificateArn", "target.certificateArn"]),
        (FLEET, [f"databases[{n}].{side}.replicationSecretArn" for n in (0, 1) for side in ("source", "target")]),
    ],
    ids=["migration", "application", "fleet"],
)
def test_what_is_of_another_account_is_refused(raw: dict[str, Any], keys: list[str]) -> None:
    loaded = settings.load(raw)
    settings.check_account(loaded, "123456789012")
    with pytest.raises(SettingsError) as caught:
        settings.check_account(loaded, "210987654321")
    assert [line.split(" ")[0] for line in caught.value.problems] == keys
    for line in caught.value.problems:
        assert line.endswith("of account 123456789012, not of the stack's, 210987654321: name one of this account")
