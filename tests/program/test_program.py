"""The whole program, as `pulumi up` runs it, under mocks for every stack config of the repository."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.settings import COMPOSITIONS, SettingsError
from components.stack_outputs import OUTPUTS, VALIDATED, composition_of
from handlers import config as handlers_config
from handlers.core import fleet, servers
from tests.program.graphs import graph, path
from tests.program.programs import EXAMPLES, STACKS, program, run_program, without_layer
from tests.support.pulumi_mocks import ACCOUNT, PROVIDER, REPOSITORY, Recorder, deploy, stack_config

BUCKET_PARTS = (
    *("LifecycleConfiguration", "Logging", "OwnershipControls", "Policy", "PublicAccessBlock", "ReplicationConfig"),
    *("ServerSideEncryptionConfiguration", "Versioning"),
)
UNTAGGED = (
    "random:",
    PROVIDER,
    "aws:appautoscaling/policy:",
    "aws:ec2/peeringConnectionOptions:",
    *(f"aws:s3/bucket{part}:" for part in BUCKET_PARTS),
    "aws:ec2/route:",
    "aws:ec2/routeTableAssociation:",
    "aws:ec2/vpnGatewayRoutePropagation:",
    "aws:iam/rolePolicy",
    "aws:kms/alias:",
    "aws:secretsmanager/secretVersion:",
    "aws:secretsmanager/secretRotation:",
    "aws:backup/selection:",
    "aws:route53/record:",
    "aws:sns/topicPolicy:",
    "aws:sns/topicSubscription:",
    "aws:sqs/queuePolicy:",
    "aws:cloudwatch/dashboard:",
    "aws:cloudwatch/eventTarget:",
    "aws:lambda/layerVersion:",
    "aws:lambda/permission:",
)
"""Types that AWS knows no tags for."""
FIXED = ("dms-", "AWSApplicationMigration", "what-it-calls")
"""How names begin that AWS fixes, or that count within their role alone."""
NAMED_BY = (
    "name",
    "identifier",
    "clusterIdentifier",
    "replicationInstanceId",
    "endpointId",
    "replicationTaskId",
    "layerName",
)


@pytest.fixture(autouse=True, scope="module")
def layer() -> Iterator[None]:
    with without_layer():
        yield


def composition(stack: str) -> str:
    """Return what a stack is composed of."""
    return str(stack_config(stack).get("database-migration:composition", "migration"))


def of(*wanted: str) -> list[str]:
    """Return the stacks of these compositions."""
    return [stack for stack in STACKS if composition(stack) in wanted]


def suffix(stack: str) -> str:
    """Return a stack's environment suffix; the repository's own stacks are called by it."""
    return str(stack_config(stack)["database-migration:environmentSuffix"])


def test_these_are_all_the_stack_configs() -> None:
    found = {path.stem.removeprefix("Pulumi.") for path in REPOSITORY.glob("Pulumi.*.yaml")}
    examples = {path.stem for path in (REPOSITORY / "examples").glob("*.yaml")}
    assert {name for name in found if not name.startswith("sandbox")} | examples == set(STACKS)
    assert examples == set(EXAMPLES)


@pytest.mark.parametrize("stack", STACKS)
def test_every_promised_output_is_exported_and_known(stack: str) -> None:
    exports = program(stack).exports
    validated = VALIDATED.keys() if stack == "dev" else set()
    assert set(exports) == {*OUTPUTS[composition(stack)], *validated}
    assert all(value not in (None, "") for value in exports.values()), exports
    assert all(name == name.lower() and " " not in name for name in exports)


def test_a_migration_has_37_outputs() -> None:
    assert len(OUTPUTS["migration"]) == 37


def test_outputs_tell_the_composition() -> None:
    assert {composition_of(names) for names in OUTPUTS.values()} == set(OUTPUTS) == set(COMPOSITIONS)
    with pytest.raises(LookupError, match="no composition has these 1 outputs"):
        composition_of(["vpc_id"])
    assert composition_of({**OUTPUTS["migration"], **VALIDATED}) == "migration"


@pytest.mark.parametrize("stack", STACKS)
def test_every_name_carries_the_environment_suffix(stack: str) -> None:
    recorder, environment = program(stack), suffix(stack)
    for resource in recorder.resources:
        assert resource.name.startswith(f"migration-{environment}-"), resource.name
        for prop in NAMED_BY:
            if prop in resource.inputs and not resource.inputs[prop].startswith(FIXED):
                assert environment in str(resource.inputs[prop]), (resource.name, prop, resource.inputs[prop])


@pytest.mark.parametrize("stack", STACKS)
def test_everything_is_tagged(stack: str) -> None:
    for resource in program(stack).resources:
        if resource.custom and not resource.type.startswith(UNTAGGED):
            tags = resource.inputs.get("tags") or {}
            assert tags.get("Environment") == suffix(stack), resource
            assert tags.get("CostCenter") == stack_config(stack)["database-migration:tags"]["CostCenter"]
            assert tags.get("ManagedBy") == "pulumi"
            assert tags.get("Name")


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_belongs_to_a_component(stack: str) -> None:
    recorder = program(stack)
    components = {r.name for r in recorder.resources if not r.custom}
    assert {r.parent for r in recorder.resources if r.custom and r.type != PROVIDER} == components


@pytest.mark.parametrize("stack", of("migration"))
def test_the_functions_can_read_the_config_they_are_given(stack: str) -> None:
    name = f"migration-{suffix(stack)}"
    config = handlers_config.parse(program(stack).named(f"{name}-switchover-config").inputs["value"])
    assert config.migration_id == name
    assert config.target.port == 5432
    assert config.dns.writer_name.startswith("writer.db.")
    assert config.replication.instance_id == f"{name}-dms-instance"


@pytest.mark.parametrize("stack", of("migration"))
def test_the_rotating_functions_can_read_what_they_are_given(stack: str) -> None:
    recorder, name = program(stack), f"migration-{suffix(stack)}"
    switchover = handlers_config.parse(recorder.named(f"{name}-switchover-config").inputs["value"])
    for user, users in (("application", "alternating"), ("replication", "single")):
        variables = recorder.named(f"{name}-rotation-{user}").inputs["environment"]["variables"]
        known = handlers_config.parse_rotation(variables["ROTATION"])
        held = json.loads(recorder.named(f"{name}-target-{user}-secret-value").inputs["secretString"])
        assert known.users == users
        assert (known.engine, known.host, known.port, known.database, known.username) == tuple(
            held[key] for key in ("engine", "host", "port", "dbname", "username")
        )
        assert (known.migration_id, known.tracking_table) == (switchover.migration_id, switchover.tracking_table)
        assert bool(known.replication_arns) is (user == "replication")
        assert set(known.endpoint_arns) <= set(switchover.replication.endpoint_arns)


def test_an_application_s_dms_users_are_rotated_on_both_sides_each_for_its_own_database() -> None:
    recorder, name = program("payments"), "migration-payments"
    switchover = handlers_config.parse(recorder.named(f"{name}-switchover-config").inputs["value"])
    used = []
    for side, database in (("source", switchover.source), ("target", switchover.target)):
        variables = recorder.named(f"{name}-{side}-rotation-replication").inputs["environment"]["variables"]
        known = handlers_config.parse_rotation(variables["ROTATION"])
        assert (known.host, known.port, known.database) == (database.host, database.port, database.database)
        assert (known.secret_arn, known.users) == (database.replication_secret_arn, "single")
        assert (known.migration_id, known.tracking_table) == (switchover.migration_id, switchover.tracking_table)
        used += known.endpoint_arns
    assert sorted(used) == sorted(switchover.replication.endpoint_arns)
    assert not [one for one in recorder.resources if "rotation-application" in one.name]


def test_a_listed_role_s_fence_shuts_out_who_writes_to_the_target() -> None:
    """On the way back that is whom the target's own secret lets in."""
    config = stack_config("dev")
    key = "database-migration:source"
    recorder = deploy(run_program, {**config, key: {**config[key], "applicationRoles": ["shop"]}}, "dev")
    known = handlers_config.parse(recorder.named("migration-dev-switchover-config").inputs["value"])
    assert known.application_roles == ("shop", "application")
    every = handlers_config.parse(program("dev").named("migration-dev-switchover-config").inputs["value"])
    assert every.application_roles == ()


