import copy
from typing import Any

import pytest
import yaml

from components import settings
from components.settings import Application, SettingsError
from tests.support.pulumi_mocks import REPOSITORY

PREFIX = "database-migration:"


def example() -> dict[str, Any]:
    loaded = yaml.safe_load((REPOSITORY / "examples" / "payments.yaml").read_text())["config"]
    return {key.removeprefix(PREFIX): value for key, value in loaded.items() if key.startswith(PREFIX)}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the example with one key changed, or taken away where the value is None."""
    raw = copy.deepcopy(example())
    *way, last = path.split(".")
    section = raw
    for part in way:
        section = section.setdefault(part, {})
    section.pop(last, None)
    if value is not None:
        section[last] = value
    return raw


def test_a_side_has_names_and_tags_of_its_own() -> None:
    found = settings.load(example())
    assert isinstance(found, Application)
    source, target = found.side("source"), found.side("target")
    assert (source.prefix, target.prefix) == ("migration-payments-source", "migration-payments-target")
    assert source.all_tags["Side"] == "source"
    assert source.all_tags["CostCenter"] == "payments"
    assert target.network.cidr == "10.40.0.0/16"
    assert found.database == "payments"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("target.region", "eu-central-1", "source.region and target.region are both eu-central-1: write two regions"),
        ("target.network.cidr", "10.30.0.0/16", "target.network.cidr 10.30.0.0/16 overlaps source.network.cidr"),
        ("source.network.nat", "none", "source.network.nat is none, but containers fetch their image"),
        ("source.certificateArn", None, "source.certificateArn is missing: write the ARN of a certificate in ACM"),
        (
            "target.certificateArn",
            "arn:aws:acm:eu-central-1:123456789012:certificate/x",
            "is not of target.region eu-west-1: a load balancer takes certificates of its own region only",
        ),
        ("source.region", "Frankfurt", "source.region is 'Frankfurt'"),
        ("source.database.engine", "mysql", "source.database.engine is mysql, but a migration's functions and DMS"),
        ("target.database.engine", "mysql", "target.database.engine is mysql, but a migration's functions and DMS"),
        ("source.database.sslMode", "verify-full", "source.database.sslMode is verify-full, but"),
        ("target.database.sslMode", "verify-full", "target.database.sslMode is verify-full, but"),
        (
            "source.database",
            {"engine": "postgres", "database": "payments", "instance": {"readReplicas": 1}, "masterRotationDays": 14},
            "source.database.masterRotationDays is given, but RDS manages no master password",
        ),
        ("application.name", "writer", "application.name is writer, which is a name of the database in this zone"),
        ("application.name", "reader", "application.name is reader, which is a name of the database in this zone"),
        ("source.database.database", None, "source.database.database is missing: write the name of the database"),
        (
            "source.database.maintenanceWindow",
            "mon:03:30-mon:04:30",
            "source.database.backupWindow 03:00-04:00 overlaps",
        ),
        ("target.network.cidr", "10.40.0.0/24", "target.network.cidr is 10.40.0.0/24: write a block from /16"),
        ("target.database.applicationUsername", "other", "applicationUsername other differs from source.database.app"),
        ("dns.private", True, "dns.private is true, but the application's name is for the internet"),
        ("dns.zone", None, "dns.zone is missing"),
        ("application.healthPath", "health", "application.healthPath is 'health'"),
        ("application.cpu", 300, "application.cpu is 300: write one of 256, 512, 1024, 2048, 4096"),
        (
            "application.memoryMb",
            900,
            "application.memoryMb is 900: beside 1024 of CPU, Fargate runs 2048, or whole GiB",
        ),
        ("application.maximumTasks", 1, "application.maximumTasks 1 is below application.minimumTasks 2: raise it"),
        ("application.user", "0:0", "application.user is '0:0'"),
        ("application.containerPort", 80, "application.containerPort is 80"),
        ("application.image", None, "application.image is missing: write an image with its tag or digest"),
        ("transactionLogs.transitionDays", 10, "transactionLogs.transitionDays is 10"),
        ("network", {"nat": "one"}, "network: there is no such key"),
        ("source.host", "db.example.com", "source.host: there is no such key"),
    ],
)
def test_what_is_wrong_is_said_with_the_key_and_the_remedy(path: str, value: Any, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(changed(path, value))
    assert said in str(caught.value)
