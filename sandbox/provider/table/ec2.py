"""The network: EC2."""

from typing import Any

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import UNKNOWN, Json

TAGGING = Tagging("create_tags", "delete_tags", {"Resources": ["$id"]}, keys="Tags")


def arn(kind: str) -> Any:
    """Return an output: the ARN of an EC2 resource of this kind."""
    return lambda api, resource, _: f"arn:aws:ec2:{api.region}:{api.account}:{kind}/{resource.id}"


def _no_rules(api: Api, group: Resource) -> None:
    """Take every rule off a group, as the real provider does: AWS gives a new one a rule for all egress."""
    found = api.call("ec2", "describe_security_groups", GroupIds=[group.id])["SecurityGroups"][0]
    for direction, rules in (("ingress", found["IpPermissions"]), ("egress", found["IpPermissionsEgress"])):
        if rules:
            api.call("ec2", f"revoke_security_group_{direction}", GroupId=group.id, IpPermissions=rules)


def _detach(api: Api, gateway: Resource) -> None:
    if gateway.inputs.get("vpcId"):
        api.call("ec2", "detach_internet_gateway", InternetGatewayId=gateway.id, VpcId=gateway.inputs["vpcId"])


def _permission(request: Json, rule: Resource) -> Json:
    """Write a rule's flat properties as the nested permission that EC2 takes."""
    inputs = rule.inputs
    text = {"Description": inputs["description"]} if inputs.get("description") else {}
    permission: Json = {"IpProtocol": inputs.get("ipProtocol")}
    for prop, name in (("fromPort", "FromPort"), ("toPort", "ToPort")):
        if inputs.get(prop) is not None:
            permission[name] = inputs[prop] if inputs[prop] == UNKNOWN else int(inputs[prop])
    if inputs.get("cidrIpv4"):
        permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **text}]
    if inputs.get("referencedSecurityGroupId"):
        permission["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"], **text}]
    return {**request, "IpPermissions": [permission]}


def _endpoint_change(api: Api, endpoint: Resource, old: Json, changed: set[str]) -> set[str]:
    """Add and remove what changed in an endpoint's lists."""
    lists = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}
    request: Json = {}
    for prop, name in lists.items():
        before, after = set(old.get(prop) or ()), set(endpoint.inputs.get(prop) or ())
        if after - before:
            request[f"Add{name}"] = sorted(after - before)
        if before - after:
            request[f"Remove{name}"] = sorted(before - after)
    if request:
        api.call("ec2", "modify_vpc_endpoint", VpcEndpointId=endpoint.id, **request)
    return changed & lists.keys()


def _rule(direction: str, title: str) -> Entry:
    return Entry(
        type=f"aws:vpc/securityGroup{title}Rule:SecurityGroup{title}Rule",
        service="ec2",
        create=Call(f"authorize_security_group_{direction}", {"GroupId": "$securityGroupId"}),
        prepare=_permission,
        read=Reading(
            Call("describe_security_group_rules", {"SecurityGroupRuleIds": ["$id"]}),
            "SecurityGroupRules[0]",
            ("InvalidSecurityGroupRuleId.NotFound",),
        ),
        delete=Call(
            f"revoke_security_group_{direction}", {"GroupId": "$securityGroupId", "SecurityGroupRuleIds": ["$id"]}
        ),
        id="SecurityGroupRules[0].SecurityGroupRuleId",
        outputs={"securityGroupRuleId": "SecurityGroupRuleId", "arn": arn("security-group-rule")},
        local=frozenset(
            {
                "securityGroupId",
                "ipProtocol",
                "fromPort",
                "toPort",
                "cidrIpv4",
                "referencedSecurityGroupId",
                "description",
            }
        ),
        replace=frozenset(
            {
                "securityGroupId",
                "ipProtocol",
                "fromPort",
                "toPort",
                "cidrIpv4",
                "referencedSecurityGroupId",
                "description",
            }
        ),
        tags="security-group-rule",
        tagging=TAGGING,
    )


