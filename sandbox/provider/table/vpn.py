"""Site-to-Site VPN: EC2."""

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource
from sandbox.provider.shapes import UNKNOWN, Json
from sandbox.provider.table.ec2 import TAGGING, arn

TUNNELS = ("tunnel1", "tunnel2")
OPTIONS = ("staticRoutesOnly", *(f"{tunnel}LogOptions" for tunnel in TUNNELS))
LOG = {
    "logEnabled": "LogEnabled",
    "logGroupArn": "LogGroupArn",
    "logOutputFormat": "LogOutputFormat",
}


def _detach(api: Api, gateway: Resource) -> None:
    vpc = gateway.inputs.get("vpcId")
    if vpc:
        api.call("ec2", "detach_vpn_gateway", VpnGatewayId=gateway.id, VpcId=vpc)


def _options(request: Json, connection: Resource) -> Json:
    """Write a connection's flat properties as the nested options that EC2 takes."""
    inputs = connection.inputs
    tunnels: list[Json | str] = []
    for tunnel in TUNNELS:
        log = (inputs.get(f"{tunnel}LogOptions") or {}).get("cloudwatchLogOptions")
        if log == UNKNOWN:
            tunnels.append(UNKNOWN)
        elif log:
            written = {name: log[prop] for prop, name in LOG.items() if log.get(prop) is not None}
            tunnels.append({"LogOptions": {"CloudWatchLogOptions": written}})
        else:
            tunnels.append({})
    return {**request, "Options": {"StaticRoutesOnly": bool(inputs.get("staticRoutesOnly")), "TunnelOptions": tunnels}}


ENTRIES = (
    Entry(
        type="aws:ec2/vpnGateway:VpnGateway",
        service="ec2",
        create=Call("create_vpn_gateway", {"Type": "ipsec.1"}),
        also=(Call("attach_vpn_gateway", {"VpnGatewayId": "$id"}, only=("vpcId",)),),
        read=Reading(Call("describe_vpn_gateways", {"VpnGatewayIds": ["$id"]}), "VpnGateways[?State!='deleted'] | [0]"),
        ready="length(VpcAttachments[?State=='attaching']) == `0`",
        before_delete=_detach,
        delete=Call("delete_vpn_gateway", {"VpnGatewayId": "$id"}),
        id="VpnGateway.VpnGatewayId",
        outputs={"arn": arn("vpn-gateway")},
        replace=frozenset({"amazonSideAsn", "availabilityZone", "vpcId"}),
        tags="vpn-gateway",
        tagging=TAGGING,
        truth="no tunnel comes up: the device on premises does not exist",
    ),
    Entry(
        type="aws:ec2/customerGateway:CustomerGateway",
        service="ec2",
        create=Call("create_customer_gateway"),
        read=Reading(
            Call("describe_customer_gateways", {"CustomerGatewayIds": ["$id"]}),
            "CustomerGateways[?State!='deleted'] | [0]",
        ),
        delete=Call("delete_customer_gateway", {"CustomerGatewayId": "$id"}),
        id="CustomerGateway.CustomerGatewayId",
        outputs={"arn": arn("customer-gateway")},
        replace=frozenset({"bgpAsn", "ipAddress", "type"}),
        tags="customer-gateway",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/vpnConnection:VpnConnection",
        service="ec2",
        create=Call("create_vpn_connection", renames={"presharedKeyStorage": "PreSharedKeyStorage"}),
        prepare=_options,
        read=Reading(
            Call("describe_vpn_connections", {"VpnConnectionIds": ["$id"]}), "VpnConnections[?State!='deleted'] | [0]"
        ),
        ready="State == 'available'",
        delete=Call("delete_vpn_connection", {"VpnConnectionId": "$id"}),
        wait_gone=True,
        id="VpnConnection.VpnConnectionId",
        outputs={
            "arn": arn("vpn-connection"),
            "customerGatewayConfiguration": "CustomerGatewayConfiguration",
            "presharedKeyArn": "PreSharedKeyArn",
            **{
                f"{tunnel}{title}": f"Options.TunnelOptions[{number}].{member}"
                for number, tunnel in enumerate(TUNNELS)
                for title, member in (("Address", "OutsideIpAddress"), ("PresharedKey", "PreSharedKey"))
            },
        },
        replace=frozenset({"type", "staticRoutesOnly", "presharedKeyStorage"}),
        local=frozenset(OPTIONS),
        tags="vpn-connection",
        tagging=TAGGING,
        truth="both tunnels stay down, and what they would log is not written",
    ),
    Entry(
        type="aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation",
        service="ec2",
        create=Call("enable_vgw_route_propagation", renames={"vpnGatewayId": "GatewayId"}),
        read=Reading(
            Call("describe_route_tables", {"RouteTableIds": ["$routeTableId"]}),
            "RouteTables[0].PropagatingVgws[?GatewayId==<vpnGatewayId>] | [0]",
            ("InvalidRouteTableID.NotFound",),
        ),
        delete=Call("disable_vgw_route_propagation", {"GatewayId": "$vpnGatewayId", "RouteTableId": "$routeTableId"}),
        id="{vpnGatewayId}_{routeTableId}",
        replace=frozenset({"vpnGatewayId", "routeTableId"}),
        truth="no route is learnt: no tunnel comes up",
    ),
)
