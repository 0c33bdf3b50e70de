"""What MiniStack's Secrets Manager lacks, repaired in its process like `ministack_repairs`."""

import asyncio
import contextvars
import json
import logging
import threading
import time
import uuid
from typing import Any

import boto3
from ministack.services import secretsmanager, stepfunctions

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
log = logging.getLogger("secretsmanager")


def repair() -> None:
    """Apply every repair."""
    _secrets_rotate()
    _versions_have_labels_of_their_own()
    _secrets_stop_being_replicated()


def _secrets_rotate() -> None:
    """AWS has RDS rotate what RDS manages and a function all else, at once only if told so; MiniStack does none of it.

    By the clock nothing rotates here, and what fails is tried again when it is asked for again.
    """
    handled, rotated = secretsmanager.handle_request, secretsmanager._rotate_secret

    def rotate(data: Any) -> Any:
        """Take note of the rules, and of the version a function is to rotate to."""
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if secret is None or secret.get("DeletedDate"):
            return rotated(data)
        function = data.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
        if not _managed(secret) and not function:
            return _refused("No Lambda rotation function ARN is associated with this secret.")
        given = {"RotationLambdaARN": function, "RotationRules": data.get("RotationRules")}
        secret |= {key: value for key, value in given.items() if value} | {"RotationEnabled": True}
        answer = {"ARN": secret["ARN"], "Name": secret["Name"]}
        if _managed(secret) or not data.get("RotateImmediately", True):
            return secretsmanager.json_response(answer)
        token = data.get("ClientRequestToken") or str(uuid.uuid4())
        pending, version = secretsmanager._find_stage_version(secret, PENDING)
        unfinished = pending if pending and CURRENT not in version["Stages"] else None
        if unfinished is None:
            empty: Any = {"SecretString": None, "SecretBinary": None, "CreatedDate": int(time.time()), "Stages": []}
            secret["Versions"].setdefault(token, empty)
            secretsmanager._add_stage(secret, token, PENDING)
        in_context = contextvars.copy_context().run  # account and region
        act = (_rotate_by_function, function, secret["ARN"], unfinished or token)
        threading.Thread(target=in_context, args=act, daemon=True).start()
        if unfinished not in (None, token):
            return _refused("A previous rotation isn't complete. That rotation will be reattempted.")
        return secretsmanager.json_response({**answer, "VersionId": token})

    def cancel(data: Any) -> Any:
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if secret is None:
            return rotated(data)  # which says that there is none
        secret["RotationEnabled"] = False
        return secretsmanager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})

    async def handle(method: str, path: str, headers: Any, body: Any, query_params: Any) -> Any:
        action = headers.get("x-amz-target", "").split(".")[-1]
        if action == "CancelRotateSecret":
            return cancel(json.loads(body))
        answer = await handled(method, path, headers, body, query_params)
        if action == "RotateSecret" and answer[0] == 200 and json.loads(body).get("RotateImmediately", True):
            _, secret = secretsmanager._resolve(json.loads(body)["SecretId"])
            if _managed(secret):
                await asyncio.to_thread(_rotate_by_rds, secret)  # it calls back here
        return answer

    secretsmanager._rotate_secret = rotate
    secretsmanager.handle_request = handle


def _rotate_by_rds(secret: Any) -> None:
    """Have RDS change the password of the secret's cluster or instance."""
    owner = next(tag["Value"] for tag in secret["Tags"] if tag["Key"].startswith("aws:rds:primary"))
    *_, kind, name = owner.split(":")
    at_once = {"RotateMasterUserPassword": True, "ApplyImmediately": True}
    client = boto3.client("rds")
    if kind == "cluster":
        client.modify_db_cluster(DBClusterIdentifier=name, **at_once)
    else:
        client.modify_db_instance(DBInstanceIdentifier=name, **at_once)


def _rotate_by_function(function: str, arn: str, token: str) -> None:
    """Call the function for every step, as AWS does, until one fails: then the rotation stays where it is."""
    for step in STEPS:
        try:
            stepfunctions._call_lambda(function, {"Step": step, "SecretId": arn, "ClientRequestToken": token})
        except stepfunctions._ExecutionError as failed:
            log.warning("rotation of %s failed in %s: %s", arn, step, failed.error)
            return


def _managed(secret: Any) -> bool:
    return bool(secret["Name"].startswith("rds!"))


def _refused(why: str) -> Any:
    return secretsmanager.error_response_json("InvalidRequestException", why, 400)


def _versions_have_labels_of_their_own() -> None:
    """AWS keeps every label a version is given; MiniStack forgets those beside AWSCURRENT, and so the version."""
    put = secretsmanager._put_secret_value

    def kept(data: Any) -> Any:
        answer = put(data)
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if answer[0] == 200:
            for label in data.get("VersionStages") or []:
                secretsmanager._add_stage(secret, json.loads(answer[2])["VersionId"], label)
        return answer

    secretsmanager._put_secret_value = kept


def _secrets_stop_being_replicated() -> None:
    """AWS takes a secret's replicas away by a call of its own; MiniStack lacks it."""
    handled = secretsmanager.handle_request

    async def handle(method: str, path: str, headers: Any, body: Any, query_params: Any) -> Any:
        if not headers.get("x-amz-target", "").endswith(".RemoveRegionsFromReplication"):
            return await handled(method, path, headers, body, query_params)
        asked = json.loads(body)
        _, secret = secretsmanager._resolve(asked["SecretId"])
        if secret is None:
            return secretsmanager.error_response_json("ResourceNotFoundException", "There is no such secret.", 400)
        known = secret.get("ReplicationStatus", [])
        gone = [one for one in known if one["Region"] in asked["RemoveReplicaRegions"]]
        secretsmanager._delete_replicas({**secret, "ReplicationStatus": gone})
        secret["ReplicationStatus"] = [one for one in known if one not in gone]
        answer = {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}
        return secretsmanager.json_response(answer)

    secretsmanager.handle_request = handle