ENTRIES = (
    Entry(
        type="aws:ec2/vpc:Vpc",
        service="ec2",
        create=Call("create_vpc"),
        also=(
            Call("modify_vpc_attribute", {"VpcId": "$id"}, only=("enableDnsSupport",)),
            Call("modify_vpc_attribute", {"VpcId": "$id"}, only=("enableDnsHostnames",)),
        ),
        read=Reading(Call("describe_vpcs", {"VpcIds": ["$id"]}), "Vpcs[0]", ("InvalidVpcID.NotFound",)),
        delete=Call("delete_vpc", {"VpcId": "$id"}),
        id="Vpc.VpcId",
        outputs={"arn": arn("vpc"), "ownerId": "OwnerId"},
        replace=frozenset({"cidrBlock", "instanceTenancy"}),
        tags="vpc",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/subnet:Subnet",
        service="ec2",
        create=Call("create_subnet"),
        also=(Call("modify_subnet_attribute", {"SubnetId": "$id"}, only=("mapPublicIpOnLaunch",)),),
        read=Reading(Call("describe_subnets", {"SubnetIds": ["$id"]}), "Subnets[0]", ("InvalidSubnetID.NotFound",)),
        delete=Call("delete_subnet", {"SubnetId": "$id"}),
        id="Subnet.SubnetId",
        outputs={"arn": arn("subnet")},
        replace=frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
        tags="subnet",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/internetGateway:InternetGateway",
        service="ec2",
        create=Call("create_internet_gateway"),
        also=(Call("attach_internet_gateway", {"InternetGatewayId": "$id"}, only=("vpcId",)),),
        read=Reading(
            Call("describe_internet_gateways", {"InternetGatewayIds": ["$id"]}),
            "InternetGateways[0]",
            ("InvalidInternetGatewayID.NotFound",),
        ),
        before_delete=_detach,
        delete=Call("delete_internet_gateway", {"InternetGatewayId": "$id"}),
        id="InternetGateway.InternetGatewayId",
        outputs={"arn": arn("internet-gateway")},
        replace=frozenset({"vpcId"}),
        tags="internet-gateway",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/eip:Eip",
        service="ec2",
        create=Call("allocate_address"),
        read=Reading(
            Call("describe_addresses", {"AllocationIds": ["$id"]}), "Addresses[0]", ("InvalidAllocationID.NotFound",)
        ),
        delete=Call("release_address", {"AllocationId": "$id"}),
        id="AllocationId",
        outputs={"allocationId": "AllocationId", "publicIp": "PublicIp", "arn": arn("elastic-ip")},
        replace=frozenset({"domain"}),
        tags="elastic-ip",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/natGateway:NatGateway",
        service="ec2",
        create=Call("create_nat_gateway"),
        read=Reading(
            Call("describe_nat_gateways", {"NatGatewayIds": ["$id"]}),
            "NatGateways[?State!='deleted'] | [0]",
            ("NatGatewayNotFound", "InvalidNatGatewayID.NotFound"),
        ),
        ready="State == 'available'",
        delete=Call("delete_nat_gateway", {"NatGatewayId": "$id"}),
        wait_gone=True,
        id="NatGateway.NatGatewayId",
        outputs={"publicIp": "NatGatewayAddresses[0].PublicIp"},
        replace=frozenset({"subnetId", "allocationId"}),
        tags="natgateway",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/routeTable:RouteTable",
        service="ec2",
        create=Call("create_route_table"),
        read=Reading(
            Call("describe_route_tables", {"RouteTableIds": ["$id"]}),
            "RouteTables[0]",
            ("InvalidRouteTableID.NotFound",),
        ),
        delete=Call("delete_route_table", {"RouteTableId": "$id"}),
        id="RouteTable.RouteTableId",
        outputs={"arn": arn("route-table")},
        replace=frozenset({"vpcId"}),
        tags="route-table",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/route:Route",
        service="ec2",
        create=Call("create_route"),
        read=Reading(
            Call("describe_route_tables", {"RouteTableIds": ["$routeTableId"]}),
            "RouteTables[0].Routes[?DestinationCidrBlock==<destinationCidrBlock>] | [0]",
            ("InvalidRouteTableID.NotFound",),
        ),
        update=Call("replace_route"),
        delete=Call("delete_route", {"RouteTableId": "$routeTableId", "DestinationCidrBlock": "$destinationCidrBlock"}),
        id="{routeTableId}_{destinationCidrBlock}",
        outputs={"state": "State"},
        replace=frozenset({"routeTableId", "destinationCidrBlock"}),
    ),
    Entry(
        type="aws:ec2/routeTableAssociation:RouteTableAssociation",
        service="ec2",
        create=Call("associate_route_table"),
        read=Reading(
            Call("describe_route_tables", {"RouteTableIds": ["$routeTableId"]}),
            "RouteTables[0].Associations[?RouteTableAssociationId==<id>] | [0]",
            ("InvalidRouteTableID.NotFound",),
        ),
        delete=Call("disassociate_route_table", {"AssociationId": "$id"}),
        id="AssociationId",
        replace=frozenset({"subnetId", "routeTableId"}),
    ),
    Entry(
        type="aws:ec2/securityGroup:SecurityGroup",
        service="ec2",
        create=Call("create_security_group", renames={"name": "GroupName"}),
        after=_no_rules,
        read=Reading(
            Call("describe_security_groups", {"GroupIds": ["$id"]}), "SecurityGroups[0]", ("InvalidGroup.NotFound",)
        ),
        delete=Call("delete_security_group", {"GroupId": "$id"}),
        id="GroupId",
        outputs={"arn": arn("security-group"), "ownerId": "OwnerId"},
        replace=frozenset({"name", "description", "vpcId"}),
        name="name",
        tags="security-group",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        service="ec2",
        create=Call(
            "describe_security_groups",
            {
                "Filters": [
                    {"Name": "vpc-id", "Values": ["$vpcId"]},
                    {"Name": "group-name", "Values": ["default"]},
                ]
            },
        ),
        after=_no_rules,
        read=Reading(
            Call("describe_security_groups", {"GroupIds": ["$id"]}), "SecurityGroups[0]", ("InvalidGroup.NotFound",)
        ),
        delete=None,  # it goes with its VPC
        id="SecurityGroups[0].GroupId",
        outputs={"arn": arn("security-group")},
        replace=frozenset({"vpcId"}),
        local=frozenset({"vpcId"}),
        tagging=TAGGING,
    ),
    _rule("ingress", "Ingress"),
    _rule("egress", "Egress"),
    Entry(
        type="aws:ec2/vpcEndpoint:VpcEndpoint",
        service="ec2",
        create=Call("create_vpc_endpoint"),
        change=_endpoint_change,
        read=Reading(
            Call("describe_vpc_endpoints", {"VpcEndpointIds": ["$id"]}),
            "VpcEndpoints[?State!='deleted'] | [0]",
            ("InvalidVpcEndpointId.NotFound",),
        ),
        delete=Call("delete_vpc_endpoints", {"VpcEndpointIds": ["$id"]}),
        id="VpcEndpoint.VpcEndpointId",
        outputs={"arn": arn("vpc-endpoint"), "state": "State"},
        replace=frozenset({"vpcId", "serviceName", "serviceRegion", "vpcEndpointType", "privateDnsEnabled"}),
        tags="vpc-endpoint",
        tagging=TAGGING,
    ),
    Entry(
        type="aws:ec2/flowLog:FlowLog",
        service="ec2",
        create=Call(
            "create_flow_logs",
            {"ResourceIds": ["$vpcId"], "ResourceType": "VPC"},
            renames={"iamRoleArn": "DeliverLogsPermissionArn"},
        ),
        read=Reading(Call("describe_flow_logs", {"FlowLogIds": ["$id"]}), "FlowLogs[0]"),
        delete=Call("delete_flow_logs", {"FlowLogIds": ["$id"]}),
        id="FlowLogIds[0]",
        outputs={"arn": arn("vpc-flow-log")},
        local=frozenset({"vpcId"}),
        replace=frozenset({"vpcId", "trafficType", "logDestinationType", "logDestination", "iamRoleArn"}),
        tags="vpc-flow-log",
        tagging=TAGGING,
        truth="no traffic flows, so none is logged",
    ),
)