def test_the_password_that_rds_does_not_manage_is_rotated_by_its_own_user() -> None:
    config = stack_config("rds-mysql")
    key = "database-migration:target"
    instance = {**config[key]["instance"], "readReplicas": 1}
    recorder = deploy(run_program, {**config, key: {**config[key], "instance": instance}}, "rds-mysql")
    known = handlers_config.parse_rotation(
        recorder.named("migration-mysql-rotation-master").inputs["environment"]["variables"]["ROTATION"]
    )
    assert (known.engine, known.users, known.username) == ("mysql", "single", "migration_admin")
    assert (known.administrator_secret_arn, known.tracking_table) == ("", "")
    schedule = recorder.named("migration-mysql-rotation-master-schedule").inputs
    assert schedule["rotationRules"] == {"automaticallyAfterDays": 30}
    assert recorder.exports["rotation_function_names"] == {"master": "migration-mysql-rotation-master"}
    assert program("rds-mysql").exports["rotation_function_names"] == {}


@pytest.mark.parametrize("stack", STACKS)
def test_no_password_is_anywhere_but_in_secrets(stack: str) -> None:
    for resource in program(stack).resources:
        for key, value in resource.inputs.items():
            if "password of" in json.dumps(value, default=str):
                assert key in resource.secret_inputs, (resource.name, key)


