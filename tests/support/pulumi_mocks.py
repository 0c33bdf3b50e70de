"""A Pulumi engine that records instead of deploying."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.settings import get_root_resource

PROJECT = "database-migration"
REPOSITORY = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "123456789012", "us-east-1"
PROVIDER = "pulumi:providers:aws"
INVOKES = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
    "aws:index/getRegion:getRegion": {"region": REGION, "name": REGION},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": [f"{REGION}{z}" for z in "bacdef"]},
}
LOCAL_ZONE = f"{REGION}-1-local-1a"
"""A zone that the account has opted in to: AWS names it unless the program asks for the ordinary ones."""
ARNS = {"aws:dms/replicationConfig:ReplicationConfig": f"arn:aws:dms:{REGION}:{ACCOUNT}:replication-config:RESOURCEID"}
"""ARNs whose parts the program reads."""
ORDINARY = {"name": "opt-in-status", "values": ["opt-in-not-required"]}


@dataclass(frozen=True)
class Registered:
    """One resource as the program declared it."""

    type: str
    name: str
    inputs: dict[str, Any]
    custom: bool
    parent: str = ""
    ignore_changes: tuple[str, ...] = ()
    depends_on: frozenset[str] = frozenset()
    secret_inputs: frozenset[str] = frozenset()
    provider: str = ""


def _computed(registered: Registered) -> dict[str, Any]:
    """Return what AWS would add to the inputs of a resource that others refer to."""
    name, kind = registered.name, registered.type
    arn = ARNS.get(kind, f"arn:aws:mock:{REGION}:{ACCOUNT}:{name}")
    added: dict[str, Any] = {"arn": arn}
    match kind:
        case "aws:rds/cluster:Cluster":
            added |= {
                "endpoint": f"{name}.cluster.example",
                "readerEndpoint": f"{name}.cluster-ro.example",
                "masterUserSecrets": [{"secretArn": f"{arn}-master"}],
            }
        case "aws:rds/instance:Instance":
            added |= {"address": f"{name}.instance.example", "masterUserSecrets": [{"secretArn": f"{arn}-master"}]}
        case "aws:dms/replicationInstance:ReplicationInstance":
            added |= {"replicationInstanceArn": arn}
        case "aws:dms/endpoint:Endpoint" | "aws:dms/certificate:Certificate":
            added |= {"endpointArn": arn, "certificateArn": arn}
        case "aws:dms/replicationTask:ReplicationTask":
            added |= {"replicationTaskArn": f"{arn}:task:RESOURCEID"}
        case "aws:route53/zone:Zone":
            added |= {"zoneId": "ZMOCK", "nameServers": ["ns-1.example"]}
        case "aws:ec2/vpnConnection:VpnConnection":
            added |= {f"tunnel{n}PresharedKey": f"password of {name}" for n in (1, 2)}
        case "aws:kms/key:Key":
            added |= {"keyId": f"{name}-key-id"}
        case "aws:lb/loadBalancer:LoadBalancer":
            added |= {"dnsName": f"{name}.elb.example", "zoneId": "ZELB", "arnSuffix": f"app/{name}/0"}
        case "aws:lb/targetGroup:TargetGroup":
            added |= {"arnSuffix": f"targetgroup/{name}/0"}
        case "random:index/randomPassword:RandomPassword":
            added |= {"result": f"password of {name}"}
        case "random:index/randomId:RandomId":
            added |= {"hex": "0badcafe"}
    return added


@dataclass
class Recorder(mocks.Mocks):
    """Records every resource, the outputs each component registered, and what the stack exports."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        inputs = {key: _open(value) for key, value in args.inputs.items()}
        return f"{args.name}-id", {
            **_computed(Registered(args.typ, args.name, inputs, bool(args.custom))),
            **args.inputs,
        }

    def call(self, args: mocks.MockCallArgs) -> dict[Any, Any]:
        """Answer as the region of the provider would: `REGION` where the program gives none."""
        named = str(args.provider or "").split("::")
        given = [r for r in self.resources if r.type == PROVIDER and r.name in named]
        region = given[0].inputs["region"] if given else REGION
        answer = dict(json.loads(json.dumps(INVOKES[args.token]).replace(REGION, region)))
        if "names" in answer and ORDINARY not in args.args.get("filters", []):
            answer["names"].insert(0, LOCAL_ZONE)
        return answer

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the inputs of every resource of a type, by name."""
        return {r.name: r.inputs for r in self.resources if r.type == kind}

    def one(self, kind: str) -> dict[str, Any]:
        """Return the inputs of the only resource of a type."""
        [inputs] = self.of(kind).values()
        return inputs

    def parents(self) -> dict[str, str]:
        """Return the name of every resource's parent."""
        return {r.name: r.parent for r in self.resources}

    def named(self, name: str) -> Registered:
        """Return the resource of this name."""
        [found] = [r for r in self.resources if r.name == name]
        return found

    def kinds(self) -> dict[str, str]:
        """Return the type of every custom resource by name."""
        return {r.name: r.type for r in self.resources if r.custom}


class Monitor(mocks.MockMonitor):
    """Records what the mocks are not told: parents, ignored changes, dependencies, which inputs are secret."""

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            raw = rpc.deserialize_properties(request.object)
            assert isinstance(self.mocks, Recorder)
            self.mocks.resources.append(
                Registered(
                    request.type,
                    request.name,
                    {key: _open(value) for key, value in raw.items()},
                    request.custom,
                    "" if "::pulumi:pulumi:Stack::" in request.parent else request.parent.split("::")[-1],
                    tuple(request.ignoreChanges),
                    frozenset(urn.split("::")[-1] for urn in request.dependencies),
                    frozenset(key for key, value in raw.items() if rpc.is_rpc_secret(value)),
                    request.provider,
                )
            )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:
        assert isinstance(self.mocks, Recorder)
        self.mocks.outputs[request.urn.split("::")[-1]] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)


def _open(value: Any) -> Any:
    """Return a value without the wrapping of secrets."""
    return _open(rpc.unwrap_rpc_secret(value)) if rpc.is_rpc_secret(value) else value


def deploy(program: Callable[[], Any], config: Mapping[str, Any] | None = None, stack: str = "unit") -> Recorder:
    """Run `program` against a fresh recorder and return it once everything it declared is known."""
    recorder = Recorder()
    mocks.set_mocks(recorder, project=PROJECT, stack=stack, preview=False, monitor=Monitor(recorder))
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (config or {}).items()}
    set_all_config(plain, [])

    def body() -> pulumi.Output[None]:
        stack = get_root_resource()
        getattr(stack, "outputs", {}).clear()  # the root is one for all programs of this process
        program()
        return pulumi.Output.all(**getattr(stack, "outputs", {})).apply(recorder.exports.update)

    pulumi.runtime.test(body)()
    return recorder


def stack_config(stack: str) -> dict[str, Any]:
    """Return the configuration in Pulumi.<stack>.yaml, or that of an example."""
    own = REPOSITORY / f"Pulumi.{stack}.yaml"
    path = own if own.exists() else REPOSITORY / "examples" / f"{stack}.yaml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())["config"]
    return loaded
