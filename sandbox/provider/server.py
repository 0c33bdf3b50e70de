"""The gRPC server the engine talks to: one for `aws` and `random`, one connection per provider instance."""

import ipaddress
import json
import sys
import threading
from collections.abc import Mapping
from concurrent import futures
from typing import Any
from urllib.parse import urlsplit

import boto3
import grpc
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from sandbox.provider import lifecycle, random_provider
from sandbox.provider.archives import SECRET, SIGNATURE
from sandbox.provider.entry import Api, Entry, Resource
from sandbox.provider.lifecycle import ProviderError
from sandbox.provider.shapes import Json, Problem
from sandbox.provider.table import ENTRIES

ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
VERSION = "7.51.1"


class Cloud(Api):
    """One region of the sandbox's cloud, through boto3. Refuses every endpoint that is not this machine."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.account = ACCOUNT
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._session = boto3.Session(region_name=region)

    def call(self, service: str, operation: str, /, **params: Any) -> Any:
        """Call an operation and return its answer without its metadata."""
        answer = getattr(self.client(service), operation)(**params)
        if isinstance(answer, dict):
            answer.pop("ResponseMetadata", None)
        return answer

    def client(self, service: str) -> Any:
        """Return the client of a service, made once: making clients is not safe in parallel."""
        with self._lock:
            if service not in self._clients:
                config = Config(retries={"mode": "standard", "max_attempts": 3}, s3={"addressing_style": "path"})
                client = self._session.client(service, config=config)
                refuse_remote(service, client.meta.endpoint_url)
                self._clients[service] = client
            return self._clients[service]


def refuse_remote(service: str, endpoint: str) -> None:
    """Raise ProviderError unless `endpoint` is on this machine: the stand-in must never touch a real account."""
    host = urlsplit(endpoint).hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ProviderError(
            f"{service} points to {endpoint}, which is not this machine: the stand-in only works inside the sandbox. "
            "Run the command with `python -m sandbox exec -- ...`, or use the official provider for AWS"
        )


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine. The peer's address tells provider instances apart: each has a connection of its own."""

    def __init__(self) -> None:
        self._regions: dict[str, str] = {}
        self._clouds: dict[str, Cloud] = {}
        self._lock = threading.Lock()

    # The provider itself

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Say what this provider can take: plain values, the engine keeps track of secrets."""
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Accept an engine."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Say which version of pulumi-aws this stands in for."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Accept every provider configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """A changed configuration replaces nothing, but a new region does."""
        old, new = _plain(request.old_inputs or request.olds), _plain(request.news)
        moved = old.get("region") != new.get("region")
        changes = provider_pb2.DiffResponse.DIFF_SOME if moved else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, replaces=["region"] if moved else [])

    def Configure(self, request: Any, context: Any) -> Any:
        """Remember the region of this connection."""
        region = _plain(request.args).get("region") or request.variables.get("aws:config:region")
        self._regions[context.peer()] = str(region or DEFAULT_REGION)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Nothing to cancel: calls are short."""
        return empty_pb2.Empty()

    # Resources

    def Check(self, request: Any, context: Any) -> Any:
        """Validate a resource's inputs and fill in its name."""
        kind, name = _identity(request.urn)
        inputs, old = _plain(request.news), _plain(request.olds)
        if kind.startswith("random:"):
            problems = _check_random(kind, inputs)
        else:
            entry = _entry(kind, context)
            try:
                inputs, problems = lifecycle.check(entry, inputs, name=name, old=old, seed=request.randomSeed)
            except ProviderError as error:
                context.abort(grpc.StatusCode.INTERNAL, str(error))
        failures = [provider_pb2.CheckFailure(property=p.property, reason=p.reason) for p in problems]
        return provider_pb2.CheckResponse(inputs=_struct(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        """Compare old and new inputs."""
        kind, _ = _identity(request.urn)
        old, new = _plain(request.old_inputs), _plain(request.news)
        if kind.startswith("random:"):
            changed = frozenset(k for k in old.keys() | new.keys() if old.get(k) != new.get(k)) - {"__defaults"}
            found = lifecycle.Difference(changed, changed, dict.fromkeys(changed, "UPDATE"))
        else:
            found = lifecycle.difference(_entry(kind, context), old, new, request.ignoreChanges)
        some = provider_pb2.DiffResponse.DIFF_SOME
        none = provider_pb2.DiffResponse.DIFF_NONE
        detailed = {
            prop: provider_pb2.PropertyDiff(
                kind=getattr(provider_pb2.PropertyDiff, how + ("_REPLACE" if prop in found.replaced else "")),
                inputDiff=True,
            )
            for prop, how in found.details.items()
        }
        return provider_pb2.DiffResponse(
            changes=some if found.changed else none,
            diffs=sorted(found.changed),
            replaces=sorted(found.replaced),
            deleteBeforeReplace=bool(found.replaced) and not kind.startswith("random:"),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:
        """Create a resource; at preview say what is known of it."""
        kind, name = _identity(request.urn)
        inputs = _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=_struct(inputs))
        if kind.startswith("random:"):
            made_id, made = random_provider.TYPES[kind].make(inputs)
            return provider_pb2.CreateResponse(id=made_id, properties=_struct({**inputs, **made}))
        entry, resource = _entry(kind, context), Resource(name, inputs)
        with _reported(f"{entry.type} {name}", context, made=resource):
            lifecycle.create(entry, self._cloud(context, inputs), resource)
        return provider_pb2.CreateResponse(id=resource.id, properties=_struct(_state(resource)))

    def Read(self, request: Any, context: Any) -> Any:
        """Look a resource up, for refresh and import."""
        kind, name = _identity(request.urn)
        inputs, state = _plain(request.inputs), _plain(request.properties)
        if kind.startswith("random:"):
            return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)
        entry, resource = _entry(kind, context), Resource(name, {**inputs}, request.id, state)
        with _reported(f"{entry.type} {name}", context):
            found = lifecycle.read(entry, self._cloud(context, inputs), resource)
        if found is None:
            return provider_pb2.ReadResponse(id="")
        resource.inputs = lifecycle.refreshed(entry, inputs, found)
        return provider_pb2.ReadResponse(
            id=request.id, inputs=_struct(resource.inputs), properties=_struct(_state(resource))
        )

    def Update(self, request: Any, context: Any) -> Any:
        """Change a resource in place."""
        kind, name = _identity(request.urn)
        old, new, state = _plain(request.old_inputs), _plain(request.news), _plain(request.olds)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=_struct({**state, **new}))
        entry, resource = _entry(kind, context), Resource(name, new, request.id, state)
        with _reported(f"{entry.type} {name}", context):
            lifecycle.update(entry, self._cloud(context, new), resource, old, request.ignoreChanges)
        return provider_pb2.UpdateResponse(properties=_struct(_state(resource)))

    def Delete(self, request: Any, context: Any) -> Any:
        """Delete a resource."""
        kind, name = _identity(request.urn)
        if not kind.startswith("random:"):
            inputs, state = _plain(request.old_inputs), _plain(request.properties)
            entry, resource = _entry(kind, context), Resource(name, inputs or state, request.id, state)
            with _reported(f"{entry.type} {name}", context):
                lifecycle.delete(entry, self._cloud(context, inputs), resource)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        """Answer the functions that programs call."""
        args = _plain(request.args)
        with _reported(request.tok, context):
            answer = _looked_up(request.tok, self._cloud(context, args), args)
        return provider_pb2.InvokeResponse(**{"return": _struct({**args, **answer})})

    def _cloud(self, context: Any, inputs: Mapping[str, Any]) -> Cloud:
        region = str(inputs.get("region") or self._regions.get(context.peer()) or DEFAULT_REGION)
        with self._lock:
            if region not in self._clouds:
                self._clouds[region] = Cloud(region)
            return self._clouds[region]


