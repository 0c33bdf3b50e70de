import json
from pathlib import Path
from typing import Any

import pytest

from components import RowValidation, RowValidationArgs, function_archives
from components.checks import ArgumentError
from components.row_validation_machine import SECONDS, definition
from tests.support.pulumi_mocks import Recorder, deploy

ARGS: RowValidationArgs = {
    "account_id": "123456789012",
    "region": "us-east-1",
    "subnet_ids": ["subnet-1", "subnet-2"],
    "security_group_id": "sg-1",
    "kms_key_arn": "arn:key",
    "topic_arn": "arn:topic",
    "config_parameter_name": "/migration/unit/config",
    "tracking_table_arn": "arn:table",
    "secret_arns": ["arn:source-secret", "arn:target-secret"],
    "replication_instance_arn": "arn:instance",
}
RUNS = "arn:aws:mock:us-east-1:123456789012:rows-runs"


@pytest.fixture(autouse=True)
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that needs no package index."""
    (tmp_path / "python").mkdir()
    monkeypatch.setattr(function_archives, "layer_folder", lambda *_: tmp_path)


def rows(**changes: object) -> Recorder:
    return deploy(lambda: RowValidation("rows", {**ARGS, **changes}))  # type: ignore[typeddict-item]


def allowed(recorder: Recorder, name: str) -> dict[str, Any]:
    statements = json.loads(recorder.named(f"rows-{name}-policy").inputs["policy"])["Statement"]
    return {action: s["Resource"] for s in statements if s["Effect"] == "Allow" for action in s["Action"]}


def machine(**changes: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rows(**changes).one("aws:sfn/stateMachine:StateMachine")["definition"])
    return found


def test_children_are_exactly_these() -> None:
    per_function = {
        f"rows-{name}{suffix}": kind
        for name in ("partition", "compare", "conclude")
        for suffix, kind in (
            ("", "aws:lambda/function:Function"),
            ("-role", "aws:iam/role:Role"),
            ("-policy", "aws:iam/rolePolicy:RolePolicy"),
            ("-log", "aws:cloudwatch/logGroup:LogGroup"),
        )
    }
    encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    assert rows().kinds() == {
        **per_function,
        "rows-psycopg2": "aws:lambda/layerVersion:LayerVersion",
        "rows-machine": "aws:sfn/stateMachine:StateMachine",
        "rows-machine-role": "aws:iam/role:Role",
        "rows-machine-policy": "aws:iam/rolePolicy:RolePolicy",
        "rows-machine-log": "aws:cloudwatch/logGroup:LogGroup",
        "rows-runs": "aws:s3/bucket:Bucket",
        "rows-runs-ownership": "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "rows-runs-private": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "rows-runs-versioning": "aws:s3/bucketVersioning:BucketVersioning",
        "rows-runs-encryption": encryption,
        "rows-runs-lifecycle": "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "rows-runs-policy": "aws:s3/bucketPolicy:BucketPolicy",
    }


def test_functions_have_half_a_gigabyte_and_know_bucket_and_budget() -> None:
    for name, function in rows(chunk_seconds=60, settle_seconds=5).of("aws:lambda/function:Function").items():
        assert function["handler"] == f"handlers.functions.{name.removeprefix('rows-')}.handler"
        assert (function["memorySize"], function["timeout"]) == (512, 900)
        variables = function["environment"]["variables"]
        assert variables["CONFIG_PARAMETER"] == "/migration/unit/config"
        assert json.loads(variables["CHUNKS"]) == {
            "bucket": "rows-runs-123456789012",
            "chunk_seconds": 60,
            "rows_per_second": 50_000,
            "settle_seconds": 5,
        }


def test_the_bucket_is_encrypted_and_forgets() -> None:
    recorder = rows(retention_days=30)
    [encryption] = recorder.named("rows-runs-encryption").inputs["rules"]
    assert encryption["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "arn:key"}
    [expire, _] = recorder.named("rows-runs-lifecycle").inputs["rules"]
    assert expire["expiration"] == {"days": 30}
    assert (
        "forceDestroy" not in recorder.named("rows-runs").inputs
        or not recorder.named("rows-runs").inputs["forceDestroy"]
    )


def test_chunks_are_a_distributed_map_from_the_bucket_into_the_bucket() -> None:
    chunks = machine(maximum_concurrency=9)["States"]["Compare"]
    assert chunks["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert (chunks["MaxConcurrency"], chunks["ToleratedFailurePercentage"]) == (9, 0)
    reader, writer = chunks["ItemReader"], chunks["ResultWriter"]
    assert reader["Resource"] == "arn:aws:states:::s3:getObject"
    assert reader["ReaderConfig"] == {"InputType": "JSONL"}
    assert reader["Parameters"] == {"Bucket": "rows-runs-123456789012", "Key.$": "$.said.key"}
    assert writer["Resource"] == "arn:aws:states:::s3:putObject"
    assert writer["Parameters"] == {"Bucket": "rows-runs-123456789012", "Prefix.$": "$.said.prefix"}
    [worker] = chunks["ItemProcessor"]["States"].values()
    [at_once, again] = worker["Retry"]
    assert at_once == {"ErrorEquals": ["ConfigError", "ValueError"], "MaxAttempts": 0}
    assert again["ErrorEquals"] == ["States.ALL"]
    assert (again["JitterStrategy"], again["BackoffRate"]) == ("FULL", 2.0)
    assert again["MaxDelaySeconds"] > again["IntervalSeconds"]


def test_a_round_is_concluded_even_if_a_chunk_failed_for_good_and_only_equal_succeeds() -> None:
    states = machine()["States"]
    [catch] = states["Compare"]["Catch"]
    assert (catch["ErrorEquals"], catch["Next"], states["Compare"]["Next"]) == (["States.ALL"], "Conclude", "Conclude")
    verdicts = {one["StringEquals"]: one["Next"] for one in states["Concluded"]["Choices"]}
    assert verdicts == {"planned": "Settle", "equal": "Equal", "different": "Different", "unsettled": "Unsettled"}
    assert states["Concluded"]["Default"] == "Incomplete"
    assert [name for name, state in states.items() if state["Type"] == "Succeed"] == ["Equal"]
    assert states["Settle"]["Next"] == "Compare"
    assert states["Planned"]["Default"] == "Conclude"


def test_every_state_is_reached() -> None:
    found = definition({name: f"arn:{name}" for name in SECONDS}, "bucket", 4)
    seen, waiting = set(), [found["StartAt"]]
    while waiting:
        state = found["States"][name := waiting.pop()]
        if name not in seen:
            seen.add(name)
            waiting += [state[key] for key in ("Next", "Default") if key in state]
            waiting += [rule["Next"] for key in ("Catch", "Choices") for rule in state.get(key, [])]
    assert seen == set(found["States"])


def test_the_machine_starts_itself_for_workers_and_reaches_the_runs_alone() -> None:
    may = allowed(rows(), "machine")
    assert may["states:StartExecution"] == "arn:aws:states:us-east-1:123456789012:stateMachine:rows"
    assert may["states:StopExecution"] == [
        f"arn:aws:states:us-east-1:123456789012:execution:{name}:*" for name in ("rows", "rows/Chunks")
    ]
    assert may["s3:GetObject"] == may["s3:PutObject"] == f"{RUNS}/runs/*"
    assert "s3:ListBucket" not in may


def test_who_compares_writes_no_verdict_and_who_concludes_sees_no_row() -> None:
    recorder = rows()
    compares, concludes = allowed(recorder, "compare"), allowed(recorder, "conclude")
    assert "dynamodb:PutItem" not in compares
    assert "secretsmanager:GetSecretValue" not in concludes
    assert concludes["s3:ListBucket"] == RUNS
    assert "s3:GetObject" not in allowed(recorder, "partition")


def test_every_handler_named_exists() -> None:
    for name in SECONDS:
        assert f"handlers/functions/{name}.py" in function_archives.code_files()


@pytest.mark.parametrize(
    ("name", "value"), [("maximum_concurrency", 0), ("chunk_seconds", 101), ("settle_seconds", -1)]
)
def test_bad_arguments(name: str, value: int) -> None:
    with pytest.raises(ArgumentError, match=f"{name} is {value}"):
        rows(**{name: value})