def test_staging_is_the_promotion_scenario() -> None:
    """Apart from names: what is rehearsed as an example is what staging runs."""
    own, example = (
        {key: value for key, value in stack_config(stack).items() if not key.endswith((":environmentSuffix", ":dns"))}
        for stack in ("staging", "postgres-dev-to-staging")
    )
    assert own == example


@pytest.mark.parametrize("stack", STACKS)
def test_its_resources_are_those_that_were_reviewed(stack: str) -> None:
    """A changed name or parent needs an alias; what is right is written by `python -m tests.program.graphs`."""
    assert graph(program(stack)) == path(stack).read_text()


def test_a_promotion_ends_on_a_protected_instance() -> None:
    recorder = program("staging")
    assert not recorder.of("aws:rds/cluster:Cluster")
    instance = recorder.one("aws:rds/instance:Instance")
    assert (instance["instanceClass"], instance["allocatedStorage"]) == ("db.t3.medium", 100)
    assert instance["multiAz"] and instance["deletionProtection"] and not instance["skipFinalSnapshot"]
    target = recorder.named("migration-staging-dms-target").inputs
    assert target["engineName"] == "postgres"
    assert recorder.one("aws:route53/zone:Zone")["vpcs"]


def test_a_promotion_has_no_way_to_the_internet() -> None:
    recorder = program("staging")
    assert not recorder.of("aws:ec2/natGateway:NatGateway")
    endpoints = recorder.of("aws:ec2/vpcEndpoint:VpcEndpoint").values()
    names = {e["serviceName"]: e.get("serviceRegion") for e in endpoints if e["vpcEndpointType"] == "Interface"}
    regional = ("dms", "monitoring", "secretsmanager", "sns", "ssm", "states")
    assert names == {f"com.amazonaws.us-east-1.{s}": None for s in regional} | {"com.amazonaws.route53": "us-east-1"}


def test_aurora_has_a_writer_and_two_readers() -> None:
    recorder = program("onprem-postgres-aurora")
    assert len(recorder.of("aws:rds/clusterInstance:ClusterInstance")) == 3
    cluster = recorder.one("aws:rds/cluster:Cluster")
    assert cluster["serverlessv2ScalingConfiguration"] == {"minCapacity": 0.5, "maxCapacity": 2}
    assert cluster["deletionProtection"] is True
    instance = recorder.one("aws:dms/replicationInstance:ReplicationInstance")
    assert (instance["replicationInstanceClass"], instance["allocatedStorage"]) == ("dms.r5.large", 100)


def test_dev_is_the_smallest_useful() -> None:
    recorder = program("dev")
    assert set(recorder.of("aws:rds/clusterInstance:ClusterInstance")) == {"migration-dev-target-writer"}
    assert len(recorder.of("aws:ec2/natGateway:NatGateway")) == 1
    assert recorder.one("aws:rds/cluster:Cluster")["deletionProtection"] is False


def test_a_bad_configuration_declares_nothing() -> None:
    config: dict[str, Any] = {**stack_config("dev"), "database-migration:nework": {}}
    recorder: list[Recorder] = []
    with pytest.raises(SettingsError, match="nework: there is no such key; did you mean network"):
        recorder.append(deploy(run_program, config, "dev"))
    assert not recorder


@pytest.mark.parametrize(
    ("region", "account", "said"),
    [
        ("eu-west-1", ACCOUNT, "which is of eu-west-1, but the stack is in us-east-1, where a replica of it would do"),
        ("us-east-1", "210987654321", f"which is of account 210987654321, not of the stack's, {ACCOUNT}: name one"),
    ],
)
def test_a_secret_of_another_region_or_account_declares_nothing(region: str, account: str, said: str) -> None:
    config = stack_config("dev")
    config["database-migration:source"] |= {
        "operatorSecretArn": f"arn:aws:secretsmanager:{region}:{account}:secret:operator-AbCdEf"
    }
    recorder: list[Recorder] = []
    with pytest.raises(SettingsError, match=said):
        recorder.append(deploy(run_program, config, "dev"))
    assert not recorder


