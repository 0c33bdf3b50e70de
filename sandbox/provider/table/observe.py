"""What is seen and heard: CloudWatch, EventBridge, logs, SNS, SQS."""

from typing import Any

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import Json

TOPIC_ATTRIBUTES = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId"}
QUEUE_ATTRIBUTES = {
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
}
QUEUE_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
EVENT_TAGGING = Tagging("tag_resource", "untag_resource", {"ResourceARN": "$arn"})
ALARM = {"name": "AlarmName"}


def _attributes(inputs: Json, names: Json) -> Json:
    """Return the properties that a service keeps as attributes, which are text."""
    return {name: str(inputs[prop]) for prop, name in names.items() if inputs.get(prop) is not None}


def _topic(request: Json, topic: Resource) -> Json:
    return {**request, "Attributes": _attributes(topic.inputs, TOPIC_ATTRIBUTES)}


def _topic_change(api: Api, topic: Resource, _old: Json, changed: set[str]) -> set[str]:
    for prop in changed & TOPIC_ATTRIBUTES.keys():
        value = str(topic.inputs.get(prop) or "")
        name = TOPIC_ATTRIBUTES[prop]
        api.call("sns", "set_topic_attributes", TopicArn=topic.id, AttributeName=name, AttributeValue=value)
    return changed & TOPIC_ATTRIBUTES.keys()


def _queue(request: Json, queue: Resource) -> Json:
    return {**request, "Attributes": _attributes(queue.inputs, QUEUE_ATTRIBUTES)}


def _queue_change(api: Api, queue: Resource, _old: Json, changed: set[str]) -> set[str]:
    attributes = _attributes(queue.inputs, {p: QUEUE_ATTRIBUTES[p] for p in changed & QUEUE_ATTRIBUTES.keys()})
    if attributes:
        api.call("sqs", "set_queue_attributes", QueueUrl=queue.id, Attributes=attributes)
    return changed & QUEUE_ATTRIBUTES.keys()


def _queue_policy(request: Json, policy: Resource) -> Json:
    return {**request, "Attributes": {"Policy": policy.inputs.get("policy")}}


def _target(request: Json, target: Resource) -> Json:
    """Write a rule's target as EventBridge takes it."""
    inputs = target.inputs
    written: Json = {"Id": inputs.get("targetId"), "Arn": inputs.get("arn")}
    if inputs.get("deadLetterConfig"):
        written["DeadLetterConfig"] = {"Arn": inputs["deadLetterConfig"]["arn"]}
    if inputs.get("input"):
        written["Input"] = inputs["input"]
    if inputs.get("roleArn"):
        written["RoleArn"] = inputs["roleArn"]
    if transformer := inputs.get("inputTransformer"):
        written["InputTransformer"] = {
            "InputPathsMap": transformer.get("inputPaths", {}),
            "InputTemplate": transformer["inputTemplate"],
        }
    return {**request, "Targets": [written]}


def _pick_topic(_topic: Resource, answer: Any) -> Any:
    return answer["Attributes"]


def _pick_policy(_policy: Resource, answer: Any) -> Any:
    return answer["Attributes"] if "Policy" in answer["Attributes"] else None


