"""The process: how it starts, whom it talks to, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox.dms.cloud import QUEUE_LENGTH, Cloud, Outbox, Unreachable
from tests.sandbox.dms.world import (
    ENVIRONMENT,
    PASSWORD,
    REPLICA,
    ROLE,
    SETTINGS,
    USER,
    World,
    eventually,
    make_instance,
    mappings,
    run,
)
from tests.support.pulumi_mocks import REPOSITORY


class Aws(BaseHTTPRequestHandler):
    """A little Secrets Manager and EventBridge on a port of this machine; everything else it does not know."""

    secrets: dict[str, str]
    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = self.headers.get("X-Amz-Target", "")
        self.seen.append(target)
        status, answer = 400, {"__type": "UnknownOperationException"}
        if target == "secretsmanager.GetSecretValue":
            status, answer = 200, {"SecretString": self.secrets[json.loads(body)["SecretId"]]}
        if target == "AWSEvents.PutEvents":
            status, answer = 200, {"FailedEntryCount": "0"}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def aws(**secrets: str) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    with HTTPServer(("127.0.0.1", 0), type("BoundAws", (Aws,), {"secrets": secrets, "seen": seen})) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()


@contextmanager
def process(servers: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the service as a rehearsal does, wait for its line, and kill it if a test leaves it behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = subprocess.Popen(
        [sys.executable, "-m", "sandbox.dms.server", "--port", str(port), "--servers", str(servers)],
        cwd=REPOSITORY,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == f"dms ready on 127.0.0.1:{port}\n"
        yield started, port
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_listens_on_loopback_alone_and_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    servers = tmp_path / "servers.json"
    servers.write_text("[]")
    with process(servers) as (started, port):
        listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
        mine = [
            line.split()[1]
            for line in listening
            if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
        ]
        assert mine == [f"0100007F:{port:04X}"]
        started.send_signal(number)
        output, errors = started.communicate(timeout=30)
        assert (started.returncode, output, errors) == (0, "", "")


def test_a_task_runs_in_it_and_its_end_does_not_wait(world: World, tmp_path: Path) -> None:
    servers = tmp_path / "servers.json"
    servers.write_text(json.dumps([world.source.to_dict(), world.target.to_dict()]))
    for info in (world.source, world.target):
        run(info, "postgres", "CREATE DATABASE process")
        run(info, "process", "CREATE TABLE t (id int PRIMARY KEY)", f"GRANT ALL ON t TO {USER}")
        run(info, "process", f"GRANT ALL ON DATABASE process TO {USER}")
    run(world.source, "process", "INSERT INTO t SELECT generate_series(1, 10)")
    secrets = {
        name: json.dumps({"host": info.address, "port": info.port, "username": USER, "password": PASSWORD})
        for name, info in (("source", world.source), ("target", world.target))
    }
    try:
        with aws(**secrets) as (url, seen), process(servers, AWS_ENDPOINT_URL=url) as (started, port):
            dms = boto3.client("dms", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}", config=Config())
            start_task(dms)
            eventually(lambda: run(world.target, "process", "SELECT count(*) FROM t") == [(10,)])
            eventually(lambda: "AWSEvents.PutEvents" in seen)
            started.terminate()
            output, errors = started.communicate(timeout=30)
            assert (started.returncode, output, errors) == (0, "", "")
            dms.close()
    finally:
        [(name,)] = run(world.target, "process", "SELECT subname FROM pg_subscription")
        run(world.target, "process", f"ALTER SUBSCRIPTION {name} DISABLE", f"DROP SUBSCRIPTION {name}")
        for info in (world.source, world.target):
            run(info, "postgres", "DROP DATABASE process WITH (FORCE)")


def start_task(dms: Any) -> None:
    """Make a task between two endpoints called as their secrets, and start it."""
    instance = make_instance_without_ec2(dms)
    arns = {}
    for kind in ("source", "target"):
        secret = {"SecretsManagerSecretId": kind, "SecretsManagerAccessRoleArn": ROLE}
        script = {} if kind == "source" else {"AfterConnectScript": REPLICA}
        made = dms.create_endpoint(
            EndpointIdentifier=kind,
            EndpointType=kind,
            EngineName="postgres",
            DatabaseName="process",
            PostgreSQLSettings={**secret, **script},
        )
        arns[kind] = made["Endpoint"]["EndpointArn"]
        dms.test_connection(EndpointArn=arns[kind], ReplicationInstanceArn=instance)
    eventually(lambda: {one["Status"] for one in dms.describe_connections()["Connections"]} == {"successful"})
    arn = dms.create_replication_task(
        ReplicationTaskIdentifier="task",
        SourceEndpointArn=arns["source"],
        TargetEndpointArn=arns["target"],
        ReplicationInstanceArn=instance,
        MigrationType="full-load-and-cdc",
        TableMappings=mappings(("include", "public", "%")),
        ReplicationTaskSettings=json.dumps(SETTINGS),
    )["ReplicationTask"]["ReplicationTaskArn"]
    eventually(lambda: dms.describe_replication_tasks()["ReplicationTasks"][0]["Status"] == "ready")
    dms.start_replication_task(ReplicationTaskArn=arn, StartReplicationTaskType="start-replication")
    eventually(lambda: dms.describe_replication_tasks()["ReplicationTasks"][0]["Status"] == "running")


def make_instance_without_ec2(dms: Any) -> str:
    """The little AWS knows no EC2: DMS makes do without zones."""
    arn = make_instance(dms)
    [group] = dms.describe_replication_subnet_groups()["ReplicationSubnetGroups"]
    assert "VpcId" not in group
    return arn


def test_nothing_but_this_machine_is_talked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://secretsmanager.us-east-1.amazonaws.com")
    with pytest.raises(Unreachable, match="the sandbox talks to this machine only"):
        Cloud("us-east-1").secret("anything")


def test_what_can_not_be_sent_is_forgotten_and_never_waited_for() -> None:
    outbox, arrived, gate, sent = Outbox("test"), threading.Event(), threading.Event(), []

    def wait() -> None:
        arrived.set()
        gate.wait()

    def refuse() -> None:
        raise Unreachable("nobody there")

    outbox.put(wait)
    arrived.wait()  # what still waits in the queue could be forgotten instead
    outbox.put(refuse)
    for number in range(QUEUE_LENGTH + 50):  # would not come back if it waited: the gate is shut
        outbox.put(lambda number=number: sent.append(number))
    gate.set()
    eventually(lambda: sent and sent[-1] == QUEUE_LENGTH + 49)
    assert len(sent) <= QUEUE_LENGTH
