from typing import Any

import pytest

from components import settings
from components.settings import SettingsError

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf"
LEAST: dict[str, Any] = {
    "environmentSuffix": "dev",
    "source": {
        "host": "db.corp.example.com",
        "database": "shop",
        "replicationSecretArn": ARN,
        "operatorSecretArn": ARN,
    },
    "dns": {"zone": "db.example.com"},
}

SERVERLESS: dict[str, Any] = {
    "network": {"interfaceEndpoints": ["secretsmanager"]},
    "replication": {"serverless": {"maximumCapacityUnits": 8}},
    "switchover": {"failBack": False},
}


def with_(**sections: Any) -> dict[str, Any]:
    """Return the least configuration with some sections changed."""
    merged = dict(LEAST)
    for key, value in sections.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def complaints(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.load(raw)
    head, *lines = str(caught.value).splitlines()
    assert head == "the stack configuration can't be used:"
    return [line.strip() for line in lines]


def test_the_least_configuration_has_secure_defaults() -> None:
    loaded = settings.load(LEAST)
    assert loaded.prefix == "migration-dev"
    assert loaded.database == "shop"
    assert loaded.target.deletion_protection is True
    assert loaded.target.ssl_mode == "require"
    assert loaded.switchover.mode == "manual"
    assert loaded.all_tags == {"Environment": "dev", "ManagedBy": "pulumi"}


def test_serverless_is_a_capacity_and_no_way_back() -> None:
    loaded = settings.load(with_(**SERVERLESS))
    capacity = loaded.replication.serverless
    assert (capacity.minimum_capacity_units, capacity.maximum_capacity_units) == (1, 8)
    assert settings.load(LEAST).replication.serverless is None


def test_one_error_lists_every_bad_key_with_its_value_and_remedy() -> None:
    lines = complaints(
        with_(
            environmentSuffix="Dev!",
            network={"cidr": "10.0.0.0/33", "zone": 2},
            target={"aurora": {"readers": 99}},
            dns={"zone": "x"},
            replication={"tables": [{"schema": "a", "action": "keep"}]},
        )
    )
    assert [line.split(" ")[0].rstrip(":") for line in lines] == [
        "dns.zone",
        "environmentSuffix",
        "network.cidr",
        "network.zone",
        "replication.tables[0].action",
        "target.aurora.readers",
    ]
    assert "is '10.0.0.0/33'" in lines[2]
    assert lines[2].endswith("write an IPv4 block from /16 to /18, for example 10.20.0.0/16")
    assert lines[3] == "network.zone: there is no such key; did you mean zones?"
    assert lines[4].endswith("write include or exclude")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            {k: v for k, v in LEAST.items() if k != "dns"},
            "dns is missing: write a map with zone, and where wanted private",
        ),
        (with_(dns={"zone": None}), "dns.zone is null: write a DNS zone"),
        (with_(environmentSuffix="eu--dev"), "environmentSuffix is 'eu--dev'"),
        (with_(environmentSuffix="dev-"), "environmentSuffix is 'dev-'"),
        (with_(environmentSuffix="d"), "environmentSuffix is 'd'"),
        (with_(environmentSuffix="a-" * 10 + "b"), "write 2 to 20 small letters, digits and single dashes"),
        (with_(environmentSufix="dev"), "environmentSufix: there is no such key; did you mean environmentSuffix?"),
        (with_(zzz=1), "zzz: there is no such key; known are composition, dns"),
        (
            with_(source={"operatorSecretArn": "secret"}),
            "source.operatorSecretArn is [secret], no ARN: write the ARN of the secret",
        ),
        (with_(monitoring={"logRetentionDays": 2}), "write one of 1, 3, 5, 7"),
        (with_(tags={"Cost": 1}), "tags.Cost is 1"),
        (
            with_(target={"engineVersion": 17}),
            "target.engineVersion is 17, not text: write a version, for example ",
        ),
        (with_(replication={"tables": []}), "replication.tables is []"),
        (with_(network=[]), "network is []"),
        (with_(source={"host": "192.168.1.5"}), "source.host is '192.168.1.5', an address, which no DNS name can be"),
        (with_(source={"readerHost": "10.0.0.9"}), "source.readerHost is '10.0.0.9', an address"),
        (
            with_(replication={"serverless": {"maximumCapacityUnits": 3}}),
            "replication.serverless.maximumCapacityUnits is 3, not a capacity DMS Serverless knows: write one of 1, 2",
        ),
        (
            with_(replication={"serverless": {"minimumCapacityUnits": 2}}),
            "replication.serverless.maximumCapacityUnits is missing: write one of 1, 2, 4",
        ),
    ],
)
def test_single_mistakes(raw: dict[str, Any], said: str) -> None:
    assert any(said in line for line in complaints(raw)), complaints(raw)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"target": {"aurora": {"minimumCapacity": 4}}},
            "target.aurora.minimumCapacity 4.0 is above target.aurora.maximumCapacity 2.0: lower it",
        ),
        (
            {"target": {"engine": "postgres", "aurora": {"readers": 1}}},
            "target.engine is postgres: leave it out, or write aurora-postgresql or aurora-mysql",
        ),
        (
            {"target": {"instance": {"multiAz": False}}},
            "target.instance is given, but target.engine is aurora-postgresql: leave it out, or write postgres or my",
        ),
        ({"target": {"secretRecoveryDays": 3}}, "target.secretRecoveryDays is 3: write 0, or days from 7 to 30"),
        (
            {"dns": {"ttlSeconds": 5, "switchoverTtlSeconds": 10}},
            "dns.switchoverTtlSeconds 10 is above dns.ttlSeconds 5",
        ),
        (
            {"target": {"applicationUsername": "a" * 62}},
            "is longer than 61 characters, which leaves no room for the names of the users that take turns",
        ),
        (
            {"target": {"applicationUsername": "app", "replicationUsername": "app_b"}},
            "target.replicationUsername app_b is one that logs in for target.applicationUsername app",
        ),
        ({"target": {"engine": "mysql"}}, "target.engine is mysql, but a migration's functions and DMS settings know"),
        ({"target": {"engine": "aurora-mysql"}}, "target.engine is aurora-mysql, but a migration's functions and DMS"),
        (
            {"target": {"engineVersion": "8.4.mysql_aurora.8.4.7"}},
            "8.4.mysql_aurora.8.4.7 is an Aurora MySQL's, but target.engine is aurora-postgresql: change one",
        ),
        (
            {"target": {"aurora": {"instanceClass": "db.r6g.large", "maximumCapacity": 8}}},
            "target.aurora.maximumCapacity is given, but target.aurora.instanceClass is db.r6g.large, which does not",
        ),
        ({"source": {"sslMode": "verify-full"}}, "source.sslMode is verify-full, but"),
        (
            {"target": {"certificateBundle": "rds.pem"}},
            "target.certificateBundle is given, but target.sslMode require verifies nobody: write verify-full",
        ),
        ({"target": {"sslMode": "verify-full"}}, "target.sslMode is verify-full, but"),
        (
            {"target": {"engine": "mysql", "engineVersion": "8"}},
            "target.engineVersion 8 names no MySQL: write its major version, for example 8.4",
        ),
        ({"dns": {"zoneId": "Z1", "private": True}}, "dns.private is true for the existing zone"),
        ({"network": {"cidr": "10.0.0.0/24"}}, "network.cidr is 10.0.0.0/24: write a block from /16 to /18"),
        ({"network": {"onPremisesCidrs": ["10.20.5.0/24"]}}, "onPremisesCidrs 10.20.5.0/24 overlaps network.cidr"),
        ({"target": {"maintenanceWindow": "mon:03:30-mon:04:30"}}, "target.backupWindow 03:00-04:00 overlaps"),
        ({"target": {"backupWindow": "23:30-00:30", "maintenanceWindow": "mon:00:00-mon:01:00"}}, "overlaps"),
        ({"switchover": {"architecture": "arm64", "runtime": "python3.11"}}, "switchover.architecture arm64"),
        (
            {**SERVERLESS, "switchover": {}},
            "replication.serverless is given, but switchover.failBack is true: DMS Serverless starts at no position",
        ),
        (
            {**SERVERLESS, "replication": {"serverless": {"maximumCapacityUnits": 8}, "secondaryIndexes": "afterLoad"}},
            "replication.secondaryIndexes is afterLoad, but replication.serverless gives its capacity back",
        ),
        (
            {
                "replication": {
                    "secondaryIndexes": "afterLoad",
                    "transformations": [{"schema": "public", "rename": "app"}],
                }
            },
            "replication.secondaryIndexes is afterLoad, but replication.transformations change names",
        ),
        (
            {"replication": {"tables": [{"schema": "a", "action": "exclude", "loadOrder": 1}, {"schema": "b"}]}},
            "loadOrder is for tables that are loaded: leave it out, or include them",
        ),
        ({"replication": {"tables": [{"schema": "a", "loadOrder": 0}]}}, "replication.tables[0].loadOrder is 0"),
        (
            {"replication": {"tableSettings": [{"schema": "public", "table": "orders"}]}},
            "nothing is set for table orders: give lobMaximumKb, parallelLoad or both",
        ),
        (
            {**SERVERLESS, "network": {}},
            "replication.serverless is given, but network.interfaceEndpoints lacks secretsmanager, which DMS Serverles",
        ),
        (
            {**SERVERLESS, "replication": {"serverless": {"minimumCapacityUnits": 16, "maximumCapacityUnits": 8}}},
            "replication.serverless.minimumCapacityUnits 16 is above replication.serverless.maximumCapacityUnits 8",
        ),
        *(
            (
                {**SERVERLESS, "replication": {**SERVERLESS["replication"], key: value}},
                f"replication.{key} is given, but replication.serverless has no instance: leave one of them out",
            )
            for key, value in (("instanceClass", "dms.r5.large"), ("storageGb", 50), ("engineVersion", "3.6.1"))
        ),
        (
            {"switchover": {"canary": {}}},
            "switchover.canary.roles is missing: write a list of the source's login roles",
        ),
        ({"switchover": {"canary": {"roles": []}}}, "switchover.canary.roles is []"),
        (
            {"switchover": {"canary": {"roles": ["report"], "percents": [50, 25, 100]}}},
            "switchover.canary.percents are 50, 25, 100: write rising ones that end with 100",
        ),
        (
            {"switchover": {"canary": {"roles": ["report"], "percents": [5, 50]}}},
            "switchover.canary.percents are 5, 50: write rising ones that end with 100",
        ),
        (
            {"switchover": {"canary": {"roles": ["application"]}}},
            "switchover.canary.roles holds target.applicationUsername application, which writes: name roles that only",
        ),
        (
            {"switchover": {"approvalSeconds": 60}},
            "switchover.approvalSeconds is given, but switchover.mode is manual: leave it out, or write approved",
        ),
        (
            {"switchover": {"safeSeconds": 60, "mode": "approved"}},
            "switchover.safeSeconds is given, but switchover.mode is approved: leave it out, or write automatic",
        ),
    ],
)
def test_contradictions(changes: dict[str, Any], said: str) -> None:
    assert any(said in line for line in complaints(with_(**changes)))


