"""The deployed machine that compares every row: it finds what was planted while workers die, and nothing else."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.faults.interception import Interception, Rule
from sandbox.instance import Instance
from sandbox.rehearsal import shop

ROWS, CHUNK_ROWS = 4_000, 500
TABLES = ("public.every_id", "public.every_uuid", "public.every_name")
MADE = f"""
CREATE TABLE every_id (id bigint PRIMARY KEY, name text);
INSERT INTO every_id SELECT n, 'row ' || n FROM generate_series(1, {ROWS}) n;
CREATE TABLE every_uuid (id uuid PRIMARY KEY, name text);
INSERT INTO every_uuid SELECT md5(n::text)::uuid, 'row ' || n FROM generate_series(1, {ROWS}) n;
CREATE TABLE every_name (name text);
INSERT INTO every_name SELECT 'row ' || n % 100 FROM generate_series(1, {ROWS}) n;
GRANT SELECT ON every_id, every_uuid, every_name TO PUBLIC;
ANALYZE every_id, every_uuid, every_name;
"""
PLANTED = """
UPDATE every_id SET name = 'wrong' WHERE id = 1234;
DELETE FROM every_id WHERE id = 3999;
INSERT INTO every_id VALUES (99999, 'more');
UPDATE every_uuid SET name = 'wrong' WHERE id = md5('77')::uuid;
INSERT INTO every_name VALUES ('row 5');
"""
MENDED = """
UPDATE every_id SET name = 'row 1234' WHERE id = 1234;
INSERT INTO every_id VALUES (3999, 'row 3999');
DELETE FROM every_id WHERE id = 99999;
UPDATE every_uuid SET name = 'row 77' WHERE id = md5('77')::uuid;
DELETE FROM every_name WHERE ctid = (SELECT max(ctid) FROM every_name WHERE name = 'row 5');
"""
DROPPED = "DROP TABLE every_id, every_uuid, every_name"
SECONDS = 240.0


@pytest.fixture(scope="module")
def pair(sandbox: Instance) -> Iterator[Instance]:
    for side in (sandbox.source, sandbox.target):
        on(side, MADE)
    on(sandbox.target, PLANTED)
    yield sandbox
    for side in (sandbox.source, sandbox.target):
        on(side, DROPPED)


def on(side: Any, statements: str) -> None:
    with side.superuser(shop.DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(statements)


def validate(instance: Instance, outputs: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the machine to its end; return the execution and its report."""
    states, s3 = instance.client("stepfunctions"), instance.client("s3")
    asked = {"tables": list(TABLES), "chunk_rows": CHUNK_ROWS, "settle_seconds": 1}
    arn = states.start_execution(stateMachineArn=outputs["validation_machine_arn"], name=name, input=json.dumps(asked))[
        "executionArn"
    ]
    until = time.monotonic() + SECONDS
    while (ended := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < until, "it does not end"
        time.sleep(0.3)
    bucket = outputs["validation_bucket_name"]
    report = json.loads(s3.get_object(Bucket=bucket, Key=f"runs/{name}/report.json")["Body"].read())
    return ended, report


def names(instance: Instance, outputs: dict[str, Any], prefix: str) -> list[str]:
    pages = instance.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=outputs["validation_bucket_name"], Prefix=prefix)
    return [one["Key"] for page in found for one in page.get("Contents", [])]


def test_all_that_was_planted_is_found_though_workers_are_killed(pair: Instance, outputs: dict[str, Any]) -> None:
    results = f"PUT /{outputs['validation_bucket_name']}/runs/planted/01/results/"
    killed = [Rule("kill", results, skip=1), Rule("kill", results, skip=4, after=True)]
    with Interception(pair.ports.ministack, killed) as interception:
        interception.pace(0.1)
        ended, report = validate(pair, outputs, "planted")
        assert interception.unstruck() == []
    assert (ended["status"], ended["error"]) == ("FAILED", "Different")
    tables = {one["table"]: one for one in report["tables"]}
    assert {name: one["verdict"] for name, one in tables.items()} == dict.fromkeys(TABLES, "different")
    found = {(one["key"][0], one["kind"]) for one in tables["public.every_id"]["differences"]}
    assert found == {("1234", "changed"), ("3999", "missing"), ("99999", "extra")}
    [changed] = tables["public.every_uuid"]["differences"]
    assert (changed["kind"], changed["columns"]) == ("changed", ["name"])
    [extra] = tables["public.every_name"]["differences"]
    assert (extra["kind"], extra["times"]) == ("changed", [ROWS // 100, ROWS // 100 + 1])
    assert tables["public.every_uuid"]["rows"] == [ROWS, ROWS]
    assert report["rounds"] > 2
    assert report["chunks"] > 3 * ROWS / CHUNK_ROWS


def test_results_and_workers_answers_are_in_the_bucket_and_the_verdict_in_the_table(
    pair: Instance, outputs: dict[str, Any]
) -> None:
    chunks = (
        pair.client("s3")
        .get_object(Bucket=outputs["validation_bucket_name"], Key="runs/planted/01/chunks.jsonl")["Body"]
        .read()
    )
    planned = len(chunks.splitlines())
    assert len(names(pair, outputs, "runs/planted/01/results/")) == planned
    [manifest] = [key for key in names(pair, outputs, "runs/planted/01/map/") if key.endswith("manifest.json")]
    read = pair.client("s3").get_object
    said = json.loads(read(Bucket=outputs["validation_bucket_name"], Key=manifest)["Body"].read())
    [answers] = said["ResultFiles"]["SUCCEEDED"]
    assert said["ResultFiles"]["FAILED"] == []
    workers = json.loads(read(Bucket=outputs["validation_bucket_name"], Key=answers["Key"])["Body"].read())
    assert len(workers) == planned
    assert all(json.loads(one["Output"])["said"]["outcome"] == "done" for one in workers)
    item = pair.client("dynamodb").get_item(
        TableName=outputs["tracking_table_name"],
        Key={"migration_id": {"S": "migration-dev"}, "entry": {"S": "validation"}},
    )["Item"]
    assert item["owner"]["S"] == "planted"
    assert json.loads(item["said"]["S"])["outcome"] == "different"


def test_equal_sides_succeed(pair: Instance, outputs: dict[str, Any]) -> None:
    on(pair.target, MENDED)
    ended, report = validate(pair, outputs, "mended")
    assert ended["status"] == "SUCCEEDED", report
    assert {one["verdict"] for one in report["tables"]} == {"equal"}


def test_a_chunk_that_fails_for_good_leaves_nothing_called_equal(pair: Instance, outputs: dict[str, Any]) -> None:
    results = f"PUT /{outputs['validation_bucket_name']}/runs/broken/01/results/00000-000000"
    refused = Rule("refuse", results, times=1000, answer="{}")
    with Interception(pair.ports.ministack, [refused]) as interception:
        interception.pace(0.01)
        with pytest.raises(Exception, match="NoSuchKey"):
            validate(pair, outputs, "broken")
    said = pair.client("dynamodb").get_item(
        TableName=outputs["tracking_table_name"],
        Key={"migration_id": {"S": "migration-dev"}, "entry": {"S": "validation"}},
    )["Item"]["said"]["S"]
    assert json.loads(said)["outcome"] == "incomplete"
    assert "1 of " in json.loads(said)["reason"]
