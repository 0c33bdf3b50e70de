"""Settings of a fleet: many databases, and servers beside them, that move over a VPN one after the other."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.settings import consistency, replication
from components.settings.arns import SecretArn
from components.settings.automation import Functions
from components.settings.ends import WEEKLY, Verified
from components.settings.replication import Table
from components.settings.sections import Host, Section
from components.settings.stack import Stack

DATABASE = r"^[a-z](?:-?[a-z0-9])+$"
INSTANCE_TYPE = r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$"
MOST_DATABASES = 100


def _public(value: str) -> str:
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        raise ValueError("no IPv4 address") from None
    if not address.is_global:
        raise ValueError("no public address")
    return value


class Vpn(Section):
    """The Site-to-Site VPN."""

    customer_gateway_address: Annotated[str, AfterValidator(_public)] = Field(
        description="the public IPv4 address of the VPN device on premises, for example 52.95.110.1"
    )
    customer_gateway_asn: int = Field(
        ge=1, le=4294967294, description="the BGP number of the network on premises, from 1 to 4294967294"
    )
    amazon_asn: int = Field(64512, ge=64512, le=65534, description="a private BGP number from 64512 to 65534")


class Side(Verified):
    """One side of a database's migration."""

    host: Host = Field(description="a host name that resolves inside the VPC, for example orders.corp.example.com")
    port: int = Field(5432, ge=1150, le=65535, description="a port from 1150 to 65535")
    database: str = Field(min_length=1, max_length=63, description="the name of the database, in 1 to 63 characters")
    replication_secret_arn: SecretArn = Field(
        description="the ARN of the secret with host, port, username and password of DMS's user"
    )


def _place(side: Side) -> tuple[str, int, str]:
    """Return what tells two databases apart: the host as DNS compares it, port, name."""
    return side.host.rstrip(".").lower(), side.port, side.database


class Database(Section):
    """A database of the fleet."""

    name: str = Field(
        min_length=2,
        max_length=20,
        pattern=DATABASE,
        description="2 to 20 small letters, digits and single dashes, for example orders",
    )
    source: Side
    target: Side
    tables: tuple[Table, ...] = Field(
        (Table(schema="public"),), min_length=1, description='a list of rules, for example [{"schema": "public"}]'
    )


class Replication(replication.ReplicationInstance):
    """The DMS instance that all databases share."""

    instance_class: str = Field(
        "dms.t3.medium", pattern=replication.CLASS, description="a class, for example dms.t3.medium"
    )
    multi_az: bool = Field(True, description="true or false")
    maintenance_window: str = Field(
        "sun:06:00-sun:07:00",
        pattern=WEEKLY,
        description="ddd:hh:mm-ddd:hh:mm in UTC, for example sun:06:00-sun:07:00",
    )


class Dns(Section):
    """The private zone all names are in."""

    zone: Host = Field(description="a DNS zone, for example fleet.example.com")
    ttl_seconds: int = Field(60, ge=1, le=86400, description="seconds from 1 to 86400")


class Servers(Section):
    """Application Migration Service."""

    instance_type: str = Field("t3.small", pattern=INSTANCE_TYPE, description="an instance type, for example t3.small")
    bandwidth_mbps: int = Field(
        0, ge=0, le=10000, description="megabits per second a server from 1 to 10000, or 0 for no limit"
    )
    create_account_roles: bool = Field(
        True, description="true, or false where the account has the service's roles already"
    )


class Fleet(Stack):
    """Databases, where each is moved to, and what they share."""

    composition: Literal["fleet"] = Field(description="fleet")
    vpn: Vpn
    databases: tuple[Database, ...] = Field(
        min_length=1, max_length=MOST_DATABASES, description=f"a list of 1 to {MOST_DATABASES} databases"
    )
    replication: Replication = Field(default_factory=Replication)
    dns: Dns
    servers: Servers = Field(default_factory=Servers)
    functions: Functions = Field(default_factory=Functions)

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong though every key alone is right."""
        yield from super().contradictions()
        if self.network.nat == "none":
            yield (
                "network.nat is none, but the replication servers of Application Migration Service and the agents on "
                "premises need ways out that interface endpoints do not give: write one or per_zone"
            )
        if not self.network.on_premises_cidrs:
            yield "network.onPremisesCidrs is empty: write what lies behind the VPN, for example [192.168.0.0/16]"
        if self.vpn.customer_gateway_asn == self.vpn.amazon_asn:
            yield f"vpn.customerGatewayAsn and vpn.amazonAsn are both {self.vpn.amazon_asn}: each side needs its own"
        yield from self._duplicates()
        yield from self._ports()
        for number, database in enumerate(self.databases):
            for side in ("source", "target"):
                yield from consistency.authority(getattr(database, side), f"databases[{number}].{side}")

    def _duplicates(self) -> Iterator[str]:
        names: dict[str, int] = {}
        targets: dict[tuple[str, int, str], int] = {}
        sources = {_place(database.source): number for number, database in reversed(list(enumerate(self.databases)))}
        for number, database in enumerate(self.databases):
            first = names.setdefault(database.name, number)
            if first != number:
                yield f"databases[{number}].name is {database.name!r}, as databases[{first}].name is: change one"
            target = database.target
            shown = f"databases[{number}].target is {target.host}:{target.port}/{target.database}"
            first = targets.setdefault(_place(target), number)
            if first != number:
                yield f"{shown}, as databases[{first}].target is: two databases would be written into one"
            if _place(target) in sources:
                yield (
                    f"{shown}, as databases[{sources[_place(target)]}].source is: what is moved away from would be "
                    "written into; write the database's new place"
                )

    def _ports(self) -> Iterator[str]:
        """Yield databases on a port of their own: the network's groups open one port a side."""
        for side in ("source", "target"):
            ports = [getattr(database, side).port for database in self.databases]
            for number, port in enumerate(ports):
                if port != ports[0]:
                    yield (
                        f"databases[{number}].{side}.port is {port}, databases[0].{side}.port is {ports[0]}: a fleet "
                        f"has one port for all its {side}s; give this database a stack of its own"
                    )
