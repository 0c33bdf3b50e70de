"""DMS's events: what is told of a replication instance or task, and in which words EventBridge and SNS hear it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TASK, INSTANCE, CONFIG = "replication-task", "replication-instance", "replication-config"
CATEGORIES = {
    INSTANCE: (
        "configuration change",
        "creation",
        "deletion",
        "failover",
        "failure",
        "low storage",
        "maintenance",
    ),
    TASK: ("configuration change", "creation", "deletion", "failure", "state change"),
}
"""Event categories per source type, as event subscriptions name them."""
_DETAIL_TYPES = {
    TASK: "DMS Replication Task State Change",
    INSTANCE: "DMS Replication Instance State Change",
    CONFIG: "DMS Replication State Change",
}
_TYPES = {TASK: "REPLICATION_TASK", INSTANCE: "REPLICATION_INSTANCE", CONFIG: "REPLICATION_CONFIG"}
_PAGES = {
    TASK: ("taskDetails", "tasks"),
    INSTANCE: ("replicationInstanceDetails", "replication-instances"),
    CONFIG: ("replicationConfigDetails", "replication-configs"),
}


@dataclass(frozen=True)
class Topic:
    """One of DMS's documented events: its id, its type in EventBridge, its category, what it says of the source."""

    id: str
    type: str
    category: str
    source: str
    words: str


TASK_CREATED = Topic(
    "DMS-EVENT-0074", "REPLICATION_TASK_CREATED", "creation", TASK, "The replication task has been created."
)
TASK_MODIFIED = Topic(
    "DMS-EVENT-0080", "REPLICATION_TASK_MODIFIED", "configuration change", TASK, "The replication task was modified."
)
TASK_STARTED = Topic(
    "DMS-EVENT-0069", "REPLICATION_TASK_STARTED", "state change", TASK, "Replication task has started."
)
TASK_STOPPED = Topic(
    "DMS-EVENT-0079", "REPLICATION_TASK_STOPPED", "state change", TASK, "Replication task has stopped."
)
TASK_FAILED = Topic("DMS-EVENT-0078", "REPLICATION_TASK_FAILED", "failure", TASK, "Replication task has failed.")
TASK_LITTERED = Topic(
    "DMS-EVENT-0082",
    "REPLICATION_TASK_CLEANUP_FAILED",
    "failure",
    TASK,
    "A call to delete the task has failed to clean up task data.",
)
TASK_DELETED = Topic(
    "DMS-EVENT-0073", "REPLICATION_TASK_DELETED", "deletion", TASK, "The replication task has been deleted."
)
INSTANCE_CREATING = Topic(
    "DMS-EVENT-0067", "REPLICATION_INSTANCE_CREATING", "creation", INSTANCE, "A replication instance is being created."
)
INSTANCE_CREATED = Topic(
    "DMS-EVENT-0005", "REPLICATION_INSTANCE_CREATED", "creation", INSTANCE, "A replication instance has been created."
)
INSTANCE_DELETING = Topic(
    "DMS-EVENT-0066",
    "REPLICATION_INSTANCE_DELETING",
    "deletion",
    INSTANCE,
    "The replication instance is being deleted.",
)

_STATE, _FAILURE = "state change", "failure"
OF_REPLICATIONS = {
    TASK_CREATED: Topic("", "REPLICATION_CREATED", _STATE, CONFIG, "DMS replication has been created."),
    TASK_MODIFIED: Topic("", "REPLICATION_MODIFIED", _STATE, CONFIG, "DMS replication has been modified."),
    TASK_STARTED: Topic("", "REPLICATION_RUNNING", _STATE, CONFIG, "DMS replication is running."),
    TASK_STOPPED: Topic("", "REPLICATION_STOPPED", _STATE, CONFIG, "DMS replication has stopped."),
    TASK_FAILED: Topic("", "REPLICATION_FAILED", _FAILURE, CONFIG, "DMS replication has failed."),
    TASK_LITTERED: Topic("", "REPLICATION_FAILED", _FAILURE, CONFIG, "DMS replication left something behind."),
    TASK_DELETED: Topic("", "REPLICATION_DELETED", _STATE, CONFIG, "DMS replication has been deleted."),
}
"""What is told of a serverless replication where a task would be told of. It goes to EventBridge alone, without id."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a source. `message` is what EventBridge gets as detailMessage."""

    topic: Topic
    name: str
    arn: str
    message: str
    date: datetime

    @property
    def region(self) -> str:
        """The region it happened in."""
        return self.arn.split(":")[3]

    def shape(self) -> dict[str, Any]:
        """Return it as DescribeEvents does."""
        return {
            "SourceIdentifier": self.name,
            "SourceType": self.topic.source,
            "Message": _sentence(self),
            "EventCategories": [self.topic.category],
            "Date": self.date,
        }

    def entry(self) -> dict[str, Any]:
        """Return it as an entry for EventBridge."""
        category = self.topic.category.title().replace(" ", "")
        page = _PAGES[self.topic.source][0]
        detail = {
            "type": _TYPES[self.topic.source],
            "category": category,
            "eventType": self.topic.type,
            "eventId": self.topic.id,
            "resourceLink": f"https://console.aws.amazon.com/dms/v2/home?region={self.region}#{page}/{self.name}",
            "detailMessage": self.message,
        }
        if not self.topic.id:
            del detail["eventId"]
        return {
            "Source": "aws.dms",
            "DetailType": _DETAIL_TYPES[self.topic.source],
            "Resources": [self.arn],
            "Time": self.date,
            "Detail": json.dumps(detail),
        }

    def notice(self) -> dict[str, str]:
        """Return it as a message for SNS: subject and text."""
        page = _PAGES[self.topic.source][1]
        link = f"https://console.aws.amazon.com/dms/home?region={self.region}#{page}:ids={self.name}"
        text = {
            "Event Source": self.topic.source,
            "Event Time": self.date.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            "Identifier Link": link,
            "SourceId": self.name,
            "Event ID": f"http://docs.aws.amazon.com/dms/latest/userguide/CHAP_Events.html#{self.topic.id} ",
            "Event Message": _sentence(self),
        }
        return {"Subject": "DMS Notification Message", "Message": json.dumps(text)}


def wants(subscription: dict[str, Any], event: Event) -> bool:
    """Say whether an event subscription, as the API shows it, is to hear of an event."""
    return (
        subscription["Enabled"]
        and subscription.get("SourceType", event.topic.source) == event.topic.source
        and (not subscription["SourceIdsList"] or event.name in subscription["SourceIdsList"])
        and (not subscription["EventCategoriesList"] or event.topic.category in subscription["EventCategoriesList"])
    )


def _sentence(event: Event) -> str:
    words = event.topic.words
    return words if event.message in words else f"{words}\nReason: {event.message}"
