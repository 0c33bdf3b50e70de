import json

import pytest

from components import EncryptionKey, alerting
from components.checks import ArgumentError
from tests.support.pulumi_mocks import Recorder, deploy


def key(**changes: object) -> Recorder:
    args = {"account_id": "123456789012", "region": "eu-central-1", "alias": "migration-unit", **changes}
    return deploy(lambda: EncryptionKey("key", args))  # type: ignore[arg-type]


def test_children_are_exactly_these() -> None:
    assert key().kinds() == {"key-key": "aws:kms/key:Key", "key-alias": "aws:kms/alias:Alias"}


def test_the_key_rotates_and_ends_only_after_a_month() -> None:
    inputs = key().one("aws:kms/key:Key")
    assert inputs["enableKeyRotation"] is True
    assert inputs["deletionWindowInDays"] == 30
    assert key().outputs["key"]["alias"] == "alias/migration-unit"


def test_services_use_the_key_for_this_account_only() -> None:
    statements = {s["Sid"]: s for s in json.loads(key().one("aws:kms/key:Key")["policy"])["Statement"]}
    via = statements["ServicesOnBehalfOfTheAccount"]["Condition"]["StringEquals"]
    assert via["kms:CallerAccount"] == "123456789012"
    assert {"rds.eu-central-1.amazonaws.com", "dms.eu-central-1.amazonaws.com"} <= set(via["kms:ViaService"])
    assert "kms:CreateGrant" not in statements["ServicesOnBehalfOfTheAccount"]["Action"]
    grants = statements["GrantsToServicesAlone"]
    assert grants["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    assert set(grants["Condition"]["StringEquals"]["kms:ViaService"]) < set(via["kms:ViaService"])
    assert statements["Publishers"]["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    publishers = statements["Publishers"]["Principal"]["Service"]
    assert set(publishers) == set(alerting.MIGRATION)
    assert "events.rds.amazonaws.com" in publishers, "this is how RDS publishes its events"
    assert all(s["Action"] != "kms:*" for s in statements.values() if s["Sid"] != "AccountAdministers")


def test_a_bad_window_is_refused() -> None:
    with pytest.raises(ArgumentError, match="deletion_window_days is 3: write a number from 7 to 30"):
        key(deletion_window_days=3)
