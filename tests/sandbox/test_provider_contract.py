"""The provider stand-in as the engine uses it, over gRPC and on the sandbox's cloud: every type, its whole life."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.instance import Instance
from sandbox.provider import random_provider
from sandbox.provider.table import ENTRIES
from tests.sandbox.provider_samples import SAMPLES, Sample, endpoint

Json = dict[str, Any]


def struct(plain: Json) -> Any:
    made = struct_pb2.Struct()
    made.update(json.loads(json.dumps(plain)))
    return made


def plain(found: Any) -> Json:
    return json_format.MessageToDict(found)


class Engine:
    """Calls the provider in the order the Pulumi engine does."""

    def __init__(self, channel: Any) -> None:
        self.stub = provider_pb2_grpc.ResourceProviderStub(channel)
        self.stub.Configure(provider_pb2.ConfigureRequest(args=struct({"region": "us-east-1"})))
        self.alive: list[tuple[str, str, str, Json, Json]] = []

    @staticmethod
    def urn(kind: str, name: str) -> str:
        return f"urn:pulumi:unit::project::{kind}::{name}"

    def check(self, kind: str, name: str, inputs: Json, old: Json | None = None) -> tuple[Json, list[str]]:
        request = provider_pb2.CheckRequest(
            urn=self.urn(kind, name), news=struct(inputs), olds=struct(old or {}), randomSeed=name.encode()
        )
        answer = self.stub.Check(request)
        return plain(answer.inputs), [f"{f.property}: {f.reason}" for f in answer.failures]

    def create(self, kind: str, name: str, inputs: Json) -> tuple[str, Json]:
        request = provider_pb2.CreateRequest(urn=self.urn(kind, name), properties=struct(inputs))
        answer = self.stub.Create(request)
        state = plain(answer.properties)
        self.alive.append((kind, name, answer.id, inputs, state))
        return answer.id, state

    def read(self, kind: str, name: str, identity: str, inputs: Json, state: Json) -> tuple[str, Json, Json]:
        request = provider_pb2.ReadRequest(
            id=identity, urn=self.urn(kind, name), inputs=struct(inputs), properties=struct(state)
        )
        answer = self.stub.Read(request)
        return answer.id, plain(answer.inputs), plain(answer.properties)

    def diff(self, kind: str, name: str, old: Json, new: Json) -> Any:
        request = provider_pb2.DiffRequest(urn=self.urn(kind, name), old_inputs=struct(old), news=struct(new))
        return self.stub.Diff(request)

    def update(self, kind: str, name: str, identity: str, old: Json, new: Json, state: Json) -> Json:
        request = provider_pb2.UpdateRequest(
            id=identity, urn=self.urn(kind, name), old_inputs=struct(old), news=struct(new), olds=struct(state)
        )
        return plain(self.stub.Update(request).properties)

    def delete(self, kind: str, name: str, identity: str, inputs: Json, state: Json) -> None:
        self.alive = [made for made in self.alive if made[:3] != (kind, name, identity)]
        request = provider_pb2.DeleteRequest(
            id=identity, urn=self.urn(kind, name), old_inputs=struct(inputs), properties=struct(state)
        )
        self.stub.Delete(request)

    def clear(self) -> None:
        for kind, name, identity, inputs, state in reversed(self.alive.copy()):
            self.delete(kind, name, identity, inputs, state)


@pytest.fixture
def engine(sandbox: Instance) -> Iterator[Engine]:
    with grpc.insecure_channel(f"127.0.0.1:{sandbox.ports.provider}") as channel:
        made = Engine(channel)
        yield made
        made.clear()


SECOND_SUBNET = {"cidrBlock": "10.99.9.0/24", "availabilityZone": "us-east-1b"}


class Maker:
    """Makes what a sample needs, once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.made: dict[str, tuple[str, Json]] = {}

    def __call__(self, what: str) -> Any:
        if what == "sample target endpoint":
            inputs = {**endpoint(self), "endpointId": "sample-target", "endpointType": "target"}
            return self._once(what, "aws:dms/endpoint:Endpoint", inputs)[1]["arn"]
        if what == "sample second subnet":
            inputs = {**SAMPLES["aws:ec2/subnet:Subnet"].inputs(self), **SECOND_SUBNET}
            return self._once(what, "aws:ec2/subnet:Subnet", inputs)[0]
        if what == "sample second network":
            return self._once(what, "aws:ec2/vpc:Vpc", {"cidrBlock": "10.97.0.0/16"})[0]
        if what == "sample versioned bucket":
            name = self._once(what, "aws:s3/bucket:Bucket", {"bucket": "sample-versioned"})[0]
            on = {"bucket": name, "versioningConfiguration": {"status": "Enabled"}}
            return self._once("sample versioning", "aws:s3/bucketVersioning:BucketVersioning", on)[0]
        kind, _, output = what.partition(".")
        identity, state = self._once(kind, kind, None)
        return state[output] if output else identity

    def _once(self, key: str, kind: str, inputs: Json | None) -> tuple[str, Json]:
        if key not in self.made:
            wanted = SAMPLES[kind].inputs(self) if inputs is None else inputs
            checked, failures = self.engine.check(kind, f"needed-{len(self.made)}", wanted)
            assert failures == []
            self.made[key] = self.engine.create(kind, f"needed-{len(self.made)}", checked)
        return self.made[key]


