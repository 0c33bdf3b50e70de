"""A fleet's settings: what is filled in, what is refused, and that one error lists every bad entry."""

import copy
from typing import Any

import pytest

from components import settings
from components.settings import Fleet, SettingsError

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf"


def database(name: str, **changes: Any) -> dict[str, Any]:
    side = {"database": name.replace("-", "_"), "replicationSecretArn": ARN}
    return {
        "name": name,
        "source": {"host": f"{name}.corp.example", **side, **changes.get("source", {})},
        "target": {"host": f"{name}.rds.example", **side, **changes.get("target", {})},
        **{key: value for key, value in changes.items() if key not in ("source", "target")},
    }


LEAST: dict[str, Any] = {
    "composition": "fleet",
    "environmentSuffix": "dev",
    "network": {"onPremisesCidrs": ["192.168.0.0/16"]},
    "vpn": {"customerGatewayAddress": "52.95.110.1", "customerGatewayAsn": 65010},
    "dns": {"zone": "fleet.example.com"},
    "databases": [database("orders"), database("billing")],
}


def with_(**changes: Any) -> dict[str, Any]:
    merged = copy.deepcopy(LEAST)
    for key, value in changes.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def complaints(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.load(raw)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_the_least_configuration_has_the_defaults_of_a_fleet() -> None:
    loaded = settings.load(LEAST)
    assert isinstance(loaded, Fleet)
    assert (loaded.replication.instance_class, loaded.replication.multi_az) == ("dms.t3.medium", True)
    assert loaded.replication.engine_version is None
    assert loaded.vpn.amazon_asn == 64512
    assert [one.name for one in loaded.databases] == ["orders", "billing"]
    assert loaded.databases[0].source.ssl_mode == "require"


def test_a_fleet_shares_an_instance_and_knows_no_serverless() -> None:
    [line] = complaints(with_(replication={"serverless": {"maximumCapacityUnits": 8}}))
    assert line.startswith("replication.serverless: there is no such key; known are createAccountRoles")


def test_one_error_lists_every_bad_entry() -> None:
    bad = [
        database("Orders"),
        database("a"),
        database("two--dashes"),
        database("billing", source={"host": "10.0.0.1"}),
        database("stock", target={"replicationSecretArn": "secret"}, tables=[]),
    ]
    lines = complaints(with_(databases=bad))
    assert [line.split(" ")[0] for line in lines] == [
        "databases[0].name",
        "databases[1].name",
        "databases[2].name",
        "databases[3].source.host",
        "databases[4].tables",
        "databases[4].target.replicationSecretArn",
    ]
    assert lines[0].startswith("databases[0].name is 'Orders'")
    assert lines[0].endswith("write 2 to 20 small letters, digits and single dashes, for example orders")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (with_(databases=[]), "databases is []"),
        ({k: v for k, v in LEAST.items() if k != "vpn"}, "vpn is missing"),
        (
            with_(vpn={"customerGatewayAddress": "192.168.1.1"}),
            "vpn.customerGatewayAddress is '192.168.1.1', no public",
        ),
        (with_(vpn={"customerGatewayAsn": 64512}), "vpn.customerGatewayAsn and vpn.amazonAsn are both 64512"),
        (with_(network={"onPremisesCidrs": []}), "network.onPremisesCidrs is empty: write what lies behind the VPN"),
        (
            with_(
                network={"nat": "none", "interfaceEndpoints": ["mgn", "route53", "secretsmanager", "sns", "ssm", "ec2"]}
            ),
            "network.nat is none, but the replication servers",
        ),
        (with_(servers={"instanceType": "big"}), "servers.instanceType is 'big'"),
        (with_(source={"host": "x.example"}), "source: there is no such key"),
        (
            with_(databases=[database("orders", source={"sslMode": "verify-full"})]),
            "databases[0].source.sslMode is verify-full, but",
        ),
        (
            with_(databases=[database("orders"), database("billing", target={"sslMode": "verify-full"})]),
            "databases[1].target.sslMode is verify-full, but",
        ),
        (with_(databases=[database("a-" * 12 + "b")]), "databases[0].name is 'a-a-"),
        (
            with_(databases=[database("orders"), database("orders", target={"host": "other.rds.example"})]),
            "databases[1].name is 'orders', as databases[0].name is: change one",
        ),
        (
            with_(databases=[database("a1"), database("a2", target={"host": "a1.rds.example", "database": "a1"})]),
            "databases[1].target is a1.rds.example:5432/a1, as databases[0].target is: two databases would be written",
        ),
        (
            with_(databases=[database("a1"), database("a2", target={"host": "A1.RDS.example", "database": "a1"})]),
            "databases[1].target is A1.RDS.example:5432/a1, as databases[0].target is: two databases would be written",
        ),
        (
            with_(databases=[database("a1"), database("a2", target={"host": "A1.Corp.example", "database": "a1"})]),
            "databases[1].target is A1.Corp.example:5432/a1, as databases[0].source is: what is moved away from",
        ),
        (
            with_(databases=[database("a1", target={"host": "a1.corp.example."}), database("a2")]),
            "databases[0].target is a1.corp.example.:5432/a1, as databases[0].source is",
        ),
        (
            with_(databases=[database("a1"), database("a2", source={"port": 5433})]),
            "databases[1].source.port is 5433, databases[0].source.port is 5432: a fleet has one port for",
        ),
    ],
)
def test_mistakes(raw: dict[str, Any], said: str) -> None:
    assert any(said in line for line in complaints(raw)), complaints(raw)


def test_what_belongs_to_other_compositions_may_come_empty_from_the_schema() -> None:
    assert settings.load({**LEAST, "source": {}, "target": {}, "switchover": {}}) == settings.load(LEAST)
