"""Servers that move beside the databases, by Application Migration Service: what can be declared of it.

The service has no resources a program can declare: its settings lie in a parameter, and a function that the operator
calls applies them to the account.
"""

import json
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks, policies, security_groups, vpc_function
from components.policies import Statement, allow
from components.security_groups import ANYWHERE, Direction, Egress, Ingress

DEFAULT_INSTANCE_TYPE = "t3.small"
DEFAULT_BANDWIDTH_MBPS = 0
SETTINGS_PARAMETER = "SETTINGS_PARAMETER"
SECONDS = 60
REPLICATION_PORT = 1500
"""Where replication servers take the agents' data."""
HTTPS = 443
ROLE_PATH = "/service-role/"
REPLICATION_ROLE = "AWSApplicationMigrationReplicationServerRole"
MANAGED = "arn:aws:iam::aws:policy/"
SERVICE_ROLE = "mgn.amazonaws.com/AWSServiceRoleForApplicationMigrationService"
ROLES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "replication": (
        REPLICATION_ROLE,
        "ec2.amazonaws.com",
        ("service-role/AWSApplicationMigrationReplicationServerPolicy",),
    ),
    "conversion": (
        "AWSApplicationMigrationConversionServerRole",
        "ec2.amazonaws.com",
        ("service-role/AWSApplicationMigrationConversionServerPolicy",),
    ),
    "hub": ("AWSApplicationMigrationMGHRole", "mgn.amazonaws.com", ("service-role/AWSApplicationMigrationMGHAccess",)),
    "launch-drs": (
        "AWSApplicationMigrationLaunchInstanceWithDrsRole",
        "ec2.amazonaws.com",
        ("AmazonSSMManagedInstanceCore", "service-role/AWSElasticDisasterRecoveryEc2InstancePolicy"),
    ),
    "launch-ssm": (
        "AWSApplicationMigrationLaunchInstanceWithSsmRole",
        "ec2.amazonaws.com",
        ("AmazonSSMManagedInstanceCore",),
    ),
    "agent": (
        "AWSApplicationMigrationAgentRole",
        "mgn.amazonaws.com",
        ("service-role/AWSApplicationMigrationAgentPolicy_v2",),
    ),
}
"""The roles the service looks for under these names: who takes them on, and the managed policies they carry."""


class ServerMigrationArgs(TypedDict):
    """What ServerMigration needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits."""
    region: pulumi.Input[str]
    """AWS region."""
    parameter_path: str
    """Path of the settings parameter, for example /migration/dev."""
    vpc_id: pulumi.Input[str]
    """VPC of the replication servers."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of the function; the first is the staging area's. AWS must be reachable from them."""
    source_cidr_blocks: list[str]
    """IPv4 blocks of the servers that move."""
    function_security_group_id: pulumi.Input[str]
    """Security group of the function."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts environment, logs and topic."""
    topic_arn: pulumi.Input[str]
    """Topic that is told of a call the function could not take."""
    instance_type: NotRequired[str]
    """Type of the replication servers. Default t3.small."""
    bandwidth_mbps: NotRequired[int]
    """Most a server may send, in megabits per second; 0 for no limit. Default 0."""
    create_account_roles: NotRequired[bool]
    """Make the roles the service expects once per account. False where the account has them. Default true."""
    runtime: NotRequired[str]
    """Lambda runtime. Default python3.13."""
    architecture: NotRequired[str]
    """x86_64 or arm64. Default x86_64."""
    log_retention_days: NotRequired[int]
    """Days logs are kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource, and for what the service makes in the staging area."""


