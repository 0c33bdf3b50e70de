"""A fleet without AWS: a zone, a tracking table and a topic that live in memory, behind the clients' own calls."""

import copy
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from handlers.adapters.cloud import Topic
from handlers.adapters.fleet_tracking import FleetTracking
from handlers.adapters.route53 import NameGroup
from handlers.core.fleet import Config
from handlers.fleet import Fleet
from tests.support.fakes import Ticks, Watcher

CONFIG = Config(
    databases=("orders", "billing"),
    zone_id="Z1",
    writer_name="{database}-writer.fleet.example",
    reader_name="{database}-reader.fleet.example",
    tracking_table="tracking",
    topic_arn="arn:topic",
)


def record(name: str, side: str, weight: int) -> dict[str, Any]:
    return {
        "Name": f"{name}.",
        "Type": "CNAME",
        "TTL": 60,
        "SetIdentifier": side,
        "Weight": weight,
        "ResourceRecords": [{"Value": f"{side}.example"}],
    }


class Route53:
    """A zone with both names of every database of CONFIG; a batch is taken whole."""

    def __init__(self) -> None:
        self.records = {
            (name, side): record(name, side, weight)
            for database in CONFIG.databases
            for name in CONFIG.names(database).values()
            for side, weight in (("blue", 100), ("green", 0))
        }
        self.batches: list[int] = []
        self.interruptions: list[Callable[[], Any]] = []
        """What happens while a batch is on its way, a batch each; what it does there is not interrupted itself."""

    def list_resource_record_sets(self, **wanted: Any) -> dict[str, Any]:
        assert wanted["HostedZoneId"] == "Z1"
        return {"ResourceRecordSets": copy.deepcopy(list(self.records.values()))}

    def change_resource_record_sets(self, *, HostedZoneId: str, ChangeBatch: dict[str, Any]) -> dict[str, Any]:
        assert HostedZoneId == "Z1" and len(ChangeBatch["Comment"]) <= 256
        if self.interruptions:
            meanwhile, *later = self.interruptions
            self.interruptions = []
            meanwhile()
            self.interruptions = later
        changes = ChangeBatch["Changes"]
        self.batches.append(len(changes))
        for change in changes:
            found = change["ResourceRecordSet"]
            self.records[found["Name"].rstrip("."), found["SetIdentifier"]] = found
        return {"ChangeInfo": {"Id": f"C{len(self.batches)}"}}

    def point(self, database: str, green: int) -> None:
        """Give both names of a database these weights, as somebody would by hand."""
        for name in CONFIG.names(database).values():
            self.records[name, "green"]["Weight"] = green
            self.records[name, "blue"]["Weight"] = 100 - green

    def green(self, database: str) -> tuple[int, int]:
        """Return the weight of green for writes and for reads."""
        names = CONFIG.names(database)
        return self.records[names["writer"], "green"]["Weight"], self.records[names["reader"], "green"]["Weight"]


class DynamoDb:
    """A table with conditional transactions on the two keys of the tracking table."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def get_item(self, *, TableName: str, Key: dict[str, Any], ConsistentRead: bool) -> dict[str, Any]:
        assert TableName == "tracking" and ConsistentRead
        found = self.items.get((Key["serverId"]["S"], Key["timestamp"]["S"]))
        return {"Item": copy.deepcopy(found)} if found else {}

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> None:
        puts = [item["Put"] for item in TransactItems]
        keys = [(put["Item"]["serverId"]["S"], put["Item"]["timestamp"]["S"]) for put in puts]
        state, line = (self.items.get(key) for key in keys)
        expected = puts[0]["ExpressionAttributeValues"][":version"]
        failed = (state is not None and state["version"] != expected, line is not None)
        if any(failed):
            reasons = [{"Code": "ConditionalCheckFailed" if one else "None"} for one in failed]
            answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise ClientError(answer, "TransactWriteItems")
        for key, put in zip(keys, puts, strict=True):
            self.items[key] = copy.deepcopy(put["Item"])

    def events(self, database: str) -> list[str]:
        """Return a database's events in their order."""
        return [
            item["event"]["S"] for key, item in sorted(self.items.items()) if key[0] == database and "event" in item
        ]


class Sns:
    def __init__(self) -> None:
        self.subjects: list[str] = []

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:
        assert TopicArn == "arn:topic" and Message
        self.subjects.append(Subject)


class World:
    """One fleet over one set of fakes. `watcher` kills before or after any call to one of them."""

    def __init__(self) -> None:
        self.route53, self.dynamodb, self.sns = Route53(), DynamoDb(), Sns()
        self.clock = Ticks()
        self.watcher = Watcher()

    def fleet(self) -> Fleet:
        route53, dynamodb, sns = (
            self.watcher.wrap(thing, name)
            for thing, name in ((self.route53, "route53"), (self.dynamodb, "dynamodb"), (self.sns, "sns"))
        )
        return Fleet(
            config=CONFIG,
            tracking=FleetTracking(dynamodb, CONFIG.tracking_table),
            group=lambda names: NameGroup(route53, CONFIG.zone_id, names),
            topic=Topic(sns, CONFIG.topic_arn),
            clock=self.clock,
        )
