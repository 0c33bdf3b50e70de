"""What is left in a sandbox's cloud: nothing, once its stack is destroyed."""

from collections.abc import Callable
from typing import Any

from sandbox.instance import Instance

Listed = Callable[[Any], list[Any]]
OURS = ("migration-", "dms-", "AWSApplicationMigration")
"""How the names of roles begin that a stack may make."""


def active_clusters(ecs: Any) -> list[str]:
    """Return the clusters that were not deleted: ECS remembers those that were for a while."""
    arns = ecs.list_clusters()["clusterArns"]
    found = ecs.describe_clusters(clusters=arns)["clusters"] if arns else []
    return [cluster["clusterName"] for cluster in found if cluster["status"] != "INACTIVE"]


LISTS: dict[str, tuple[str, Listed]] = {
    "VPCs": ("ec2", lambda c: [v["VpcId"] for v in c.describe_vpcs()["Vpcs"] if not v["IsDefault"]]),
    "addresses": ("ec2", lambda c: c.describe_addresses()["Addresses"]),
    "NAT gateways": ("ec2", lambda c: [n for n in c.describe_nat_gateways()["NatGateways"] if n["State"] != "deleted"]),
    "VPN gateways": ("ec2", lambda c: [g for g in c.describe_vpn_gateways()["VpnGateways"] if g["State"] != "deleted"]),
    "customer gateways": (
        "ec2",
        lambda c: [g for g in c.describe_customer_gateways()["CustomerGateways"] if g["State"] != "deleted"],
    ),
    "VPN connections": (
        "ec2",
        lambda c: [v for v in c.describe_vpn_connections()["VpnConnections"] if v["State"] != "deleted"],
    ),
    "documents": (
        "ssm",
        lambda c: c.list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])["DocumentIdentifiers"],
    ),
    "parameters": ("ssm", lambda c: c.describe_parameters()["Parameters"]),
    "clusters": ("rds", lambda c: c.describe_db_clusters()["DBClusters"]),
    "instances": ("rds", lambda c: c.describe_db_instances()["DBInstances"]),
    "automated snapshots": (
        "rds",
        lambda c: c.describe_db_cluster_snapshots(SnapshotType="automated")["DBClusterSnapshots"],
    ),
    "zones": ("route53", lambda c: c.list_hosted_zones()["HostedZones"]),
    "functions": ("lambda", lambda c: c.list_functions()["Functions"]),
    "layers": ("lambda", lambda c: c.list_layers()["Layers"]),
    "state machines": ("stepfunctions", lambda c: c.list_state_machines()["stateMachines"]),
    "tables": ("dynamodb", lambda c: c.list_tables()["TableNames"]),
    "topics": ("sns", lambda c: c.list_topics()["Topics"]),
    "queues": ("sqs", lambda c: c.list_queues().get("QueueUrls", [])),
    "alarms": ("cloudwatch", lambda c: c.describe_alarms()["MetricAlarms"]),
    "dashboards": ("cloudwatch", lambda c: c.list_dashboards()["DashboardEntries"]),
    "rules": ("events", lambda c: c.list_rules()["Rules"]),
    "log groups": (
        "logs",
        # Whoever runs a function there may write to its log once more.
        lambda c: [g for g in c.describe_log_groups()["logGroups"] if "/aws/lambda/" not in g["logGroupName"]],
    ),
    "roles": (
        "iam",
        lambda c: [r["RoleName"] for r in c.list_roles()["Roles"] if r["RoleName"].startswith(OURS)],
    ),
    "secrets": (
        "secretsmanager",
        lambda c: [s for s in c.list_secrets()["SecretList"] if not s["Name"].startswith("migration/source/")],
    ),
    "vaults": ("backup", lambda c: list(c.list_backup_vaults()["BackupVaultList"])),
    "serverless replications": ("dms", lambda c: c.describe_replication_configs()["ReplicationConfigs"]),
    "replication instances": ("dms", lambda c: c.describe_replication_instances()["ReplicationInstances"]),
    "peering connections": (
        "ec2",
        lambda c: [
            p["VpcPeeringConnectionId"]
            for p in c.describe_vpc_peering_connections()["VpcPeeringConnections"]
            if p["Status"]["Code"] != "deleted"
        ],
    ),
    "buckets": ("s3", lambda c: [b["Name"] for b in c.list_buckets()["Buckets"]]),
    "load balancers": ("elbv2", lambda c: c.describe_load_balancers()["LoadBalancers"]),
    "target groups": ("elbv2", lambda c: c.describe_target_groups()["TargetGroups"]),
    "ECS clusters": ("ecs", active_clusters),
    "task definitions": ("ecs", lambda c: c.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]),
    "scalable targets": (
        "application-autoscaling",
        lambda c: c.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"],
    ),
    "health checks": ("route53", lambda c: c.list_health_checks()["HealthChecks"]),
    "event subscriptions": ("dms", lambda c: c.describe_event_subscriptions()["EventSubscriptionsList"]),
}
"""What to look for, and where. Secrets of the source are not the stack's."""
REGIONS = ("us-east-1", "eu-central-1", "eu-west-1")
"""Where the examples deploy to."""


def left_over(instance: Instance) -> dict[str, list[Any]]:
    """Return what there is in a sandbox's cloud, by kind, without what is there in a new account."""
    found = {
        f"{kind} in {region}": lister(instance.client(service, region))
        for kind, (service, lister) in LISTS.items()
        for region in REGIONS
    }
    return {kind: items for kind, items in found.items() if items}
