"""What joins two environments: peering, and the pair of buckets with the logs of access to them."""

import json
from typing import Any

import pytest

from components import (
    AccessLogBucket,
    AccessLogBucketArgs,
    NetworkPeering,
    NetworkPeeringArgs,
    TransactionLogs,
    TransactionLogsArgs,
)
from components.checks import ArgumentError
from components.network_peering import PeerArgs
from tests.support.pulumi_mocks import Recorder, deploy

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
PARTS = {
    "ownership": "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "private": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "versioning": "aws:s3/bucketVersioning:BucketVersioning",
    "encryption": "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "lifecycle": "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "policy": "aws:s3/bucketPolicy:BucketPolicy",
}


def peer(side: str, block: str, port: int, clients: tuple[str, ...]) -> PeerArgs:
    return {
        "region": f"region-of-{side}",
        "vpc_id": f"vpc-{side}",
        "cidr_block": block,
        "route_table_ids": {tier: f"rtb-{side}-{tier}" for tier in ("application", "database")},
        "database_security_group_id": f"sg-{side}-database",
        "database_port": port,
        "client_security_group_ids": {client: f"sg-{side}-{client}" for client in clients},
    }


PEERING: NetworkPeeringArgs = {
    "source": peer("source", "10.30.0.0/16", 5432, ("application",)),
    "target": peer("target", "10.40.0.0/16", 5433, ("application", "replication")),
}


def peering(**changes: object) -> Recorder:
    return deploy(lambda: NetworkPeering("peer", {**PEERING, **changes}))  # type: ignore[typeddict-item]


def test_peering_is_asked_for_accepted_and_resolves_names_both_ways() -> None:
    recorder = peering()
    asked = recorder.named("peer-connection").inputs
    assert (asked["vpcId"], asked["peerVpcId"], asked["peerRegion"]) == ("vpc-source", "vpc-target", "region-of-target")
    assert recorder.named("peer-accepter").inputs["vpcPeeringConnectionId"] == "peer-connection-id"
    resolve = {"allowRemoteVpcDnsResolution": True}
    assert recorder.named("peer-source-options").inputs["requester"] == resolve
    assert recorder.named("peer-target-options").inputs["accepter"] == resolve


def test_private_tables_of_both_sides_lead_over() -> None:
    routes = peering().of("aws:ec2/route:Route")
    found = {(r["routeTableId"], r["destinationCidrBlock"]) for r in routes.values()}
    assert found == {
        *((f"rtb-source-{tier}", "10.40.0.0/16") for tier in ("application", "database")),
        *((f"rtb-target-{tier}", "10.30.0.0/16") for tier in ("application", "database")),
    }
    assert {r["vpcPeeringConnectionId"] for r in routes.values()} == {"peer-accepter-id"}, "not before it is accepted"


def test_databases_are_opened_on_their_port_to_the_other_block_only() -> None:
    recorder = peering()
    opened = {(r["securityGroupId"], r["fromPort"], r["cidrIpv4"]) for r in recorder.of(INGRESS).values()}
    assert opened == {
        ("sg-source-database", 5432, "10.40.0.0/16"),
        ("sg-target-database", 5433, "10.30.0.0/16"),
    }
    out = {(r["securityGroupId"], r["fromPort"], r["cidrIpv4"]) for r in recorder.of(EGRESS).values()}
    assert out == {
        ("sg-source-application", 5433, "10.40.0.0/16"),
        ("sg-target-application", 5432, "10.30.0.0/16"),
        ("sg-target-replication", 5432, "10.30.0.0/16"),
    }


def test_networks_that_overlap_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"10\.30\.0\.0/16 overlaps 10\.30\.0\.0/17: peered networks need blocks"):
        peering(target=peer("target", "10.30.0.0/17", 5432, ()))


LOGS: TransactionLogsArgs = {
    "account_id": "123456789012",
    "source": {"region": "eu-central-1", "kms_key_arn": "arn:key:old", "log_bucket": "old-logs"},
    "target": {"region": "eu-west-1", "kms_key_arn": "arn:key:new", "log_bucket": "new-logs"},
}


def logs(**changes: object) -> Recorder:
    return deploy(lambda: TransactionLogs("tx", {**LOGS, **changes}))  # type: ignore[typeddict-item]


def policy(recorder: Recorder, name: str) -> dict[str, dict[str, Any]]:
    return {s["Sid"]: s for s in json.loads(recorder.named(name).inputs["policy"])["Statement"]}


