"""A deployed MySQL stack, its secret rotated and its server taken away: the function says what it finds."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import stack
from sandbox.instance import Instance
from tests.support import sandboxes

Json = dict[str, Any]


@pytest.fixture(scope="module")
def deployed() -> Iterator[Instance]:
    """A sandbox with the example deployed, its certificate verified."""
    with sandboxes.deployed("mysql", "examples/rds-mysql.yaml", 1) as instance:
        yield instance


@pytest.fixture(scope="module")
def outputs(deployed: Instance) -> Json:
    return stack.outputs(deployed)


@pytest.fixture(scope="module")
def inbox(deployed: Instance, outputs: Json) -> str:
    """A queue that gets what the topic is told."""
    sqs, sns = deployed.client("sqs"), deployed.client("sns")
    url = str(sqs.create_queue(QueueName="inbox")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=outputs["topic_arn"], Protocol="sqs", Endpoint=arn)
    return url


def validate(deployed: Instance, outputs: Json, event: Json | None = None) -> Json:
    answer = deployed.client("lambda").invoke(
        FunctionName=outputs["validation_lambda_arn"], Payload=json.dumps(event or {}).encode()
    )
    assert "FunctionError" not in answer
    found: Json = json.loads(answer["Payload"].read())
    return found


def received(deployed: Instance, inbox: str, wanted: int) -> list[Json]:
    """Return what the topic was told of failed checks, once it is as much as `wanted` or nothing comes any more.

    Alarms tell the same topic, whenever the server's metrics change what they say.
    """
    sqs = deployed.client("sqs")
    found: list[Json] = []
    until = time.monotonic() + 60
    while time.monotonic() < until:
        messages = sqs.receive_message(QueueUrl=inbox, WaitTimeSeconds=5, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in messages]
        found += [body for body in bodies if body.get("Subject", "").startswith("Database check failed")]
        if not messages or 0 < wanted <= len(found):
            break
    return found


def secret(deployed: Instance, outputs: Json) -> str:
    return str(deployed.client("secretsmanager").get_secret_value(SecretId=outputs["db_secret_arn"])["SecretString"])


def test_the_certificate_is_verified(deployed: Instance, outputs: Json) -> None:
    function = deployed.client("lambda").get_function(FunctionName=outputs["validation_lambda_arn"])["Configuration"]
    assert json.loads(function["Environment"]["Variables"]["VALIDATION"])["ssl_mode"] == "verify-full"
    assert validate(deployed, outputs)["outcome"] == "passed"


def test_a_rotated_password_is_the_server_s(deployed: Instance, outputs: Json) -> None:
    before = secret(deployed, outputs)
    deployed.client("secretsmanager").rotate_secret(SecretId=outputs["db_secret_arn"])
    after = secret(deployed, outputs)
    assert json.loads(before)["username"] == json.loads(after)["username"]
    assert json.loads(before)["password"] != json.loads(after)["password"]
    assert validate(deployed, outputs)["outcome"] == "passed"


def test_a_password_the_server_does_not_know_is_told_to_people(deployed: Instance, outputs: Json, inbox: str) -> None:
    right = secret(deployed, outputs)
    client = deployed.client("secretsmanager")
    client.put_secret_value(
        SecretId=outputs["db_secret_arn"], SecretString=json.dumps({**json.loads(right), "password": "wrong"})
    )
    try:
        result = validate(deployed, outputs, {"detail": {"Message": "Finished applying modification"}})
    finally:
        client.put_secret_value(SecretId=outputs["db_secret_arn"], SecretString=right)
    assert result["outcome"] == "failed"
    assert "rotate-master-user-password" in result["checks"][0]["remedy"]
    [message] = received(deployed, inbox, 1)
    assert message["Subject"].startswith("Database check failed: reachable")
    assert json.loads(message["Message"]) == result
    assert validate(deployed, outputs)["outcome"] == "passed"
    assert received(deployed, inbox, 0) == []


def test_another_character_set_is_told_with_the_remedy(deployed: Instance, outputs: Json, inbox: str) -> None:
    assert deployed.mysql is not None
    deployed.mysql.run(f"ALTER DATABASE `{outputs['rds_database_name']}` CHARACTER SET latin1;")
    result = validate(deployed, outputs)
    assert [c["check"] for c in result["checks"] if not c["passed"]] == ["character set"]
    assert len(received(deployed, inbox, 1)) == 1
    deployed.mysql.run(f"ALTER DATABASE `{outputs['rds_database_name']}` CHARACTER SET utf8mb4;")
    assert validate(deployed, outputs)["outcome"] == "passed"


def test_a_secret_nobody_manages_needs_a_function_to_rotate(deployed: Instance) -> None:
    client = deployed.client("secretsmanager")
    arn = client.create_secret(Name="by-hand", SecretString="x")["ARN"]
    with pytest.raises(client.exceptions.InvalidRequestException, match="No Lambda rotation function"):
        client.rotate_secret(SecretId=arn)
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_a_server_that_is_gone_is_told_to_people(deployed: Instance, outputs: Json, inbox: str) -> None:
    """The last one: nothing brings the server back."""
    [pid] = [pid for name, pid in deployed.processes if name == "mariadb-mysql"]
    os.kill(pid, signal.SIGKILL)
    result = validate(deployed, outputs)
    assert [c["passed"] for c in result["checks"]] == [False] * 4
    assert "security group" in result["checks"][0]["remedy"]
    assert len(received(deployed, inbox, 1)) == 1