def _looked_up(function: str, cloud: Cloud, args: Json) -> Json:
    """Return what one of the provider's functions answers. Raises ProviderError for one that is not known here."""
    match function:
        case "aws:index/getCallerIdentity:getCallerIdentity":
            found = cloud.call("sts", "get_caller_identity")
            account = found["Account"]
            return {"accountId": account, "arn": found["Arn"], "userId": found["UserId"], "id": account}
        case "aws:index/getRegion:getRegion":
            return {"region": cloud.region, "name": cloud.region, "id": cloud.region, "description": cloud.region}
        case "aws:index/getPartition:getPartition":
            suffix = "amazonaws.com"
            return {"partition": "aws", "dnsSuffix": suffix, "id": "aws", "reverseDnsPrefix": "com.amazonaws"}
        case "aws:index/getAvailabilityZones:getAvailabilityZones":
            zones = cloud.call("ec2", "describe_availability_zones", **_zone_filters(args))["AvailabilityZones"]
            names = sorted(zone["ZoneName"] for zone in zones)
            return {"names": names, "zoneIds": [zone["ZoneId"] for zone in zones], "id": cloud.region}
        case _:
            raise ProviderError(
                f"the sandbox does not know the function {function}: add it to _looked_up in sandbox/provider/server.py"
            )


