"""The name people use for an application: weighted aliases of two load balancers, each watched from outside."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks
from components.blue_green_dns import BLUE, GREEN, WEIGHTS

DEFAULT_HEALTH_PATH = "/health"
HTTPS = 443
INTERVAL_SECONDS = 30
FAILURES = 3


class BalancerArgs(TypedDict):
    """A load balancer a name can lead to."""

    dns_name: pulumi.Input[str]
    """DNS name of the load balancer."""
    zone_id: pulumi.Input[str]
    """Zone of that name, which is Elastic Load Balancing's."""


class ApplicationDnsArgs(TypedDict):
    """What ApplicationDns needs."""

    zone_id: pulumi.Input[str]
    """Id of the zone the name lies in."""
    name: str
    """The whole name, for example pay.example.com."""
    blue: BalancerArgs
    """Where requests go today."""
    green: BalancerArgs
    """Where they will go."""
    health_path: NotRequired[str]
    """Path that answers 200 where the application is well. Default /health."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class ApplicationDns(pulumi.ComponentResource):
    """Weighted alias records, blue 100 and green 0, each with a health check over HTTPS.

    An alias has the load balancer's own time to live, 60 seconds. A side that is unwell gets nothing, whatever its
    weight; where the weighted one is, Route 53 sends people to the other: its database decides whether it takes writes.
    """

    name: pulumi.Output[str]
    """The application's name."""
    blue_health_check_id: pulumi.Output[str]
    """Id of the check of the blue load balancer."""
    green_health_check_id: pulumi.Output[str]
    """Id of the check of the green load balancer."""

    def __init__(self, name: str, args: ApplicationDnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:ApplicationDns", name, None, opts)
        path = args.get("health_path", DEFAULT_HEALTH_PATH)
        if not path.startswith("/"):
            raise checks.ArgumentError(f"health_path is {path!r}: write a path, for example {DEFAULT_HEALTH_PATH}")
        records, health = {}, {}
        for side, balancer in ((BLUE, args["blue"]), (GREEN, args["green"])):
            health[side] = aws.route53.HealthCheck(
                f"{name}-{side}-health",
                type="HTTPS",
                fqdn=balancer["dns_name"],
                port=HTTPS,
                resource_path=path,
                request_interval=INTERVAL_SECONDS,
                failure_threshold=FAILURES,
                enable_sni=True,
                tags=checks.tags_for(args.get("tags", {}), f"{name}-{side}"),
                opts=pulumi.ResourceOptions(parent=self),
            )
            records[side] = aws.route53.Record(
                f"{name}-{side}",
                zone_id=args["zone_id"],
                name=args["name"],
                type="A",
                aliases=[
                    {"name": balancer["dns_name"], "zone_id": balancer["zone_id"], "evaluate_target_health": True}
                ],
                set_identifier=side,
                weighted_routing_policies=[{"weight": WEIGHTS[side]}],
                health_check_id=health[side].id,
                # Shifted gradually by whoever moves the application: a deployment must not shift it back.
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["weightedRoutingPolicies"]),
            )
        self.name = records[BLUE].name
        self.blue_health_check_id = health[BLUE].id
        self.green_health_check_id = health[GREEN].id
        self.register_outputs(
            {
                "name": self.name,
                "blue_health_check_id": self.blue_health_check_id,
                "green_health_check_id": self.green_health_check_id,
            }
        )
