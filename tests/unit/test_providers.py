"""Where a stack is deployed to: providers of other regions, and the zones of a region."""

import inspect
import json

import pulumi_aws as aws
import pytest
from pulumi.runtime.config import set_all_config

from components.refusal import Refusal
from compositions import place, providers
from tests.support.pulumi_mocks import PROVIDER, REGION, deploy


def test_every_argument_the_sdk_knows_is_passed_on() -> None:
    known = set(inspect.signature(aws.ProviderArgs.__init__).parameters) - {"self", "__self__", "region"}
    assert sorted((*providers.TEXTS, *providers.PARSED)) == sorted(known)


def test_arguments_are_read_as_the_configuration_writes_them() -> None:
    config = {
        "region": "us-east-1",
        "profile": "123",
        "assumeRoles": '[{"roleArn": "arn:role", "externalId": "x"}]',
        "allowedAccountIds": '["123456789012"]',
        "defaultTags": '{"tags": {"Team": "data"}}',
        "maxRetries": "5",
        "useFipsEndpoint": "true",
    }
    assert providers.arguments(config) == {
        "profile": "123",
        "assume_roles": [{"roleArn": "arn:role", "externalId": "x"}],
        "allowed_account_ids": ["123456789012"],
        "default_tags": {"tags": {"Team": "data"}},
        "max_retries": 5,
        "use_fips_endpoint": True,
    }
    assert providers.arguments({}) == {}


def test_what_is_no_json_is_named() -> None:
    with pytest.raises(Refusal, match="aws:allowedAccountIds is 'twelve': write it as YAML or JSON"):
        providers.arguments({"allowedAccountIds": "twelve"})


def test_a_provider_of_another_region_is_else_as_the_stack_s_own() -> None:
    config = {
        "aws:region": "us-east-1",
        "aws:profile": "payments",
        "aws:allowedAccountIds": ["123456789012"],
        "aws:assumeRoles": [{"roleArn": "arn:role"}],
        "aws:defaultTags": {"tags": {"Team": "data"}},
    }
    made = deploy(lambda: providers.in_region("there", "eu-west-1"), config).one(PROVIDER)
    assert (made["region"], made["profile"]) == ("eu-west-1", "payments")
    assert json.loads(made["allowedAccountIds"]) == ["123456789012"]
    assert json.loads(made["assumeRoles"]) == [{"roleArn": "arn:role"}]
    assert json.loads(made["defaultTags"]) == {"tags": {"Team": "data"}}
    bare = deploy(lambda: providers.in_region("there", "eu-west-1")).one(PROVIDER)
    assert not {"profile", "allowedAccountIds", "assumeRoles", "defaultTags"} & set(bare)


def test_what_is_secret_in_the_configuration_stays_secret() -> None:
    def program() -> None:
        set_all_config({"aws:assumeRoles": '[{"externalId": "x"}]', "aws:profile": "p"}, ["aws:assumeRoles"])
        providers.in_region("there", "eu-west-1")

    provider = deploy(program).named("there")
    assert provider.secret_inputs == {"assumeRoles"}
    assert json.loads(provider.inputs["assumeRoles"]) == [{"externalId": "x"}]


def test_zones_are_the_ordinary_ones_in_order() -> None:
    found: list[list[str]] = []
    deploy(lambda: found.append(place.find(3).zones))
    assert found == [[f"{REGION}a", f"{REGION}b", f"{REGION}c"]]
