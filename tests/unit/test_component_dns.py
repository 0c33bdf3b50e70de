import pytest

from components import BlueGreenDns, BlueGreenDnsArgs
from components.checks import ArgumentError
from tests.support.pulumi_mocks import Recorder, deploy

ARGS: BlueGreenDnsArgs = {
    "zone_name": "db.example.com.",
    "blue_writer_host": "old.corp.example",
    "blue_reader_host": "old-replica.corp.example",
    "green_writer_host": "new.cluster.example",
    "green_reader_host": "new.cluster-ro.example",
}


def names(**changes: object) -> Recorder:
    return deploy(lambda: BlueGreenDns("dns", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def test_children_are_exactly_these() -> None:
    assert names().kinds() == {
        "dns-zone": "aws:route53/zone:Zone",
        **{
            f"dns-{role}-{side}": "aws:route53/record:Record"
            for role in ("writer", "reader")
            for side in ("blue", "green")
        },
    }


def test_blue_has_all_the_weight_at_birth() -> None:
    records = names().of("aws:route53/record:Record")
    found = {
        name: (r["name"], r["records"], r["setIdentifier"], r["weightedRoutingPolicies"][0]["weight"], r["ttl"])
        for name, r in records.items()
    }
    assert found == {
        "dns-writer-blue": ("writer.db.example.com", ["old.corp.example"], "blue", 100, 60),
        "dns-writer-green": ("writer.db.example.com", ["new.cluster.example"], "green", 0, 60),
        "dns-reader-blue": ("reader.db.example.com", ["old-replica.corp.example"], "blue", 100, 60),
        "dns-reader-green": ("reader.db.example.com", ["new.cluster-ro.example"], "green", 0, 60),
    }


def test_weights_and_times_belong_to_the_automation() -> None:
    recorder = names()
    for name in recorder.of("aws:route53/record:Record"):
        assert recorder.named(name).ignore_changes == ("weightedRoutingPolicies", "ttl")


def test_a_zone_can_be_private_or_exist_already() -> None:
    assert "vpcs" not in names().one("aws:route53/zone:Zone")
    assert names(vpc_id="vpc-1").one("aws:route53/zone:Zone")["vpcs"] == [{"vpcId": "vpc-1"}]
    existing = names(zone_id="ZEXISTING")
    assert not existing.of("aws:route53/zone:Zone")
    assert existing.outputs["dns"]["zone_id"] == "ZEXISTING"
    assert existing.outputs["dns"]["name_servers"] == []


def test_names_can_be_chosen() -> None:
    outputs = names(writer_name="rw", reader_name="ro").outputs["dns"]
    assert outputs["writer_name"] == "rw.db.example.com"
    assert outputs["reader_name"] == "ro.db.example.com"


def test_a_bad_time_to_live_is_refused() -> None:
    with pytest.raises(ArgumentError, match="ttl_seconds is 0: write a number from 1 to 86400"):
        names(ttl_seconds=0)
