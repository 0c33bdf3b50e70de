"""What Terraform calls the types and properties that Pulumi's AWS provider renames.

Types follow `aws:<module>/<type>:<Type>`, properties are Terraform's in camel case; but EC2's, databases' and load
balancers' types lack their module's name, and what Terraform writes as a repeated block is a list in the plural here.
"""

import re

TYPES = {
    "cloudwatch/logResourcePolicy": "cloudwatch_log_resource_policy",
    "lb/loadBalancer": "lb",
    "lb/listener": "lb_listener",
    "lb/targetGroup": "lb_target_group",
    "rds/eventSubscription": "db_event_subscription",
    "rds/instance": "db_instance",
    "rds/parameterGroup": "db_parameter_group",
    "rds/subnetGroup": "db_subnet_group",
    "s3/bucketReplicationConfig": "s3_bucket_replication_configuration",
}
"""Types that are called otherwise; all others but EC2's carry their module's name."""
BARE = ("ec2",)
"""Modules whose name their types do not carry."""
BLOCKS = {
    "actions": "action",
    "aliases": "alias",
    "attributes": "attribute",
    "capacityProviderStrategies": "capacity_provider_strategy",
    "conditions": "condition",
    "defaultActions": "default_action",
    "forwardedActions": "forward",
    "globalSecondaryIndexes": "global_secondary_index",
    "keySchemas": "key_schema",
    "loadBalancers": "load_balancer",
    "parameters": "parameter",
    "replicas": "replica",
    "rules": "rule",
    "settings": "setting",
    "stringEquals": "string_equals",
    "transitions": "transition",
    "noncurrentVersionTransitions": "noncurrent_version_transition",
    "vpcs": "vpc",
    "weightedRoutingPolicies": "weighted_routing_policy",
}
"""Lists of blocks that are plural here and singular there."""
SPECIAL = {"serverlessv2ScalingConfiguration": "serverlessv2_scaling_configuration", "cidrIpv4": "cidr_ipv4"}
"""Properties whose digits part words otherwise."""


class UnknownName(LookupError):
    """A name that nobody has looked up yet. The message says where it belongs."""


def type_of(token: str) -> str:
    """Return Terraform's type, aws_db_instance, of a token, aws:rds/instance:Instance."""
    _, middle, _ = token.split(":")
    module, name = middle.split("/")
    if middle in TYPES:
        return f"aws_{TYPES[middle]}"
    return f"aws_{snake(name)}" if module in BARE else f"aws_{module}_{snake(name)}"


def property_of(name: str, *, blocks: bool = False) -> str:
    """Return Terraform's name of a property. Raises UnknownName for a list of `blocks` that is not in the table."""
    if blocks:
        if name not in BLOCKS:
            raise UnknownName(f"{name} is a list of blocks: look up what Terraform calls one, and add it to BLOCKS")
        return BLOCKS[name]
    return SPECIAL.get(name) or snake(name)


def snake(name: str) -> str:
    """Return a name in snake case: kmsKeyArn is kms_key_arn, tunnel1LogOptions is tunnel1_log_options."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