def test_children_are_two_whole_buckets_and_the_replication() -> None:
    expected = {
        "tx-replication-role": "aws:iam/role:Role",
        "tx-replication-policy": "aws:iam/rolePolicy:RolePolicy",
        "tx-replication-rules": "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    }
    for side in ("source", "target"):
        expected |= {
            f"tx-{side}": "aws:s3/bucket:Bucket",
            f"tx-{side}-logging": "aws:s3/bucketLogging:BucketLogging",
            **{f"tx-{side}-{part}": kind for part, kind in PARTS.items()},
        }
    assert logs().kinds() == expected


@pytest.mark.parametrize(("side", "key"), [("source", "arn:key:old"), ("target", "arn:key:new")])
def test_each_bucket_is_encrypted_with_its_region_s_key(side: str, key: str) -> None:
    recorder = logs()
    assert recorder.named(f"tx-{side}").inputs["bucket"] == f"tx-{side}-123456789012"
    [rule] = recorder.named(f"tx-{side}-encryption").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}
    assert rule["bucketKeyEnabled"] is True
    said = policy(recorder, f"tx-{side}-policy")
    assert {s["Effect"] for s in said.values()} == {"Deny"}
    assert said["OnlyTls"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert said["OnlyOurKey"]["Condition"]["StringNotEquals"] == {"s3:x-amz-server-side-encryption-aws-kms-key-id": key}
    private = recorder.named(f"tx-{side}-private").inputs
    assert all(private[block] for block in private if block != "bucket")


def test_everything_is_replicated_and_encrypted_anew() -> None:
    recorder = logs()
    [rule] = recorder.named("tx-replication-rules").inputs["rules"]
    assert rule["deleteMarkerReplication"] == {"status": "Enabled"}
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    assert rule["destination"]["encryptionConfiguration"] == {"replicaKmsKeyId": "arn:key:new"}
    after = recorder.named("tx-replication-rules").depends_on
    assert {"tx-source-versioning", "tx-target-versioning", "tx-replication-policy"} <= after


def test_the_replication_may_only_read_here_and_write_there() -> None:
    recorder = logs()
    found = json.loads(recorder.named("tx-replication-policy").inputs["policy"])["Statement"]
    on = {tuple(s["Action"]): s for s in found}
    assert on["kms:Decrypt",]["Resource"] == "arn:key:old"
    assert on["kms:GenerateDataKey",]["Resource"] == "arn:key:new"
    via = on["kms:GenerateDataKey",]["Condition"]["StringEquals"]["kms:ViaService"]
    assert via == "s3.eu-west-1.amazonaws.com"
    written = on["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]["Resource"]
    assert written.endswith("tx-target/*")


def test_logs_are_kept_cheaply_and_not_for_ever() -> None:
    rules = {r["id"]: r for r in logs(noncurrent_days=7).named("tx-source-lifecycle").inputs["rules"]}
    assert rules["keep-cheaply"]["noncurrentVersionExpiration"] == {"noncurrentDays": 7}
    assert rules["abort-unfinished-uploads"]["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    with pytest.raises(ArgumentError, match="transition_days is 5: write a number from 30"):
        logs(transition_days=5)


def test_buckets_go_with_what_is_in_them_where_the_config_says_so() -> None:
    assert logs().named("tx-source").inputs["forceDestroy"] is False
    assert logs(force_destroy=True).named("tx-target").inputs["forceDestroy"] is True


ACCESS: AccessLogBucketArgs = {"account_id": "123456789012", "retention_days": 30}


def test_access_logs_are_taken_from_this_account_s_services_and_expire() -> None:
    recorder = deploy(lambda: AccessLogBucket("logs", ACCESS))
    assert set(recorder.kinds().values()) == {"aws:s3/bucket:Bucket", *PARTS.values()}
    said = policy(recorder, "logs-bucket-policy")
    assert set(said) == {"OnlyTls", "LoadBalancerLogs", "BucketLogs"}
    assert said["LoadBalancerLogs"]["Resource"].endswith("/load-balancer/AWSLogs/123456789012/*")
    assert said["BucketLogs"]["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    [encryption] = recorder.named("logs-bucket-encryption").inputs["rules"]
    assert encryption["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    rules = {r["id"]: r for r in recorder.named("logs-bucket-lifecycle").inputs["rules"]}
    assert rules["expire"]["expiration"] == {"days": 30}
    assert recorder.outputs["logs"]["bucket"] == "logs-123456789012"
