"""Sections that every stack has, and what all share: frozen, typed, each with what is wrong in it alone."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

HOST = r"^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)+\.?$"
ROLE = r"^[a-z_][a-z0-9_]{0,62}$"
LOG_RETENTION = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365),
    *(400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs can keep a log."""


class Hidden:
    """Marks what is never shown: it may be a secret, or one may have been written there by mistake."""


def _block(value: str) -> str:
    try:
        block = ipaddress.IPv4Network(value, strict=False)
    except ValueError:
        raise ValueError("no IPv4 block") from None
    if str(block) != value:
        raise ValueError(f"which AWS knows as {block}")
    return value


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value
    raise ValueError("an address, which no DNS name can be sent to")


def _retention(value: int) -> int:
    if value not in LOG_RETENTION:
        raise ValueError("not a retention CloudWatch Logs knows")
    return value


Block = Annotated[
    str, AfterValidator(_block), Field(description="an IPv4 block with its length, for example 192.168.0.0/16")
]

Text = Annotated[str, Field(description="text")]
"""Text in a list or a map. What it means, that says."""

Role = Annotated[
    str, Field(pattern=ROLE, description="a role in small letters, digits and underscores, 63 at most, for example app")
]

Email = Annotated[
    str, Field(pattern=r"^[^@\s]+@[^@\s]+$", description="a mail address, for example oncall@example.com")
]

Service = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9.-]*$", description="a service as its endpoint is named, for example secretsmanager"
    ),
]

Host = Annotated[str, Field(max_length=253, pattern=HOST), AfterValidator(_host)]

Retention = Annotated[int, AfterValidator(_retention)]


class Section(BaseModel):
    """What all sections share: camelCase keys, nothing unknown, nothing changed later."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, validate_default=True)


class Network(Section):
    """The VPC."""

    cidr: Block = Field("10.20.0.0/16", description="an IPv4 block from /16 to /18, for example 10.20.0.0/16")
    zones: int = Field(3, ge=2, le=6, description="a number of availability zones from 2 to 6")
    nat: Literal["none", "one", "per_zone"] = Field("one", description="none, one or per_zone")
    on_premises_cidrs: tuple[Block, ...] = Field(
        (), description='a list of IPv4 blocks, for example ["192.168.0.0/16"]'
    )
    interface_endpoints: tuple[Service, ...] = Field(
        (), description='a list of services, for example ["secretsmanager"]'
    )
    endpoint_zones: int | None = Field(
        None, ge=1, le=6, description="a number of zones with interface endpoints from 1 to 6; leave it out for all"
    )
    flow_logs: bool = Field(True, description="true or false")


class Dns(Section):
    """The names applications use."""

    zone: Host = Field(description="a DNS zone of two labels or more, for example db.example.com")
    zone_id: str | None = Field(
        None, pattern=r"^Z[A-Z0-9]+$", description="the id of an existing zone, for example Z0123456789ABC"
    )
    private: bool = Field(False, description="true for a zone seen by the VPC only, or false")
    ttl_seconds: int = Field(60, ge=1, le=86400, description="seconds from 1 to 86400")
    switchover_ttl_seconds: int = Field(1, ge=1, le=60, description="seconds from 1 to 60, at most ttlSeconds")
    propagation_seconds: int = Field(60, ge=0, le=300, description="seconds from 0 to 300; Route 53 may need 60")


class Monitoring(Section):
    """Alarms, messages and logs."""

    lag_seconds: int = Field(60, ge=1, le=86400, description="seconds from 1 to 86400")
    cpu_percent: int = Field(80, ge=1, le=100, description="percent from 1 to 100")
    connections: int = Field(800, ge=1, description="a number of connections from 1")
    free_storage_gb: int = Field(10, ge=1, le=65536, description="GB from 1 to 65536")
    emails: tuple[Email, ...] = Field((), description="a list of mail addresses, for example [oncall@example.com]")
    log_retention_days: Retention = Field(365, description=f"one of {', '.join(map(str, LOG_RETENTION))}")


EXCEPTED_ANYWHERE = ("secretsmanager-1-rotated",)
"""Rules that a stack of any environment may except resources from: two secrets can't change in one moment."""


class PolicyException(Section):
    """A rule of the policy pack that a resource need not keep to, and why."""

    rule: str = Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$", description="a rule as docs/policies.md names it, for example rds-38-tls"
    )
    resource: str = Field(min_length=1, description="a resource's name, in which * stands for any text")
    reason: str = Field(min_length=10, description="why, in 10 characters or more")


class Policy(Section):
    """How strictly the policy pack judges the stack."""

    environment: Literal["development", "staging", "production"] = Field(
        "production", description="development, staging or production"
    )
    exceptions: tuple[PolicyException, ...] = Field((), description="a list of maps with rule, resource and reason")
