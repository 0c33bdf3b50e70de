"""A Site-to-Site VPN into a network: both gateways, two tunnels that speak BGP, their logs, and learnt routes."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks

DEFAULT_AMAZON_ASN = 64512
PRIVATE_ASNS = ((64512, 65534), (4200000000, 4294967294))
LARGEST_ASN = 4294967294
TUNNEL_KIND = "ipsec.1"


class VpnArgs(TypedDict):
    """What a Site-to-Site VPN needs."""

    customer_gateway_address: str
    """Public IPv4 address of the VPN device on premises."""
    customer_gateway_asn: int
    """BGP number of the network on premises."""
    amazon_asn: NotRequired[int]
    """BGP number of the AWS side, a private one. Default 64512."""


@dataclass(frozen=True)
class Declaration:
    """What the network the VPN leads to says about itself. `tables` are the route tables that learn routes, by name."""

    name: str
    parent: pulumi.Resource
    vpc_id: pulumi.Input[str]
    tables: Mapping[str, pulumi.Input[str]]
    kms_key_arn: pulumi.Input[str]
    log_retention_days: int
    tags: Mapping[str, str]


def declare(given: Declaration, vpn: VpnArgs) -> aws.ec2.VpnConnection:
    """Make the VPN. No route is static: BGP announces what lies on premises, and every given table learns it."""
    check(vpn)
    name, child = given.name, pulumi.ResourceOptions(parent=given.parent)
    amazon = aws.ec2.VpnGateway(
        f"{name}-vpn-gateway",
        vpc_id=given.vpc_id,
        amazon_side_asn=str(int(vpn.get("amazon_asn", DEFAULT_AMAZON_ASN))),
        tags=checks.tags_for(given.tags, f"{name}-vpn"),
        opts=child,
    )
    customer = aws.ec2.CustomerGateway(
        f"{name}-customer-gateway",
        ip_address=vpn["customer_gateway_address"],
        bgp_asn=str(int(vpn["customer_gateway_asn"])),
        type=TUNNEL_KIND,
        tags=checks.tags_for(given.tags, f"{name}-on-premises"),
        opts=child,
    )
    log = aws.cloudwatch.LogGroup(
        f"{name}-vpn-log",
        name=f"/migration/{name}/vpn",
        retention_in_days=given.log_retention_days,
        kms_key_id=given.kms_key_arn,
        tags=checks.tags_for(given.tags, f"{name}-vpn-log"),
        opts=child,
    )
    logged: Any = {
        "cloudwatch_log_options": {"log_enabled": True, "log_group_arn": log.arn, "log_output_format": "json"}
    }
    connection = aws.ec2.VpnConnection(
        f"{name}-vpn",
        vpn_gateway_id=amazon.id,
        customer_gateway_id=customer.id,
        type=TUNNEL_KIND,
        static_routes_only=False,
        preshared_key_storage="SecretsManager",  # AWS makes both keys; neither the state nor the API ever shows them
        tunnel1_log_options=logged,
        tunnel2_log_options=logged,
        tags=checks.tags_for(given.tags, f"{name}-vpn"),
        # The provider marks these as secret already; said here, because a state in the clear would be a way in.
        opts=pulumi.ResourceOptions(
            parent=given.parent,
            additional_secret_outputs=["customerGatewayConfiguration", "tunnel1PresharedKey", "tunnel2PresharedKey"],
        ),
    )
    for purpose, table in given.tables.items():
        aws.ec2.VpnGatewayRoutePropagation(
            f"{purpose}-propagation", vpn_gateway_id=amazon.id, route_table_id=table, opts=child
        )
    return connection


def check(vpn: VpnArgs) -> None:
    """Raise ArgumentError for what AWS would refuse, before anything is made."""
    address = vpn["customer_gateway_address"]
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise checks.ArgumentError(
            f"customer_gateway_address is {address!r}: write the public IPv4 address of the VPN device"
        ) from None
    checks.whole("customer_gateway_asn", vpn["customer_gateway_asn"], 1, LARGEST_ASN)
    asn = int(vpn.get("amazon_asn", DEFAULT_AMAZON_ASN))
    if not any(least <= asn <= most for least, most in PRIVATE_ASNS):
        raise checks.ArgumentError(f"amazon_asn is {asn}: write a private number, for example {DEFAULT_AMAZON_ASN}")
    if asn == int(vpn["customer_gateway_asn"]):
        raise checks.ArgumentError(f"amazon_asn and customer_gateway_asn are both {asn}: each side needs its own")
