"""Operations on endpoints and on the connections between instance and endpoint."""

import threading
from collections.abc import Mapping
from typing import Any

from sandbox.dms.call import Call
from sandbox.dms.filters import page, select
from sandbox.dms.protocol import COMBINATION, INVALID, MISSING, STATE, Fault, Json
from sandbox.dms.sides import ENGINES
from sandbox.dms.store import GONE, Kind, Lifecycle, Record, identifier

OTHER_ENGINES = (
    "mysql",
    "oracle",
    "mariadb",
    "aurora",
    "opensearch",
    "redshift",
    "s3",
    "db2",
    "db2-zos",
    "azuredb",
    "sybase",
    "dynamodb",
    "mongodb",
    "kinesis",
    "kafka",
    "elasticsearch",
    "docdb",
    "sqlserver",
    "neptune",
    "babelfish",
    "redis",
    "redshift-serverless",
)
"""Engines that DMS knows and the sandbox can only declare."""
NOT_KEPT = ("EndpointArn", "ExactSettings", "Password", "ResourceIdentifier", "Tags")
SETTLED = ("successful", "failed")


def create_endpoint(call: Call) -> Json:
    """Make an endpoint."""
    request, store = call.request, call.store
    name = identifier("EndpointIdentifier", request["EndpointIdentifier"])
    _check(request)
    if "CertificateArn" in request:
        store.get(Kind.CERTIFICATE, request["CertificateArn"])
    secret = {"Password": request["Password"]} if "Password" in request else {}
    body = {key: value for key, value in request.items() if key not in NOT_KEPT} | secret
    body["KmsKeyId"] = store.key_arn(request.get("KmsKeyId"))
    body.setdefault("SslMode", "none")
    lifecycle = Lifecycle("active")
    lifecycle.move("creating", "active", store.now())
    ending = request.get("ResourceIdentifier", "")
    record = store.add(Kind.ENDPOINT, name, body, lifecycle, request.get("Tags", []), ending)
    return {"Endpoint": _endpoint(call, record)}


def modify_endpoint(call: Call) -> Json:
    """Change an endpoint. What was tested has to be tested again."""
    request, store = call.request, call.store
    record = store.get(Kind.ENDPOINT, request["EndpointArn"])
    busy = [task.name for task in _tasks(call, record) if store.status(task) in ("starting", "running", "stopping")]
    if busy:
        raise Fault(STATE, f"Endpoint {record.arn} is used by running tasks: {', '.join(busy)}. Stop them first.")
    changes = {key: value for key, value in request.items() if key not in NOT_KEPT or key == "Password"}
    for key, value in changes.items():
        if key.endswith("Settings") and isinstance(value, dict) and not request.get("ExactSettings"):
            changes[key] = {**record.body.get(key, {}), **value}
    _check({**record.body, **changes})
    if "EndpointIdentifier" in changes:
        store.rename(record, identifier("EndpointIdentifier", changes["EndpointIdentifier"]))
    record.body.update(changes)
    record.lifecycle.move("modifying", "active", store.now())
    for connection in _connections(call, record.arn):
        store.remove(connection)
    return {"Endpoint": _endpoint(call, record)}


def describe_endpoints(call: Call) -> Json:
    """Show endpoints."""
    readers: Mapping[str, Any] = {
        "endpoint-arn": lambda record: record.arn,
        "endpoint-id": lambda record: record.name,
        "endpoint-type": lambda record: record.body["EndpointType"],
        "engine-name": lambda record: record.body["EngineName"],
    }
    found = select(call.store.all(Kind.ENDPOINT), call.request.get("Filters", []), readers, "endpoints")
    shown, marker = page([_endpoint(call, record) for record in found], call.request)
    return {"Endpoints": shown, **marker}


def delete_endpoint(call: Call) -> Json:
    """Delete an endpoint that no task uses."""
    record = call.store.get(Kind.ENDPOINT, call.request["EndpointArn"])
    users = [task.name for task in _tasks(call, record)]
    if users:
        raise Fault(STATE, f"Endpoint {record.arn} is used by replication tasks: {', '.join(users)}.")
    for connection in _connections(call, record.arn):
        call.store.remove(connection)
    record.lifecycle.move("deleting", GONE, call.store.now())
    return {"Endpoint": _endpoint(call, record)}


