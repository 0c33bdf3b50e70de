"""An application load balancer: HTTPS only, logged, with a target group that asks the application how it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import checks, security_groups
from components.security_groups import ANYWHERE, Ingress

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.2 and 1.3, forward secrecy, no CBC."""
HTTP, HTTPS = 80, 443
NAME_LIMIT = 32
LOG_PREFIX = "load-balancer"
HEALTHY_AFTER, UNHEALTHY_AFTER = 2, 3
CHECK_SECONDS, CHECK_TIMEOUT_SECONDS = 15, 5
DRAIN_SECONDS = 30


@dataclass(frozen=True)
class BalancerPlan:
    """A load balancer to declare. `name` is the resources' name; `short_name`, which is short, what AWS is told."""

    name: str
    short_name: str
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[list[str]]
    certificate_arn: pulumi.Input[str]
    log_bucket: pulumi.Input[str]
    container_port: int
    health_path: str
    deletion_protection: bool
    options: pulumi.ResourceOptions
    tags: Mapping[str, str]

    def tagged(self, name: str) -> dict[str, str]:
        """Return the tags of what is called `name`."""
        return checks.tags_for(dict(self.tags), name)


@dataclass(frozen=True)
class DeclaredBalancer:
    """A load balancer that was declared."""

    balancer: aws.lb.LoadBalancer
    target_group: aws.lb.TargetGroup
    https: aws.lb.Listener
    security_group: aws.ec2.SecurityGroup


def declare(plan: BalancerPlan) -> DeclaredBalancer:
    """Declare the load balancer, its security group, its target group and its listeners."""
    group = _security_group(plan)
    balancer = aws.lb.LoadBalancer(
        f"{plan.name}-balancer",
        name=f"{plan.short_name}-lb",
        load_balancer_type="application",
        internal=False,
        subnets=plan.subnet_ids,
        security_groups=[group.id],
        drop_invalid_header_fields=True,
        desync_mitigation_mode="defensive",
        enable_deletion_protection=plan.deletion_protection,
        access_logs={"bucket": plan.log_bucket, "prefix": LOG_PREFIX, "enabled": True},
        tags=plan.tagged(f"{plan.name}-balancer"),
        opts=plan.options,
    )
    targets = aws.lb.TargetGroup(
        f"{plan.name}-targets",
        name=f"{plan.short_name}-tg",
        vpc_id=plan.vpc_id,
        target_type="ip",
        protocol="HTTP",
        port=plan.container_port,
        deregistration_delay=DRAIN_SECONDS,
        health_check={
            "enabled": True,
            "protocol": "HTTP",
            "path": plan.health_path,
            "matcher": "200",
            "interval": CHECK_SECONDS,
            "timeout": CHECK_TIMEOUT_SECONDS,
            "healthy_threshold": HEALTHY_AFTER,
            "unhealthy_threshold": UNHEALTHY_AFTER,
        },
        tags=plan.tagged(f"{plan.name}-targets"),
        opts=plan.options,
    )
    https = aws.lb.Listener(
        f"{plan.name}-https",
        load_balancer_arn=balancer.arn,
        port=HTTPS,
        protocol="HTTPS",
        ssl_policy=TLS_POLICY,
        certificate_arn=plan.certificate_arn,
        default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
        tags=plan.tagged(f"{plan.name}-https"),
        opts=plan.options,
    )
    aws.lb.Listener(
        f"{plan.name}-http",
        load_balancer_arn=balancer.arn,
        port=HTTP,
        protocol="HTTP",
        default_actions=[
            {"type": "redirect", "redirect": {"protocol": "HTTPS", "port": str(HTTPS), "status_code": "HTTP_301"}}
        ],
        tags=plan.tagged(f"{plan.name}-http"),
        opts=plan.options,
    )
    return DeclaredBalancer(balancer, targets, https, group)


def _security_group(plan: BalancerPlan) -> aws.ec2.SecurityGroup:
    name = f"{plan.name}-balancer"
    group = aws.ec2.SecurityGroup(
        f"{name}-group",
        name=name,
        description="Load balancer of the application: reached from anywhere",
        vpc_id=plan.vpc_id,
        tags=plan.tagged(name),
        opts=plan.options,
    )
    for purpose, port in (("https", HTTPS), ("http", HTTP)):
        security_groups.rule(
            Ingress,
            f"{name}-from-anywhere-{purpose}",
            group.id,
            port,
            ANYWHERE,
            description=f"{purpose} from anywhere",
            tags=plan.tagged(f"{name}-{purpose}"),
            opts=plan.options,
        )
    return group
