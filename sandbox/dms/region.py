"""One region's DMS: what was declared there, what happened, and the services around it."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from sandbox.databases.server import ServerInfo
from sandbox.dms.cloud import Cloud
from sandbox.dms.events import OF_REPLICATIONS, Event, Topic, wants
from sandbox.dms.store import Kind, Record, Store

EVENTS_KEPT = 1000


class Region:
    """The records, events and services of one region."""

    def __init__(self, name: str, servers: Sequence[ServerInfo]) -> None:
        self.name = name
        self.servers = tuple(servers)
        self.store = Store(name)
        self.cloud = Cloud(name)
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)

    def tell(self, topic: Topic, record: Record, message: str = "") -> None:
        """Note an event and send it to EventBridge and to every event subscription that wants it.

        Of a serverless replication, which no event subscription can name, it goes to EventBridge alone.
        """
        serverless = record.kind is Kind.REPLICATION
        topic = OF_REPLICATIONS[topic] if serverless else topic
        event = Event(topic, record.name, record.arn, message or topic.words, self.store.today())
        self.cloud.put_event(event.entry())
        if serverless:
            return
        self.events.append(event)
        for subscription in self.store.all(Kind.EVENT_SUBSCRIPTION):
            if wants(subscription.body, event):
                self.cloud.publish(subscription.body["SnsTopicArn"], event.notice())


class Regions:
    """The regions that were asked for, made on the first request."""

    def __init__(self, make: Callable[[str], Region]) -> None:
        self._make = make
        self._known: dict[str, Region] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Region:
        """Return a region."""
        with self._lock:
            if name not in self._known:
                self._known[name] = self._make(name)
            return self._known[name]
