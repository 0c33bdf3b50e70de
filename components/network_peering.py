"""Two networks in two regions joined by VPC peering, so that what moves from one to the other passes no internet."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks, security_groups
from components.security_groups import Egress, Ingress

REQUESTER, ACCEPTER = "source", "target"


class PeerArgs(TypedDict):
    """One of the two networks."""

    region: pulumi.Input[str]
    """AWS region, for example eu-central-1."""
    vpc_id: pulumi.Input[str]
    """Id of the VPC."""
    cidr_block: str
    """IPv4 block of the VPC. The two must be apart."""
    route_table_ids: dict[str, pulumi.Input[str]]
    """Route tables that get a route to the other network, by purpose."""
    database_security_group_id: pulumi.Input[str]
    """Security group of the database, which lets the other network in."""
    database_port: int
    """Port of the database."""
    client_security_group_ids: dict[str, pulumi.Input[str]]
    """Security groups whose members reach the other network's database, by purpose."""
    provider: NotRequired[pulumi.ProviderResource]
    """Provider of that region. Default: the component's."""


class NetworkPeeringArgs(TypedDict):
    """What NetworkPeering needs."""

    source: PeerArgs
    """The network that asks."""
    target: PeerArgs
    """The network that accepts."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class NetworkPeering(pulumi.ComponentResource):
    """A peering connection with its options, routes both ways, and the rules that open the databases to it."""

    peering_connection_id: pulumi.Output[str]
    """Id of the connection, known once it is accepted."""

    def __init__(self, name: str, args: NetworkPeeringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:NetworkPeering", name, None, opts)
        self._name = name
        self._tags = args.get("tags", {})
        source, target = args["source"], args["target"]
        blocks = [checks.cidr(f"{side} cidr_block", args[side]["cidr_block"]) for side in (REQUESTER, ACCEPTER)]  # type: ignore[literal-required]
        if blocks[0].overlaps(blocks[1]):
            raise checks.ArgumentError(
                f"cidr_block {blocks[0]} overlaps {blocks[1]}: peered networks need blocks apart"
            )
        connection = aws.ec2.VpcPeeringConnection(
            f"{name}-connection",
            vpc_id=source["vpc_id"],
            peer_vpc_id=target["vpc_id"],
            peer_region=target["region"],
            auto_accept=False,  # nobody accepts in another region by asking
            tags=checks.tags_for(self._tags, f"{name}-{REQUESTER}"),
            opts=self._in(source),
        )
        accepted = aws.ec2.VpcPeeringConnectionAccepter(
            f"{name}-accepter",
            vpc_peering_connection_id=connection.id,
            auto_accept=True,
            tags=checks.tags_for(self._tags, f"{name}-{ACCEPTER}"),
            opts=self._in(target),
        )
        self._options(accepted.id, source, target)
        for side, here, there in ((REQUESTER, source, target), (ACCEPTER, target, source)):
            self._routes(side, here, there, accepted.id)
            self._rules(side, here, there)

        self.peering_connection_id = accepted.id
        self.register_outputs({"peering_connection_id": self.peering_connection_id})

    def _in(self, peer: PeerArgs) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=peer.get("provider"))

    def _options(self, connection: pulumi.Input[str], source: PeerArgs, target: PeerArgs) -> None:
        """Let host names of either side lead to private addresses on the other."""
        aws.ec2.PeeringConnectionOptions(
            f"{self._name}-{REQUESTER}-options",
            vpc_peering_connection_id=connection,
            requester={"allow_remote_vpc_dns_resolution": True},
            opts=self._in(source),
        )
        aws.ec2.PeeringConnectionOptions(
            f"{self._name}-{ACCEPTER}-options",
            vpc_peering_connection_id=connection,
            accepter={"allow_remote_vpc_dns_resolution": True},
            opts=self._in(target),
        )

    def _routes(self, side: str, here: PeerArgs, there: PeerArgs, connection: pulumi.Input[str]) -> None:
        for purpose, table in here["route_table_ids"].items():
            aws.ec2.Route(
                f"{self._name}-{side}-{purpose}-route",
                route_table_id=table,
                destination_cidr_block=there["cidr_block"],
                vpc_peering_connection_id=connection,
                opts=self._in(here),
            )

    def _rules(self, side: str, here: PeerArgs, there: PeerArgs) -> None:
        """Open this side's database to the other network, and let this side's clients out to the other's.

        Between regions a rule can't name a group, so it names the block; only tiers with a route can use it.
        """
        port = checks.whole("database_port", here["database_port"], 1150, 65535)
        far_port = checks.whole("database_port", there["database_port"], 1150, 65535)
        name = f"{self._name}-{side}-database-from-peer"
        security_groups.rule(
            Ingress,
            name,
            here["database_security_group_id"],
            port,
            there["cidr_block"],
            description="database from the peered network",
            tags=checks.tags_for(self._tags, name),
            opts=self._in(here),
        )
        for purpose, group in here["client_security_group_ids"].items():
            name = f"{self._name}-{side}-{purpose}-to-peer"
            security_groups.rule(
                Egress,
                name,
                group,
                far_port,
                there["cidr_block"],
                description=f"{purpose} to the database of the peered network",
                tags=checks.tags_for(self._tags, name),
                opts=self._in(here),
            )
