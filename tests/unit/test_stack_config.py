"""What is read from Pulumi: the region the stack is deployed to, its account, and which keys are encrypted."""

from typing import Any

import pytest
from pulumi.runtime.config import set_all_config

from components import stack_config
from tests.support.pulumi_mocks import ACCOUNT, PROJECT, REGION, deploy


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def read(what: Any, config: dict[str, Any] | None = None) -> Any:
    found: list[Any] = []
    deploy(lambda: found.append(what()), config)
    return found[0]


def test_the_region_is_the_configured_one_then_the_environment_s_then_the_provider_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read(stack_config.region) == REGION
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert read(stack_config.region) == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert read(stack_config.region) == "eu-west-1"
    assert read(stack_config.region, {"aws:region": "eu-central-1"}) == "eu-central-1"


def test_the_account_is_the_provider_s() -> None:
    assert read(stack_config.account) == ACCOUNT


def test_keys_with_an_encrypted_value_are_known() -> None:
    def secrets() -> frozenset[str]:
        plain = {f"{PROJECT}:source": '{"host": "x"}', f"{PROJECT}:dns": "{}", "aws:token": "x"}
        set_all_config(plain, [f"{PROJECT}:source", "aws:token"])
        return stack_config.secrets()

    assert read(secrets) == {"source"}