def test_a_canary_needs_no_more_than_its_roles() -> None:
    loaded = settings.load(with_(switchover={"canary": {"roles": ["report"]}, "mode": "approved"}))
    assert (loaded.switchover.canary.percents, loaded.switchover.canary.seconds) == ((5, 25, 50, 100), 300)
    assert loaded.switchover.approval_seconds == 86400


def test_port_and_version_follow_the_engine() -> None:
    for engine, port, version in (
        ("postgres", 5432, "17.5"),
        ("mysql", 3306, "8.4"),
        ("aurora-mysql", 3306, "8.4.mysql_aurora.8.4.7"),
    ):
        target = settings.Target(engine=engine)
        assert (target.port, target.engine_version) == (port, version)
    assert settings.Target(engine="mysql", port=3307).port == 3307


def test_windows_that_only_touch_are_fine() -> None:
    settings.load(with_(target={"backupWindow": "03:00-04:00", "maintenanceWindow": "sun:04:00-sun:05:00"}))
    settings.load(with_(target={"backupWindow": "03:00-04:00", "maintenanceWindow": "sat:23:00-sun:03:00"}))


def test_two_contradictions_are_both_told() -> None:
    assert len(complaints(with_(target={"aurora": {"minimumCapacity": 4}, "secretRecoveryDays": 3}))) == 2


