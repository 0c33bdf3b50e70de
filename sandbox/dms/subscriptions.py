"""Operations on event subscriptions and events."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.dms.call import Call
from sandbox.dms.events import CATEGORIES, Event
from sandbox.dms.filters import page, select
from sandbox.dms.protocol import INVALID, Fault, Json
from sandbox.dms.store import ACCOUNT, Kind, Lifecycle, Record, identifier

DEFAULT_MINUTES = 60


def create_event_subscription(call: Call) -> Json:
    """Make an event subscription."""
    request, store = call.request, call.store
    name = identifier("SubscriptionName", request["SubscriptionName"])
    body = {
        "CustomerAwsId": ACCOUNT,
        "CustSubscriptionId": name,
        "SnsTopicArn": request["SnsTopicArn"],
        "SubscriptionCreationTime": store.today().strftime("%a %b %d %H:%M:%S UTC %Y"),
        "SourceIdsList": request.get("SourceIds", []),
        "EventCategoriesList": request.get("EventCategories", []),
        "Enabled": request.get("Enabled", True),
        **({"SourceType": request["SourceType"]} if "SourceType" in request else {}),
    }
    _check(body)
    if body["SourceIdsList"] and "SourceType" not in body:
        raise Fault(INVALID, "SourceIds need a SourceType")
    lifecycle = Lifecycle("active")
    lifecycle.move("creating", "active", store.now())
    record = store.add(Kind.EVENT_SUBSCRIPTION, name, body, lifecycle, request.get("Tags", []))
    return {"EventSubscription": _subscription(call, record)}


def modify_event_subscription(call: Call) -> Json:
    """Change an event subscription."""
    request, store = call.request, call.store
    record = store.named(Kind.EVENT_SUBSCRIPTION, request["SubscriptionName"])
    changes: Json = {key: request[key] for key in ("SnsTopicArn", "SourceType", "Enabled") if key in request}
    if "EventCategories" in request:
        changes["EventCategoriesList"] = request["EventCategories"]
    _check({**record.body, **changes})
    record.body.update(changes)
    record.lifecycle.move("modifying", "active", store.now())
    return {"EventSubscription": _subscription(call, record)}


def describe_event_subscriptions(call: Call) -> Json:
    """Show event subscriptions."""
    readers: Mapping[str, Any] = {
        "event-subscription-arn": lambda record: record.arn,
        "event-subscription-id": lambda record: record.name,
    }
    name = call.request.get("SubscriptionName")
    known = [call.store.named(Kind.EVENT_SUBSCRIPTION, name)] if name else call.store.all(Kind.EVENT_SUBSCRIPTION)
    found = select(known, call.request.get("Filters", []), readers, "event subscriptions")
    shown, marker = page([_subscription(call, record) for record in found], call.request)
    return {"EventSubscriptionsList": shown, **marker}


def delete_event_subscription(call: Call) -> Json:
    """Delete an event subscription."""
    record = call.store.named(Kind.EVENT_SUBSCRIPTION, call.request["SubscriptionName"])
    record.lifecycle.set("deleting")
    call.store.remove(record)
    return {"EventSubscription": _subscription(call, record)}


def describe_event_categories(call: Call) -> Json:
    """Show the categories that an event subscription can name."""
    _no_filters(call)
    source = call.request.get("SourceType")
    if source is not None and source not in CATEGORIES:
        raise Fault(INVALID, f"SourceType {source!r} isn't valid: use {' or '.join(CATEGORIES)}")
    groups = [
        {"SourceType": one, "EventCategories": list(categories)}
        for one, categories in CATEGORIES.items()
        if source in (None, one)
    ]
    return {"EventCategoryGroupList": groups}


def describe_events(call: Call) -> Json:
    """Show events of the last hour, of `Duration` minutes, or between two times."""
    request = call.request
    _no_filters(call)
    end = _moment(request["EndTime"]) if "EndTime" in request else call.store.today()
    minutes = request.get("Duration", DEFAULT_MINUTES)
    start = _moment(request["StartTime"]) if "StartTime" in request else end - timedelta(minutes=minutes)
    found = [event for event in list(call.region.events) if start <= event.date <= end and _asked(request, event)]
    shown, marker = page([event.shape() for event in found], request)
    return {"Events": shown, **marker}


def _asked(request: Json, event: Event) -> bool:
    return (
        request.get("SourceIdentifier", event.name) == event.name
        and request.get("SourceType", event.topic.source) == event.topic.source
        and (not request.get("EventCategories") or event.topic.category in request["EventCategories"])
    )


def _no_filters(call: Call) -> None:
    if call.request.get("Filters"):
        raise Fault(INVALID, "this operation takes no Filters")


def _moment(value: float | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)


def _check(body: Json) -> None:
    source = body.get("SourceType")
    if source is not None and source not in CATEGORIES:
        raise Fault(INVALID, f"SourceType {source!r} isn't valid: use {' or '.join(CATEGORIES)}")
    known = CATEGORIES[source] if source else sorted({one for several in CATEGORIES.values() for one in several})
    unknown = [one for one in body["EventCategoriesList"] if one not in known]
    if unknown:
        raise Fault(INVALID, f"EventCategories {', '.join(unknown)} aren't valid: use {', '.join(known)}")
    if not body["SnsTopicArn"].startswith("arn:aws:sns:"):
        raise Fault("SNSInvalidTopicFault", f"The SNS topic is invalid: {body['SnsTopicArn']}")


def _subscription(call: Call, record: Record) -> Json:
    return {**record.body, "Status": call.store.status(record)}
