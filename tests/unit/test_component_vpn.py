from typing import Any

import pytest

from components import MigrationNetwork
from components.checks import ArgumentError
from tests.support.pulumi_mocks import Recorder, deploy

VPN: dict[str, Any] = {"customer_gateway_address": "198.51.100.10", "customer_gateway_asn": 65010}


def network(nat: str = "one", **vpn: Any) -> Recorder:
    args: Any = {
        "cidr_block": "10.20.0.0/16",
        "availability_zones": ["us-east-1a", "us-east-1b", "us-east-1c"],
        "region": "us-east-1",
        "database_port": 5432,
        "nat": nat,
        "log_retention_days": 14,
        "kms_key_arn": "arn:key",
        "vpn": {**VPN, **vpn},
        "tags": {"Environment": "unit"},
    }
    return deploy(lambda: MigrationNetwork("net", args))


def added(recorder: Recorder) -> dict[str, str]:
    return {name: kind for name, kind in recorder.kinds().items() if "vpn" in kind.lower() or "vpn" in name}


def test_the_vpn_adds_exactly_these() -> None:
    propagation = "aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation"
    recorder = network()
    assert added(recorder) == {
        "net-vpn-gateway": "aws:ec2/vpnGateway:VpnGateway",
        "net-vpn": "aws:ec2/vpnConnection:VpnConnection",
        "net-vpn-log": "aws:cloudwatch/logGroup:LogGroup",
        "net-database-routes-propagation": propagation,
        "net-application-routes-propagation": propagation,
    }
    assert recorder.kinds()["net-customer-gateway"] == "aws:ec2/customerGateway:CustomerGateway"
    assert {recorder.parents()[name] for name in added(recorder)} == {"net"}
    assert recorder.outputs["net"]["vpn_connection_id"] == "net-vpn-id"


def test_both_sides_have_their_number_and_routes_are_learnt() -> None:
    recorder = network()
    assert recorder.named("net-vpn-gateway").inputs["amazonSideAsn"] == "64512"
    customer = recorder.named("net-customer-gateway").inputs
    assert (customer["bgpAsn"], customer["ipAddress"]) == ("65010", "198.51.100.10")
    assert recorder.named("net-vpn").inputs["staticRoutesOnly"] is False


def test_every_private_table_learns_routes_and_the_public_one_does_not() -> None:
    tables = {
        inputs["routeTableId"]
        for inputs in network("per_zone").of("aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation").values()
    }
    assert tables == {"net-database-routes-id", *(f"net-application-{n}-routes-id" for n in (1, 2, 3))}


def test_keys_are_kept_by_secrets_manager_and_tunnels_log_for_as_long_as_asked() -> None:
    recorder = network()
    vpn = recorder.named("net-vpn").inputs
    assert vpn["presharedKeyStorage"] == "SecretsManager"
    assert not any("PresharedKey" in key for key in vpn)
    for tunnel in ("tunnel1LogOptions", "tunnel2LogOptions"):
        assert vpn[tunnel]["cloudwatchLogOptions"]["logEnabled"] is True
        assert vpn[tunnel]["cloudwatchLogOptions"]["logGroupArn"].endswith("net-vpn-log")
    log = recorder.named("net-vpn-log").inputs
    assert (log["retentionInDays"], log["kmsKeyId"]) == (14, "arn:key")


@pytest.mark.parametrize(
    ("vpn", "said"),
    [
        ({"customer_gateway_address": "vpn.example.com"}, "customer_gateway_address is 'vpn.example.com': write the"),
        ({"customer_gateway_asn": 0}, "customer_gateway_asn is 0"),
        ({"amazon_asn": 7224}, "amazon_asn is 7224: write a private number"),
        ({"amazon_asn": 65010}, "amazon_asn and customer_gateway_asn are both 65010"),
    ],
)
def test_what_aws_would_refuse_is_refused_here(vpn: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        network(**vpn)
