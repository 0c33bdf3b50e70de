"""The comparison of every row of source and target by many workers: three functions, a machine, a bucket."""

import json
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import buckets, checks, function_archives, policies, replication_kinds, state_machine, vpc_function
from components.buckets import BucketPlan, objects
from components.owner import Owner
from components.policies import Statement, allow
from components.row_validation_machine import FOLDER, LABEL, SECONDS, definition

DEFAULT_MAXIMUM_CONCURRENCY = 4
DEFAULT_CHUNK_SECONDS = 100
DEFAULT_ROWS_PER_SECOND = 50_000
DEFAULT_SETTLE_SECONDS = 10
DEFAULT_RETENTION_DAYS = 90
MEMORY_MB = 512


class RowValidationArgs(TypedDict):
    """What RowValidation needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits: part of the bucket's name."""
    region: pulumi.Input[str]
    """AWS region."""
    subnet_ids: pulumi.Input[list[str]]
    """Subnets of the functions: both databases and AWS must be reachable from them."""
    security_group_id: pulumi.Input[str]
    """Security group of the functions."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts bucket, environment and logs, and that the table is encrypted with."""
    topic_arn: pulumi.Input[str]
    """Topic that is told of calls that Lambda could not deliver."""
    config_parameter_name: pulumi.Input[str]
    """Parameter from which the functions read what the migration is."""
    tracking_table_arn: pulumi.Input[str]
    """Table that is told what a validation came to."""
    secret_arns: list[pulumi.Input[str]]
    """Secrets of the operator's role on source and target, whose rows it can read."""
    secret_key_arns: NotRequired[list[pulumi.Input[str]]]
    """Keys that encrypt those that `kms_key_arn` does not. Default none."""
    replication_instance_arn: NotRequired[pulumi.Input[str] | None]
    """Replication instance. Leave it out where the replication is serverless."""
    maximum_concurrency: NotRequired[int]
    """How many chunks are compared at the same time: each keeps a core of both servers busy. Default 4."""
    chunk_seconds: NotRequired[int]
    """Seconds a chunk is planned for. Default 100."""
    rows_per_second: NotRequired[int]
    """How many rows a second a server is taken to hash. Default 50000."""
    settle_seconds: NotRequired[int]
    """How far the target may be behind, in seconds. Default 10."""
    retention_days: NotRequired[int]
    """Days that chunks and results are kept. Default 90."""
    force_destroy: NotRequired[bool]
    """Destroy the bucket with what is in it. Default false."""
    certificate_bundles: NotRequired[list[str]]
    """Files with the authorities that ssl_mode verify-full trusts, PEM; they are deployed beside the code."""
    runtime: NotRequired[str]
    """Lambda runtime. Default python3.13."""
    architecture: NotRequired[str]
    """x86_64 or arm64. Default x86_64."""
    log_retention_days: NotRequired[int]
    """Days logs are kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class RowValidation(pulumi.ComponentResource):
    """The machine that compares every row, its functions with a role each, and the bucket with its reports."""

    state_machine_arn: pulumi.Output[str]
    """ARN of the machine: one execution is one validation."""
    bucket_name: pulumi.Output[str]
    """Name of the bucket with the reports, at runs/<execution>/report.json."""
    function_names: pulumi.Output[dict[str, str]]
    """Names of the functions by purpose."""

    def __init__(self, name: str, args: RowValidationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:RowValidation", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        self._around = vpc_function.surroundings(self, args, args["security_group_id"])
        self._concurrency = checks.whole(
            "maximum_concurrency", args.get("maximum_concurrency", DEFAULT_MAXIMUM_CONCURRENCY), 1, 1000
        )
        bucket = self._bucket()
        functions = self._functions(bucket)
        machine = self._machine(bucket, functions)

        self.state_machine_arn = machine.arn
        self.bucket_name = bucket.bucket
        self.function_names = pulumi.Output.all(**{purpose: f.name for purpose, f in functions.items()})
        self.register_outputs(
            {
                "state_machine_arn": self.state_machine_arn,
                "bucket_name": self.bucket_name,
                "function_names": self.function_names,
            }
        )

    def _bucket(self) -> aws.s3.Bucket:
        args = self._args
        days = checks.whole("retention_days", args.get("retention_days", DEFAULT_RETENTION_DAYS), 1, 3650)
        made = buckets.declare(
            BucketPlan(
                name=f"{self._name}-runs",
                bucket=pulumi.Output.concat(self._name, "-runs-", args["account_id"]),
                kms_key_arn=args["kms_key_arn"],
                options=self._child,
                force_destroy=args.get("force_destroy", False),
                tags=self._tags,
                rules=[
                    {
                        "id": "expire",
                        "status": "Enabled",
                        "filter": {"prefix": ""},
                        "expiration": {"days": days},
                        "noncurrent_version_expiration": {"noncurrent_days": 1},
                    }
                ],
            )
        )
        return made.bucket

    def _functions(self, bucket: aws.s3.Bucket) -> dict[str, aws.lambda_.Function]:
        args = self._args
        around = self._around
        layer = vpc_function.driver_layer(f"{self._name}-psycopg2", around, "postgres")
        code = function_archives.code_archive(*args.get("certificate_bundles", []))
        known = {
            "bucket": bucket.bucket,
            "chunk_seconds": checks.whole(
                "chunk_seconds", args.get("chunk_seconds", DEFAULT_CHUNK_SECONDS), 1, SECONDS["compare"] // 9
            ),
            "rows_per_second": checks.whole(
                "rows_per_second", args.get("rows_per_second", DEFAULT_ROWS_PER_SECOND), 1, 10_000_000
            ),
            "settle_seconds": checks.whole("settle_seconds", args.get("settle_seconds", DEFAULT_SETTLE_SECONDS), 0, 60),
        }
        rights = self._rights(bucket.arn)
        return {
            purpose: vpc_function.declare(
                f"{self._name}-{purpose}",
                around,
                module=purpose,
                description=f"Validation of every row: {purpose}",
                seconds=seconds,
                memory_mb=MEMORY_MB,
                rights=rights[purpose],
                environment={
                    "CONFIG_PARAMETER": args["config_parameter_name"],
                    "CHUNKS": pulumi.Output.json_dumps(known, sort_keys=True),
                },
                code=code,
                layers=[layer.arn],
                dead_letters=args["topic_arn"],
            )
            for purpose, seconds in SECONDS.items()
        }

    def _rights(self, bucket: pulumi.Input[str]) -> dict[str, list[Statement]]:
        """Return what each function may do. None may read what it does not write or weigh."""
        args = self._args
        runs = pulumi.Output.concat(bucket, f"/{FOLDER}/*")
        here = (args["region"], ":", args["account_id"])
        parameter = pulumi.Output.concat("arn:aws:ssm:", *here, ":parameter", args["config_parameter_name"])
        base = [allow("ssm:GetParameter", on=parameter), allow("sns:Publish", on=args["topic_arn"])]
        databases = [
            allow("secretsmanager:GetSecretValue", on=list(args["secret_arns"])),
            *(policies.allow_key(key, {"secretsmanager"}, "kms:Decrypt") for key in args.get("secret_key_arns", [])),
        ]
        read, write = allow("s3:GetObject", on=runs), allow("s3:PutObject", on=runs)
        kind = replication_kinds.kind(args.get("replication_instance_arn"))
        return {
            "partition": [*base, *databases, write, policies.allow_everywhere(kind.mappings)],
            "compare": [*base, *databases, read, write],
            "conclude": [
                *(*base, read, write, allow("dynamodb:PutItem", on=args["tracking_table_arn"])),
                # Which results there are: without it, one that is missing is not told from one that is forbidden.
                allow("s3:ListBucket", on=bucket, when={"StringLike": {"s3:prefix": f"{FOLDER}/*"}}),
            ],
        }

    def _machine(self, bucket: aws.s3.Bucket, functions: dict[str, aws.lambda_.Function]) -> aws.sfn.StateMachine:
        arns = pulumi.Output.all(**{purpose: function.arn for purpose, function in functions.items()})
        return state_machine.declare(
            Owner(self, self._name, self._tags),
            definition=pulumi.Output.all(arns, bucket.bucket).apply(
                lambda known: json.dumps(definition(known[0], known[1], self._concurrency), sort_keys=True)
            ),
            functions=list(functions.values()),
            kms_key_arn=self._args["kms_key_arn"],
            log_retention_days=self._around.log_retention_days,
            rights=self._rights_of_machine(bucket.arn),
        )

    def _rights_of_machine(self, bucket: pulumi.Input[str]) -> list[Statement]:
        """Return what else the machine may do: its workers are its own executions, their results go to the bucket."""
        name, args = self._name, self._args
        here = ("arn:aws:states:", args["region"], ":", args["account_id"])
        mine = pulumi.Output.concat(*here, f":stateMachine:{name}")
        # AWS's documents name the first for a Map's workers, whose own names are like the second.
        workers = [pulumi.Output.concat(*here, f":execution:{one}:*") for one in (name, f"{name}/{LABEL}")]
        runs = objects(pulumi.Output.concat(bucket, f"/{FOLDER}"))
        return [
            allow("states:StartExecution", on=mine),
            allow("states:DescribeExecution", "states:StopExecution", on=workers),
            # The list of chunks is read, and what workers answered is written in parts where it is large.
            allow(*("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"), on=runs),
        ]
