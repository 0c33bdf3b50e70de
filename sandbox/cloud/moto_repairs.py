"""What moto lacks for the sandbox, repaired in its own process. Each repair says what AWS does and moto does not."""

import json
import os
import secrets
import string
import subprocess
import threading
from pathlib import Path
from typing import Any

import boto3
from moto.ec2.models import nat_gateways as nat
from moto.ec2.models import security_groups as groups
from moto.rds import models as rds
from moto.rds.exceptions import RDSClientError

SERVERS = "SANDBOX_SERVERS"
"""Environment variable that names the file with the database servers, which RDS gives out."""
ADMINISTRATORS = "rds_superuser"
REPLICATORS = "rds_replication"
NO_SERVER = "InsufficientDBClusterCapacityFault"


def repair() -> None:
    """Apply every repair."""
    rds.MasterUserSecret = ManagedSecret
    servers = Servers(Path(os.environ.get(SERVERS, "/nonexistent")))
    _clusters_have_servers(servers)
    _instances_have_servers(servers)
    _instances_tell_all()
    _provisioned_clusters_do_not_scale()
    _rules_keep_descriptions()
    _nat_is_public()
    _changed_subnet_groups_stay()


class ManagedSecret:
    """AWS keeps a managed master password in Secrets Manager; moto keeps it in a Secrets Manager nobody else sees."""

    def __init__(self, resource: Any, kms_key_id: str | None) -> None:
        known = getattr(resource, "master_user_secret", None)
        if known is not None:  # moto makes another whenever the cluster is modified; AWS keeps the one there is
            self.__dict__.update(known.__dict__)
            return
        alphabet = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
        self.password = "".join(secrets.choice(alphabet) for _ in range(32))
        self.kms_key_id = kms_key_id or f"arn:aws:kms:{resource.region}:{resource.account_id}:key/default"
        self.secret_status = "active"  # noqa: S105 - no password
        fields = {"username": resource.master_username, "password": self.password}
        answer = boto3.client("secretsmanager", region_name=resource.region).create_secret(
            Name=f"rds!{resource.resource_type}-{secrets.token_hex(8)}", SecretString=json.dumps(fields)
        )
        self.secret_arn = answer["ARN"]
        self._region = resource.region

    def delete_secret(self) -> None:
        """Delete it with its cluster."""
        client = boto3.client("secretsmanager", region_name=self._region)
        client.delete_secret(SecretId=self.secret_arn, ForceDeleteWithoutRecovery=True)

    def rotate_secret(self) -> None:
        """Refuse: a rotation that does not reach the server would lie."""
        raise RDSClientError("InvalidParameterCombination", "the sandbox does not rotate managed master passwords")


class Servers:
    """The database servers that clusters and instances stand on, each given to one at a time."""

    def __init__(self, path: Path) -> None:
        known = json.loads(path.read_text()) if path.exists() else []
        self._free = list(known)
        self._taken: dict[str, Any] = {}
        self._foreign: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def take(self, arn: str, given: Any, database: str | None, password: str) -> Any:
        """Give a server to a cluster or an instance: its administrator and database are made on it."""
        major = str(given.engine_version).split(".", maxsplit=1)[0]
        with self._lock:
            server = next((s for s in self._free if s["version"] == major and s["port"] == int(given.port)), None)
            if server is None:
                have = ", ".join(f"PostgreSQL {s['version']} on port {s['port']}" for s in self._free) or "none left"
                raise RDSClientError(
                    NO_SERVER,
                    f"no server for {given.engine} {major} on port {given.port} in the sandbox: it has {have}",
                )
            self._free.remove(server)
            self._taken[arn] = server
            self._foreign[arn] = {*_lines(server, DATABASES), *_lines(server, ROLES)}
        _sql(server, "postgres", _administrator(given.master_username, password))
        if database:
            _sql(server, "postgres", f"CREATE DATABASE {_name(database)} OWNER {_name(given.master_username)};")
        return server

    def give_back(self, arn: str) -> None:
        """Take the data of a cluster or an instance off its server, but not what was there before, and free it."""
        with self._lock:
            server = self._taken.pop(arn, None)
            foreign = self._foreign.pop(arn, set())
        if server is None:
            return
        for database in set(_lines(server, DATABASES)) - foreign:
            for subscription in _sql(server, database, "SELECT subname FROM pg_subscription;").split():
                name = _name(subscription)
                detach = f"ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE);"
                _sql(server, database, f"{detach} DROP SUBSCRIPTION {name};")
            _sql(server, "postgres", f"DROP DATABASE {_name(database)} WITH (FORCE);")
        for role in set(_lines(server, ROLES)) - foreign:
            _sql(server, "postgres", f"DROP OWNED BY {_name(role)}; DROP ROLE {_name(role)};")
        with self._lock:
            self._free.append(server)


