"""What runs and what leads to it: Lambda, Step Functions, Route 53."""

import json
import time
from typing import Any

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.lifecycle import ProviderError
from sandbox.provider.shapes import UNKNOWN, Json

CONFIGURATION = {"name": "FunctionName"}
RECORD = ("name", "type", "ttl", "records", "aliases", "setIdentifier", "weightedRoutingPolicies", "healthCheckId")
HEALTH = {
    "type": "Type",
    "fqdn": "FullyQualifiedDomainName",
    "port": "Port",
    "resourcePath": "ResourcePath",
    "requestInterval": "RequestInterval",
    "failureThreshold": "FailureThreshold",
    "enableSni": "EnableSNI",
}
"""Properties of a health check and what Route 53 calls them."""
UNCHANGING = ("Type", "RequestInterval")
IN_SYNC_SECONDS, POLL_SECONDS = 300.0, 0.1


def _permission(permission: Resource, answer: Any) -> Any:
    """Find a permission's statement in the function's policy."""
    statements = json.loads(answer["Policy"])["Statement"]
    return next((s for s in statements if s["Sid"] == permission.inputs["statementId"]), None)


def _layer_delete(api: Api, layer: Resource) -> None:
    version = layer.id.rsplit(":", maxsplit=1)[-1]
    api.call("lambda", "delete_layer_version", LayerName=layer.inputs["layerName"], VersionNumber=int(version))


def _machine(request: Json, machine: Resource) -> Json:
    """Write where a machine logs as Step Functions takes it."""
    logging = machine.inputs.get("loggingConfiguration")
    if logging:
        request["loggingConfiguration"] = {
            "level": logging.get("level", "OFF"),
            "includeExecutionData": bool(logging.get("includeExecutionData")),
            **(
                {"destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": logging["logDestination"]}}]}
                if logging.get("logDestination")
                else {}
            ),
        }
    return request


def _record_set(inputs: Json) -> Json:
    record: Json = {"Name": inputs.get("name"), "Type": inputs.get("type")}
    if inputs.get("ttl") is not None:
        record["TTL"] = inputs["ttl"] if inputs["ttl"] == UNKNOWN else int(inputs["ttl"])
    if inputs.get("records"):
        values = inputs["records"]
        quote = '"' if inputs.get("type") == "TXT" else ""  # as the real provider does
        known = values if values == UNKNOWN else [{"Value": f"{quote}{value}{quote}"} for value in values]
        record["ResourceRecords"] = known
    if inputs.get("aliases"):
        record["AliasTarget"] = _alias(inputs["aliases"][0])
    if inputs.get("healthCheckId"):
        record["HealthCheckId"] = inputs["healthCheckId"]
    if inputs.get("setIdentifier"):
        record["SetIdentifier"] = inputs["setIdentifier"]
    if inputs.get("weightedRoutingPolicies"):
        record["Weight"] = int(inputs["weightedRoutingPolicies"][0]["weight"])
    return record


def _alias(alias: Json) -> Json:
    return {
        "DNSName": alias["name"],
        "HostedZoneId": alias["zoneId"],
        "EvaluateTargetHealth": bool(alias.get("evaluateTargetHealth")),
    }


def _found_alias(inputs: Json, found: Json) -> Json:
    """Return a record's alias as the program wrote it, if it is that: Route 53 ends its name with a dot."""
    live = found.get("AliasTarget")
    if live is None:
        return {}
    live = {**live, "DNSName": live["DNSName"].rstrip(".")}
    declared = inputs.get("aliases")
    if declared and _alias(declared[0]) == live:
        return {"=aliases": declared}
    evaluate = live["EvaluateTargetHealth"]
    return {"=aliases": [{"name": live["DNSName"], "zoneId": live["HostedZoneId"], "evaluateTargetHealth": evaluate}]}


def _health(request: Json, check: Resource) -> Json:
    """Write a health check's flat properties as Route 53 takes them: nested at birth, flat later."""
    known = {name: check.inputs.get(prop) for prop, name in HEALTH.items() if check.inputs.get(prop) is not None}
    if check.id and check.id != UNKNOWN:
        return {**request, **{name: value for name, value in known.items() if name not in UNCHANGING}}
    return {**request, "CallerReference": f"{check.name}-{id(check)}", "HealthCheckConfig": known}


def _find_health(_check: Resource, answer: Any) -> Any:
    live = answer["HealthCheck"]["HealthCheckConfig"]
    return {**live, **{f"={prop}": live.get(name) for prop, name in HEALTH.items()}}


def _record(action: str) -> Any:
    def prepare(request: Json, record: Resource) -> Json:
        change = {"Action": action, "ResourceRecordSet": _record_set(record.inputs)}
        return {**request, "ChangeBatch": {"Changes": [change]}}

    return prepare


