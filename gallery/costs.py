"""What a stack costs a month, estimated from its resources. Nothing here asks AWS.

Prices are AWS's published ones of us-east-1 in US dollars, on demand, as they were known in 2026. What depends on use
(data transfer, requests, log volume, backups beyond the free share) is left out: an idle stack costs this much.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HOURS = 730
"""Hours of a month, as AWS counts."""
Inputs = Mapping[str, Any]

CLASSES = {
    "db.t3.micro": 0.017,
    "db.t3.small": 0.034,
    "db.t3.medium": 0.072,
    "db.m6g.large": 0.152,
    "db.r5.large": 0.25,
    "dms.t3.micro": 0.018,
    "dms.t3.small": 0.036,
    "dms.t3.medium": 0.073,
    "dms.r5.large": 0.21,
}
"""US dollars an hour, one zone."""
CAPACITY_UNIT = 0.12
SECRET = 0.40
GP3_GB, DMS_GB = 0.115, 0.115


class UnknownPriceError(LookupError):
    """A class without a price here. The message says where to add it."""


@dataclass(frozen=True)
class Item:
    """A line of the estimate: what, how many, US dollars a month for all of them."""

    what: str
    count: int
    dollars: float


def _class(name: str) -> float:
    try:
        return CLASSES[name]
    except KeyError:
        raise UnknownPriceError(f"no price of {name}: add it to gallery/costs.py") from None


def _copies(inputs: Inputs) -> int:
    return 2 if inputs.get("multiAz") else 1


def _instance(inputs: Inputs) -> float:
    if inputs.get("instanceClass") is None:
        return 0.0
    storage = GP3_GB * float(inputs.get("allocatedStorage") or 0)
    return _copies(inputs) * (HOURS * _class(inputs["instanceClass"]) + storage)


def _cluster_instance(inputs: Inputs) -> float:
    # Serverless instances are paid with their cluster, at its least capacity.
    return 0.0 if inputs["instanceClass"] == "db.serverless" else HOURS * _class(inputs["instanceClass"])


def _replication_instance(inputs: Inputs) -> float:
    storage = DMS_GB * float(inputs.get("allocatedStorage") or 0)
    return _copies(inputs) * (HOURS * _class(inputs["replicationInstanceClass"]) + storage)


def _endpoint(inputs: Inputs) -> float:
    return HOURS * 0.01 * len(inputs.get("subnetIds") or []) if inputs.get("vpcEndpointType") == "Interface" else 0.0


PRICES: dict[str, tuple[str, float | Callable[[Inputs], float]]] = {
    "aws:rds/instance:Instance": ("RDS instance", _instance),
    "aws:rds/clusterInstance:ClusterInstance": ("Aurora instance", _cluster_instance),
    "aws:dms/replicationInstance:ReplicationInstance": ("DMS instance", _replication_instance),
    "aws:ec2/natGateway:NatGateway": ("NAT gateway", HOURS * 0.045),
    "aws:ec2/eip:Eip": ("public IPv4 address", HOURS * 0.005),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("interface endpoint", _endpoint),
    "aws:ec2/vpnConnection:VpnConnection": ("VPN connection", HOURS * 0.05),
    "aws:lb/loadBalancer:LoadBalancer": ("load balancer", HOURS * 0.0225),
    "aws:kms/key:Key": ("key", 1.0),
    "aws:secretsmanager/secret:Secret": ("secret", SECRET),
    "aws:route53/zone:Zone": ("hosted zone", 0.50),
    "aws:route53/healthCheck:HealthCheck": ("health check", 2.0),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("alarm", 0.10),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": ("composite alarm", 0.50),
    "aws:cloudwatch/dashboard:Dashboard": ("dashboard", 3.0),
}
"""Name and monthly price of one resource, by type."""
TASK_CPU, TASK_GB = 0.04048, 0.004445
"""Fargate's price of a vCPU's and a GB's hour."""


def estimate(resources: Iterable[tuple[str, str, Inputs]]) -> list[Item]:
    """Return what each kind of resource costs, the dearest first.

    `resources` are (type, name, inputs) with the provider's property names. Raises UnknownPriceError.
    """
    found: dict[str, list[float]] = {}
    known = list(resources)
    for kind, _, inputs in known:
        if kind in PRICES:
            what, price = PRICES[kind]
            found.setdefault(what, []).append(price(inputs) if callable(price) else price)
    managed = [i for kind, _, i in known if kind.startswith("aws:rds/") and i.get("manageMasterUserPassword")]
    found.setdefault("secret", []).extend([SECRET] * len(managed))  # RDS makes it, and no program declares it
    _add(found, "Aurora capacity", _aurora(known))
    _add(found, "Fargate task", _fargate(known))
    items = [Item(what, len(prices), round(sum(prices), 2)) for what, prices in found.items() if sum(prices)]
    return sorted(items, key=lambda item: -item.dollars)


def total(items: Iterable[Item]) -> float:
    """Return US dollars a month of all items."""
    return round(sum(item.dollars for item in items), 2)


def _add(found: dict[str, list[float]], what: str, prices: list[float]) -> None:
    if prices:
        found[what] = prices


def _aurora(known: list[tuple[str, str, Inputs]]) -> list[float]:
    """Return the least price of every serverless instance: its cluster's least capacity."""
    clusters = [i for kind, _, i in known if kind == "aws:rds/cluster:Cluster"]
    serverless = [
        i for kind, _, i in known if kind.endswith(":ClusterInstance") and i["instanceClass"] == "db.serverless"
    ]
    scaling = {c["clusterIdentifier"]: c.get("serverlessv2ScalingConfiguration") or {} for c in clusters}
    return [HOURS * CAPACITY_UNIT * float(scaling[i["clusterIdentifier"]]["minCapacity"]) for i in serverless]


def _fargate(known: list[tuple[str, str, Inputs]]) -> list[float]:
    """Return the price of the tasks services begin with; a service is taken to run the definition of its own stack."""
    definitions = [i for kind, _, i in known if kind == "aws:ecs/taskDefinition:TaskDefinition"]
    services = [i for kind, _, i in known if kind == "aws:ecs/service:Service"]
    prices = []
    for definition, service in zip(definitions, services, strict=True):
        one = TASK_CPU * float(definition["cpu"]) / 1024 + TASK_GB * float(definition["memory"]) / 1024
        prices += [HOURS * one] * int(service.get("desiredCount") or 1)
    return prices
