"""What moto lacks of Site-to-Site VPN, repaired in its own process. Each repair says what AWS does."""

import json
import re
import secrets
from typing import Any

import boto3
from moto.core.responses import EmptyResult
from moto.ec2.models.customer_gateways import CustomerGateway
from moto.ec2.models.vpn_connections import VPNConnection, VPNConnectionBackend
from moto.ec2.responses import EC2Response

TUNNELS = 2
OUTSIDE, INSIDE = "203.0.113.{}", "169.254.{}.0/30"
"""Addresses that lead nowhere: the block for documentation, and link-local ones as AWS picks them."""


def repair() -> None:
    """Apply every repair."""
    _tables_learn_routes()
    _connections_have_options()
    _customer_gateways_have_numbers()


def _tables_learn_routes() -> None:
    """AWS lets a route table learn a VPN gateway's routes; moto does not know the calls."""

    def table(response: Any) -> tuple[Any, str]:
        found = response.ec2_backend.get_route_table(response._get_param("RouteTableId"))
        gateway = response._get_param("GatewayId")
        response.ec2_backend.get_vpn_gateway(gateway)  # raises as AWS does where there is none
        found.propagating_vgws = [g for g in getattr(found, "propagating_vgws", []) if g["GatewayId"] != gateway]
        return found, gateway

    def enable(self: Any) -> EmptyResult:
        found, gateway = table(self)
        found.propagating_vgws.append({"GatewayId": gateway})
        return EmptyResult()

    def disable(self: Any) -> EmptyResult:
        table(self)
        return EmptyResult()

    EC2Response.enable_vgw_route_propagation = enable
    EC2Response.disable_vgw_route_propagation = disable


def _connections_have_options() -> None:
    """AWS keeps a connection's options, two tunnels and keys of its own; moto gives every connection the same key."""
    create, delete = EC2Response.create_vpn_connection, VPNConnectionBackend.delete_vpn_connection
    written = VPNConnection.customer_gateway_configuration.fget

    def configuration(self: Any) -> str:
        """Return what the device on premises is set up with, with this connection's own keys in it."""
        keys = [tunnel["PreSharedKey"] for tunnel in (self.options or {}).get("TunnelOptions", [])]
        return re.sub(r"(?<=<pre_shared_key>)[^<]*", lambda found: keys.pop(0) if keys else found[0], written(self))

    def creating(self: Any) -> Any:
        result = create(self)
        connection = result.result["VpnConnection"]
        asked = self._get_param("Options") or {}
        keys = [secrets.token_urlsafe(24) for _ in range(TUNNELS)]
        connection.pre_shared_key_arn = None
        if self._get_param("PreSharedKeyStorage") == "SecretsManager":
            connection.pre_shared_key_arn = _kept(connection.id, self.region, keys)
            keys = ["REDACTED"] * TUNNELS
        wanted = asked.get("TunnelOptions") or [{}] * TUNNELS
        tunnels = [
            {
                "TunnelInsideCidr": INSIDE.format(10 + number),
                **tunnel,
                "OutsideIpAddress": OUTSIDE.format(10 + number),
                "PreSharedKey": keys[number],
            }
            for number, tunnel in enumerate(wanted)
        ]
        connection.category = "VPN"
        connection.options = {
            "EnableAcceleration": False,
            "StaticRoutesOnly": str(asked.get("StaticRoutesOnly", False)).lower() == "true",
            "LocalIpv4NetworkCidr": "0.0.0.0/0",
            "RemoteIpv4NetworkCidr": "0.0.0.0/0",
            "TunnelInsideIpVersion": "ipv4",
            "OutsideIpAddressType": "PublicIpv4",
            "TunnelOptions": tunnels,
        }
        connection.vgw_telemetry = [  # the device on premises does not exist: both tunnels stay down
            {"OutsideIpAddress": t["OutsideIpAddress"], "Status": "DOWN", "AcceptedRouteCount": 0} for t in tunnels
        ]
        return result

    def deleting(self: Any, vpn_connection_id: str) -> Any:
        connection = delete(self, vpn_connection_id)
        arn = getattr(connection, "pre_shared_key_arn", None)
        if arn:
            connection.pre_shared_key_arn = None
            client = boto3.client("secretsmanager", region_name=self.region_name)
            client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        return connection

    VPNConnection.customer_gateway_configuration = property(configuration)
    EC2Response.create_vpn_connection = creating
    VPNConnectionBackend.delete_vpn_connection = deleting


def _kept(connection_id: str, region: str, keys: list[str]) -> str:
    """Put a connection's keys into Secrets Manager, as AWS does if asked to, and return the secret's ARN."""
    answer = boto3.client("secretsmanager", region_name=region).create_secret(
        Name=f"s2svpn!{region}-{connection_id}", SecretString=json.dumps({"tunnels": keys})
    )
    return str(answer["ARN"])


def _customer_gateways_have_numbers() -> None:
    """AWS answers a gateway's BGP number as text; moto as it came in."""
    made = CustomerGateway.__init__

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.bgp_asn = str(self.bgp_asn)

    CustomerGateway.__init__ = make