def test_the_schema_in_the_project_file_names_the_same_keys_as_the_settings() -> None:
    import yaml

    schema = yaml.safe_load(Path(REPOSITORY / "Pulumi.yaml").read_text())["config"]
    fields = [field for root in COMPOSITIONS.values() for field in root.model_fields.values()]
    assert set(schema) == {field.alias for field in fields}


def test_a_fleet_shares_one_instance_one_zone_and_one_table() -> None:
    recorder, databases = program("fleet-orchestration"), 3
    assert len(recorder.of("aws:dms/replicationTask:ReplicationTask")) == 2 * databases
    assert len(recorder.of("aws:dms/endpoint:Endpoint")) == 4 * databases
    assert len(recorder.of("aws:route53/record:Record")) == 4 * databases
    instance = recorder.one("aws:dms/replicationInstance:ReplicationInstance")
    assert (instance["replicationInstanceClass"], instance["allocatedStorage"], instance["multiAz"]) == (
        "dms.t3.medium",
        100,
        True,
    )
    assert "engineVersion" not in instance and instance["publiclyAccessible"] is False
    assert recorder.one("aws:route53/zone:Zone")["vpcs"]
    table = recorder.one("aws:dynamodb/table:Table")
    assert (table["hashKey"], table["rangeKey"]) == ("serverId", "timestamp")
    [index] = table["globalSecondaryIndexes"]
    assert index["name"] == "MigrationPhaseIndex"
    assert [key["attributeName"] for key in index["keySchemas"]] == ["migrationPhase", "timestamp"]
    assert set(recorder.exports["databases"]) == {"orders", "billing", "stock"}


def test_the_fleet_s_functions_can_read_the_config_they_are_given() -> None:
    text = program("fleet-orchestration").named("migration-fleet-fleet-config").inputs["value"]
    raw = json.loads(text)
    config = fleet.Config(**{**raw, "databases": tuple(raw["databases"])})
    assert config.names("orders") == {
        "writer": "orders-writer.fleet.example.com",
        "reader": "orders-reader.fleet.example.com",
    }
    names = {record["name"] for record in program("fleet-orchestration").of("aws:route53/record:Record").values()}
    assert names == {name for database in config.databases for name in config.names(database).values()}


def test_the_servers_function_can_read_the_settings_it_is_given() -> None:
    text = program("fleet-orchestration").named("migration-fleet-servers-settings").inputs["value"]
    found = servers.settings(text)
    assert found["replication"]["bandwidthThrottling"] == 200
    assert found["replication"]["createPublicIP"] is False


def test_every_database_of_a_fleet_adds_the_same_and_nothing_is_named_twice() -> None:
    config = stack_config("fleet-orchestration")
    key, [first, *_] = "database-migration:databases", config["database-migration:databases"]

    def declared(count: int) -> Recorder:
        many = [
            {**first, "name": f"db-{n}", "target": {**first["target"], "host": f"db-{n}.example"}} for n in range(count)
        ]
        return deploy(run_program, {**config, key: many}, "fleet")

    one, ten = declared(1), declared(10)
    added = len(ten.resources) - len(one.resources)
    assert added == 9 * (len(declared(2).resources) - len(one.resources))
    names = [(r.type, r.name) for r in ten.resources]
    assert len(set(names)) == len(names)
    records = [(r["name"], r["setIdentifier"]) for r in ten.of("aws:route53/record:Record").values()]
    assert len(set(records)) == len(records) == 40


@pytest.mark.parametrize("stack", ["onprem-postgres-aurora", "payments"])
def test_names_that_change_reach_the_tasks_of_both_directions(stack: str) -> None:
    config = stack_config(stack)
    replication = {"tables": [{"schema": "app"}], "transformations": [{"schema": "app", "rename": "app_v2"}]}
    key = "database-migration:replication"
    recorder = deploy(run_program, {**config, key: {**config.get(key, {}), **replication}}, stack)
    found = {
        name.rsplit("-", 1)[1]: json.loads(inputs["tableMappings"])["rules"]
        for name, inputs in recorder.of("aws:dms/replicationTask:ReplicationTask").items()
    }
    for task, here, there in (("forward", "app", "app_v2"), ("failback", "app_v2", "app")):
        assert found[task][0]["object-locator"]["schema-name"] == here
        assert (found[task][-1]["object-locator"], found[task][-1]["value"]) == ({"schema-name": here}, there)