DATABASES = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres';"
ROLES = "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_';"


def _lines(server: Any, query: str) -> list[str]:
    return _sql(server, "postgres", query).splitlines()


def _clusters_have_servers(servers: Servers) -> None:
    """AWS starts a server for a cluster; moto only remembers it. The address is encoded in the host name, for DNS."""
    made, deleted = rds.DBCluster.__init__, rds.RDSBackend.delete_db_cluster

    def make(self: Any, backend: Any, *args: Any, **kwargs: Any) -> None:
        made(self, backend, *args, **kwargs)
        if self.engine != "aurora-postgresql":
            return
        password = self.master_user_secret.password if self.manage_master_user_password else self._master_user_password
        server = servers.take(self.db_cluster_arn, self, self.database_name, password)
        self.url_identifier = server["address"].replace(".", "-")

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
    made, deleted, address = rds.DBInstance.__init__, rds.RDSBackend.delete_db_instance, rds.DBInstance.address.fget

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        if self.engine != "postgres" or self.db_cluster_identifier is not None:
            return
        password = self.master_user_secret.password if self.manage_master_user_password else self.master_user_password
        server = servers.take(self.db_instance_arn, self, self.db_name, password)
        self.server_address = server["address"].replace(".", "-")

    def delete(self: Any, *args: Any, **kwargs: Any) -> Any:
        instance = deleted(self, *args, **kwargs)
        servers.give_back(instance.db_instance_arn)
        return instance

    def host(self: Any) -> Any:
        known = getattr(self, "server_address", None)
        return f"{self.db_instance_identifier}.{known}.{self.region}.rds.amazonaws.com" if known else address(self)

    rds.DBInstance.__init__ = make
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


def _administrator(name: str, password: str) -> str:
    """Return the SQL that makes RDS's administrators and the master user: no superuser, as on RDS."""
    literal = "'" + password.replace("'", "''") + "'"
    return f"""
        SET log_statement = 'none';
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ADMINISTRATORS}') THEN
                CREATE ROLE {ADMINISTRATORS} NOLOGIN;
                CREATE ROLE {REPLICATORS} NOLOGIN;
                GRANT {REPLICATORS} TO {ADMINISTRATORS} WITH ADMIN OPTION;
                GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_read_all_data, pg_write_all_data
                    TO {ADMINISTRATORS} WITH ADMIN OPTION;
                GRANT SET ON PARAMETER session_replication_role TO {ADMINISTRATORS} WITH GRANT OPTION;
            END IF;
        END $$;
        CREATE ROLE {_name(name)} LOGIN CREATEROLE CREATEDB PASSWORD {literal};
        GRANT {ADMINISTRATORS} TO {_name(name)} WITH ADMIN OPTION;
    """


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _sql(server: Any, database: str, text: str) -> str:
    """Run SQL on a server as its superuser; it goes in by standard input, so that no password is seen."""
    done = subprocess.run(
        [f"{server['binaries']}/bin/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PGHOST": server["address"],
            "PGPORT": str(server["port"]),
            "PGUSER": "sandbox",
            "PGPASSWORD": server["password"],
            "PGDATABASE": database,
        },
    )
    if done.returncode:
        raise RDSClientError("InternalFailure", f"the server on {server['address']}: {done.stderr.strip()[-300:]}")
    return done.stdout
