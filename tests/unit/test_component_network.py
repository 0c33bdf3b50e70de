import pulumi_aws as aws
import pytest

from components import MigrationNetwork, MigrationNetworkArgs
from components.checks import ArgumentError
from components.migration_network import subnet_blocks
from tests.support.pulumi_mocks import Recorder, deploy

ARGS: MigrationNetworkArgs = {
    "cidr_block": "10.20.0.0/16",
    "availability_zones": ["us-east-1a", "us-east-1b"],
    "region": "us-east-1",
    "database_port": 5432,
    "source_port": 5433,
    "on_premises_cidr_blocks": ["192.168.0.0/16"],
    "kms_key_arn": "arn:key",
    "tags": {"Environment": "unit"},
}


def network(**changes: object) -> Recorder:
    return deploy(lambda: MigrationNetwork("net", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def test_children_are_exactly_these() -> None:
    assert network().kinds() == {
        "net-vpc": "aws:ec2/vpc:Vpc",
        "net-default-security-group": "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        **{
            f"net-{tier}-{number}": "aws:ec2/subnet:Subnet"
            for tier in ("public", "application", "database")
            for number in (1, 2)
        },
        **{
            f"net-{tier}-{number}-routes": "aws:ec2/routeTableAssociation:RouteTableAssociation"
            for tier in ("public", "application", "database")
            for number in (1, 2)
        },
        **{f"net-{tier}-routes": "aws:ec2/routeTable:RouteTable" for tier in ("public", "application", "database")},
        "net-internet-gateway": "aws:ec2/internetGateway:InternetGateway",
        "net-nat-address-1": "aws:ec2/eip:Eip",
        "net-nat-1": "aws:ec2/natGateway:NatGateway",
        "net-public-internet": "aws:ec2/route:Route",
        "net-application-nat-1": "aws:ec2/route:Route",
        **{
            f"net-{group}": "aws:ec2/securityGroup:SecurityGroup"
            for group in ("database", "application", "replication", "function")
        },
        **{
            f"net-database-from-{peer}": "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
            for peer in ("application", "replication", "function", "on-premises-1")
        },
        **{
            f"net-{rule}": "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
            for rule in (
                "application-to-database",
                "replication-to-database",
                "replication-to-services",
                "replication-to-on-premises-1",
                "function-to-database",
                "function-to-services",
                "function-to-on-premises-1",
            )
        },
        "net-s3-endpoint": "aws:ec2/vpcEndpoint:VpcEndpoint",
        "net-dynamodb-endpoint": "aws:ec2/vpcEndpoint:VpcEndpoint",
        "net-flow-logs": "aws:cloudwatch/logGroup:LogGroup",
        "net-flow-logs-role": "aws:iam/role:Role",
        "net-flow-logs-policy": "aws:iam/rolePolicy:RolePolicy",
        "net-flow-log": "aws:ec2/flowLog:FlowLog",
    }


def test_every_child_hangs_under_the_component_and_carries_the_tags() -> None:
    recorder = network()
    assert {parent for name, parent in recorder.parents().items() if name != "net"} == {"net"}
    assert recorder.named("net-vpc").inputs["tags"] == {"Environment": "unit", "Name": "net-vpc"}


def test_tiers_lie_sixteen_blocks_apart() -> None:
    assert subnet_blocks("10.20.0.0/16", 2) == {
        "public": ["10.20.0.0/24", "10.20.1.0/24"],
        "application": ["10.20.16.0/24", "10.20.17.0/24"],
        "database": ["10.20.32.0/24", "10.20.33.0/24"],
    }


def test_subnets_are_spread_over_the_zones_and_give_out_no_public_address() -> None:
    subnets = network().of("aws:ec2/subnet:Subnet")
    assert subnets["net-database-2"]["availabilityZone"] == "us-east-1b"
    assert subnets["net-database-2"]["cidrBlock"] == "10.20.33.0/24"
    assert not any(subnet["mapPublicIpOnLaunch"] for subnet in subnets.values())


def test_the_database_tier_has_no_route_outside() -> None:
    routes = network().of("aws:ec2/route:Route")
    assert {route["routeTableId"] for route in routes.values()} == {"net-public-routes-id", "net-application-routes-id"}


def test_the_database_is_reached_on_its_port_and_nothing_else() -> None:
    rules = network().of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert {(r["securityGroupId"], r["fromPort"], r["toPort"], r["ipProtocol"]) for r in rules.values()} == {
        ("net-database-id", 5432, 5432, "tcp")
    }
    assert rules["net-database-from-on-premises-1"]["cidrIpv4"] == "192.168.0.0/16"
    assert rules["net-database-from-function"]["referencedSecurityGroupId"] == "net-function-id"


def test_the_database_may_reach_nothing() -> None:
    rules = network().of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert "net-database-id" not in {rule["securityGroupId"] for rule in rules.values()}
    assert rules["net-function-to-on-premises-1"]["fromPort"] == 5433


def test_groups_are_born_without_rules() -> None:
    for group in network().of("aws:ec2/securityGroup:SecurityGroup").values():
        assert "ingress" not in group
        assert "egress" not in group


@pytest.mark.parametrize(("nat", "gateways", "tables"), [("none", 0, 2), ("one", 1, 3), ("per_zone", 2, 4)])
def test_nat_gateways(nat: str, gateways: int, tables: int) -> None:
    recorder = network(nat=nat)
    assert len(recorder.of("aws:ec2/natGateway:NatGateway")) == gateways
    assert len(recorder.of("aws:ec2/routeTable:RouteTable")) == tables
    routes = [r for r in recorder.of("aws:ec2/route:Route").values() if "natGatewayId" in r]
    assert len({route["natGatewayId"] for route in routes}) == gateways


def test_who_starts_in_a_subnet_waits_for_its_way_out() -> None:
    def program() -> None:
        made = MigrationNetwork("net", {**ARGS, "nat": "per_zone"})
        for tier in ("public", "application", "database"):
            ids = getattr(made, f"{tier}_subnet_ids")
            aws.rds.SubnetGroup(f"in-{tier}", subnet_ids=ids)

    recorder = deploy(program)
    routes = set(recorder.of("aws:ec2/route:Route"))
    assert recorder.named("in-public").depends_on & routes == {"net-public-internet"}
    assert recorder.named("in-application").depends_on & routes == {"net-application-nat-1", "net-application-nat-2"}
    assert not recorder.named("in-database").depends_on & routes
    assert recorder.named("in-public").inputs["subnetIds"] == ["net-public-1-id", "net-public-2-id"]


def test_a_network_without_nat_has_no_way_out() -> None:
    recorder = network(nat="none")
    assert not recorder.of("aws:ec2/internetGateway:InternetGateway")
    assert not recorder.of("aws:ec2/route:Route")
    assert {s["tags"]["Tier"] for s in recorder.of("aws:ec2/subnet:Subnet").values()} == {"application", "database"}
    assert (
        recorder.named("net-application-1").inputs["cidrBlock"]
        == network().named("net-application-1").inputs["cidrBlock"]
    )
    assert recorder.named("net-function-to-services").inputs["cidrIpv4"] == "10.20.0.0/16"
    assert network().named("net-function-to-services").inputs["cidrIpv4"] == "0.0.0.0/0"
    assert recorder.outputs["net"]["public_subnet_ids"] == []


def test_interface_endpoints_may_be_in_some_zones_only() -> None:
    args = {"interface_endpoints": ["logs"]}
    every, one = network(**args), network(**args, endpoint_zones=1)
    assert every.named("net-logs-endpoint").inputs["subnetIds"] == ["net-application-1-id", "net-application-2-id"]
    assert one.named("net-logs-endpoint").inputs["subnetIds"] == ["net-application-1-id"]


def test_interface_endpoints_are_private_and_reached_from_the_vpc_only() -> None:
    recorder = network(interface_endpoints=["secretsmanager"])
    endpoint = recorder.named("net-secretsmanager-endpoint").inputs
    assert endpoint["serviceName"] == "com.amazonaws.us-east-1.secretsmanager"
    assert endpoint["privateDnsEnabled"] is True
    assert endpoint["securityGroupIds"] == ["net-endpoints-id"]
    assert recorder.named("net-endpoints-from-vpc").inputs["cidrIpv4"] == "10.20.0.0/16"


def test_gateway_endpoints_serve_the_private_tables() -> None:
    endpoint = network().named("net-s3-endpoint").inputs
    assert endpoint["routeTableIds"] == ["net-database-routes-id", "net-application-routes-id"]


def test_flow_logs_are_encrypted_and_can_be_left_out() -> None:
    assert network().named("net-flow-logs").inputs["kmsKeyId"] == "arn:key"
    assert not network(flow_logs=False).of("aws:ec2/flowLog:FlowLog")


def test_outputs_name_every_tier_and_group() -> None:
    assert network().outputs["net"] == {
        "vpc_id": "net-vpc-id",
        **{
            f"{tier}_subnet_ids": [f"net-{tier}-1-id", f"net-{tier}-2-id"]
            for tier in ("public", "application", "database")
        },
        "private_route_table_ids": {
            "database": "net-database-routes-id",
            "application": "net-application-routes-id",
        },
        **{
            f"{group}_security_group_id": f"net-{group}-id"
            for group in ("database", "application", "replication", "function")
        },
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nat": "two"}, "nat is 'two': write one of none, one, per_zone"),
        ({"availability_zones": ["a"]}, "number of availability_zones is 1: write a number from 2 to 6"),
        ({"cidr_block": "10.0.0.0/33"}, "cidr_block is '10.0.0.0/33', no IPv4 block"),
        ({"cidr_block": "10.0.0.0/24"}, "write a block from /16 to /18"),
        ({"database_port": 80}, "database_port is 80: write a number from 1150 to 65535"),
        ({"database_port": 5432.5}, "database_port is 5432.5: write a whole number"),
        ({"on_premises_cidr_blocks": ["x"]}, r"on_premises_cidr_blocks\[0\] is 'x'"),
    ],
)
def test_bad_arguments_are_named_with_their_value_and_the_remedy(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        network(**changes)
