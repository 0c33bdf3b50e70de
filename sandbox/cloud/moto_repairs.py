"""What moto lacks for the sandbox, repaired in its own process. Each repair says what AWS does and moto does not."""

import json
import os
import secrets
import string
from pathlib import Path
from typing import Any

import boto3
from moto.ec2.models import nat_gateways as nat
from moto.ec2.models import security_groups as groups
from moto.ec2.responses.vpcs import VPCs
from moto.rds import models as rds
from rds_servers import Servers

SERVERS, MARIADB = "SANDBOX_SERVERS", "SANDBOX_MARIADB"
"""Environment variables that name the files with the database servers, which RDS gives out."""


def repair() -> None:
    """Apply every repair."""
    servers = Servers(*(Path(os.environ.get(name, "/nonexistent")) for name in (SERVERS, MARIADB)))
    ManagedSecret.servers = servers
    rds.MasterUserSecret = ManagedSecret
    _clusters_have_servers(servers)
    _instances_have_servers(servers)
    _instances_tell_all()
    _databases_keep_their_support()
    _provisioned_clusters_do_not_scale()
    _rules_keep_descriptions()
    _nat_is_public()
    _changed_subnet_groups_stay()
    _endpoints_have_a_service_region()


class ManagedSecret:
    """AWS keeps a managed master password in Secrets Manager; moto keeps it in a Secrets Manager nobody else sees."""

    servers: Servers

    def __init__(self, resource: Any, kms_key_id: str | None) -> None:
        known = getattr(resource, "master_user_secret", None)
        if known is not None:  # moto makes another whenever the cluster is modified; AWS keeps the one there is
            self.__dict__.update(known.__dict__)
            return
        self.password = _password()
        self.kms_key_id = kms_key_id or f"arn:aws:kms:{resource.region}:{resource.account_id}:key/default"
        self.secret_status = "active"  # noqa: S105 - no password
        self._region, self._owner, self._username = resource.region, resource.arn, resource.master_username
        kind = "Cluster" if resource.resource_type == "cluster" else "DBInstance"
        answer = self._client().create_secret(
            Name=f"rds!{resource.resource_type}-{secrets.token_hex(8)}",
            SecretString=self._text(),
            Tags=[{"Key": f"aws:rds:primary{kind}Arn", "Value": self._owner}],
        )
        self.secret_arn = answer["ARN"]

    def delete_secret(self) -> None:
        """Delete it with its cluster."""
        self._client().delete_secret(SecretId=self.secret_arn, ForceDeleteWithoutRecovery=True)

    def rotate_secret(self) -> None:
        """Give the administrator another password: first on the server, then in the secret, as RDS does."""
        self.password = _password()
        self.servers.change_password(self._owner, self._username, self.password)
        self._client().put_secret_value(SecretId=self.secret_arn, SecretString=self._text())

    def _client(self) -> Any:
        return boto3.client("secretsmanager", region_name=self._region)

    def _text(self) -> str:
        return json.dumps({"username": self._username, "password": self.password})


def _password() -> str:
    alphabet = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
    return "".join(secrets.choice(alphabet) for _ in range(32))


def _clusters_have_servers(servers: Servers) -> None:
    """AWS starts a server for a cluster; moto only remembers it. The address is encoded in the host name, for DNS."""
    made, deleted = rds.DBCluster.__init__, rds.RDSBackend.delete_db_cluster

    def make(self: Any, backend: Any, *args: Any, **kwargs: Any) -> None:
        made(self, backend, *args, **kwargs)
        if not self.engine.startswith("aurora-"):
            return
        password = self.master_user_secret.password if self.manage_master_user_password else self._master_user_password
        address = servers.take(self.db_cluster_arn, self, self.database_name, password)
        self.url_identifier = address.replace(".", "-")

    def delete(self: Any, cluster_identifier: str, snapshot_name: str | None = None) -> Any:
        cluster = deleted(self, cluster_identifier, snapshot_name)
        servers.give_back(cluster.db_cluster_arn)
        # Automated backups go with their cluster; moto keeps them, and names the next one after the same minute.
        for name, snapshot in list(self.cluster_snapshots.items()):
            if (snapshot.cluster.db_cluster_arn, snapshot.snapshot_type) == (cluster.db_cluster_arn, "automated"):
                del self.cluster_snapshots[name]
        return cluster

    rds.DBCluster.__init__ = make
    rds.RDSBackend.delete_db_cluster = delete