def _record_change(api: Api, record: Resource, _old: Json, changed: set[str]) -> set[str]:
    """Write the whole record again, as the real provider does: with the weight the program knows, right or not."""
    _change_records(api, record.inputs["zoneId"], "UPSERT", _record_set(record.inputs))
    return changed & set(RECORD)


def _pick_record(record: Resource, answer: Any) -> Any:
    """Find a record by name, type and set identifier."""
    inputs = record.inputs

    def same(found: Json) -> bool:
        return (
            found["Name"].rstrip(".") == inputs["name"].rstrip(".")
            and found["Type"] == inputs["type"]
            and found.get("SetIdentifier") == inputs.get("setIdentifier")
        )

    found = next((r for r in answer["ResourceRecordSets"] if same(r)), None)
    if found is None:
        return None
    weights = {"=weightedRoutingPolicies": [{"weight": found["Weight"]}]} if "Weight" in found else {}
    records = [r["Value"] for r in found.get("ResourceRecords", [])]
    if found["Type"] == "TXT":
        records = [value.strip('"') for value in records]
    return {**found, "Name": inputs["name"], "=records": records, **weights, **_found_alias(inputs, found)}


def _record_delete(api: Api, record: Resource) -> None:
    """Delete the record as it is now: Route 53 wants every value right, and the weight may have moved."""
    inputs = record.inputs
    page = api.call(
        "route53",
        "list_resource_record_sets",
        HostedZoneId=inputs["zoneId"],
        StartRecordName=inputs["name"],
        StartRecordType=inputs["type"],
    )
    found = _pick_record(record, page)
    if found:
        exact = {key: value for key, value in found.items() if not key.startswith("=")}
        _change_records(api, inputs["zoneId"], "DELETE", exact)


