"""What the tests of the sandbox's DMS share: two real servers, the service in this process, AWS around it recorded."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import psycopg2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from sandbox.databases import Server, ServerInfo
from sandbox.databases.server import SUPERUSER
from sandbox.dms import follower, metrics, store
from sandbox.dms import server as dms_server
from sandbox.dms.protocol import misfits, service_model
from sandbox.dms.service import Service
from sandbox.ports import free_port
from sandbox.processes import Processes

USER, PASSWORD = "dms", "not-to-be-seen-anywhere"
ROLE = "arn:aws:iam::123456789012:role/access"
REPLICA = "SET session_replication_role = 'replica'"
SETTINGS: dict[str, Any] = {
    "TargetMetadata": {"SupportLobs": True, "FullLobMode": False, "LimitedSizeLobMode": True, "LobMaxSize": 1},
    "FullLoadSettings": {"TargetTablePrepMode": "DO_NOTHING"},
    "ControlTablesSettings": {
        "ControlSchema": "awsdms_control",
        "StatusTableEnabled": True,
        "SuspendedTablesTableEnabled": True,
        "HistoryTableEnabled": True,
    },
    "ErrorBehavior": {"FailOnNoTablesCaptured": True},
}
ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
_original_call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]


def eventually(check: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """Return what `check` returns once that is true."""
    until = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"not in {seconds:.0f} s: {what or check}")
        time.sleep(0.03)


def mappings(*rules: tuple[str, str, str]) -> str:
    """Return table mappings of (action, schema, table)."""
    return json.dumps(
        {
            "rules": [
                {
                    "rule-type": "selection",
                    "rule-id": str(number),
                    "rule-name": f"rule-{number}",
                    "object-locator": {"schema-name": schema, "table-name": table},
                    "rule-action": action,
                    "filters": [],
                }
                for number, (action, schema, table) in enumerate(rules, start=1)
            ]
        }
    )


@dataclass
class Recorder:
    """Answers the calls DMS makes to other services, after checking them against botocore's model."""

    secrets: dict[str, Any] = field(default_factory=dict)
    subnets: dict[str, tuple[str, str]] = field(default_factory=dict)
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    out_of_reach: set[str] = field(default_factory=set)

    def answer(self, client: Any, operation: str, params: dict[str, Any]) -> Any:
        """Stand in for the HTTP request of a client."""
        model = client.meta.service_model
        service = model.service_name
        if service == "dms":
            return _original_call(client, operation, params)
        report = ParamValidator().validate(params, model.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()
        if service in self.out_of_reach:
            raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "down"}}, operation)
        self.calls.append((service, operation, params))
        if operation == "GetSecretValue":
            if params["SecretId"] not in self.secrets:
                raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no secret"}}, operation)
            return {"SecretString": json.dumps(self.secrets[params["SecretId"]])}
        if operation == "DescribeSubnets":
            missing = [one for one in params["SubnetIds"] if one not in self.subnets]
            if missing:
                error = {"Code": "InvalidSubnetID.NotFound", "Message": f"{missing} do not exist"}
                raise ClientError({"Error": error}, operation)
            found = {one: self.subnets[one] for one in params["SubnetIds"]}
            return {
                "Subnets": [{"SubnetId": k, "AvailabilityZone": z, "VpcId": v} for k, (z, v) in sorted(found.items())]
            }
        return {}

    def metrics(self, name: str, task_arn: str) -> list[float]:
        """Return the values of a task's metric, oldest first."""
        return [
            datum["Value"]
            for service, operation, params in list(self.calls)
            if (service, operation) == ("cloudwatch", "PutMetricData") and params["Namespace"] == "AWS/DMS"
            for datum in params["MetricData"]
            if datum["MetricName"] == name
            and {"Name": "ReplicationTaskIdentifier", "Value": task_arn.rsplit(":", 1)[1]} in datum["Dimensions"]
        ]

    def events(self, task_arn: str) -> list[dict[str, Any]]:
        """Return the details of a task's events, oldest first."""
        return [
            json.loads(entry["Detail"])
            for _, operation, params in list(self.calls)
            if operation == "PutEvents"
            for entry in params["Entries"]
            if entry["Resources"] == [task_arn]
        ]


