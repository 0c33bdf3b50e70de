"""What MiniStack lacks for the sandbox, repaired in its own process. Each repair says what AWS does instead."""

import json
import threading
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import backup, cloudwatch, eventbridge, route53, s3, stepfunctions

ENCRYPTION = "x-amz-server-side-encryption"
KEY = "x-amz-server-side-encryption-aws-kms-key-id"
HTTP_OK = 200
CHILD = (
    *("cause", "error", "executionArn", "input", "inputDetails", "name", "output", "outputDetails"),
    *("startDate", "stateMachineArn", "status", "stopDate"),
)
"""What AWS writes of each execution of a distributed Map."""


def repair() -> None:
    """Apply every repair."""
    _rules_have_windows()
    _alarms_are_whole()
    _alarms_send_events()
    _questions_may_fail()
    _dms_may_tell()
    _health_checks_say_true()
    _replicas_have_keys_of_their_own()
    _maps_write_their_results()


def _rules_have_windows() -> None:
    """AWS fills in when a backup may start and end; MiniStack leaves that open."""

    def filled(body: Any) -> Any:
        for rule in body.get("BackupPlan", {}).get("Rules", []):
            rule.setdefault("StartWindowMinutes", 60)
            rule.setdefault("CompletionWindowMinutes", 180)
            rule.setdefault("ScheduleExpressionTimezone", "Etc/UTC")
        return body

    created, updated = backup._create_plan, backup._update_plan
    backup._create_plan = lambda body: created(filled(body))
    backup._update_plan = lambda plan_id, body: updated(plan_id, filled(body))


def _dms_may_tell() -> None:
    """AWS's services send events from sources that are closed to everybody else; the sandbox's DMS is one of them."""
    put = eventbridge._put_events

    def let(data: Any, allow_aws_source: bool = False) -> Any:
        from_dms = all(entry.get("Source") == "aws.dms" for entry in data.get("Entries", []))
        return put(data, allow_aws_source or from_dms)

    eventbridge._put_events = let


def _alarms_are_whole() -> None:
    """AWS describes alarms in full in its XML protocol too, which Go SDKs read; MiniStack only in JSON."""
    described = cloudwatch._describe_alarms

    def describe(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            return described(params, data, is_cbor, is_json)
        status, _, body = described(params, _from_form(params), False, True)
        if status != 200:
            return described(params, data, is_cbor, is_json)
        inner = _xml(json.loads(body))
        return cloudwatch._xml(200, "DescribeAlarmsResponse", f"<DescribeAlarmsResult>{inner}</DescribeAlarmsResult>")

    cloudwatch._describe_alarms = describe


def _alarms_send_events() -> None:
    """AWS sends an event whenever an alarm changes its state; MiniStack sends none."""
    dispatched = cloudwatch._dispatch_alarm_actions

    def dispatch(alarm: Any, old_state: str, new_state: str, reason: str) -> Any:
        detail = {
            "alarmName": alarm["AlarmName"],
            "previousState": {"value": old_state},
            "state": {"value": new_state, "reason": reason},
        }
        entry = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Resources": [alarm["AlarmArn"]],
            "Detail": json.dumps(detail),
        }
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        return dispatched(alarm, old_state, new_state, reason)

    cloudwatch._dispatch_alarm_actions = dispatch


def _questions_may_fail() -> None:
    """AWS fails a task that waits for an answer if the function that asks fails; MiniStack waits all the same."""
    invoked, called = stepfunctions._invoke_with_callback, stepfunctions._call_lambda
    asking = threading.local()

    def invoke(resource: str, data: Any, token: str, state: Any) -> Any:
        asking.token = token
        try:
            return invoked(resource, data, token, state)
        finally:
            asking.token = None

    def call(function: str, event: Any) -> Any:
        try:
            return called(function, event)
        except stepfunctions._ExecutionError as failed:
            waiting = stepfunctions._task_tokens.get(getattr(asking, "token", None))
            if waiting is not None:
                waiting["error"] = {"Error": failed.error, "Cause": failed.cause}
                waiting["event"].set()
            raise

    stepfunctions._invoke_with_callback, stepfunctions._call_lambda = invoke, call