def _instances_have_servers(servers: Servers) -> None:
    """AWS starts a server for an instance as well; moto gives every instance the same made-up host."""
    made, updated, deleted = rds.DBInstance.__init__, rds.DBInstance.update, rds.RDSBackend.delete_db_instance
    address = rds.DBInstance.address.fget

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        if not servers.has(self.engine) or self.db_cluster_identifier is not None:
            return
        password = self.master_user_secret.password if self.manage_master_user_password else self._master_user_password
        address = servers.take(self.db_instance_arn, self, self.db_name, password)
        self.server_address = address.replace(".", "-")

    def update(self: Any, **kwargs: Any) -> None:
        updated(self, **kwargs)
        if kwargs.get("master_user_password"):
            servers.change_password(self.db_instance_arn, self.master_username, kwargs["master_user_password"])

    def delete(self: Any, *args: Any, **kwargs: Any) -> Any:
        instance = deleted(self, *args, **kwargs)
        servers.give_back(instance.db_instance_arn)
        return instance

    def host(self: Any) -> Any:
        known = getattr(self, "server_address", None)
        return f"{self.db_instance_identifier}.{known}.{self.region}.rds.amazonaws.com" if known else address(self)

    rds.DBInstance.__init__ = make
    rds.DBInstance.update = update
    rds.RDSBackend.delete_db_instance = delete
    rds.DBInstance.address = property(host)


def _instances_tell_all() -> None:
    """AWS reports Performance Insights and, for a cluster's instance, a host of that cluster; moto does neither."""
    made = rds.DBInstance.__init__

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.performance_insights_enabled = bool(kwargs.get("enable_performance_insights"))
        self.performance_insights_kms_key_id = kwargs.get("performance_insights_kms_key_id")

    def address(self: Any) -> str:
        return f"{self.db_instance_identifier}.{self.cluster.url_identifier}.{self.region}.rds.amazonaws.com"

    rds.DBInstance.__init__ = make
    rds.DBInstanceClustered.address = property(address)


def _databases_keep_their_support() -> None:
    """AWS tells whether a database is enrolled in Extended Support, as it is unless told not to; moto does not."""

    def keeping(made: Any) -> Any:
        def make(self: Any, *args: Any, **kwargs: Any) -> None:
            made(self, *args, **kwargs)
            asked = kwargs.get("engine_lifecycle_support")
            self.engine_lifecycle_support = asked or "open-source-rds-extended-support"

        return make

    rds.DBCluster.__init__ = keeping(rds.DBCluster.__init__)
    rds.DBInstance.__init__ = keeping(rds.DBInstance.__init__)


def _provisioned_clusters_do_not_scale() -> None:
    """AWS reports a scaling configuration for Serverless v1 only; moto for every cluster."""
    reported = rds.DBCluster.scaling_configuration_info.fget
    only_serverless = property(lambda self: reported(self) if self.engine_mode == "serverless" else None)
    rds.DBCluster.scaling_configuration_info = only_serverless


def _rules_keep_descriptions() -> None:
    """AWS keeps the description of a rule that names another group; moto only that of an address range."""
    described = groups.SecurityGroupRule.description.fget
    backend = groups.SecurityGroupBackend

    def keeping(original: Any) -> Any:
        def authorize(self: Any, *args: Any, **kwargs: Any) -> Any:
            texts = {pair.get("GroupId"): pair.get("Description") for pair in kwargs.get("source_groups") or []}
            rules, group = original(self, *args, **kwargs)
            for rule in rules:
                rule.described = texts.get(rule.source_group.get("GroupId"))
            return rules, group

        return authorize

    backend.authorize_security_group_ingress = keeping(backend.authorize_security_group_ingress)
    backend.authorize_security_group_egress = keeping(backend.authorize_security_group_egress)
    groups.SecurityGroupRule.description = property(lambda self: described(self) or getattr(self, "described", None))


def _nat_is_public() -> None:
    """AWS makes a NAT gateway public unless told otherwise; moto leaves it open."""
    made = nat.NatGateway.__init__

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.connectivity_type = self.connectivity_type or "public"

    nat.NatGateway.__init__ = make


def _changed_subnet_groups_stay() -> None:
    """AWS keeps a subnet group that is modified; moto takes it out and does not put it back."""
    modified = rds.RDSBackend.modify_db_subnet_group

    def modify(self: Any, subnet_name: str, *args: Any, **kwargs: Any) -> Any:
        group = modified(self, subnet_name, *args, **kwargs)
        self.subnet_groups[subnet_name] = group
        return group

    rds.RDSBackend.modify_db_subnet_group = modify


def _endpoints_have_a_service_region() -> None:
    """AWS keeps in which region an endpoint's service lives, the endpoint's own by default; moto does not listen."""
    create = VPCs.create_vpc_endpoint

    def keep(self: Any) -> Any:
        answer = create(self)
        answer.result["VpcEndpoint"].service_region = self._get_param("ServiceRegion") or self.region
        return answer

    VPCs.create_vpc_endpoint = keep
