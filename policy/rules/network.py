"""Rules about networks, load balancers and containers."""

import json
from collections.abc import Iterator, Sequence

from policy.rule import Level, Resource, Rule, StackRule, attached, given, is_off, is_true, of, plain, read, wants

VPC, DEFAULT_GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
FLOW_LOG, VPN = "aws:ec2/flowLog:FlowLog", "aws:ec2/vpnConnection:VpnConnection"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
BALANCER, LISTENER = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
WORLD = ("0.0.0.0/0", "::/0")
WEB = (80, 443)


def _closed(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    groups = of(resources, DEFAULT_GROUP)
    for vpc in of(resources, VPC):
        if not attached(groups, vpc):
            yield vpc, "its default security group is open: declare a DefaultSecurityGroup without rules"
    for group in groups:
        if read(group.props, "ingress") or read(group.props, "egress"):
            yield group, "the default group has rules: take them out, and use groups with a purpose"


def _flows(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for vpc in of(resources, VPC):
        if not attached(of(resources, FLOW_LOG), vpc):
            yield vpc, "no flow log: write network.flowLogs true"


def _ingress(resource: Resource) -> Iterator[str]:
    blocks = [read(resource.props, key) for key in ("cidrIpv4", "cidrIpv6")]
    if any(block in WORLD for block in blocks):
        first, last = read(resource.props, "fromPort"), read(resource.props, "toPort")
        if first not in WEB or first != last:
            yield f"the world may come in by ports {first} to {last}: name the blocks that have to, or ports 80 and 443"


def _tunnels(resource: Resource) -> Iterator[str]:
    for number in (1, 2):
        options = read(resource.props, f"tunnel{number}LogOptions.cloudwatchLogOptions")
        if options is None or not read(options, "logEnabled"):
            yield f"tunnel{number}LogOptions keeps no log: enable it, with a log group"


def _redirects(resource: Resource) -> Iterator[str]:
    actions = plain(read(resource.props, "defaultActions") or [])
    if read(resource.props, "protocol") == "HTTP" and any(action.get("type") != "redirect" for action in actions):
        yield "protocol HTTP is answered: redirect it to HTTPS"


def _containers(resource: Resource) -> Iterator[str]:
    for container in json.loads(read(resource.props, "containerDefinitions") or "[]"):
        if not container.get("readonlyRootFilesystem"):
            yield f"container {container.get('name')} may write to its disk: set readonlyRootFilesystem"
        if container.get("privileged"):
            yield f"container {container.get('name')} is privileged: it needs no such right"


RULES = (
    StackRule(*("EC2.2", "default-group", "Default groups let nothing through", Level.HIGH, (VPC,)), _closed),
    StackRule(*("EC2.6", "flow-logs", "What flows in a network is logged", Level.MEDIUM, (VPC,)), _flows),
    Rule(
        *("EC2.15", "no-public-address", "Nothing gets a public address by itself", Level.HIGH),
        ("aws:ec2/subnet:Subnet",),
        wants("mapPublicIpOnLaunch", is_off, "leave it out"),
    ),
    Rule(*("EC2.18", "ingress", "The world comes in by web ports alone", Level.CRITICAL, (INGRESS,)), _ingress),
    Rule(*("EC2.171", "tunnel-logs", "Both tunnels of a VPN keep a log", Level.MEDIUM, (VPN,)), _tunnels),
    Rule(*("ELB.1", "https", "HTTP is redirected to HTTPS", Level.HIGH, (LISTENER,)), _redirects),
    Rule(
        *("ELB.4", "valid-headers", "Load balancers drop invalid headers", Level.MEDIUM, (BALANCER,)),
        wants("dropInvalidHeaderFields", is_true, "set it"),
    ),
    Rule(
        *("ELB.5", "access-logs", "Load balancers log who came", Level.MEDIUM, (BALANCER,)),
        wants("accessLogs.enabled", is_true, "set it, with a bucket"),
    ),
    Rule(
        *("ELB.6", "deletion-protection", "Load balancers can't be deleted by mistake", Level.MEDIUM, (BALANCER,)),
        wants("enableDeletionProtection", is_true, "write application.deletionProtection true"),
    ),
    Rule(*("ECS.5", "read-only", "Containers can't change what they run", Level.MEDIUM, (TASK,)), _containers),
    Rule(
        *("ECS.12", "insights", "Clusters keep their containers' figures", Level.MEDIUM, ("aws:ecs/cluster:Cluster",)),
        wants("settings", given, "set containerInsights"),
    ),
    Rule(
        *("ECS.2", "no-public-address", "Containers have no public address", Level.HIGH, ("aws:ecs/service:Service",)),
        wants("networkConfiguration.assignPublicIp", is_off, "leave it out"),
    ),
)
