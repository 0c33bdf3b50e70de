"""Objects: S3, where each part of a bucket's configuration is a resource of its own."""

from collections.abc import Callable
from typing import Any

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import Json, as_declared, input_shape, to_request

NO_BUCKET = "NoSuchBucket"
BIRTHPLACE = "us-east-1"
LOCATION = "CreateBucketConfiguration"


def _location(request: Json, _bucket: Resource) -> Json:
    """Leave out where the bucket is to lie where that is the region S3 was born in: S3 wants it so."""
    place = request.pop(LOCATION)
    return request if place["LocationConstraint"] in (None, BIRTHPLACE) else {**request, LOCATION: place}


def _empty(api: Api, bucket: Resource) -> None:
    """Delete every version of every object where the program allows that; else S3 refuses to delete the bucket."""
    if not bucket.inputs.get("forceDestroy"):
        return
    while True:
        page = api.call("s3", "list_object_versions", Bucket=bucket.id, MaxKeys=500)
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not found:
            return
        listed = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        api.call("s3", "delete_objects", Bucket=bucket.id, Delete={"Objects": listed, "Quiet": True})


def _flag(_api: Api, _bucket: Resource, _old: Json, changed: set[str]) -> set[str]:
    """Take note of what only a later deletion reads."""
    return changed & {"forceDestroy"}


def _written(operation: str, member: str, prop: str) -> Callable[[Resource, Any], Any]:
    """Return what finds a part of the configuration: `prop` as the program wrote it, or else as it is on S3."""
    shape = input_shape("s3", operation).members[member]

    def pick(resource: Resource, answer: Any) -> Any:
        live = answer.get(member) if member in answer else answer
        if not live:
            return None
        declared = resource.inputs.get(prop)
        return {**answer, f"={prop}": as_declared(declared, to_request(shape, declared, prop, {}, []), live)}

    return pick


def _wrapped(member: str, *props: str) -> Callable[[Json, Resource], Json]:
    """Return what puts flat properties into the structure that S3 takes them in."""

    def prepare(request: Json, resource: Resource) -> Json:
        inner = {prop[:1].upper() + prop[1:]: resource.inputs.get(prop) for prop in props}
        return {**request, member: {key: value for key, value in inner.items() if value is not None}}

    return prepare


def _logging(request: Json, resource: Resource) -> Json:
    inner = {"TargetBucket": resource.inputs.get("targetBucket"), "TargetPrefix": resource.inputs.get("targetPrefix")}
    return {**request, "BucketLoggingStatus": {"LoggingEnabled": inner}}


def _replication(request: Json, resource: Resource) -> Json:
    shape = input_shape("s3", "put_bucket_replication").members["ReplicationConfiguration"].members["Rules"]
    rules = to_request(shape, resource.inputs.get("rules"), "rules", {}, [])
    return {**request, "ReplicationConfiguration": {"Role": resource.inputs.get("role"), "Rules": rules}}


def _find_replication(resource: Resource, answer: Any) -> Any:
    live = answer["ReplicationConfiguration"]
    wanted = _replication({}, resource)["ReplicationConfiguration"]
    rules = as_declared(resource.inputs.get("rules"), wanted["Rules"], live["Rules"])
    return {"Role": live["Role"], "=rules": rules}


def _suspend(api: Api, resource: Resource) -> None:
    """Suspend: versioning that was once on can't be taken off again."""
    api.call("s3", "put_bucket_versioning", Bucket=resource.id, VersioningConfiguration={"Status": "Suspended"})


def _stop_logging(api: Api, resource: Resource) -> None:
    api.call("s3", "put_bucket_logging", Bucket=resource.id, BucketLoggingStatus={})


def _part(kind: str, put: Call, get: Reading, delete: str, **more: Any) -> Entry:
    """Return the entry of a part of a bucket's configuration."""
    return Entry(
        type=f"aws:s3/{kind[:1].lower()}{kind[1:]}:{kind}",
        service="s3",
        create=put,
        update=put,
        read=get,
        delete=Call(delete, {"Bucket": "$id"}) if delete else None,
        id="$bucket",
        replace=frozenset({"bucket"}),
        **more,
    )


BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

