"""The AWS services DMS talks to: secrets and subnets are asked for, events and metrics sent in the background."""

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from sandbox.dms.protocol import Fault

NAMESPACE = "AWS/DMS"
QUEUE_LENGTH = 200
"""What waits to be sent. Where nobody listens, the oldest is thrown away: AWS delivers these with best effort too."""
FAILURES = (BotoCoreError, ClientError, ResponseParserError)
"""How a call can fail; the last where something other than AWS or an emulator answers."""
_ONCE = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})
_TWICE = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})


class Unreachable(Exception):
    """A service did not give what was asked. The message says which and why, without any secret."""


@dataclass(frozen=True)
class Subnet:
    """A subnet as EC2 knows it; zone and VPC are empty where EC2 could not be asked."""

    id: str
    zone: str = ""
    vpc: str = ""


class Outbox:
    """Sends one thing after the other in a thread of its own. What can't be sent is forgotten."""

    def __init__(self, name: str) -> None:
        self._waiting: queue.Queue[Callable[[], Any]] = queue.Queue(QUEUE_LENGTH)
        threading.Thread(target=self._send, name=name, daemon=True).start()

    def put(self, act: Callable[[], Any]) -> None:
        """Queue something; never waits."""
        while True:
            try:
                return self._waiting.put_nowait(act)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()

    def _send(self) -> None:
        while True:
            with contextlib.suppress(*FAILURES, Unreachable):
                self._waiting.get()()


class Cloud:
    """One region's services. None is reached unless its endpoint is on this machine."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._session = boto3.session.Session(region_name=region)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._notices = Outbox("dms-events")
        self._metrics = Outbox("dms-metrics")

    def secret(self, secret_id: str) -> dict[str, str]:
        """Return the fields of a secret. Raises Unreachable where it can't be read; the values must not be logged."""
        try:
            text = self._client("secretsmanager", _TWICE).get_secret_value(SecretId=secret_id)["SecretString"]
        except (*FAILURES, KeyError) as error:
            raise Unreachable(f"the secret {secret_id} can't be read: {_reason(error)}") from None
        try:
            fields = json.loads(text)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise Unreachable(f"the secret {secret_id} is no JSON object: DMS needs host, port, username, password")
        return {key: str(value) for key, value in fields.items()}

    def subnets(self, ids: Sequence[str]) -> list[Subnet]:
        """Return subnets with zone and VPC, bare where EC2 is out of reach. Raises Fault for one that is not there."""
        try:
            found = self._client("ec2", _ONCE).describe_subnets(SubnetIds=list(ids))["Subnets"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidSubnetID.NotFound":
                raise Fault("InvalidSubnet", error.response["Error"]["Message"]) from None
            return [Subnet(one) for one in ids]
        except (*FAILURES, Unreachable):
            return [Subnet(one) for one in ids]
        known = {one["SubnetId"]: Subnet(one["SubnetId"], one["AvailabilityZone"], one["VpcId"]) for one in found}
        return [known.get(one, Subnet(one)) for one in ids]

    def put_event(self, entry: dict[str, Any]) -> None:
        """Send an event to EventBridge."""
        self._notices.put(lambda: self._client("events", _TWICE).put_events(Entries=[entry]))

    def publish(self, topic_arn: str, notice: dict[str, str]) -> None:
        """Send a message to a topic."""
        self._notices.put(lambda: self._client("sns", _TWICE).publish(TopicArn=topic_arn, **notice))

    def put_metrics(self, data: list[dict[str, Any]]) -> None:
        """Send DMS's metrics to CloudWatch."""
        self._metrics.put(
            lambda: self._client("cloudwatch", _ONCE).put_metric_data(Namespace=NAMESPACE, MetricData=data)
        )

    def _client(self, service: str, config: Config) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(service, config=config)
            client = self._clients[service]
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if host != "localhost" and not host.startswith("127."):
            raise Unreachable(
                f"{service} would be {host}: the sandbox talks to this machine only, set AWS_ENDPOINT_URL"
            )
        return client


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{error.response['Error'].get('Code')}: {error.response['Error'].get('Message')}"
    return f"{type(error).__name__}: {error}"