def _zone_filters(args: Json) -> Json:
    """Return which zones are asked for as EC2 takes it."""
    wanted = {one["name"]: list(one["values"]) for one in args.get("filters") or []}
    if args.get("state"):
        wanted["state"] = [args["state"]]
    return {"Filters": [{"Name": name, "Values": values} for name, values in wanted.items()]} if wanted else {}


class _reported:
    """Turns errors of the cloud into one line that names what was worked on, and the reason.

    A resource that was `made` and then failed goes with the error, so that the engine remembers it and can delete it.
    """

    def __init__(self, what: str, context: Any, made: Resource | None = None) -> None:
        self._what, self._context, self._made = what, context, made

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, ProviderError | ClientError | BotoCoreError | LookupError | ValueError):
            return
        said = str(error) if isinstance(error, ProviderError) else f"{self._what}: {type(error).__name__}: {error}"
        if self._made is not None and self._made.id:
            detail = any_pb2.Any()
            detail.Pack(
                provider_pb2.ErrorResourceInitFailed(
                    id=self._made.id,
                    properties=_struct(_state(self._made)),
                    inputs=_struct(self._made.inputs),
                    reasons=[said],
                )
            )
            status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=said, details=[detail])
            self._context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            self._context.abort(grpc.StatusCode.UNKNOWN, said)
        self._context.abort(grpc.StatusCode.INTERNAL, said)


def _entry(kind: str, context: Any) -> Entry:
    if kind not in ENTRIES:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"the sandbox does not know the type {kind}: add an entry for it in sandbox/provider/table, "
            "or deploy this program to AWS with the official provider",
        )
    return ENTRIES[kind]


def _check_random(kind: str, inputs: Json) -> list[Problem]:
    if kind not in random_provider.TYPES:
        return [Problem("", f"the sandbox does not know {kind}: add it to sandbox/provider/random_provider.py")]
    unknown = inputs.keys() - random_provider.TYPES[kind].accepts - {"__defaults"}
    return [Problem(prop, f"the sandbox does not know {prop} of {kind}") for prop in sorted(unknown)]


def _state(resource: Resource) -> Json:
    tags = resource.inputs.get("tags")
    extra = {"tagsAll": tags} if tags else {}
    return {"id": resource.id, **resource.outputs, **resource.inputs, **extra}


def _identity(urn: str) -> tuple[str, str]:
    """Return the type and the logical name in a URN."""
    parts = urn.split("::")
    return parts[2].split("$")[-1], parts[-1]


def _plain(struct: Any) -> Json:
    """Return a protobuf struct as plain data, whole numbers as integers, secrets opened."""
    plain: Json = _tidy(json_format.MessageToDict(struct)) if struct is not None else {}
    return plain


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return _tidy(value.get("value"))
        return {key: _tidy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_tidy(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _struct(plain: Json) -> Any:
    struct = struct_pb2.Struct()
    struct.update(json.loads(json.dumps({k: v for k, v in plain.items() if v is not None}, default=str)))
    return struct


def serve(port: int) -> None:
    """Serve on loopback until the process is ended."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), options=[("grpc.max_receive_message_length", -1)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    if not server.add_insecure_port(f"127.0.0.1:{port}"):
        raise SystemExit(f"port {port} is taken")
    server.start()
    print(f"provider ready on {port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