ENTRIES = (
    Entry(
        type="aws:s3/bucket:Bucket",
        service="s3",
        create=Call("create_bucket", {LOCATION: {"LocationConstraint": "$region"}}),
        prepare=_location,
        change=_flag,
        read=Reading(Call("list_buckets"), "Buckets[?Name==<id>] | [0]", (NO_BUCKET,)),
        before_delete=_empty,
        delete=Call("delete_bucket", {"Bucket": "$id"}),
        id="$bucket",
        outputs={
            "arn": lambda _api, bucket, _: f"arn:aws:s3:::{bucket.id}",
            "bucketRegion": lambda api, _bucket, _found: api.region,
            "bucketDomainName": lambda _api, bucket, _: f"{bucket.id}.s3.amazonaws.com",
            "bucketRegionalDomainName": lambda api, bucket, _: f"{bucket.id}.s3.{api.region}.amazonaws.com",
        },
        replace=frozenset({"bucket"}),
        local=frozenset({"forceDestroy"}),
        name="bucket",
        tagging=Tagging("put_bucket_tagging", "", {"Bucket": "$id"}, tags="Tagging"),
        truth="objects are kept as they come, whatever their encryption",
    ),
    _part(
        "BucketVersioning",
        Call("put_bucket_versioning"),
        Reading(
            Call("get_bucket_versioning", {"Bucket": "$id"}),
            pick=_written("put_bucket_versioning", "VersioningConfiguration", "versioningConfiguration"),
            gone=(NO_BUCKET,),
        ),
        "",
        before_delete=_suspend,
    ),
    _part(
        "BucketOwnershipControls",
        Call("put_bucket_ownership_controls", renames={"rule": "OwnershipControls"}),
        Reading(
            Call("get_bucket_ownership_controls", {"Bucket": "$id"}),
            pick=_written("put_bucket_ownership_controls", "OwnershipControls", "rule"),
            gone=(NO_BUCKET,),
        ),
        "delete_bucket_ownership_controls",
    ),
    _part(
        "BucketPublicAccessBlock",
        Call("put_public_access_block"),
        Reading(
            Call("get_public_access_block", {"Bucket": "$id"}),
            "PublicAccessBlockConfiguration",
            (NO_BUCKET, "NoSuchPublicAccessBlockConfiguration"),
        ),
        "delete_public_access_block",
        prepare=_wrapped("PublicAccessBlockConfiguration", *BLOCKS),
        local=frozenset(BLOCKS),
    ),
    _part(
        "BucketServerSideEncryptionConfiguration",
        Call("put_bucket_encryption", renames={"rules": "ServerSideEncryptionConfiguration"}),
        Reading(
            Call("get_bucket_encryption", {"Bucket": "$id"}),
            pick=_written("put_bucket_encryption", "ServerSideEncryptionConfiguration", "rules"),
            gone=(NO_BUCKET,),
        ),
        "delete_bucket_encryption",
    ),
    _part(
        "BucketLifecycleConfiguration",
        Call("put_bucket_lifecycle_configuration", renames={"rules": "LifecycleConfiguration"}),
        Reading(
            Call("get_bucket_lifecycle_configuration", {"Bucket": "$id"}),
            pick=_written("put_bucket_lifecycle_configuration", "LifecycleConfiguration", "rules"),
            gone=(NO_BUCKET, "NoSuchLifecycleConfiguration"),
        ),
        "delete_bucket_lifecycle",
        truth="nothing is moved or expires",
    ),
    _part(
        "BucketLogging",
        Call("put_bucket_logging"),
        Reading(Call("get_bucket_logging", {"Bucket": "$id"}), "LoggingEnabled", (NO_BUCKET,)),
        "",
        prepare=_logging,
        before_delete=_stop_logging,
        local=frozenset({"targetBucket", "targetPrefix"}),
        truth="nothing is logged",
    ),
    _part(
        "BucketPolicy",
        Call("put_bucket_policy"),
        Reading(Call("get_bucket_policy", {"Bucket": "$id"}), gone=(NO_BUCKET, "NoSuchBucketPolicy")),
        "delete_bucket_policy",
        truth="it keeps nobody out",
    ),
    _part(
        "BucketReplicationConfig",
        Call("put_bucket_replication"),
        Reading(
            Call("get_bucket_replication", {"Bucket": "$id"}),
            pick=_find_replication,
            gone=(NO_BUCKET, "ReplicationConfigurationNotFoundError"),
        ),
        "delete_bucket_replication",
        prepare=_replication,
        local=frozenset({"role", "rules"}),
        truth="objects are copied at once",
    ),
)