def _maps_write_their_results() -> None:
    """AWS writes what a distributed Map's workers answered where its ResultWriter says, and if the Map fails as well.

    The state gets no more than the place. MiniStack gives the state all answers and writes nothing. Not repaired are
    the writer's own formats: what is written is what AWS writes where none is asked for.
    """
    ran = stepfunctions._run_distributed_map

    def run(state: Any, raw: Any, effective: Any, iterator: Any, execution: Any, ctx: Any) -> Any:
        writer = state.get("ResultWriter")
        if not writer:
            return ran(state, raw, effective, iterator, execution, ctx)
        known = set(stepfunctions._map_runs)
        place = stepfunctions._resolve_params_obj(writer["Parameters"], effective, ctx)
        try:
            ran({**state, "ResultPath": None}, raw, effective, iterator, execution, ctx)
        finally:
            made = [arn for arn in set(stepfunctions._map_runs) - known if _is_of(arn, execution)]
            details = [_written(arn, place) for arn in made]
        result = stepfunctions._apply_result_selector(state, details[0])
        output = stepfunctions._apply_result_path(state, raw, result)
        return stepfunctions._apply_output_path(state, output, ctx), stepfunctions._next_or_end(state)

    stepfunctions._run_distributed_map = run


def _is_of(map_run: str, execution: Any) -> bool:
    return bool(stepfunctions._map_runs[map_run]["executionArn"] == execution["executionArn"])


def _written(map_run: str, place: Any) -> dict[str, Any]:
    """Write a Map Run's executions, a file for all of the same status, and the manifest. Return what the state gets."""
    folder = "/".join(part for part in (place.get("Prefix", "").strip("/"), map_run.rsplit(":", 1)[-1]) if part)
    files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, kept in files.items():
        found = [
            {key[0].upper() + key[1:]: child.get(key) for key in CHILD if child.get(key) is not None}
            for child in list(stepfunctions._executions.values())
            if child.get("mapRunArn") == map_run and child["status"] == status
        ]
        if found:
            body = json.dumps(found).encode()
            kept.append({"Key": f"{folder}/{status}_0.json", "Size": len(body)})
            _put(place["Bucket"], kept[0]["Key"], body)
    manifest = {"DestinationBucket": place["Bucket"], "MapRunArn": map_run, "ResultFiles": files}
    _put(place["Bucket"], f"{folder}/manifest.json", json.dumps(manifest).encode())
    where = {"Bucket": place["Bucket"], "Key": f"{folder}/manifest.json"}
    return {"MapRunArn": map_run, "ResultWriterDetails": where}


def _put(bucket: str, key: str, body: bytes) -> None:
    status, *_ = s3._put_object(bucket, key, body, {"content-type": "application/json"})
    if status != HTTP_OK:
        raise stepfunctions._ExecutionError("States.ResultWriterFailed", f"{key} can't be written to {bucket}")


def _health_checks_say_true() -> None:
    """AWS writes truth in small letters, which is all that SDKs read; MiniStack as Python does."""
    built = route53._build_health_check_el

    def build(parent: Any, check: Any) -> None:
        config = {k: str(v).lower() if isinstance(v, bool) else v for k, v in check.get("config", {}).items()}
        built(parent, {**check, "config": config})

    route53._build_health_check_el = build


def _replicas_have_keys_of_their_own() -> None:
    """AWS encrypts a replica with the key its rule names, and leaves out what a rule does not select as encrypted."""
    replicated = s3._maybe_replicate

    def replicate(bucket: str, key: str, obj: Any, data: Any, tags: Any = None) -> None:
        rule, _ = s3._replication_rule_for(bucket, key, tags)
        headers = obj.get("preserved_headers", {})
        if rule is not None and headers.get(ENCRYPTION) == "aws:kms":
            if rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {}).get("Status") != "Enabled":
                return
            theirs = rule["Destination"].get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")
            obj["preserved_headers"] = {**headers, KEY: theirs or headers[KEY]}
        replicated(bucket, key, obj, data, tags)
        obj["preserved_headers"] = headers

    s3._maybe_replicate = replicate


def _from_form(params: Any) -> dict[str, Any]:
    """Return a form's flat parameters as the JSON protocol would have them."""
    data: dict[str, Any] = {}
    for key, value in params.items():
        text = value[0] if isinstance(value, list) else value
        name, _, rest = key.partition(".member.")
        if rest:
            data.setdefault(name, []).append(text)
        elif key not in ("Action", "Version"):
            data[key] = int(text) if key == "MaxRecords" else text
    return data


def _xml(value: Any) -> str:
    """Return plain data as the elements of the XML protocol."""
    if isinstance(value, dict):
        known = {key: _moment(key, inner) for key, inner in value.items() if inner is not None}
        return "".join(f"<{key}>{_xml(inner)}</{key}>" for key, inner in known.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(inner)}</member>" for inner in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


def _moment(key: str, value: Any) -> Any:
    """Return a point in time as the XML protocol writes it."""
    if key.endswith("Timestamp") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
