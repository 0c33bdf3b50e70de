"""Rules of security groups, one resource each: a rule inside a group would fight with those beside it."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

Ingress = aws.vpc.SecurityGroupIngressRule
Egress = aws.vpc.SecurityGroupEgressRule
Direction = type[Ingress | Egress]
Peer = aws.ec2.SecurityGroup | str
"""Another group, or an IPv4 block."""
ANYWHERE = "0.0.0.0/0"


def rule(
    kind: Direction,
    name: str,
    group_id: pulumi.Input[str],
    port: int,
    peer: Peer,
    *,
    description: str,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Let TCP pass `port` in or out of a group, from or to `peer`."""
    other = {"cidr_ipv4": peer} if isinstance(peer, str) else {"referenced_security_group_id": peer.id}
    kind(
        name,
        security_group_id=group_id,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=description,
        tags=dict(tags),
        opts=opts,
        **other,
    )