def test_connection(call: Call) -> Json:
    """Begin to log in with the endpoint's user; DescribeConnections tells what came of it."""
    store = call.store
    endpoint = store.get(Kind.ENDPOINT, call.request["EndpointArn"])
    instance = store.get(Kind.INSTANCE, call.request["ReplicationInstanceArn"])
    if store.status(instance) != "available":
        raise Fault(STATE, f"Replication Instance {instance.name} is not available.")
    with store.lock:
        name = f"{endpoint.arn}|{instance.arn}"
        known = next((one for one in store.all(Kind.CONNECTION) if one.name == name), None)
        if known is not None and store.status(known) not in SETTLED:
            raise Fault(STATE, f"Connection to endpoint {endpoint.name} is already being tested.")
        if known is not None:
            store.remove(known)
        body = {
            "ReplicationInstanceArn": instance.arn,
            "ReplicationInstanceIdentifier": instance.name,
            "EndpointArn": endpoint.arn,
            "EndpointIdentifier": endpoint.name,
        }
        record = store.add(Kind.CONNECTION, name, body, Lifecycle("testing"), [])
    answer = {"Connection": _connection(call, record)}  # as it is when the test begins, however soon that ends
    threading.Thread(target=_test, args=(call, endpoint, record), daemon=True).start()
    return answer


def describe_connections(call: Call) -> Json:
    """Show connections that were tested."""
    readers: Mapping[str, Any] = {
        "endpoint-arn": lambda record: record.body["EndpointArn"],
        "replication-instance-arn": lambda record: record.body["ReplicationInstanceArn"],
    }
    found = select(call.store.all(Kind.CONNECTION), call.request.get("Filters", []), readers, "connections")
    shown, marker = page([_connection(call, record) for record in found], call.request)
    return {"Connections": shown, **marker}


def delete_connection(call: Call) -> Json:
    """Forget a connection."""
    wanted = f"{call.request['EndpointArn']}|{call.request['ReplicationInstanceArn']}"
    for record in call.store.all(Kind.CONNECTION):
        if record.name == wanted:
            if call.store.status(record) not in SETTLED:
                raise Fault(STATE, f"Connection to endpoint {record.body['EndpointIdentifier']} is being tested.")
            record.lifecycle.set("deleting")
            call.store.remove(record)
            return {"Connection": _connection(call, record)}
    raise Fault(MISSING, "Connection not found: it was never tested, or its endpoint was modified since.")


def connected(call: Call, instance_arn: str, endpoint_arn: str) -> bool:
    """Say whether the last test between instance and endpoint went well."""
    return any(
        call.store.status(one) == "successful" and one.body["ReplicationInstanceArn"] == instance_arn
        for one in _connections(call, endpoint_arn)
    )


def _test(call: Call, endpoint: Record, record: Record) -> None:
    failure = call.engine.test(endpoint)
    with call.store.lock:
        if failure:
            record.body["LastFailureMessage"] = failure
        record.lifecycle.set("failed" if failure else "successful")


def _check(body: Json) -> None:
    engine = body["EngineName"]
    if engine not in ENGINES and engine not in OTHER_ENGINES:
        raise Fault(INVALID, f"Invalid Engine: {engine}")
    settings = body.get("PostgreSQLSettings") or {}
    if settings and engine not in ENGINES:
        raise Fault(COMBINATION, f"PostgreSQLSettings do not go with EngineName {engine}")
    both = bool(settings.get("SecretsManagerSecretId")), bool(settings.get("SecretsManagerAccessRoleArn"))
    if both[0] != both[1]:
        raise Fault(COMBINATION, "SecretsManagerSecretId and SecretsManagerAccessRoleArn are needed together")
    given = [key for key in ("ServerName", "Username", "Password", "Port") if body.get(key) or settings.get(key)]
    if both[0] and given:
        raise Fault(COMBINATION, f"a secret is given, so {', '.join(given)} can't be: DMS takes them from the secret")


def _tasks(call: Call, endpoint: Record) -> list[Record]:
    return [
        task
        for task in call.store.movers()
        if endpoint.arn in (task.body["SourceEndpointArn"], task.body["TargetEndpointArn"])
    ]


def _connections(call: Call, endpoint_arn: str) -> list[Record]:
    return [one for one in call.store.all(Kind.CONNECTION) if one.body["EndpointArn"] == endpoint_arn]


def _endpoint(call: Call, record: Record) -> Json:
    """Return an endpoint as the API shows it: never with a password."""
    body = {key: value for key, value in record.body.items() if key != "Password"}
    if "PostgreSQLSettings" in body:
        body["PostgreSQLSettings"] = {k: v for k, v in body["PostgreSQLSettings"].items() if k != "Password"}
    return {
        **body,
        "EndpointArn": record.arn,
        "EngineDisplayName": ENGINES.get(body["EngineName"], body["EngineName"]),
        "Status": call.store.status(record),
    }


def _connection(call: Call, record: Record) -> Json:
    return {**record.body, "Status": call.store.status(record)}