@dataclass
class World:
    """Two servers, DMS, and what it says to the other services."""

    source: ServerInfo
    target: ServerInfo
    port: int
    recorder: Recorder
    dms: Any
    logs: Path
    instance_arn: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Send a raw request."""
        import urllib.error
        import urllib.request

        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers or {}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def fault(self, task_arn: str, fault: str, **more: Any) -> dict[str, Any]:
        """Make something go wrong."""
        status, body = self.post("/_sandbox/faults", {"task": task_arn, "fault": fault, **more})
        assert status == 200, body
        return body


def run(info: ServerInfo, database: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements as the superuser, and return the last one's rows."""
    with info.superuser(database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@dataclass
class Migration:
    """One pair of databases with its endpoints. Both have the user dms, with the rights DMS documents."""

    world: World
    database: str
    arns: dict[str, str] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)
    connections: dict[str, Any] = field(default_factory=dict)

    def on_source(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements on the source."""
        return self._run(self.world.source, *statements)

    def on_target(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements on the target."""
        return self._run(self.world.target, *statements)

    def _run(self, info: ServerInfo, *statements: str) -> list[tuple[Any, ...]]:
        if info.name not in self.connections:
            self.connections[info.name] = psycopg2.connect(
                host=info.address,
                port=info.port,
                user=SUPERUSER,
                password=info.password,
                dbname=self.database,
                options="-c default_transaction_read_only=off",
            )
            self.connections[info.name].autocommit = True
        with self.connections[info.name].cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
            # A session tells the server what it counted when it ends, or when it has idled for ten seconds.
            cursor.execute("SELECT pg_stat_force_next_flush()")
            return rows

    def both(self, *statements: str) -> None:
        """Run statements on both sides."""
        self.on_source(*statements)
        self.on_target(*statements)

    def grant(self) -> None:
        """Give dms the rights on the tables that are there."""
        self.both(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {USER}", f"GRANT ALL ON SCHEMA public TO {USER}")

    def endpoint(self, kind: str, place: ServerInfo, name: str = "", attributes: str = "", **settings: Any) -> str:
        """Make and test an endpoint on one of the servers; return its ARN."""
        name = name or kind
        dms, secret = self.world.dms, f"{self.database}/{name}"
        # A host as Aurora's endpoints look, with the address in it.
        host = f"x.cluster-{place.address.replace('.', '-')}.us-east-1.rds.amazonaws.com"
        self.world.recorder.secrets[secret] = {
            "host": host,
            "port": place.port,
            "username": USER,
            "password": PASSWORD,
        }
        arn = dms.create_endpoint(
            EndpointIdentifier=f"{self.database}-{name}",
            EndpointType=kind,
            EngineName="postgres",
            DatabaseName=self.database,
            PostgreSQLSettings={
                "DatabaseName": self.database,
                "SecretsManagerSecretId": secret,
                "SecretsManagerAccessRoleArn": ROLE,
                **({} if kind == "source" else {"AfterConnectScript": REPLICA}),
                **settings,
            },
            **({"ExtraConnectionAttributes": attributes} if attributes else {}),
        )["Endpoint"]["EndpointArn"]
        self.arns[name] = arn
        return str(arn)

    def connect(self, *names: str) -> None:
        """Test the connections to endpoints, all of them by default, and see that they work."""
        for arn in [self.arns[name] for name in names or self.arns]:
            pair = {"EndpointArn": arn, "ReplicationInstanceArn": self.world.instance_arn}
            self.world.dms.test_connection(**pair)
            eventually(lambda arn=arn: self.connection(arn)["Status"] == "successful", what=f"connection {arn}")

    def connection(self, endpoint_arn: str) -> dict[str, Any]:
        """Return a connection as it is now."""
        by_endpoint = [{"Name": "endpoint-arn", "Values": [endpoint_arn]}]
        connections = self.world.dms.describe_connections(Filters=by_endpoint)["Connections"]
        return dict(connections[0])

    def task(
        self,
        migration_type: str = "full-load-and-cdc",
        *,
        source: str = "source",
        target: str = "target",
        rules: str = "",
        settings: dict[str, dict[str, Any]] | None = None,
        name: str = "forward",
        **more: Any,
    ) -> str:
        """Make a task and return its ARN."""
        merged = {section: {**values, **(settings or {}).get(section, {})} for section, values in SETTINGS.items()}
        arn = self.world.dms.create_replication_task(
            ReplicationTaskIdentifier=f"{self.database}-{name}",
            SourceEndpointArn=self.arns[source],
            TargetEndpointArn=self.arns[target],
            ReplicationInstanceArn=self.world.instance_arn,
            MigrationType=migration_type,
            TableMappings=rules or mappings(("include", "public", "%")),
            ReplicationTaskSettings=json.dumps(merged),
            **more,
        )["ReplicationTask"]["ReplicationTaskArn"]
        self.tasks.append(arn)
        self.await_status(arn, "ready")
        return str(arn)

    def describe(self, arn: str) -> dict[str, Any]:
        """Return a task as it is now."""
        by_arn = [{"Name": "replication-task-arn", "Values": [arn]}]
        return dict(self.world.dms.describe_replication_tasks(Filters=by_arn)["ReplicationTasks"][0])

    def await_status(self, arn: str, *wanted: str) -> dict[str, Any]:
        """Wait until a task has one of the statuses. One that fails instead says why."""

        def there() -> dict[str, Any] | None:
            task = self.describe(arn)
            assert task["Status"] in wanted or task["Status"] != "failed", task["LastFailureMessage"]
            return task if task["Status"] in wanted else None

        return dict(eventually(there, what=f"task {'/'.join(wanted)}"))

    def start(self, arn: str, kind: str = "start-replication", **more: Any) -> None:
        """Start a task and wait until it runs."""
        self.world.dms.start_replication_task(ReplicationTaskArn=arn, StartReplicationTaskType=kind, **more)
        self.await_status(arn, "running", "stopped")

    def stop(self, arn: str) -> None:
        """Stop a task and wait until it stands."""
        self.world.dms.stop_replication_task(ReplicationTaskArn=arn)
        self.await_status(arn, "stopped")

    def await_load(self, arn: str) -> None:
        """Wait until a task's full load is over."""

        def over() -> bool:
            stats = self.await_status(arn, "running", "stopped")["ReplicationTaskStats"]
            return stats["FullLoadProgressPercent"] == 100 and "FullLoadFinishDate" in stats

        eventually(over, what="the full load")

    def fails(self, arn: str, kind: str = "start-replication", **more: Any) -> str:
        """Start a task that is to fail, and return its LastFailureMessage."""
        self.world.dms.start_replication_task(ReplicationTaskArn=arn, StartReplicationTaskType=kind, **more)
        return self.failed(arn)

    def failed(self, arn: str) -> str:
        """Wait until a task has failed, and return its LastFailureMessage."""
        return str(self.await_status(arn, "failed")["LastFailureMessage"])

    def statistics(self, arn: str) -> dict[str, dict[str, Any]]:
        """Return a task's table statistics by table."""
        found = self.world.dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"]
        return {one["TableName"]: one for one in found}

    def same(self, *tables: str, seconds: float = 60.0) -> None:
        """Wait until tables hold the same rows on both sides."""
        for table in tables:
            query = f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {table} t"
            eventually(
                lambda query=query: self.on_source(query) == self.on_target(query), seconds, f"{table} on both sides"
            )

    def end(self) -> None:
        """Delete the tasks and drop both databases."""
        for arn in self.tasks:
            self.delete(arn)
        for connection in self.connections.values():
            connection.close()
        for info in (self.world.source, self.world.target):
            run(info, "postgres", f"DROP DATABASE {self.database} WITH (FORCE)")

    def delete(self, arn: str) -> None:
        """Stop and delete a task and wait until it is gone."""
        while True:
            try:
                status = self.describe(arn)["Status"]
            except ClientError:
                return
            if status == "running":
                self.world.dms.stop_replication_task(ReplicationTaskArn=arn)
            elif status in ("ready", "stopped", "failed"):
                self.world.dms.delete_replication_task(ReplicationTaskArn=arn)
            time.sleep(0.03)


@contextmanager
def open_dms(servers: Sequence[ServerInfo]) -> Iterator[tuple[Any, int, Recorder]]:
    """Serve DMS over these servers; yield a client, the port and what is said to other services."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in ENVIRONMENT.items():
            patch.setenv(key, value)
        recorder = Recorder(subnets={f"subnet-{letter}": (f"us-east-1{letter}", "vpc-1") for letter in "abc"})
        patch.setattr(botocore.client.BaseClient, "_make_api_call", _through(recorder))
        patch.setattr(Service, "answer", _conforming(Service.answer))
        # Short, so that the tests are; long enough to be seen.
        patch.setattr(store, "SETTLE_SECONDS", 0.03)
        patch.setattr(follower, "TICK_SECONDS", 0.1)
        patch.setattr(follower, "LOADING_TICK_SECONDS", 0.03)
        patch.setattr(metrics, "PERIOD_SECONDS", 0.2)
        dms = dms_server.Server(0, list(servers))
        threading.Thread(target=dms.serve_forever, args=(0.05,), daemon=True).start()
        port = dms.server_address[1]
        client = boto3.client(
            "dms",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            config=Config(retries={"total_max_attempts": 1}),
        )
        try:
            yield client, port, recorder
        finally:
            dms.shutdown()
            dms.server_close()
            client.close()


@contextmanager
def open_world(room: Path) -> Iterator[World]:
    """Start the servers and the service."""
    room.chmod(0o755)
    port = free_port("127.0.0.2", "127.0.0.3")
    with Processes(room / "logs") as processes:
        infos = []
        for name, version, address in (("source", "16", "127.0.0.2"), ("target", "18", "127.0.0.3")):
            server = Server(name, version, address, port, room)
            server.start(processes)
            infos.append(server.info)
        for info in infos:
            run(info, "postgres", f"CREATE ROLE {USER} LOGIN REPLICATION PASSWORD '{PASSWORD}'")
            # Or a worker that failed waits five seconds before it tries again.
            run(info, "postgres", "ALTER SYSTEM SET wal_retrieve_retry_interval = '200ms'", "SELECT pg_reload_conf()")
            run(info, "postgres", f"GRANT SET ON PARAMETER session_replication_role TO {USER}")
        with open_dms(infos) as (client, dms_port, recorder):
            world = World(*infos, dms_port, recorder, client, room / "logs")
            world.instance_arn = make_instance(client)
            yield world


def _conforming(answer: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Hold every answer of any test against the model: a misfit is answered as an internal failure."""

    def check(service: Service, target: str, region: str, request: Any) -> dict[str, Any]:
        found = answer(service, target, region, request)
        shape = service_model().operation_model(target.partition(".")[2]).output_shape
        wrong = list(misfits(shape, found, "")) if shape is not None else []
        assert not wrong, wrong
        return found

    return check


def _through(recorder: Recorder) -> Callable[[Any, str, dict[str, Any]], Any]:
    def call(client: Any, operation: str, params: dict[str, Any]) -> Any:
        return recorder.answer(client, operation, params)

    return call


def make_instance(dms: Any, name: str = "world") -> str:
    """Make an instance in a subnet group of the same name and return its ARN once it is available."""
    dms.create_replication_subnet_group(
        ReplicationSubnetGroupIdentifier=name,
        ReplicationSubnetGroupDescription="of the tests",
        SubnetIds=["subnet-a", "subnet-b"],
    )
    arn = dms.create_replication_instance(
        ReplicationInstanceIdentifier=name,
        ReplicationInstanceClass="dms.t3.medium",
        ReplicationSubnetGroupIdentifier=name,
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    dms.get_waiter("replication_instance_available").wait(
        Filters=[{"Name": "replication-instance-arn", "Values": [arn]}], WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    return str(arn)


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    """Make a call that has to be refused, and return the error's code and message."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
