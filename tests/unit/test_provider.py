"""The provider stand-in without a cloud: the table against botocore's models, checks, differences, drift, archives."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.provider import archives, coverage, lifecycle, random_provider, shapes
from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging, filled, resolved
from sandbox.provider.lifecycle import ProviderError
from sandbox.provider.server import refuse_remote
from sandbox.provider.shapes import UNKNOWN, Problem, camel, input_shape, member
from sandbox.provider.table import ENTRIES


def calls(entry: Entry) -> list[Call]:
    return [c for c in (entry.create, *entry.also, entry.update, entry.read.call, entry.delete) if c is not None]


# The table


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.type)
def test_every_call_of_the_table_exists_with_the_members_it_names(entry: Entry) -> None:
    for call in calls(entry):
        members = input_shape(call.service or entry.service, call.operation).members
        renamed = {m for p, m in call.renames.items() if "." not in p} if call is not entry.update else set()
        assert set(call.params) | renamed <= set(members), call.operation
    if entry.tagging:
        for operation in filter(None, (entry.tagging.add, entry.tagging.remove)):
            members = input_shape(entry.service, operation).members
            assert set(entry.tagging.by) <= set(members), operation
        assert entry.tagging.tags in input_shape(entry.service, entry.tagging.add).members
        if entry.tagging.remove:
            assert entry.tagging.keys in input_shape(entry.service, entry.tagging.remove).members


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.type)
def test_every_type_is_one_the_sdk_knows_with_these_properties(entry: Entry) -> None:
    import importlib
    import inspect

    module, name = entry.type.split(":")[1].split("/")[0], entry.type.split(":")[-1]
    module = {"lambda": "lambda_"}.get(module, module)
    kind = getattr(importlib.import_module(f"pulumi_aws.{module}"), name)
    known = {camel(p.title().replace("_", "")) for p in inspect.signature(kind._internal_init).parameters}
    for prop in entry.replace | entry.local | entry.secrets:
        assert prop.lower() in {k.lower() for k in known}, prop


# Shapes


@pytest.mark.parametrize(
    ("name", "written"),
    [("DBClusterArn", "dbClusterArn"), ("VpcId", "vpcId"), ("ARN", "arn"), ("KMSKeyId", "kmsKeyId"), ("Name", "name")],
)
def test_members_are_written_as_pulumi_writes_them(name: str, written: str) -> None:
    assert camel(name) == written


def test_a_list_gets_the_wrapping_that_pulumi_leaves_out() -> None:
    shape = input_shape("s3", "put_bucket_encryption").members["ServerSideEncryptionConfiguration"]
    rule = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    wanted = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    problems: list[Problem] = []
    assert shapes.to_request(shape, [rule], "rules", {}, problems) == wanted
    assert shapes.to_request(shape, rule, "rules", {}, problems) == wanted
    assert shapes.to_request(shape, {"rules": [rule]}, "rules", {}, problems) == wanted
    assert problems == []


def test_a_nested_property_stays_as_written_until_something_in_it_differs() -> None:
    declared, wanted = {"status": "Enabled"}, {"Status": "Enabled"}
    assert shapes.as_declared(declared, wanted, {"Status": "Enabled", "MFADelete": "Disabled"}) == declared
    assert shapes.as_declared(declared, wanted, {"Status": "Suspended"}) == {"status": "Suspended"}
    assert shapes.as_declared([declared], [wanted], []) == []


def test_a_property_is_found_whatever_its_case_and_ending() -> None:
    shape = input_shape("rds", "create_db_cluster")
    assert member(shape, "dbSubnetGroupName") == "DBSubnetGroupName"
    assert member(shape, "vpcSecurityGroupIds") == "VpcSecurityGroupIds"
    assert member(shape, "nothingLikeIt") is None


def request(service: str, operation: str, **properties: Any) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []
    shape = input_shape(service, operation)
    made = shapes.to_request(shape, properties, "", {}, problems)
    problems += list(shapes.violations(shape, made, ""))
    return made, problems


def test_values_are_brought_into_the_form_a_request_wants() -> None:
    made, problems = request("cloudwatch", "put_metric_alarm", dimensions={"a": "b"}, period=60.0, threshold=1)
    assert made["Dimensions"] == [{"Name": "a", "Value": "b"}]
    assert made["Period"] == 60
    made, _ = request("ec2", "modify_vpc_attribute", vpcId="vpc-1", enableDnsSupport=True)
    assert made["EnableDnsSupport"] == {"Value": True}
    assert all("Comparison" in p.reason or "required" in p.reason or "requires" in p.reason for p in problems)


@pytest.mark.parametrize(
    ("service", "operation", "properties", "where", "said"),
    [
        ("dms", "create_endpoint", {"endpointType": "sideways"}, "EndpointType", "write one of source, target"),
        ("dms", "create_endpoint", {"endpointType": "source"}, "EndpointIdentifier", "requires EndpointIdentifier"),
        ("lambda", "create_function", {"timeout": "soon"}, "timeout", "is not a whole number"),
        ("lambda", "create_function", {"timeout": 0}, "Timeout", "out of range: write a number from 1"),
        ("lambda", "create_function", {"publish": "maybe"}, "publish", "is not true or false"),
        ("iam", "create_role", {"roleName": "a b"}, "RoleName", "does not match"),
        ("iam", "create_role", {"roleName": "x" * 65}, "RoleName", "65 characters: write 1 to 64"),
        ("lambda", "create_function", {"vpcConfig": {"subnets": []}}, "vpcConfig.subnets", "has no such member"),
        ("lambda", "create_function", {"vpcConfig": "x"}, "vpcConfig", "is no object"),
        ("cloudwatch", "put_metric_alarm", {"threshold": "high"}, "threshold", "is not a number"),
        ("sns", "create_topic", {"name": {"a": 1}}, "name", "is not a string"),
    ],
)
def test_what_the_model_forbids_is_told_with_its_place_and_remedy(
    service: str, operation: str, properties: dict[str, Any], where: str, said: str
) -> None:
    _, problems = request(service, operation, **properties)
    found = [p for p in problems if p.property.lstrip(".") == where]
    assert found, problems
    assert said in found[0].reason


def test_what_is_not_known_yet_is_not_judged() -> None:
    _, problems = request(
        "lambda",
        "create_function",
        functionName=UNKNOWN,
        role=UNKNOWN,
        code={"zipFile": UNKNOWN},
    )
    assert problems == []


def test_an_operation_that_does_not_exist_is_named() -> None:
    with pytest.raises(LookupError, match="sns has no operation sing"):
        input_shape("sns", "sing")


# Lifecycle


class Cloud(Api):
    """A service with one kind of thing in it."""

    region, account = "us-east-1", "123456789012"

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.busy = 0

    def call(self, service: str, operation: str, **params: Any) -> Any:
        self.calls.append((operation, params))
        if operation == "create_topic":
            if self.busy:
                self.busy -= 1
                raise ClientError({"Error": {"Code": "Busy", "Message": ""}}, operation)
            self.things[params["Name"]] = {"TopicArn": params["Name"], **params.get("Attributes", {}), "State": "new"}
            return {"TopicArn": params["Name"]}
        if operation == "get_topic_attributes":
            if params["TopicArn"] not in self.things:
                raise ClientError({"Error": {"Code": "NotFoundException", "Message": ""}}, operation)
            thing = self.things[params["TopicArn"]]
            found, thing["State"] = dict(thing), "ready"
            return {"Attributes": found}
        if operation == "delete_topic" and self.things.pop(params["TopicArn"], None) is None:
            raise ClientError({"Error": {"Code": "NotFound", "Message": ""}}, operation)
        return {}


THING = Entry(
    type="aws:unit/thing:Thing",
    service="sns",
    create=Call("create_topic"),
    also=(
        Call(
            "set_topic_attributes",
            {"TopicArn": "$id", "AttributeName": "x"},
            {"shade": "AttributeValue"},
            only=("shade",),
        ),
    ),
    read=Reading(Call("get_topic_attributes", {"TopicArn": "$id"}), "Attributes"),
    delete=Call("delete_topic", {"TopicArn": "$id"}),
    id="TopicArn",
    outputs={"state": "State", "arn": lambda api, thing, _: f"arn:{api.region}:{thing.id}"},
    replace=frozenset({"name"}),
    local=frozenset({"keep"}),
    ready="State == 'ready'",
    retry=("Busy",),
    name="name",
    tagging=Tagging("tag_resource", "untag_resource", {"ResourceArn": "$id"}),
)


def test_a_check_fills_in_a_name_that_stays() -> None:
    inputs, problems = lifecycle.check(THING, {}, name="thing", old={}, seed=b"seed")
    assert problems == []
    assert inputs["name"].startswith("thing-")
    assert len(inputs["name"]) == len("thing-") + 7
    again, _ = lifecycle.check(THING, {}, name="thing", old=inputs, seed=b"other")
    assert again == inputs


def test_a_check_names_properties_the_sandbox_does_not_know() -> None:
    _, problems = lifecycle.check(THING, {"name": "a", "colour": 1}, name="t", old={}, seed=b"")
    assert [p.property for p in problems] == ["colour"]
    assert "does not know colour of aws:unit/thing:Thing: add it to the type's entry" in problems[0].reason


def test_creation_makes_what_belongs_to_it_and_waits_until_it_is_ready() -> None:
    cloud = Cloud()
    cloud.busy = 1
    thing = Resource("t", {"name": "a", "shade": "red", "tags": {"k": "v"}, "keep": 1})
    lifecycle.create(THING, cloud, thing)
    assert thing.id == "a"
    assert thing.outputs == {"state": "ready", "arn": "arn:us-east-1:a"}
    made = [params for operation, params in cloud.calls if operation == "create_topic"]
    assert made == [{"Name": "a", "Tags": [{"Key": "k", "Value": "v"}]}] * 2
    assert ("set_topic_attributes", {"TopicArn": "a", "AttributeName": "x", "AttributeValue": "red"}) in cloud.calls


def test_an_update_touches_what_changed() -> None:
    cloud = Cloud()
    thing = Resource("t", {"name": "a", "shade": "red", "tags": {"k": "v", "old": "x"}})
    lifecycle.create(THING, cloud, thing)
    cloud.calls.clear()
    thing.inputs = {"name": "a", "shade": "blue", "tags": {"k": "w"}}
    lifecycle.update(THING, cloud, thing, {"name": "a", "shade": "red", "tags": {"k": "v", "old": "x"}})
    operations = [operation for operation, _ in cloud.calls if operation != "get_topic_attributes"]
    assert operations == ["untag_resource", "tag_resource", "set_topic_attributes"]


def test_an_update_the_table_has_no_call_for_is_an_error() -> None:
    cloud = Cloud()
    thing = Resource("t", {"name": "a"})
    lifecycle.create(THING, cloud, thing)
    thing.inputs = {"name": "a", "displayName": "x"}
    with pytest.raises(ProviderError, match="the sandbox can't change displayName"):
        lifecycle.update(THING, cloud, thing, {"name": "a"})


def test_a_deletion_of_what_is_gone_is_no_error() -> None:
    cloud = Cloud()
    thing = Resource("t", {"name": "a"})
    lifecycle.create(THING, cloud, thing)
    lifecycle.delete(THING, cloud, thing)
    lifecycle.delete(THING, cloud, thing)
    assert lifecycle.read(THING, cloud, thing) is None


@pytest.mark.parametrize(
    ("old", "new", "changed", "replaced"),
    [
        ({"a": 1}, {"a": 1.0}, set(), set()),
        ({"a": 1}, {"a": 1, "b": None}, set(), set()),
        ({"name": "x"}, {"name": "y"}, {"name"}, {"name"}),
        ({"a": {"b": 1, "__defaults": []}}, {"a": {"b": 1}}, set(), set()),
        ({"a": [1, 2]}, {"a": [2, 1]}, {"a"}, set()),
        ({"region": "x"}, {"region": "y"}, {"region"}, {"region"}),
        ({"ttl": 1, "a": 1}, {"ttl": 2, "a": 2}, {"a"}, set()),
    ],
)
def test_differences(old: Any, new: Any, changed: set[str], replaced: set[str]) -> None:
    found = lifecycle.difference(THING, old, new, ignored=["ttl"])
    assert (found.changed, found.replaced) == (changed, replaced)


def test_archives_differ_by_what_is_in_them() -> None:
    def archive(digest: str) -> dict[str, Any]:
        return {archives.SIGNATURE: archives.ARCHIVE, "hash": digest, "path": "/elsewhere"}

    assert not lifecycle.difference(THING, {"code": archive("1")}, {"code": {**archive("1"), "path": "/here"}}).changed
    assert lifecycle.difference(THING, {"code": archive("1")}, {"code": archive("2")}).changed == {"code"}


def test_drift_shows_in_the_inputs() -> None:
    inputs = {
        "displayName": "old",
        "number": 5,
        "on": True,
        "subnets": ["a", "b"],
        "policy": '{"a": 1, "b": 2}',
        "nested": {"x": 1},
        "keep": "mine",
        "absent": "stays",
        "same": [{"a": 1}],
        "other": [{"a": 1}],
    }
    found = {
        "DisplayName": "new",
        "Number": "5",
        "On": "true",
        "Subnets": ["b", "a"],
        "Policy": '{"b":2,"a":1}',
        "Nested": {"X": 2},
        "=same": [{"a": 1.0}],
        "=other": [{"a": 2}],
    }
    assert lifecycle.refreshed(THING, inputs, found) == {**inputs, "displayName": "new", "other": [{"a": 2}]}


def test_values_are_resolved_and_templates_filled() -> None:
    thing = Resource("t", {"a": "x"}, "the-id", {"b": "y"})
    assert resolved({"p": ["$id", "$a", "$b", "$nothing", 1]}, thing) == {"p": ["the-id", "x", "y", None, 1]}
    assert filled("{a}/{b}:{id}", thing) == "x/y:the-id"
    assert filled("{a}_{b}_{missing}", thing) == "x_y"


# Archives


def test_an_archive_is_the_same_zip_every_time(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text("2")
    asset = {archives.SIGNATURE: archives.ASSET, "text": "3"}
    file = {archives.SIGNATURE: archives.ASSET, "path": str(tmp_path / "a.py")}
    folder = {archives.SIGNATURE: archives.ARCHIVE, "path": str(tmp_path)}
    archive = {archives.SIGNATURE: archives.ARCHIVE, "assets": {"x.txt": asset, "f.py": file, "inner": folder}}
    first, second = archives.zipped(archive), archives.zipped(archive)
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as opened:
        assert {n: opened.read(n) for n in opened.namelist()} == {
            "x.txt": b"3",
            "f.py": b"1",
            "inner/a.py": b"1",
            "inner/sub/b.py": b"2",
        }
    (tmp_path / "z.zip").write_bytes(first)
    assert archives.zipped({archives.SIGNATURE: archives.ARCHIVE, "path": str(tmp_path / "z.zip")}) == first


def test_the_same_archive_is_compressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(archives, "_compressed", lambda archive: made.append(archive) or b"zip")
    (tmp_path / "a.py").write_text("1")
    folder = {archives.SIGNATURE: archives.ARCHIVE, "path": str(tmp_path)}
    named = [{**folder, "hash": f"{tmp_path}-{number}"} for number in (1, 1, 2)]
    assert [archives.zipped(one) for one in (*named, folder, folder)] == [b"zip"] * 5
    assert made == [named[0], named[2], folder, folder], "what the engine gave no hash is nobody's but its own"


# Random, and the one thing that must never happen


def test_passwords_have_the_wanted_length_and_characters() -> None:
    make = random_provider.TYPES["random:index/randomPassword:RandomPassword"].make
    _, made = make({"length": 32, "overrideSpecial": "_", "minSpecial": 5, "upper": False})
    assert len(made["result"]) == 32
    assert made["result"].count("_") >= 5
    assert made["result"] == made["result"].lower()
    assert make({"length": 32})[1]["result"] != make({"length": 32})[1]["result"]


def test_ids_agree_in_all_their_forms() -> None:
    _, made = random_provider.TYPES["random:index/randomId:RandomId"].make({"byteLength": 4})
    assert int(made["hex"], 16) == int(made["dec"])
    assert len(made["hex"]) == 8


@pytest.mark.parametrize("endpoint", ["https://sts.amazonaws.com", "http://10.0.0.1:4566", "http://localhost.evil.com"])
def test_an_endpoint_that_is_not_this_machine_is_refused(endpoint: str) -> None:
    with pytest.raises(ProviderError, match=r"not this machine: .*use the official provider"):
        refuse_remote("sts", endpoint)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:5", "http://127.8.8.8", "http://localhost:4", "http://[::1]:9"])
def test_loopback_is_accepted(endpoint: str) -> None:
    refuse_remote("sts", endpoint)


def test_the_docs_table_of_types_is_up_to_date() -> None:
    assert coverage.PAGE.read_text() == coverage.page(), "run: python -m sandbox.provider.coverage"


def test_the_docs_table_names_every_type_with_its_calls_and_its_truth() -> None:
    written = coverage.page()
    for entry in ENTRIES.values():
        [row] = [line for line in written.splitlines() if f"`{entry.type}`" in line]
        assert entry.create.operation in row
        assert row.endswith(f"| {entry.truth} |")
    assert all(f"`{kind}`" in written for kind in random_provider.TYPES)
