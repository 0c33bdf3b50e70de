"""What the kinds of target have in common: what they are told, what they give back, and the settings of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components import checks, policies
from components.database_engines import Engine

MONITORING_SECONDS = 60
MONITORING_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
BACKUP_TAG = {"Purpose": "database-migration"}
EXTENDED_SUPPORT = "open-source-rds-extended-support"
AWS_S_BUSINESS = ["engineVersion", "engineLifecycleSupport"]
"""What a deployment leaves as it is: minor versions are AWS's, and Extended Support is decided at the creation."""


@dataclass(frozen=True)
class Declaration:
    """What a target of any kind is made of; `name` is the component's, whose child everything becomes.

    RDS makes and manages the administrator's password where `master_password` is None.
    """

    name: str
    parent: pulumi.Resource
    engine: Engine
    engine_version: str
    extended_support: bool
    database_name: pulumi.Input[str]
    master_username: str
    master_password: pulumi.Output[str] | None
    port: int
    subnet_ids: pulumi.Input[list[str]]
    security_group_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    require_tls: bool
    parameters: Mapping[str, str]
    backup_retention_days: int
    backup_window: str
    maintenance_window: str
    deletion_protection: bool
    final_snapshot: bool
    log_retention_days: int
    tags: Mapping[str, str]

    @property
    def child(self) -> pulumi.ResourceOptions:
        """Options of a child."""
        return pulumi.ResourceOptions(parent=self.parent)

    def tagged(self, name: str) -> dict[str, str]:
        """Return the tags of a child called `name`."""
        return checks.tags_for(dict(self.tags), name)

    @property
    def family(self) -> str:
        """Parameter group family of this version."""
        return self.engine.family(self.engine_version)

    @property
    def parameter_group_name(self) -> str:
        """Name of the parameter group, with the version: one in use can't be replaced under the name it has."""
        return f"{self.name}-parameters-{self.family.removeprefix(self.engine.name).replace('.', '-')}"

    def parameter_list(self) -> Any:
        """Return all parameters. What the configuration adds waits for a restart: that is right for every kind."""
        own = {key: (value, "pending-reboot") for key, value in self.parameters.items()}
        every = {**self.engine.parameters, **(self.engine.tls if self.require_tls else {}), **own}
        return [{"name": key, "value": value, "apply_method": method} for key, (value, method) in every.items()]

    def protection(self) -> dict[str, Any]:
        """Return what a cluster and an instance take under the same names: encryption, access, logs, what is kept."""
        managed = {"manage_master_user_password": True, "master_user_secret_kms_key_id": self.kms_key_arn}
        return {
            **(managed if self.master_password is None else {"password": self.master_password}),
            "engine_version": self.engine_version,
            "engine_lifecycle_support": EXTENDED_SUPPORT if self.extended_support else f"{EXTENDED_SUPPORT}-disabled",
            "port": self.port,
            "vpc_security_group_ids": [self.security_group_id],
            "storage_encrypted": True,
            "kms_key_id": self.kms_key_arn,
            "backup_retention_period": self.backup_retention_days,
            "copy_tags_to_snapshot": True,
            "enabled_cloudwatch_logs_exports": list(self.engine.logs),
            "iam_database_authentication_enabled": True,
            "deletion_protection": self.deletion_protection,
            "skip_final_snapshot": not self.final_snapshot,
            "final_snapshot_identifier": self._snapshot_identifier(),
        }

    def observation(self, role: aws.iam.Role, instance_class: str) -> dict[str, Any]:
        """Return what every instance takes, a cluster's or one alone: private, watched, upgraded."""
        insights = self.engine.has_insights(instance_class)
        return {
            "instance_class": instance_class,
            "publicly_accessible": False,
            "monitoring_interval": MONITORING_SECONDS,
            "monitoring_role_arn": role.arn,
            "performance_insights_enabled": insights,
            "performance_insights_kms_key_id": self.kms_key_arn if insights else None,
            "auto_minor_version_upgrade": True,
            "copy_tags_to_snapshot": True,
        }

    def subnet_group(self) -> aws.rds.SubnetGroup:
        """Make the subnet group."""
        name = f"{self.name}-subnets"
        return aws.rds.SubnetGroup(
            name,
            name=name,
            description="Database subnets of the migration",
            subnet_ids=self.subnet_ids,
            tags=self.tagged(name),
            opts=self.child,
        )

    def log_groups(self, place: str, name: str) -> list[pulumi.Resource]:
        """Make the logs' groups under `place`: else RDS makes them, without a key and without an end."""
        names = {log: f"{name}-log" if len(self.engine.logs) == 1 else f"{name}-{log}-log" for log in self.engine.logs}
        return [
            aws.cloudwatch.LogGroup(
                title,
                name=f"/aws/rds/{place}/{log}",
                retention_in_days=self.log_retention_days,
                kms_key_id=self.kms_key_arn,
                tags=self.tagged(title),
                opts=self.child,
            )
            for log, title in names.items()
        ]

    def _snapshot_identifier(self) -> pulumi.Output[str] | None:
        """Return a name for the final snapshot that no earlier stack has used, None where none is taken."""
        if not self.final_snapshot:
            return None
        number = random.RandomId(f"{self.name}-final-snapshot", byte_length=4, opts=self.child)
        return pulumi.Output.concat(f"{self.name}-final-", number.hex)

    def monitoring_role(self) -> tuple[aws.iam.Role, pulumi.Resource]:
        """Make the role of enhanced monitoring; an instance has to wait for the second resource."""
        role = aws.iam.Role(
            f"{self.name}-monitoring-role",
            name=f"{self.name}-monitoring",
            assume_role_policy=policies.trust("monitoring.rds.amazonaws.com"),
            tags=self.tagged(f"{self.name}-monitoring"),
            opts=self.child,
        )
        attached = aws.iam.RolePolicyAttachment(
            f"{self.name}-monitoring-policy", role=role.name, policy_arn=MONITORING_POLICY, opts=self.child
        )
        return role, attached


@dataclass(frozen=True)
class DatabaseServer:
    """A target that was declared. `dimension` is the one its metrics carry, with `identifier` as value.

    `instance_identifier` is the instance's, or that of the cluster's first writer. `arns` are those of everything whose
    events are about it. `master_secret_arn` is the secret that RDS manages, empty where it manages none.
    """

    dimension: str
    identifier: pulumi.Output[str]
    instance_identifier: pulumi.Output[str]
    arn: pulumi.Output[str]
    arns: pulumi.Output[list[str]]
    endpoint: pulumi.Output[str]
    reader_endpoint: pulumi.Output[str]
    reader_identifiers: Sequence[str]
    port: pulumi.Output[int]
    database_name: pulumi.Output[str]
    master_secret_arn: pulumi.Output[str]