def test_every_type_of_the_table_has_a_sample() -> None:
    assert set(SAMPLES) == {*ENTRIES, *random_provider.TYPES}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_resource_lives_and_dies(engine: Engine, kind: str) -> None:
    sample: Sample = SAMPLES[kind]
    tags = {"tags": {"Name": "unit", "Old": "x"}} if sample.tags else {}
    inputs, failures = engine.check(kind, "sample", {**sample.inputs(Maker(engine)), **tags})
    assert failures == []

    identity, state = engine.create(kind, "sample", inputs)
    assert identity
    assert {key: state[key] for key in inputs if key != "tags"} == {key: inputs[key] for key in inputs if key != "tags"}

    found, read_inputs, read_state = engine.read(kind, "sample", identity, inputs, state)
    assert found == identity
    assert read_inputs == inputs, "a refresh right after the creation shows drift"
    assert not engine.diff(kind, "sample", inputs, read_inputs).diffs

    changed = {**inputs, **sample.change, **({"tags": {"Name": "new"}} if sample.tags else {})}
    if changed != inputs:
        difference = engine.diff(kind, "sample", inputs, changed)
        assert set(difference.diffs) == set(sample.change) | ({"tags"} if sample.tags else set())
        assert not difference.replaces
        state = engine.update(kind, "sample", identity, inputs, changed, read_state)
        _, read_inputs, state = engine.read(kind, "sample", identity, changed, state)
        assert read_inputs == changed, "the change did not arrive"

    if sample.replace:
        difference = engine.diff(kind, "sample", changed, {**changed, **sample.replace})
        assert set(difference.replaces) == set(sample.replace)

    engine.delete(kind, "sample", identity, changed, state)
    gone, _, _ = engine.read(kind, "sample", identity, changed, state)
    if kind not in STAYS:
        assert gone == ""
        engine.delete(kind, "sample", identity, changed, state)  # what is gone can be deleted again


def test_a_read_replica_is_made_from_its_source(engine: Engine) -> None:
    kind = "aws:rds/instance:Instance"
    inputs, _ = engine.check(kind, "primary", {**SAMPLES[kind].inputs(Maker(engine)), "identifier": "primary"})
    identity, _ = engine.create(kind, "primary", inputs)
    wanted = {
        "identifier": "replica",
        "replicateSourceDb": identity,
        "instanceClass": "db.t3.small",
        "storageEncrypted": False,  # the source's, which RDS takes over
        "maintenanceWindow": "sun:06:00-sun:07:00",  # which only a modification can set
        "skipFinalSnapshot": True,
    }
    inputs, failures = engine.check(kind, "replica", wanted)
    assert failures == []
    replica, state = engine.create(kind, "replica", inputs)
    assert replica == "replica"
    assert state["address"].startswith("replica.")
    _, read_inputs, _ = engine.read(kind, "replica", replica, inputs, state)
    assert read_inputs == inputs, "a refresh right after the creation shows drift"
    assert set(engine.diff(kind, "replica", inputs, {**inputs, "replicateSourceDb": "other"}).replaces) == {
        "replicateSourceDb"
    }


STAYS = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions",
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:sns/topicPolicy:TopicPolicy",
    *random_provider.TYPES,
}
"""What goes with what it belongs to, and what no cloud knows."""


def test_drift_is_seen(engine: Engine, aws: Any) -> None:
    kind = "aws:sns/topic:Topic"
    inputs, _ = engine.check(kind, "drifting", {"displayName": "declared"})
    identity, state = engine.create(kind, "drifting", inputs)
    aws("sns").set_topic_attributes(TopicArn=identity, AttributeName="DisplayName", AttributeValue="by hand")
    _, read_inputs, _ = engine.read(kind, "drifting", identity, inputs, state)
    assert read_inputs["displayName"] == "by hand"


def test_an_unknown_type_and_property_are_named_with_the_remedy(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        engine.check("aws:glue/job:Job", "x", {})
    assert "does not know the type aws:glue/job:Job: add an entry" in caught.value.details()
    _, failures = engine.check("aws:sns/topic:Topic", "x", {"colour": "red"})
    assert failures == [
        "colour: the sandbox does not know colour of aws:sns/topic:Topic: "
        "add it to the type's entry in sandbox/provider"
    ]
    with pytest.raises(grpc.RpcError) as caught:
        engine.stub.Invoke(provider_pb2.InvokeRequest(tok="aws:ec2/getAmi:getAmi", args=struct({})))
    assert "does not know the function aws:ec2/getAmi:getAmi" in caught.value.details()


def test_an_error_of_the_cloud_names_type_resource_and_reason(engine: Engine) -> None:
    kind = "aws:ec2/subnet:Subnet"
    inputs = {"vpcId": "vpc-00000000000000000", "cidrBlock": "10.0.0.0/24", "availabilityZone": "us-east-1a"}
    with pytest.raises(grpc.RpcError) as caught:
        engine.create(kind, "lost", inputs)
    assert "aws:ec2/subnet:Subnet lost" in caught.value.details()
    assert "InvalidVpcID.NotFound" in caught.value.details()


def test_parallel_creations_are_safe(engine: Engine) -> None:
    from concurrent.futures import ThreadPoolExecutor

    kind = "aws:sns/topic:Topic"
    with ThreadPoolExecutor(16) as many:
        made = list(many.map(lambda n: engine.create(kind, f"topic-{n}", {"name": f"parallel-{n}"}), range(48)))
    assert len({identity for identity, _ in made}) == 48


def test_each_connection_has_a_region_of_its_own(sandbox: Instance) -> None:
    for region in ("eu-central-1", "us-west-2"):
        with grpc.insecure_channel(
            f"127.0.0.1:{sandbox.ports.provider}", [("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            stub.Configure(provider_pb2.ConfigureRequest(args=struct({"region": region})))
            answer = stub.Invoke(provider_pb2.InvokeRequest(tok="aws:index/getRegion:getRegion", args=struct({})))
            assert plain(getattr(answer, "return"))["region"] == region
