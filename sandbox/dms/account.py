"""Operations on tags and on the account."""

from sandbox.dms.call import Call
from sandbox.dms.protocol import INVALID, Fault, Json
from sandbox.dms.store import ACCOUNT, Kind

TAGS_LIMIT = 50


def add_tags_to_resource(call: Call) -> Json:
    """Add tags to a resource, or change them."""
    record = call.store.tagged(call.request["ResourceArn"])
    merged = {**record.tags, **{tag["Key"]: tag.get("Value", "") for tag in call.request["Tags"] if "Key" in tag}}
    if len(merged) > TAGS_LIMIT:
        raise Fault(INVALID, f"{len(merged)} tags: at most {TAGS_LIMIT}")
    record.tags.update(merged)
    return {}


def remove_tags_from_resource(call: Call) -> Json:
    """Take tags from a resource."""
    record = call.store.tagged(call.request["ResourceArn"])
    for key in call.request["TagKeys"]:
        record.tags.pop(key, None)
    return {}


def list_tags_for_resource(call: Call) -> Json:
    """Show the tags of one resource, or of several with each tag naming its own."""
    arn, several = call.request.get("ResourceArn"), call.request.get("ResourceArnList")
    if bool(arn) == bool(several):
        raise Fault(INVALID, "Either ResourceArn or ResourceArnList is needed, not both")
    if arn:
        return {"TagList": [{"Key": k, "Value": v} for k, v in call.store.tagged(arn).tags.items()]}
    return {
        "TagList": [
            {"ResourceArn": one, "Key": key, "Value": value}
            for one in several or []
            for key, value in call.store.tagged(one).tags.items()
        ]
    }


def describe_account_attributes(call: Call) -> Json:
    """Show the account's quotas and what is used of them."""
    store = call.store
    instances = store.all(Kind.INSTANCE)
    groups = store.all(Kind.SUBNET_GROUP)
    used = {
        "ReplicationInstances": (60, len(instances)),
        "AllocatedStorage": (30000, sum(one.body["AllocatedStorage"] for one in instances)),
        "ReplicationSubnetGroups": (60, len(groups)),
        "SubnetsPerReplicationSubnetGroup": (60, max((len(one.body["Subnets"]) for one in groups), default=0)),
        "Endpoints": (1000, len(store.all(Kind.ENDPOINT))),
        "EventSubscriptions": (60, len(store.all(Kind.EVENT_SUBSCRIPTION))),
        "ReplicationTasks": (600, len(store.all(Kind.TASK))),
        "Certificates": (100, len(store.all(Kind.CERTIFICATE))),
    }
    return {
        "AccountQuotas": [{"AccountQuotaName": n, "Max": most, "Used": now} for n, (most, now) in used.items()],
        "UniqueAccountIdentifier": f"{call.region.name.replace('-', '')}{ACCOUNT}",
    }