class ServerMigration(pulumi.ComponentResource):
    """The service's roles, the replication servers' security group, the settings, and what applies them."""

    replication_role_arn: pulumi.Output[str]
    """ARN of the replication servers' role."""
    security_group_id: pulumi.Output[str]
    """Security group of the replication servers."""
    settings_parameter_name: pulumi.Output[str]
    """Name of the parameter with the settings."""
    function_name: pulumi.Output[str]
    """Name of the function that applies them."""

    def __init__(self, name: str, args: ServerMigrationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:ServerMigration", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        checks.not_empty("source_cidr_blocks", args["source_cidr_blocks"])
        bandwidth = checks.whole("bandwidth_mbps", args.get("bandwidth_mbps", DEFAULT_BANDWIDTH_MBPS), 0, 10_000)
        if args.get("create_account_roles", True):
            self._roles()
        group = self._group()
        parameter = self._settings(group, bandwidth)
        function = self._function(parameter)

        self.replication_role_arn = self._role_arn(REPLICATION_ROLE)
        self.security_group_id = group.id
        self.settings_parameter_name = parameter.name
        self.function_name = function.name
        self.register_outputs(
            {
                "replication_role_arn": self.replication_role_arn,
                "security_group_id": self.security_group_id,
                "settings_parameter_name": self.settings_parameter_name,
                "function_name": self.function_name,
            }
        )

    def _role_arn(self, name: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:aws:iam::", self._args["account_id"], ":role", ROLE_PATH, name)

    def _roles(self) -> None:
        for purpose, (role_name, service, managed) in ROLES.items():
            role = aws.iam.Role(
                f"{self._name}-{purpose}-role",
                name=role_name,
                path=ROLE_PATH,
                assume_role_policy=self._agent_trust() if purpose == "agent" else policies.trust(service),
                tags=checks.tags_for(self._tags, role_name),
                opts=self._child,
            )
            for number, policy in enumerate(managed, start=1):
                aws.iam.RolePolicyAttachment(
                    f"{self._name}-{purpose}-policy-{number}",
                    role=role.name,
                    policy_arn=f"{MANAGED}{policy}",
                    opts=self._child,
                )

    def _agent_trust(self) -> pulumi.Output[str]:
        """Return who takes the agents' role on: the service, in the name of a source server of this account."""
        return policies.document(
            [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "mgn.amazonaws.com"},
                    "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
                    "Condition": {
                        "StringLike": {"sts:SourceIdentity": "s-*", "aws:SourceAccount": self._args["account_id"]}
                    },
                }
            ]
        )

    def _group(self) -> aws.ec2.SecurityGroup:
        name = f"{self._name}-replication"
        group = aws.ec2.SecurityGroup(
            name,
            name=name,
            description="Replication servers: reached by the agents on premises, reach AWS",
            vpc_id=self._args["vpc_id"],
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )
        for number, block in enumerate(self._args["source_cidr_blocks"], start=1):
            checks.cidr(f"source_cidr_blocks[{number - 1}]", block)
            title = f"{name}-from-agents-{number}"
            self._rule(Ingress, title, group, REPLICATION_PORT, block, "agents on premises")
        self._rule(Egress, f"{name}-to-services", group, HTTPS, ANYWHERE, "AWS")
        return group

    def _rule(self, kind: Direction, name: str, group: aws.ec2.SecurityGroup, port: int, peer: str, text: str) -> None:
        tags = checks.tags_for(self._tags, name)
        security_groups.rule(kind, name, group.id, port, peer, description=text, tags=tags, opts=self._child)

    def _settings(self, group: aws.ec2.SecurityGroup, bandwidth: int) -> aws.ssm.Parameter:
        args, name = self._args, f"{self._name}-settings"
        known = pulumi.Output.all(subnets=args["subnet_ids"], group=group.id)
        value = known.apply(
            lambda found: json.dumps(
                settings(
                    subnet_id=found["subnets"][0],
                    security_group_id=found["group"],
                    instance_type=args.get("instance_type", DEFAULT_INSTANCE_TYPE),
                    bandwidth_mbps=bandwidth,
                    tags=self._tags,
                ),
                sort_keys=True,
            )
        )
        return aws.ssm.Parameter(
            name,
            name=f"{args['parameter_path']}/servers",
            type="String",
            value=value,
            description="What Application Migration Service is to be told",
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )

    def _function(self, parameter: aws.ssm.Parameter) -> aws.lambda_.Function:
        args = self._args
        around = vpc_function.surroundings(self, args, args["function_security_group_id"])
        return vpc_function.declare(
            f"{self._name}-servers",
            around,
            module="servers",
            seconds=SECONDS,
            rights=[
                allow("ssm:GetParameter", on=parameter.arn),
                allow("sns:Publish", on=args["topic_arn"]),
                *self._rights(),
            ],
            environment={SETTINGS_PARAMETER: parameter.name},
            dead_letters=args["topic_arn"],
        )

    def _rights(self) -> list[Statement]:
        """Return what applying the settings needs: the service's calls, and what it does in the caller's name."""
        account, region = self._args["account_id"], self._args["region"]
        replication, launch = (
            pulumi.Output.concat("arn:aws:mgn:", region, ":", account, f":{kind}-configuration-template/*")
            for kind in ("replication", "launch")
        )
        profiles = pulumi.Output.concat("arn:aws:iam::", account, ":instance-profile/*AWSApplicationMigration*")
        linked = pulumi.Output.concat("arn:aws:iam::", account, ":role/aws-service-role/", SERVICE_ROLE)
        return [
            policies.allow_everywhere(
                *("mgn:InitializeService", "mgn:ListTagsForResource"),
                *("mgn:CreateReplicationConfigurationTemplate", "mgn:CreateLaunchConfigurationTemplate"),
                *("mgn:DescribeReplicationConfigurationTemplates", "mgn:DescribeLaunchConfigurationTemplates"),
            ),
            allow("mgn:UpdateReplicationConfigurationTemplate", on=replication),
            allow("mgn:UpdateLaunchConfigurationTemplate", on=launch),
            # The service checks the staging area in the caller's name.
            policies.allow_everywhere(
                *("ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeSecurityGroups"),
                *("ec2:DescribeSubnets", "ec2:GetEbsDefaultKmsKeyId", "ec2:GetEbsEncryptionByDefault"),
            ),
            allow(
                "iam:CreateServiceLinkedRole",
                on=linked,
                when={"StringEquals": {"iam:AWSServiceName": "mgn.amazonaws.com"}},
            ),
            allow("iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:GetInstanceProfile", on=profiles),
            allow(
                "iam:GetRole",
                "iam:PassRole",
                on=[self._role_arn(role) for role, service, _ in ROLES.values() if service == "ec2.amazonaws.com"],
            ),
        ]


def settings(
    *, subnet_id: str, security_group_id: str, instance_type: str, bandwidth_mbps: int, tags: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the service is told: data by private addresses only, disks encrypted, nothing started by itself."""
    return {
        "replication": {
            "stagingAreaSubnetId": subnet_id,
            "associateDefaultSecurityGroup": False,
            "replicationServersSecurityGroupsIDs": [security_group_id],
            "replicationServerInstanceType": instance_type,
            "useDedicatedReplicationServer": False,
            "defaultLargeStagingDiskType": "GP3",
            "ebsEncryption": "DEFAULT",
            "bandwidthThrottling": bandwidth_mbps,
            "dataPlaneRouting": "PRIVATE_IP",
            "createPublicIP": False,
            "stagingAreaTags": dict(tags),
        },
        "launch": {
            "launchDisposition": "STOPPED",
            "targetInstanceTypeRightSizingMethod": "BASIC",
            "copyPrivateIp": False,
            "associatePublicIpAddress": False,
            "copyTags": True,
            "enableMapAutoTagging": False,
        },
    }
