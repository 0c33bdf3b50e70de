"""Endpoints of AWS services inside a network."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.owner import Owner

GATEWAY_SERVICES = ("s3", "dynamodb")
"""Gateway endpoints cost nothing and keep the traffic inside AWS, so every network has them."""
GLOBAL_SERVICES = {"route53": "us-east-1"}
"""Interface endpoints of services without a region in their name, and the region in which those services live."""


def gateways(
    owner: Owner, *, vpc_id: pulumi.Input[str], region: pulumi.Input[str], tables: Sequence[aws.ec2.RouteTable]
) -> None:
    """Lead these tables to the services that have gateways."""
    for service in GATEWAY_SERVICES:
        aws.ec2.VpcEndpoint(
            f"{owner.name}-{service}-endpoint",
            vpc_id=vpc_id,
            service_name=pulumi.Output.concat("com.amazonaws.", region, ".", service),
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=owner.tagged(f"{owner.name}-{service}"),
            opts=owner.child,
        )


def interfaces(
    owner: Owner,
    services: Sequence[str],
    *,
    vpc_id: pulumi.Input[str],
    region: pulumi.Input[str],
    subnets: Sequence[aws.ec2.Subnet],
    group: aws.ec2.SecurityGroup,
) -> None:
    """Give each service an interface in each of these subnets."""
    for service in services:
        aws.ec2.VpcEndpoint(
            f"{owner.name}-{service}-endpoint",
            vpc_id=vpc_id,
            service_name=f"com.amazonaws.{service}"
            if service in GLOBAL_SERVICES
            else pulumi.Output.concat("com.amazonaws.", region, ".", service),
            service_region=GLOBAL_SERVICES.get(service),
            vpc_endpoint_type="Interface",
            subnet_ids=[subnet.id for subnet in subnets],
            security_group_ids=[group.id],
            private_dns_enabled=True,
            tags=owner.tagged(f"{owner.name}-{service}"),
            opts=owner.child,
        )
