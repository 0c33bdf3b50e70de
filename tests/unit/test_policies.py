"""Every rule of the policy pack: what the stacks declare passes, what is spoiled is told with the remedy."""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi_policy import (
    EnforcementLevel,
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from policy import catalogue
from policy.catalogue import RULES
from policy.pack import Pack
from policy.rule import Level, Resource, Rule, StackRule
from policy.rules import mission
from policy.rules.database import CLUSTER, EVENTS, GROUPS, INSTANCE, MEMBER, ROTATION, SECRET
from policy.rules.functions import FUNCTION, MACHINE, PERMISSION, RIGHTS, ROLE
from policy.rules.network import BALANCER, DEFAULT_GROUP, FLOW_LOG, INGRESS, LISTENER, VPC, VPN
from policy.rules.replication import ENDPOINT, TASK
from policy.rules.replication import INSTANCE as DMS_INSTANCE
from policy.rules.storage import BUCKET, KEY, LOG, QUEUE, TOPIC, TOPIC_POLICY
from tests.program.programs import STACKS, program, without_layer
from tests.support.pulumi_mocks import stack_config

GONE = object()
"""Instead of a value: the property is left out."""
TABLE, CONTAINERS = "aws:dynamodb/table:Table", mission.CONTAINERS
ANYBODY = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]})
TRUST = json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
DECRYPT = json.dumps({"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]})
WIDE = json.dumps({"Statement": [{"Effect": "Allow", "Action": ["s3:*", "sns:Publish"], "Resource": "*"}]})
CONTAINER = json.dumps([{"name": "app", "environment": [{"name": "DB_PASSWORD", "value": "hunter2"}]}])

SPOILS: dict[str, tuple[str, str, Any]] = {
    "mission-no-password": (FUNCTION, "environment.variables.DB_PASSWORD", "hunter2"),
    "mission-destroyable": (LOG, "skipDestroy", True),
    "mission-automation-s": (mission.RECORD, "ignore_changes", ()),
    "rds-2-private": (INSTANCE, "publiclyAccessible", True),
    "rds-3-encrypted": (INSTANCE, "storageEncrypted", GONE),
    "rds-27-own-key": (CLUSTER, "kmsKeyId", GONE),
    "rds-5-multi-az": (INSTANCE, "multiAz", False),
    "rds-6-enhanced-monitoring": (MEMBER, "monitoringInterval", 0),
    "rds-8-deletion-protection": (CLUSTER, "deletionProtection", False),
    "rds-9-logs-exported": (CLUSTER, "enabledCloudwatchLogsExports", []),
    "rds-10-iam-authentication": (INSTANCE, "iamDatabaseAuthenticationEnabled", False),
    "rds-11-backups": (INSTANCE, "backupRetentionPeriod", 1),
    "rds-13-minor-upgrades": (INSTANCE, "autoMinorVersionUpgrade", False),
    "rds-17-tagged-snapshots": (CLUSTER, "copyTagsToSnapshot", GONE),
    "rds-25-own-admin": (INSTANCE, "username", "postgres"),
    "rds-24-own-cluster-admin": (CLUSTER, "masterUsername", "admin"),
    "rds-38-tls": (GROUPS[0], "parameters", [{"name": "rds.force_ssl", "value": "0"}]),
    "secretsmanager-4-often": (ROTATION, "rotationRules", {"automaticallyAfterDays": 365}),
    "secretsmanager-2-own-key": (SECRET, "kmsKeyId", GONE),
    "dynamodb-2-point-in-time": (TABLE, "pointInTimeRecovery", GONE),
    "dynamodb-3-own-key": (TABLE, "serverSideEncryption", GONE),
    "backup-1-own-key": ("aws:backup/vault:Vault", "kmsKeyArn", GONE),
    "dms-1-private": (DMS_INSTANCE, "publiclyAccessible", GONE),
    "dms-6-minor-upgrades": (DMS_INSTANCE, "autoMinorVersionUpgrade", False),
    "dms-7-logged": (TASK, "replicationTaskSettings", "{}"),
    "dms-9-tls": (ENDPOINT, "sslMode", "none"),
    "dms-13-multi-az": (DMS_INSTANCE, "multiAz", False),
    "dms-14-own-key": (ENDPOINT, "kmsKeyArn", GONE),
    "dms-15-no-password": (ENDPOINT, "password", "hunter2"),
    "lambda-1-not-public": (PERMISSION, "principal", "*"),
    "lambda-2-runtime": (FUNCTION, "runtime", "python3.8"),
    "lambda-3-in-network": (FUNCTION, "vpcConfig", GONE),
    "lambda-5-two-zones": (FUNCTION, "vpcConfig", {"subnetIds": ["one"]}),
    "lambda-7-traced": (FUNCTION, "tracingConfig", GONE),
    "lambda-8-dead-letters": (FUNCTION, "deadLetterConfig", GONE),
    "lambda-9-own-key": (FUNCTION, "kmsKeyArn", GONE),
    "stepfunctions-1-logged": (MACHINE, "loggingConfiguration", {"level": "OFF"}),
    "iam-1-least-rights": (RIGHTS[0], "policy", WIDE),
    "kms-2-no-wildcard-decrypt": (RIGHTS[0], "policy", DECRYPT),
    "iam-2-named-trust": (ROLE, "assumeRolePolicy", TRUST),
    "kms-4-rotated": (KEY, "enableKeyRotation", False),
    "kms-5-not-for-anybody": (KEY, "policy", ANYBODY),
    "sns-1-own-key": (TOPIC, "kmsMasterKeyId", GONE),
    "sqs-1-own-key": (QUEUE, "kmsMasterKeyId", GONE),
    "cloudwatch-16-retention": (LOG, "retentionInDays", GONE),
    "cloudwatch-18-own-key": (LOG, "kmsKeyId", GONE),
    "cloudwatch-15-told": ("aws:cloudwatch/metricAlarm:MetricAlarm", "alarmActions", []),
    "ec2-15-no-public-address": ("aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", True),
    "ec2-18-ingress": (INGRESS, "cidrIpv4", "0.0.0.0/0"),
    "ec2-171-tunnel-logs": (VPN, "tunnel2LogOptions", GONE),
    "elb-1-https": (LISTENER, "protocol", "HTTP"),
    "elb-4-valid-headers": (BALANCER, "dropInvalidHeaderFields", False),
    "elb-5-access-logs": (BALANCER, "accessLogs", GONE),
    "elb-6-deletion-protection": (BALANCER, "enableDeletionProtection", False),
    "ecs-5-read-only": (CONTAINERS, "containerDefinitions", CONTAINER),
    "ecs-12-insights": ("aws:ecs/cluster:Cluster", "settings", []),
    "ecs-2-no-public-address": ("aws:ecs/service:Service", "networkConfiguration", {"assignPublicIp": True}),
}
"""By rule: a type of resource, a property of it, and a value that it must not have."""
TAKEN: dict[str, tuple[str, str]] = {
    "mission-managed-passwords": (INSTANCE, "random:index/randomPassword:RandomPassword"),
    "rds-15-two-zones": (CLUSTER, MEMBER),
    "rds-19-events": (INSTANCE, EVENTS),
    "secretsmanager-1-rotated": (SECRET, ROTATION),
    "ec2-2-default-group": (VPC, DEFAULT_GROUP),
    "ec2-6-flow-logs": (VPC, FLOW_LOG),
    "s3-8-no-public-access": (BUCKET, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"),
    "s3-17-encrypted": (
        BUCKET,
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    ),
    "s3-14-versioned": (BUCKET, "aws:s3/bucketVersioning:BucketVersioning"),
    "s3-13-lifecycle": (BUCKET, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"),
    "s3-5-tls": (BUCKET, "aws:s3/bucketPolicy:BucketPolicy"),
    "sns-5-tls": (TOPIC, TOPIC_POLICY),
}
"""By rule about a whole stack: a type of resource, and the type of what must not be missing beside it."""


@pytest.fixture(autouse=True, scope="module")
def layer() -> Iterator[None]:
    with without_layer():
        yield


@functools.cache
def declared(stack: str) -> list[Resource]:
    """Return what a stack declares, as a rule sees it."""
    return [
        Resource(r.type, r.name, r.inputs, r.ignore_changes, urn=r.name, depends_on=tuple(r.depends_on))
        for r in program(stack).resources
        if r.custom
    ]


def rule(name: str) -> Any:
    return next(r for r in RULES if r.full_name == name)


def good(name: str, kind: str) -> Resource:
    """Return a declared resource that keeps to a rule."""
    everything = [r for stack in STACKS for r in declared(stack) if r.type == kind]
    return next(r for r in everything if not list(rule(name).judge(r)) and r.props.get("protocol") != "HTTP")


def spoiled(resource: Resource, path: str, value: Any) -> dict[str, Any]:
    """Return a resource's properties with one of them another."""
    props = json.loads(json.dumps(resource.props, default=str))
    *way, last = path.split(".")
    inner = functools.reduce(lambda found, key: found.setdefault(key, {}), way, props)
    if value is GONE:
        inner.pop(last)
    else:
        inner[last] = value
    return props


def options(ignored: Any = ()) -> PolicyResourceOptions:
    return PolicyResourceOptions(False, list(ignored), None, [], PolicyCustomTimeouts(0, 0, 0), [])


def told(name: str, resource: Resource, props: dict[str, Any], ignored: Any) -> list[str]:
    """Judge a resource by the policy the engine gets, and return what it reports."""
    [policy] = [p for p in Pack(RULES).policies if p.name == name]
    assert isinstance(policy, ResourceValidationPolicy)
    lines: list[str] = []
    args = ResourceValidationArgs(
        resource.type, unknown_checking_proxy(props), resource.urn, resource.name, options(ignored), None
    )
    policy.validate(args, lambda line, _: lines.append(line))
    return lines


def test_every_rule_is_shown_at_work() -> None:
    singles = {r.full_name for r in RULES if isinstance(r, Rule)} - {"mission-running-task"}
    assert singles == set(SPOILS)
    assert {r.full_name for r in RULES if isinstance(r, StackRule)} == set(TAKEN)
    names = [r.full_name for r in RULES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", SPOILS)
def test_a_rule_passes_what_is_right_and_tells_what_is_not_with_the_remedy(name: str) -> None:
    kind, path, value = SPOILS[name]
    resource = good(name, kind)
    assert told(name, resource, dict(resource.props), resource.ignored) == []
    ignored = value if path == "ignore_changes" else resource.ignored
    props = dict(resource.props) if path == "ignore_changes" else spoiled(resource, path, value)
    [line, *_] = told(name, resource, props, ignored)
    assert re.search(r": \w", line), "say what to write instead"


def test_a_service_may_call_for_one_resource_or_one_account_but_not_for_anybody() -> None:
    permission = Resource(PERMISSION, "may-call", {"principal": "secretsmanager.amazonaws.com"}, urn="may-call")
    for source in ({"sourceArn": "arn:secret"}, {"sourceAccount": "123456789012"}):
        assert told("lambda-1-not-public", permission, {**permission.props, **source}, ()) == []
    [line] = told("lambda-1-not-public", permission, dict(permission.props), ())
    assert "name sourceArn" in line


@pytest.mark.parametrize("name", [name for name, (_, path, _) in SPOILS.items() if path != "ignore_changes"])
def test_what_nobody_knows_at_a_preview_is_no_violation(name: str) -> None:
    kind, path, _ = SPOILS[name]
    resource = good(name, kind)
    lines: list[str] = []
    try:
        lines = told(name, resource, spoiled(resource, path, UNKNOWN_STRING_VALUE), resource.ignored)
    except UnknownValueError as unknown:
        assert path.split(".", maxsplit=1)[0] in unknown.message
    assert lines == []


@pytest.mark.parametrize("name", TAKEN)
def test_a_rule_about_a_stack_tells_what_is_missing_beside_a_resource(name: str) -> None:
    kind, beside = TAKEN[name]
    judge = rule(name).judge
    resources = next(found for found in map(declared, STACKS) if fits(found, kind, judge))
    if name == "mission-managed-passwords":
        resources = [r if r.type != kind else with_password(r) for r in resources]
    left = [r for r in resources if r.type != beside]
    (resource, line), *_ = list(judge(left))
    assert resource.type == kind
    assert ": " in line


def fits(resources: list[Resource], kind: str, judge: Any) -> bool:
    """Say whether a stack has such a resource, and keeps to the rule."""
    return any(r.type == kind for r in resources) and not list(judge(resources))


def with_password(resource: Resource) -> Resource:
    return Resource(resource.type, resource.name, {**resource.props, "password": "hunter2"}, urn=resource.urn)


@pytest.mark.parametrize("stack", STACKS)
def test_no_stack_violates_what_is_mandatory_in_its_environment(stack: str) -> None:
    pack = Pack([r for r in RULES if r.full_name != "mission-running-task"])
    pack.configure({key: json.dumps(value) for key, value in stack_config(stack).items() if key.endswith(":policy")})
    found: list[str] = []
    for resource in declared(stack):
        args = ResourceValidationArgs(
            resource.type, resource.props, resource.urn, resource.name, options(resource.ignored), None
        )
        for policy in pack.policies:
            if isinstance(policy, ResourceValidationPolicy) and policy.enforcement_level is EnforcementLevel.MANDATORY:
                policy.validate(args, lambda line, _, p=policy, r=resource: found.append(f"{p.name} {r.name} {line}"))
    for policy in pack.policies:
        mandatory = policy.enforcement_level is EnforcementLevel.MANDATORY
        if mandatory and not isinstance(policy, ResourceValidationPolicy):
            policy.validate(whole(stack), lambda line, _, p=policy: found.append(f"{p.name} {line}"))
    assert found == []


def whole(stack: str) -> StackValidationArgs:
    """Return a stack as the engine shows it."""
    made = {
        r.urn: PolicyResource(r.type, dict(r.props), r.urn, r.name, options(r.ignored), None, None, [], {})
        for r in declared(stack)
    }
    for resource in declared(stack):
        made[resource.urn].dependencies.extend(made[urn] for urn in resource.depends_on if urn in made)
    return StackValidationArgs(list(made.values()))


# Environments and exceptions

EXCEPTION = {"rule": "dms-9-tls", "resource": "*-dms-source", "reason": "the old server has no TLS"}


def configured(**section: Any) -> Pack:
    pack = Pack(RULES)
    pack.configure({"database-migration:policy": json.dumps(section)})
    return pack


def test_what_is_medium_is_advised_in_development_and_mandatory_elsewhere() -> None:
    for environment in ("development", "staging", "production", None):
        pack = configured(**({"environment": environment} if environment else {}))
        for one, policy in zip(RULES, pack.policies, strict=False):
            advised = environment == "development" and one.level is Level.MEDIUM
            wanted = EnforcementLevel.ADVISORY if advised else EnforcementLevel.MANDATORY
            assert policy.enforcement_level is wanted


def test_an_exception_is_for_one_rule_and_the_resources_it_names() -> None:
    settings = configured(environment="development", exceptions=[EXCEPTION]).settings
    assert settings.excepted("dms-9-tls", "migration-dev-dms-source")
    assert not settings.excepted("dms-9-tls", "migration-dev-dms-target")
    assert not settings.excepted("dms-1-private", "migration-dev-dms-source")


@pytest.mark.parametrize(
    ("environment", "change", "said"),
    [
        ("development", {}, []),
        ("production", {"rule": "secretsmanager-1-rotated"}, []),
        ("staging", {}, ["policy.exceptions.0 excepts from dms-9-tls, but the environment is staging"]),
        ("development", {"rule": "dms-9-tsl"}, ["policy.exceptions.0.rule dms-9-tsl is no rule"]),
        ("development", {"reason": " "}, ["policy.exceptions.0.reason is empty"]),
    ],
)
def test_an_exception_itself_can_be_wrong(environment: str, change: dict[str, str], said: list[str]) -> None:
    pack = configured(environment=environment, exceptions=[{**EXCEPTION, **change}])
    lines: list[str] = []
    pack.policies[-1].validate(StackValidationArgs([]), lambda line, _: lines.append(line))
    assert len(lines) == len(said)
    assert all(line.startswith(beginning) for line, beginning in zip(lines, said, strict=True))


# A task at work


def task_rule(status: str | None, **changes: Any) -> list[str]:
    resource = good("dms-7-logged", TASK)
    found = {
        "Status": status,
        "MigrationType": resource.props["migrationType"],
        "TableMappings": resource.props["tableMappings"],
        "ReplicationTaskSettings": json.dumps(
            {**json.loads(resource.props["replicationTaskSettings"]), "ByDms": {"CloudWatchLogGroup": "x"}}
        ),
        **changes,
    }
    return list(mission.running_task(lambda _: found if status else None).judge(resource))


def test_a_task_may_be_declared_as_it_runs_and_changed_while_it_rests() -> None:
    assert task_rule("running") == []
    assert task_rule(None) == []
    assert task_rule("stopped", TableMappings='{"rules": []}') == []


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("TableMappings", '{"rules": []}', "tableMappings"),
        ("ReplicationTaskSettings", "{}", "replicationTaskSettings"),
        ("MigrationType", "full-load", "migrationType"),
    ],
)
def test_a_task_at_work_is_not_changed(key: str, value: str, named: str) -> None:
    [line] = task_rule("running", **{key: value})
    assert line.startswith(f"{named} of a task that is running would change")


def test_the_document_lists_the_rules() -> None:
    assert catalogue.DOCUMENT.read_text() == catalogue.table(), "write it by `python -m policy.catalogue`"
