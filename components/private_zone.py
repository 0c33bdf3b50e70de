"""A hosted zone that one VPC sees, for names that several components make."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks


class PrivateZoneArgs(TypedDict):
    """What PrivateZone needs."""

    zone_name: str
    """DNS zone, for example fleet.example.com."""
    vpc_id: pulumi.Input[str]
    """VPC that sees it."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class PrivateZone(pulumi.ComponentResource):
    """A private hosted zone."""

    zone_id: pulumi.Output[str]
    """Id of the zone."""

    def __init__(self, name: str, args: PrivateZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:PrivateZone", name, None, opts)
        zone = aws.route53.Zone(
            f"{name}-zone",
            name=args["zone_name"],
            comment="Names of the migrated databases",
            vpcs=[{"vpc_id": args["vpc_id"]}],
            force_destroy=False,
            tags=checks.tags_for(args.get("tags", {}), f"{name}-zone"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.zone_id = zone.zone_id
        self.register_outputs({"zone_id": self.zone_id})
