"""What spreads requests: Elastic Load Balancing."""

from collections.abc import Callable
from typing import Any

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import UNKNOWN, Json, as_declared

SERVICE = "elbv2"
TAGGING = Tagging("add_tags", "remove_tags", {"ResourceArns": ["$id"]})
ATTRIBUTES = {
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "enableDeletionProtection": "deletion_protection.enabled",
}
HEALTH = {
    "enabled": "HealthCheckEnabled",
    "protocol": "HealthCheckProtocol",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "interval": "HealthCheckIntervalSeconds",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthyThreshold": "HealthyThresholdCount",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
DELAY = "deregistration_delay.timeout_seconds"
ACTIONS = {"defaultActions.redirect": "RedirectConfig", "defaultActions": "DefaultActions"}


def suffix(mark: str) -> Callable[[Api, Resource, Any], str]:
    """Return an output: what follows `mark` in the ARN, by which CloudWatch names it."""
    return lambda _api, resource, _found: resource.id.split(mark, maxsplit=1)[-1]


def _balancer(request: Json, balancer: Resource) -> Json:
    return {**request, "Scheme": "internal" if balancer.inputs.get("internal") else "internet-facing"}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _balancer_attributes(api: Api, balancer: Resource) -> None:
    """Set what a load balancer takes as attributes only."""
    inputs = balancer.inputs
    wanted = {name: _word(inputs[prop]) for prop, name in ATTRIBUTES.items() if inputs.get(prop) is not None}
    logs = inputs.get("accessLogs")
    if logs:
        wanted |= {f"access_logs.s3.{key}": _word(value) for key, value in logs.items() if value is not None}
    listed = [{"Key": key, "Value": value} for key, value in wanted.items()]
    api.call(SERVICE, "modify_load_balancer_attributes", LoadBalancerArn=balancer.id, Attributes=listed)


def _balancer_change(api: Api, balancer: Resource, _old: Json, changed: set[str]) -> set[str]:
    mine = changed & {*ATTRIBUTES, "accessLogs"}
    if mine:
        _balancer_attributes(api, balancer)
    if "securityGroups" in changed:
        groups = balancer.inputs["securityGroups"]
        api.call(SERVICE, "set_security_groups", LoadBalancerArn=balancer.id, SecurityGroups=groups)
    return mine | (changed & {"securityGroups"})


def _health(request: Json, group: Resource) -> Json:
    """Write a target group's health check as flat members, as the API has them."""
    check = group.inputs.get("healthCheck") or {}
    if check == UNKNOWN:
        return request
    request |= {name: check[prop] for prop, name in HEALTH.items() if check.get(prop) is not None}
    return request | ({"Matcher": {"HttpCode": str(check["matcher"])}} if check.get("matcher") else {})


def _find_group(group: Resource, answer: Any) -> Any:
    live = answer["TargetGroups"][0]
    there = {prop: live.get(name) for prop, name in HEALTH.items()}
    there["matcher"] = live.get("Matcher", {}).get("HttpCode")
    declared = group.inputs.get("healthCheck")
    return {**live, "=healthCheck": as_declared(declared, declared, there)}


def _delay(api: Api, group: Resource) -> None:
    seconds = group.inputs.get("deregistrationDelay")
    if seconds is not None:
        listed = [{"Key": DELAY, "Value": str(seconds)}]
        api.call(SERVICE, "modify_target_group_attributes", TargetGroupArn=group.id, Attributes=listed)


def _group_change(api: Api, group: Resource, _old: Json, changed: set[str]) -> set[str]:
    if "deregistrationDelay" in changed:
        _delay(api, group)
    return changed & {"deregistrationDelay"}


def _certificate(request: Json, listener: Resource) -> Json:
    arn = listener.inputs.get("certificateArn")
    return {**request, "Certificates": [{"CertificateArn": arn}]} if arn else request


ENTRIES = (
    Entry(
        type="aws:lb/loadBalancer:LoadBalancer",
        service=SERVICE,
        create=Call("create_load_balancer", renames={"loadBalancerType": "Type"}),
        prepare=_balancer,
        after=_balancer_attributes,
        change=_balancer_change,
        read=Reading(
            Call("describe_load_balancers", {"LoadBalancerArns": ["$id"]}),
            "LoadBalancers[0]",
            ("LoadBalancerNotFound",),
        ),
        ready="State.Code == 'active'",
        delete=Call("delete_load_balancer", {"LoadBalancerArn": "$id"}),
        wait_gone=True,
        id="LoadBalancers[0].LoadBalancerArn",
        outputs={
            "arn": "LoadBalancerArn",
            "arnSuffix": suffix("loadbalancer/"),
            "dnsName": "DNSName",
            "zoneId": "CanonicalHostedZoneId",
            "vpcId": "VpcId",
        },
        replace=frozenset({"name", "internal", "loadBalancerType", "subnets"}),
        local=frozenset({"internal", "accessLogs", *ATTRIBUTES}),
        name="name",
        name_limit=32,
        tagging=TAGGING,
        truth="nobody listens there, no request is logged, and a refresh does not look at its attributes",
    ),
    Entry(
        type="aws:lb/targetGroup:TargetGroup",
        service=SERVICE,
        create=Call("create_target_group"),
        update=Call("modify_target_group", {"TargetGroupArn": "$id"}),
        prepare=_health,
        after=_delay,
        change=_group_change,
        read=Reading(
            Call("describe_target_groups", {"TargetGroupArns": ["$id"]}),
            pick=_find_group,
            gone=("TargetGroupNotFound",),
        ),
        delete=Call("delete_target_group", {"TargetGroupArn": "$id"}),
        id="TargetGroups[0].TargetGroupArn",
        outputs={
            "arn": "TargetGroupArn",
            "arnSuffix": lambda _api, group, _: "targetgroup/" + group.id.split("targetgroup/", maxsplit=1)[-1],
        },
        replace=frozenset({"name", "port", "protocol", "targetType", "vpcId"}),
        local=frozenset({"healthCheck", "deregistrationDelay"}),
        name="name",
        name_limit=32,
        tagging=TAGGING,
        truth="no target is ever asked for its health",
    ),
    Entry(
        type="aws:lb/listener:Listener",
        service=SERVICE,
        create=Call("create_listener", renames=ACTIONS),
        update=Call("modify_listener", {"ListenerArn": "$id"}, ACTIONS),
        prepare=_certificate,
        read=Reading(Call("describe_listeners", {"ListenerArns": ["$id"]}), "Listeners[0]", ("ListenerNotFound",)),
        delete=Call("delete_listener", {"ListenerArn": "$id"}),
        id="Listeners[0].ListenerArn",
        outputs={"arn": "ListenerArn"},
        replace=frozenset({"loadBalancerArn"}),
        local=frozenset({"certificateArn"}),
        tagging=TAGGING,
        truth="any certificate of its region will do",
    ),
)