def test_an_unknown_composition_is_named_with_those_there_are() -> None:
    known = ", ".join(sorted(settings.COMPOSITIONS))
    assert complaints({"composition": "magic"}) == [f"composition is 'magic': write one of {known}"]


def test_a_section_nobody_wrote_comes_from_the_schema_as_an_empty_map() -> None:
    assert settings.load({**LEAST, "network": {}, "switchover": {}}) == settings.load(LEAST)


def test_a_network_without_nat_needs_an_endpoint_for_whatever_is_called() -> None:
    [line] = complaints(with_(network={"nat": "none", "interfaceEndpoints": ["dms", "sns", "ssm", "states"]}))
    assert line == (
        "network.nat is none and network.interfaceEndpoints lacks monitoring, route53, secretsmanager, which functions "
        "or DMS call: add them, or choose another nat"
    )


DATABASE: dict[str, Any] = {
    "composition": "database",
    "environmentSuffix": "dev",
    "target": {"engine": "mysql", "database": "shop"},
}


def test_the_least_database_has_secure_defaults() -> None:
    loaded = settings.load(DATABASE)
    assert isinstance(loaded, settings.Database)
    assert (loaded.target.port, loaded.target.ssl_mode, loaded.target.deletion_protection) == (3306, "require", True)
    assert loaded.validation.server is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": {"engine": "mysql"}}, "target.database is missing: write the name of the database to make"),
        (
            {"target": {"engine": "aurora-mysql", "database": "shop", "engineVersion": "8.4.7"}},
            "target.engineVersion 8.4.7 names no Aurora MySQL: write it as RDS does, for example 8.4.mysql_aurora",
        ),
        (
            {"target": {"engine": "aurora-mysql", "database": "shop", "engineVersion": "8.0.mysql_aurora.3.01.1"}},
            "8.0.mysql_aurora.3.01.1 is older than Serverless v2: write 8.0.mysql_aurora.3.02.0 or later, or a class",
        ),
        (
            {"target": {"engine": "aurora-mysql", "database": "shop", "engineVersion": "5.7"}},
            "target.engineVersion 5.7 is older than Serverless v2",
        ),
        (
            {"target": {**DATABASE["target"], "applicationUsername": "app"}},
            "target.applicationUsername is given, but a database stack makes no users: leave it out",
        ),
        (
            {"target": {**DATABASE["target"], "replicationUsername": "dms"}},
            "target.replicationUsername is given, but a database stack makes no users: leave it out",
        ),
        (
            {"target": {**DATABASE["target"], "sslMode": "verify-full"}},
            "target.sslMode is verify-full, but target.certificateBundle is missing: name a PEM file",
        ),
        ({"network": {"nat": "none"}}, "network.interfaceEndpoints lacks secretsmanager, sns"),
        ({"validation": {"server": "Oracle 23"}}, "validation.server is 'Oracle 23'"),
        ({"source": {"host": "db.example.com"}}, "source: there is no such key"),
        (
            {
                "target": {"engine": "postgres", "database": "shop"},
                "validation": {"architecture": "arm64", "runtime": "python3.11"},
            },
            "validation.architecture arm64 needs validation.runtime python3.12",
        ),
    ],
)
def test_contradictions_of_a_database(changes: dict[str, Any], said: str) -> None:
    lines = complaints({**DATABASE, **changes})
    assert any(said in line for line in lines), lines


