"""The names applications use: a writer name that is flipped whole, and a reader name that can move by weight."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks

DEFAULT_TTL_SECONDS = 60
BLUE, GREEN = "blue", "green"
"""Set identifiers. Blue is where writes go today, green the target. They never change: that would make new records."""
WEIGHTS = {BLUE: 100, GREEN: 0}
"""Weights at birth. From then on they belong to the automation."""


class BlueGreenDnsArgs(TypedDict):
    """What BlueGreenDns needs."""

    zone_name: str
    """DNS zone of the names, for example db.example.com. Its parent must delegate to it if it is public."""
    zone_id: NotRequired[pulumi.Input[str] | None]
    """Id of an existing zone. Default: a new one is made."""
    vpc_id: NotRequired[pulumi.Input[str] | None]
    """Make the new zone private to this VPC. Default: a public zone."""
    writer_name: NotRequired[str]
    """First label of the writer's name. Default writer."""
    reader_name: NotRequired[str]
    """First label of the reader's name. Default reader."""
    blue_writer_host: pulumi.Input[str]
    """Host that takes writes today."""
    blue_reader_host: pulumi.Input[str]
    """Host that takes reads today."""
    green_writer_host: pulumi.Input[str]
    """Host of the target that will take writes."""
    green_reader_host: pulumi.Input[str]
    """Host of the target that will take reads."""
    ttl_seconds: NotRequired[int]
    """Time to live of the records, 1 to 86400. The switchover lowers it ahead and restores it. Default 60."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class BlueGreenDns(pulumi.ComponentResource):
    """A zone with weighted records for a writer and a reader name, blue 100 and green 0."""

    zone_id: pulumi.Output[str]
    """Id of the zone."""
    name_servers: pulumi.Output[list[str]]
    """Name servers of a new zone, for its parent to delegate to; empty for an existing one."""
    writer_name: pulumi.Output[str]
    """Name that applications write to."""
    reader_name: pulumi.Output[str]
    """Name that applications read from."""

    def __init__(self, name: str, args: BlueGreenDnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:BlueGreenDns", name, None, opts)
        ttl = checks.whole("ttl_seconds", args.get("ttl_seconds", DEFAULT_TTL_SECONDS), 1, 86400)
        zone_id, name_servers = self._zone(name, args)
        zone = args["zone_name"].rstrip(".")
        hosts = {
            "writer": {BLUE: args["blue_writer_host"], GREEN: args["green_writer_host"]},
            "reader": {BLUE: args["blue_reader_host"], GREEN: args["green_reader_host"]},
        }
        labels = {"writer": args.get("writer_name", "writer"), "reader": args.get("reader_name", "reader")}
        records = {
            (role, side): aws.route53.Record(
                f"{name}-{role}-{side}",
                zone_id=zone_id,
                name=f"{labels[role]}.{zone}",
                type="CNAME",
                ttl=ttl,
                records=[hosts[role][side]],
                set_identifier=side,
                weighted_routing_policies=[{"weight": weight}],
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["weightedRoutingPolicies", "ttl"]),
            )
            for role in hosts
            for side, weight in WEIGHTS.items()
        }

        self.zone_id = zone_id
        self.name_servers = name_servers
        self.writer_name = records["writer", BLUE].name
        self.reader_name = records["reader", BLUE].name
        self.register_outputs(
            {
                "zone_id": self.zone_id,
                "name_servers": self.name_servers,
                "writer_name": self.writer_name,
                "reader_name": self.reader_name,
            }
        )

    def _zone(self, name: str, args: BlueGreenDnsArgs) -> tuple[pulumi.Output[str], pulumi.Output[list[str]]]:
        existing = args.get("zone_id")
        if existing is not None:
            return pulumi.Output.from_input(existing), pulumi.Output.from_input([])
        vpc = args.get("vpc_id")
        zone = aws.route53.Zone(
            f"{name}-zone",
            name=args["zone_name"],
            comment="Names of the migrated database",
            vpcs=[{"vpc_id": vpc}] if vpc is not None else None,
            force_destroy=False,
            tags=checks.tags_for(args.get("tags", {}), f"{name}-zone"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return zone.zone_id, zone.name_servers.apply(list)