ENTRIES = (
    Entry(
        type="aws:cloudwatch/metricAlarm:MetricAlarm",
        service="cloudwatch",
        create=Call("put_metric_alarm", renames=ALARM),
        update=Call("put_metric_alarm", renames=ALARM),
        read=Reading(
            Call("describe_alarms", {"AlarmNames": ["$id"], "AlarmTypes": ["MetricAlarm"]}), "MetricAlarms[0]"
        ),
        delete=Call("delete_alarms", {"AlarmNames": ["$id"]}),
        id="$name",
        outputs={"arn": "AlarmArn"},
        replace=frozenset({"name"}),
        name="name",
        name_limit=255,
        tagging=EVENT_TAGGING,
    ),
    Entry(
        type="aws:cloudwatch/compositeAlarm:CompositeAlarm",
        service="cloudwatch",
        create=Call("put_composite_alarm"),
        update=Call("put_composite_alarm"),
        read=Reading(
            Call("describe_alarms", {"AlarmNames": ["$id"], "AlarmTypes": ["CompositeAlarm"]}), "CompositeAlarms[0]"
        ),
        delete=Call("delete_alarms", {"AlarmNames": ["$id"]}),
        id="$alarmName",
        outputs={"arn": "AlarmArn"},
        replace=frozenset({"alarmName"}),
        tagging=EVENT_TAGGING,
    ),
    Entry(
        type="aws:cloudwatch/dashboard:Dashboard",
        service="cloudwatch",
        create=Call("put_dashboard"),
        update=Call("put_dashboard"),
        read=Reading(
            Call("get_dashboard", {"DashboardName": "$id"}), gone=("ResourceNotFound", "DashboardNotFoundError")
        ),
        delete=Call("delete_dashboards", {"DashboardNames": ["$id"]}),
        id="$dashboardName",
        outputs={"dashboardArn": "DashboardArn"},
        replace=frozenset({"dashboardName"}),
    ),
    Entry(
        type="aws:cloudwatch/eventRule:EventRule",
        service="events",
        create=Call("put_rule"),
        update=Call("put_rule"),
        read=Reading(Call("describe_rule", {"Name": "$id"})),
        delete=Call("delete_rule", {"Name": "$id"}),
        id="$name",
        outputs={"arn": "Arn"},
        replace=frozenset({"name"}),
        name="name",
        tagging=EVENT_TAGGING,
    ),
    Entry(
        type="aws:cloudwatch/eventTarget:EventTarget",
        service="events",
        create=Call("put_targets"),
        update=Call("put_targets"),
        prepare=_target,
        read=Reading(Call("list_targets_by_rule", {"Rule": "$rule"}), "Targets[?Id==<targetId>] | [0]"),
        delete=Call("remove_targets", {"Rule": "$rule", "Ids": ["$targetId"]}),
        id="{rule}-{targetId}",
        replace=frozenset({"rule", "targetId"}),
        local=frozenset({"targetId", "arn", "deadLetterConfig", "input", "inputTransformer", "roleArn"}),
        name="targetId",
    ),
    Entry(
        type="aws:cloudwatch/logGroup:LogGroup",
        service="logs",
        create=Call("create_log_group", renames={"name": "logGroupName"}),
        also=(
            Call("put_retention_policy", {"logGroupName": "$name"}, only=("retentionInDays",)),
            Call("associate_kms_key", {"logGroupName": "$name"}, only=("kmsKeyId",)),
        ),
        read=Reading(
            Call("describe_log_groups", {"logGroupNamePrefix": "$name"}), "logGroups[?logGroupName==<name>] | [0]"
        ),
        delete=Call("delete_log_group", {"logGroupName": "$name"}),
        id="$name",
        outputs={"arn": lambda _api, _group, found: found["arn"].removesuffix(":*")},
        replace=frozenset({"name"}),
        name="name",
        name_limit=512,
        tagging=Tagging("tag_resource", "untag_resource", {"resourceArn": "$arn"}, keys="tagKeys", tags="tags"),
    ),
    Entry(
        type="aws:sns/topic:Topic",
        service="sns",
        create=Call("create_topic"),
        prepare=_topic,
        change=_topic_change,
        read=Reading(Call("get_topic_attributes", {"TopicArn": "$id"}), pick=_pick_topic),
        delete=Call("delete_topic", {"TopicArn": "$id"}),
        id="TopicArn",
        outputs={"arn": "TopicArn", "owner": "Owner"},
        replace=frozenset({"name"}),
        local=frozenset(TOPIC_ATTRIBUTES),
        name="name",
        name_limit=256,
        tagging=Tagging("tag_resource", "untag_resource", {"ResourceArn": "$id"}),
    ),
    Entry(
        type="aws:sns/topicPolicy:TopicPolicy",
        service="sns",
        create=Call(
            "set_topic_attributes",
            {"AttributeName": "Policy"},
            renames={"arn": "TopicArn", "policy": "AttributeValue"},
        ),
        update=Call(
            "set_topic_attributes",
            {"AttributeName": "Policy"},
            renames={"arn": "TopicArn", "policy": "AttributeValue"},
        ),
        read=Reading(Call("get_topic_attributes", {"TopicArn": "$arn"}), pick=_pick_policy),
        delete=None,  # it goes with its topic
        id="$arn",
        outputs={"owner": "Owner"},
        replace=frozenset({"arn"}),
    ),
    Entry(
        type="aws:sns/topicSubscription:TopicSubscription",
        service="sns",
        create=Call("subscribe", {"ReturnSubscriptionArn": True}, renames={"topic": "TopicArn"}),
        read=Reading(Call("get_subscription_attributes", {"SubscriptionArn": "$id"}), "Attributes"),
        delete=Call("unsubscribe", {"SubscriptionArn": "$id"}),
        id="SubscriptionArn",
        outputs={"arn": "SubscriptionArn"},
        replace=frozenset({"topic", "protocol", "endpoint"}),
        truth="no mail is sent",
    ),
    Entry(
        type="aws:sqs/queue:Queue",
        service="sqs",
        create=Call("create_queue", renames={"name": "QueueName"}),
        prepare=_queue,
        change=_queue_change,
        read=Reading(
            Call("get_queue_attributes", {"QueueUrl": "$id", "AttributeNames": ["All"]}), "Attributes", QUEUE_GONE
        ),
        delete=Call("delete_queue", {"QueueUrl": "$id"}),
        id="QueueUrl",
        outputs={"arn": "QueueArn", "url": lambda _api, queue, _: queue.id},
        replace=frozenset({"name"}),
        local=frozenset(QUEUE_ATTRIBUTES),
        name="name",
        name_limit=80,
        tagging=Tagging("tag_queue", "untag_queue", {"QueueUrl": "$id"}),
    ),
    Entry(
        type="aws:sqs/queuePolicy:QueuePolicy",
        service="sqs",
        create=Call("set_queue_attributes"),
        update=Call("set_queue_attributes"),
        prepare=_queue_policy,
        read=Reading(
            Call("get_queue_attributes", {"QueueUrl": "$queueUrl", "AttributeNames": ["Policy"]}),
            "Attributes",
            QUEUE_GONE,
        ),
        delete=Call("set_queue_attributes", {"QueueUrl": "$queueUrl", "Attributes": {"Policy": ""}}),
        id="$queueUrl",
        replace=frozenset({"queueUrl"}),
        local=frozenset({"policy"}),
    ),
)