@pytest.mark.parametrize("engine", ["mysql", "aurora-mysql"])
def test_mysql_s_driver_runs_anywhere(engine: str) -> None:
    target = {"engine": engine, "database": "shop"}
    settings.load({**DATABASE, "target": target, "validation": {"architecture": "arm64", "runtime": "python3.11"}})


@pytest.mark.parametrize("version", ["8.0", "8.0.mysql_aurora.3.08.0", "8.4.mysql_aurora.8.4.7"])
def test_a_database_may_be_an_aurora_mysql(version: str) -> None:
    target = {"engine": "aurora-mysql", "database": "shop", "engineVersion": version}
    loaded = settings.load({**DATABASE, "target": target})
    assert isinstance(loaded, settings.Database)
    assert loaded.target.kind("aurora")["instance_class"] == "db.serverless"
    assert loaded.target.kind("instance") is None


def test_an_old_aurora_mysql_runs_on_a_class() -> None:
    target = {"engine": "aurora-mysql", "database": "shop", "engineVersion": "5.7.mysql_aurora.2.12.6"}
    settings.load({**DATABASE, "target": {**target, "aurora": {"instanceClass": "db.r6g.large"}}})


EXCEPTION = {"rule": "dms-9-tls", "resource": "*", "reason": "the old server has no TLS"}


def test_a_stack_is_judged_as_production_unless_it_says_otherwise() -> None:
    assert settings.load(LEAST).policy.environment == "production"
    made = settings.load({**LEAST, "policy": {"environment": "development", "exceptions": [EXCEPTION]}})
    assert made.policy.exceptions[0].rule == "dms-9-tls"
    unrotated = {**EXCEPTION, "rule": "secretsmanager-1-rotated"}
    assert settings.load({**LEAST, "policy": {"exceptions": [unrotated]}}).policy.environment == "production"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"environment": "staging", "exceptions": [EXCEPTION]},
            "policy.exceptions are given from dms-9-tls, but policy.environment is",
        ),
        ({"environment": "prod"}, "write development, staging or production"),
        ({"exceptions": [{**EXCEPTION, "reason": "so"}]}, "write why, in 10 characters or more"),
        ({"exceptions": [{**EXCEPTION, "rule": "DMS.9"}]}, "write a rule as docs/policies.md names it"),
    ],
)
def test_what_is_wrong_with_exceptions_is_told(section: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings.load({**LEAST, "policy": section})
