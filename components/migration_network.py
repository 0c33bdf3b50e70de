"""The network a migration runs in: a VPC, its tiers of subnets, and security groups that outlive what uses them."""

import ipaddress
from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks, flow_logs, security_groups, service_endpoints, site_to_site_vpn
from components.owner import Owner
from components.security_groups import ANYWHERE, Direction, Egress, Ingress, Peer
from components.site_to_site_vpn import VpnArgs

TIERS = ("public", "application", "database")
"""One /24 a zone each, in this order: public holds NAT, application holds functions and DMS, database the target."""
NAT = ("none", "one", "per_zone")
DEFAULT_NAT = "one"
DEFAULT_LOG_RETENTION_DAYS = 30
HTTPS = 443


class MigrationNetworkArgs(TypedDict):
    """What MigrationNetwork needs."""

    cidr_block: str
    """IPv4 block of the VPC, /16 to /18: it is cut into /24 subnets, sixteen of them a tier."""
    availability_zones: list[str]
    """Names of the zones to use, two to six."""
    region: pulumi.Input[str]
    """AWS region, which names the endpoint services."""
    database_port: int
    """Port the target database listens on."""
    source_port: NotRequired[int]
    """Port the source database listens on. Default: the target's."""
    on_premises_cidr_blocks: NotRequired[list[str]]
    """IPv4 blocks on premises that may reach the target, and that functions and DMS may reach."""
    nat: NotRequired[str]
    """NAT gateways: none, one, or per_zone. With none, whatever functions call needs an endpoint. Default one.

    A network without any has neither public subnets nor an internet gateway: nothing in it has a way out.
    """
    interface_endpoints: NotRequired[list[str]]
    """AWS services to reach privately, for example secretsmanager, route53. Each costs some 7 USD a month and zone."""
    endpoint_zones: NotRequired[int | None]
    """Number of zones that have the interface endpoints; the others reach them there. Default all."""
    flow_logs: NotRequired[bool]
    """Record accepted and rejected traffic. Default true."""
    log_retention_days: NotRequired[int]
    """Days the flow logs are kept. Default 30."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts the flow logs."""
    vpn: NotRequired[VpnArgs | None]
    """A Site-to-Site VPN whose routes every private route table learns. Default none."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class MigrationNetwork(pulumi.ComponentResource):
    """A VPC with public, application and database subnets, routes, endpoints, flow logs and security groups."""

    vpc_id: pulumi.Output[str]
    """Id of the VPC."""
    public_subnet_ids: pulumi.Output[list[str]]
    """Ids of the public subnets, one a zone, known once the internet can be reached; none without NAT."""
    application_subnet_ids: pulumi.Output[list[str]]
    """Ids of the application subnets, one a zone, known once NAT can be reached, where there is any."""
    database_subnet_ids: pulumi.Output[list[str]]
    """Ids of the database subnets, one a zone."""
    private_route_table_ids: dict[str, pulumi.Output[str]]
    """Ids of the route tables of the application and database tiers, by purpose."""
    database_security_group_id: pulumi.Output[str]
    """Security group of the target database."""
    application_security_group_id: pulumi.Output[str]
    """Security group application teams attach to reach the target."""
    replication_security_group_id: pulumi.Output[str]
    """Security group of the replication instance."""
    function_security_group_id: pulumi.Output[str]
    """Security group of the functions."""
    vpn_connection_id: pulumi.Output[str] | None
    """Id of the VPN connection, where there is one."""

    def __init__(self, name: str, args: MigrationNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:MigrationNetwork", name, None, opts)
        self._name = name
        self._args = args
        self._owner = Owner(self, name, args.get("tags", {}))
        self._zones = args["availability_zones"]
        nat = checks.one_of("nat", args.get("nat", DEFAULT_NAT), NAT)
        checks.whole("number of availability_zones", len(self._zones), 2, 6)
        checks.whole("database_port", args["database_port"], 1150, 65535)
        blocks = subnet_blocks(args["cidr_block"], len(self._zones))

        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args["cidr_block"],
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._owner.tagged(f"{name}-vpc"),
            opts=self._owner.child,
        )
        self._vpc_id = vpc.id
        aws.ec2.DefaultSecurityGroup(  # without rules: nothing can be reached by forgetting to name a group
            f"{name}-default-security-group",
            vpc_id=vpc.id,
            tags=self._owner.tagged(f"{name}-default"),
            opts=self._owner.child,
        )
        self._isolated = nat == "none"
        tiers = TIERS[1:] if self._isolated else TIERS
        subnets = {tier: self._subnets(tier, blocks[tier]) for tier in tiers}
        private_tables, way_out, nat_routes = self._routes(subnets, nat)
        self._groups()
        self._endpoints(subnets["application"], private_tables)
        vpn = args.get("vpn")
        self.vpn_connection_id = self._vpn(vpn, private_tables).id if vpn is not None else None
        if args.get("flow_logs", True):
            flow_logs.declare(
                self._owner,
                vpc_id=vpc.id,
                kms_key_arn=args["kms_key_arn"],
                retention_days=int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
            )

        self.vpc_id = vpc.id
        # Who starts in them needs the way out: AWS refuses a public load balancer before there is a gateway.
        self.public_subnet_ids = _ids(subnets.get("public", []), after=way_out)
        self.application_subnet_ids = _ids(subnets["application"], after=nat_routes)
        self.database_subnet_ids = _ids(subnets["database"])
        self.private_route_table_ids = {
            table._name.removeprefix(f"{name}-").removesuffix("-routes"): table.id for table in private_tables
        }
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "application_subnet_ids": self.application_subnet_ids,
                "database_subnet_ids": self.database_subnet_ids,
                "private_route_table_ids": self.private_route_table_ids,
                "database_security_group_id": self.database_security_group_id,
                "application_security_group_id": self.application_security_group_id,
                "replication_security_group_id": self.replication_security_group_id,
                "function_security_group_id": self.function_security_group_id,
                "vpn_connection_id": self.vpn_connection_id,
            }
        )

    def _subnets(self, tier: str, blocks: list[str]) -> list[aws.ec2.Subnet]:
        return [
            aws.ec2.Subnet(
                f"{self._name}-{tier}-{number}",
                vpc_id=self._vpc_id,
                cidr_block=block,
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags={**self._owner.tagged(f"{self._name}-{tier}-{number}"), "Tier": tier},
                opts=self._owner.child,
            )
            for number, (block, zone) in enumerate(zip(blocks, self._zones, strict=True), start=1)
        ]

    def _routes(
        self, subnets: dict[str, list[aws.ec2.Subnet]], nat: str
    ) -> tuple[list[aws.ec2.RouteTable], list[aws.ec2.Route], list[aws.ec2.Route]]:
        """Route the tiers: public to the internet gateway, application through NAT, database nowhere outside.

        Return the private tables, then the routes out of the public tier and out of the application tier.
        """
        way_out: list[aws.ec2.Route] = []
        nats: list[aws.ec2.NatGateway] = []
        if not self._isolated:
            route, nats = self._way_out(subnets["public"], 1 if nat == "one" else len(self._zones))
            way_out = [route]
        tables = [self._table("database", subnets["database"])]
        if len(nats) < 2:
            application = [self._table("application", subnets["application"])]
        else:
            application = [self._table(f"application-{n}", [s]) for n, s in enumerate(subnets["application"], start=1)]
        nat_routes = [
            aws.ec2.Route(
                f"{self._name}-application-nat-{number}",
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=nat_gateway.id,
                opts=self._owner.child,
            )
            for number, (table, nat_gateway) in enumerate(zip(application, nats, strict=False), start=1)
        ]
        return tables + application, way_out, nat_routes

    def _way_out(
        self, subnets: list[aws.ec2.Subnet], nat_gateways: int
    ) -> tuple[aws.ec2.Route, list[aws.ec2.NatGateway]]:
        """Make the internet gateway, the public tier's route to it, and the NAT gateways; return route and NAT."""
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet-gateway",
            vpc_id=self._vpc_id,
            tags=self._owner.tagged(f"{self._name}-internet-gateway"),
            opts=self._owner.child,
        )
        public = self._table("public", subnets)
        route = aws.ec2.Route(
            f"{self._name}-public-internet",
            route_table_id=public.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=self._owner.child,
        )
        return route, self._nat_gateways(subnets, nat_gateways, gateway)

    def _table(self, purpose: str, subnets: list[aws.ec2.Subnet]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(
            f"{self._name}-{purpose}-routes",
            vpc_id=self._vpc_id,
            tags=self._owner.tagged(f"{self._name}-{purpose}-routes"),
            opts=self._owner.child,
        )
        for subnet in subnets:
            aws.ec2.RouteTableAssociation(
                f"{subnet._name}-routes",
                subnet_id=subnet.id,
                route_table_id=table.id,
                opts=self._owner.child,
            )
        return table

    def _nat_gateways(
        self, subnets: list[aws.ec2.Subnet], count: int, gateway: aws.ec2.InternetGateway
    ) -> list[aws.ec2.NatGateway]:
        after_gateway = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        nats = []
        for number, subnet in enumerate(subnets[:count], start=1):
            address = aws.ec2.Eip(
                f"{self._name}-nat-address-{number}",
                domain="vpc",
                tags=self._owner.tagged(f"{self._name}-nat-{number}"),
                opts=after_gateway,
            )
            nats.append(
                aws.ec2.NatGateway(
                    f"{self._name}-nat-{number}",
                    subnet_id=subnet.id,
                    allocation_id=address.id,
                    tags=self._owner.tagged(f"{self._name}-nat-{number}"),
                    opts=after_gateway,
                )
            )
        return nats

    def _group(self, purpose: str, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            f"{self._name}-{purpose}",
            name=f"{self._name}-{purpose}",
            description=description,
            vpc_id=self._vpc_id,
            tags=self._owner.tagged(f"{self._name}-{purpose}"),
            opts=self._owner.child,
        )

    def _groups(self) -> None:
        """Make the four groups and their rules.

        They live here, not beside what uses them: the interfaces of a deleted function hold its group for half an hour.
        """
        database = self._group("database", "Target database: reached by applications, DMS, functions and on premises")
        application = self._group("application", "Applications that use the target database")
        replication = self._group("replication", "DMS replication instance")
        function = self._group("function", "Functions that run the migration")
        port = int(self._args["database_port"])
        source_port = int(self._args.get("source_port", port))
        on_premises = self._args.get("on_premises_cidr_blocks", [])
        services = self._args["cidr_block"] if self._isolated else ANYWHERE  # the endpoints are all there is
        for number, block in enumerate(on_premises, start=1):
            checks.cidr(f"on_premises_cidr_blocks[{number - 1}]", block)
            self._rule(Ingress, database, f"database-from-on-premises-{number}", port, block)
        for purpose, client in (("application", application), ("replication", replication), ("function", function)):
            self._rule(Ingress, database, f"database-from-{purpose}", port, client)
            self._rule(Egress, client, f"{purpose}-to-database", port, database)
        for purpose, client in (("replication", replication), ("function", function)):
            self._rule(Egress, client, f"{purpose}-to-services", HTTPS, services)
            for number, block in enumerate(on_premises, start=1):
                self._rule(Egress, client, f"{purpose}-to-on-premises-{number}", source_port, block)
        self.database_security_group_id = database.id
        self.application_security_group_id = application.id
        self.replication_security_group_id = replication.id
        self.function_security_group_id = function.id

    def _rule(self, kind: Direction, group: aws.ec2.SecurityGroup, name: str, port: int, peer: Peer) -> None:
        """Let `port` pass in or out of `group`, from or to another group or an IPv4 block."""
        security_groups.rule(
            kind,
            f"{self._name}-{name}",
            group.id,
            port,
            peer,
            description=name.replace("-", " "),
            tags=self._owner.tagged(f"{self._name}-{name}"),
            opts=self._owner.child,
        )

    def _endpoints(self, subnets: list[aws.ec2.Subnet], tables: list[aws.ec2.RouteTable]) -> None:
        args = self._args
        service_endpoints.gateways(self._owner, vpc_id=self._vpc_id, region=args["region"], tables=tables)
        services = args.get("interface_endpoints", [])
        if not services:
            return
        zones = int(args.get("endpoint_zones") or len(subnets))
        group = self._group("endpoints", "Interface endpoints of AWS services")
        self._rule(Ingress, group, "endpoints-from-vpc", HTTPS, args["cidr_block"])
        service_endpoints.interfaces(
            self._owner,
            services,
            vpc_id=self._vpc_id,
            region=args["region"],
            subnets=subnets[:zones],
            group=group,
        )

    def _vpn(self, vpn: VpnArgs, tables: list[aws.ec2.RouteTable]) -> aws.ec2.VpnConnection:
        given = site_to_site_vpn.Declaration(
            name=self._name,
            parent=self,
            vpc_id=self._vpc_id,
            tables={table._name: table.id for table in tables},
            kms_key_arn=self._args["kms_key_arn"],
            log_retention_days=int(self._args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
            tags=self._owner.tags,
        )
        return site_to_site_vpn.declare(given, vpn)


def subnet_blocks(cidr_block: str, zones: int) -> dict[str, list[str]]:
    """Cut `cidr_block` into one /24 per tier and zone, sixteen apart by tier so that a zone can be added later."""
    network = checks.cidr("cidr_block", cidr_block)
    if not 16 <= network.prefixlen <= 18:
        raise checks.ArgumentError(f"cidr_block is {cidr_block!r}: write a block from /16 to /18, room for three tiers")
    blocks = [str(ipaddress.IPv4Network((int(network.network_address) + 256 * n, 24))) for n in range(16 * len(TIERS))]
    return {tier: blocks[16 * n : 16 * n + zones] for n, tier in enumerate(TIERS)}


def _ids(subnets: list[aws.ec2.Subnet], after: Sequence[aws.ec2.Route] = ()) -> pulumi.Output[list[str]]:
    """Return the subnets' ids, known once the routes of `after` are there."""
    ids = pulumi.Output.all(*[subnet.id for subnet in subnets])
    return pulumi.Output.all(ids, *[route.id for route in after]).apply(lambda known: list(known[0]))