def _change_records(api: Api, zone_id: str, action: str, record: Json) -> None:
    """Change a record and wait, as the real provider does, until all name servers have it."""
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    answer = api.call("route53", "change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch=batch)
    _await_sync(api, answer["ChangeInfo"]["Id"])


def _record_created(api: Api, record: Resource) -> None:
    """Wait likewise for a new record: what its creation answered is all that is known of it by now."""
    _await_sync(api, record.outputs["ChangeInfo"]["Id"])


def _await_sync(api: Api, change: str) -> None:
    until = time.monotonic() + IN_SYNC_SECONDS
    while api.call("route53", "get_change", Id=change)["ChangeInfo"]["Status"] != "INSYNC":
        if time.monotonic() > until:
            raise ProviderError(f"Route 53 has {change} pending after {IN_SYNC_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _zone(request: Json, zone: Resource) -> Json:
    """Name the VPC of a private zone, and the creation itself, which Route 53 wants unique."""
    vpcs = zone.inputs.get("vpcs")
    request["CallerReference"] = f"{zone.name}-{id(zone)}"
    request["HostedZoneConfig"] = {"Comment": zone.inputs.get("comment") or "", "PrivateZone": bool(vpcs)}
    if vpcs:
        request["VPC"] = {"VPCId": vpcs[0].get("vpcId"), "VPCRegion": vpcs[0].get("vpcRegion") or "us-east-1"}
    return request


def _zone_change(api: Api, zone: Resource, _old: Json, changed: set[str]) -> set[str]:
    if "comment" in changed:
        api.call("route53", "update_hosted_zone_comment", Id=zone.id, Comment=zone.inputs.get("comment") or "")
    return changed & {"comment", "forceDestroy"}


ENTRIES = (
    Entry(
        type="aws:lambda/function:Function",
        service="lambda",
        create=Call("create_function", renames=CONFIGURATION),
        also=(Call("update_function_code", {"FunctionName": "$id"}, {"code": "ZipFile"}, only=("code",)),),
        update=Call("update_function_configuration", {"FunctionName": "$id"}),
        read=Reading(Call("get_function", {"FunctionName": "$id"}), "Configuration"),
        ready="State == 'Active' && (!LastUpdateStatus || LastUpdateStatus == 'Successful')",
        delete=Call("delete_function", {"FunctionName": "$id"}),
        id="FunctionName",
        outputs={"arn": "FunctionArn", "version": "Version", "codeSha256": "CodeSha256", "sourceCodeSize": "CodeSize"},
        replace=frozenset({"name"}),
        name="name",
        tagging=Tagging("tag_resource", "untag_resource", {"Resource": "$arn"}),
        truth="runs with the Python of this machine; neither its role nor its VPC keeps it from anything",
    ),
    Entry(
        type="aws:lambda/layerVersion:LayerVersion",
        service="lambda",
        create=Call("publish_layer_version", renames={"code": "Content"}),
        read=Reading(Call("get_layer_version_by_arn", {"Arn": "$id"})),
        before_delete=_layer_delete,
        delete=None,
        id="LayerVersionArn",
        outputs={"arn": "LayerVersionArn", "layerArn": "LayerArn", "version": "Version"},
        replace=frozenset(
            {"layerName", "code", "compatibleRuntimes", "compatibleArchitectures", "description", "licenseInfo"}
        ),
    ),
    Entry(
        type="aws:lambda/permission:Permission",
        service="lambda",
        create=Call("add_permission", renames={"function": "FunctionName"}),
        read=Reading(Call("get_policy", {"FunctionName": "$function"}), pick=_permission),
        delete=Call("remove_permission", {"FunctionName": "$function", "StatementId": "$statementId"}),
        id="$statementId",
        replace=frozenset({"function", "statementId", "action", "principal", "sourceArn", "sourceAccount"}),
        name="statementId",
    ),
    Entry(
        type="aws:sfn/stateMachine:StateMachine",
        service="stepfunctions",
        create=Call("create_state_machine"),
        update=Call("update_state_machine", {"stateMachineArn": "$id"}),
        prepare=_machine,
        read=Reading(
            Call("describe_state_machine", {"stateMachineArn": "$id"}),
            "[@] | [?status!='DELETING'] | [0]",
            ("StateMachineDoesNotExist",),
        ),
        delete=Call("delete_state_machine", {"stateMachineArn": "$id"}),
        wait_gone=True,
        id="stateMachineArn",
        outputs={"arn": "stateMachineArn", "status": "status"},
        replace=frozenset({"name", "type"}),
        local=frozenset({"loggingConfiguration"}),
        name="name",
        name_limit=80,
        tagging=Tagging("tag_resource", "untag_resource", {"resourceArn": "$id"}, keys="tagKeys", tags="tags"),
    ),
    Entry(
        type="aws:route53/zone:Zone",
        service="route53",
        create=Call("create_hosted_zone"),
        prepare=_zone,
        change=_zone_change,
        read=Reading(Call("get_hosted_zone", {"Id": "$id"}), gone=("NoSuchHostedZone",)),
        delete=Call("delete_hosted_zone", {"Id": "$id"}),
        id=lambda answer: str(answer["HostedZone"]["Id"]).removeprefix("/hostedzone/"),
        outputs={
            "zoneId": lambda _api, zone, _: zone.id,
            "nameServers": lambda _api, _zone, found: found.get("DelegationSet", {}).get("NameServers", []),
            "arn": lambda _api, zone, _: f"arn:aws:route53:::hostedzone/{zone.id}",
        },
        replace=frozenset({"name", "vpcs"}),
        local=frozenset({"comment", "vpcs", "forceDestroy"}),
        tagging=Tagging(
            "change_tags_for_resource",
            "change_tags_for_resource",
            {"ResourceType": "hostedzone", "ResourceId": "$id"},
            keys="RemoveTagKeys",
            tags="AddTags",
        ),
    ),
    Entry(
        type="aws:route53/record:Record",
        service="route53",
        create=Call("change_resource_record_sets", {"HostedZoneId": "$zoneId"}),
        prepare=_record("CREATE"),
        after=_record_created,
        change=_record_change,
        read=Reading(
            Call(
                "list_resource_record_sets",
                {"HostedZoneId": "$zoneId", "StartRecordName": "$name", "StartRecordType": "$type"},
            ),
            pick=_pick_record,
            gone=("NoSuchHostedZone",),
        ),
        before_delete=_record_delete,
        delete=None,
        id="{zoneId}_{name}_{type}_{setIdentifier}",
        outputs={"fqdn": lambda _api, record, _: record.inputs["name"].rstrip(".")},
        replace=frozenset({"zoneId", "name", "type", "setIdentifier"}),
        local=frozenset({"zoneId", *RECORD}),
    ),
    Entry(
        type="aws:route53/healthCheck:HealthCheck",
        service="route53",
        create=Call("create_health_check"),
        update=Call("update_health_check", {"HealthCheckId": "$id"}),
        prepare=_health,
        read=Reading(
            Call("get_health_check", {"HealthCheckId": "$id"}), pick=_find_health, gone=("NoSuchHealthCheck",)
        ),
        delete=Call("delete_health_check", {"HealthCheckId": "$id"}),
        id="HealthCheck.Id",
        outputs={"arn": lambda _api, check, _: f"arn:aws:route53:::healthcheck/{check.id}"},
        replace=frozenset({"type", "requestInterval"}),
        local=frozenset(HEALTH),
        tagging=Tagging(
            "change_tags_for_resource",
            "change_tags_for_resource",
            {"ResourceType": "healthcheck", "ResourceId": "$id"},
            keys="RemoveTagKeys",
            tags="AddTags",
        ),
        truth="nobody checks: it never fails",
    ),
)
