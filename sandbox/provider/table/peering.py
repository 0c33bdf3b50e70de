"""Networks joined: EC2's peering connections, which two regions see."""

from sandbox.provider.entry import Call, Entry, Reading, Resource
from sandbox.provider.shapes import Json
from sandbox.provider.table.ec2 import TAGGING

ALIVE = "VpcPeeringConnections[?Status.Code!='deleted' && Status.Code!='rejected'] | [0]"
GONE = ("InvalidVpcPeeringConnectionID.NotFound", "InvalidVpcPeeringConnectionId.NotFound")
SIDES = {
    "requester": ("RequesterPeeringConnectionOptions", "RequesterVpcInfo"),
    "accepter": ("AccepterPeeringConnectionOptions", "AccepterVpcInfo"),
}


def _options(request: Json, options: Resource) -> Json:
    """Write what either side allows as EC2 takes it."""
    for side, (name, _) in SIDES.items():
        given = options.inputs.get(side)
        if given:
            request[name] = {"AllowDnsResolutionFromRemoteVpc": bool(given.get("allowRemoteVpcDnsResolution"))}
    return request


def _found_options(options: Resource, answer: Json) -> Json | None:
    alive = [one for one in answer["VpcPeeringConnections"] if one["Status"]["Code"] == "active"]
    if not alive:
        return None
    found: Json = {"VpcPeeringConnectionId": alive[0]["VpcPeeringConnectionId"]}
    for side, (_, name) in SIDES.items():
        if options.inputs.get(side):
            live = alive[0][name].get("PeeringOptions", {}).get("AllowDnsResolutionFromRemoteVpc", False)
            found[f"={side}"] = {"allowRemoteVpcDnsResolution": live}
    return found


ENTRIES = (
    Entry(
        type="aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        service="ec2",
        create=Call("create_vpc_peering_connection"),
        read=Reading(Call("describe_vpc_peering_connections", {"VpcPeeringConnectionIds": ["$id"]}), ALIVE, GONE),
        delete=Call("delete_vpc_peering_connection", {"VpcPeeringConnectionId": "$id"}),
        id="VpcPeeringConnection.VpcPeeringConnectionId",
        outputs={"acceptStatus": "Status.Code"},
        replace=frozenset({"vpcId", "peerVpcId", "peerRegion", "peerOwnerId"}),
        local=frozenset({"autoAccept"}),
        tags="vpc-peering-connection",
        tagging=TAGGING,
        truth="no packet passes it",
    ),
    Entry(
        type="aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter",
        service="ec2",
        create=Call("accept_vpc_peering_connection"),
        read=Reading(Call("describe_vpc_peering_connections", {"VpcPeeringConnectionIds": ["$id"]}), ALIVE, GONE),
        delete=None,  # it goes with the connection
        id="VpcPeeringConnection.VpcPeeringConnectionId",
        outputs={
            "acceptStatus": "Status.Code",
            "vpcId": "AccepterVpcInfo.VpcId",
            "peerVpcId": "RequesterVpcInfo.VpcId",
        },
        replace=frozenset({"vpcPeeringConnectionId"}),
        local=frozenset({"autoAccept"}),
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/peeringConnectionOptions:PeeringConnectionOptions",
        service="ec2",
        create=Call("modify_vpc_peering_connection_options"),
        update=Call("modify_vpc_peering_connection_options"),
        prepare=_options,
        read=Reading(
            Call("describe_vpc_peering_connections", {"VpcPeeringConnectionIds": ["$vpcPeeringConnectionId"]}),
            pick=_found_options,
            gone=GONE,
        ),
        delete=None,  # they go with the connection
        id="$vpcPeeringConnectionId",
        replace=frozenset({"vpcPeeringConnectionId"}),
        local=frozenset(SIDES),
    ),
)
