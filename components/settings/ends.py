"""Sections of the ends of a migration: what a database is, and how it is reached."""

from typing import Annotated, Any, Literal

from pydantic import Field

from components.settings.arns import SecretArn
from components.settings.sections import Host, Role, Section, Text

WINDOW = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
_DAY_AND_TIME = r"(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d"
WEEKLY = f"^{_DAY_AND_TIME}-{_DAY_AND_TIME}$"
DB_CLASS = r"^db\.[a-z0-9-]+\.[a-z0-9]+$"
SERVERLESS = "db.serverless"
AURORA_CLASS = r"^db\.(serverless|[a-z0-9-]+\.[a-z0-9]+)$"
PARAMETER = r"^[a-z][a-z0-9_.]*$"
KINDS = {"aurora": ("aurora-postgresql", "aurora-mysql"), "instance": ("postgres", "mysql")}
"""Sections of the target and the engines they belong to."""
MYSQL = ("mysql", "aurora-mysql")
"""Engines that speak MySQL."""
ENGINE_DEFAULTS = {
    "aurora-postgresql": {"version": "17.5", "port": 5432},
    "aurora-mysql": {"version": "8.4.mysql_aurora.8.4.7", "port": 3306},
    "postgres": {"version": "17.5", "port": 5432},
    "mysql": {"version": "8.4", "port": 3306},
}

Parameter = Annotated[
    str, Field(pattern=PARAMETER, description="the engine's name of a setting, for example max_connections")
]
SslMode = Literal["require", "verify-full", "none"]


class Verified(Section):
    """How a database is reached by TLS."""

    ssl_mode: SslMode = Field("require", description="require, verify-full or none")
    certificate_bundle: str | None = Field(
        None, min_length=1, description="a PEM file with the authorities that sslMode verify-full trusts"
    )


class Source(Verified):
    """The database that is moved."""

    host: Host = Field(description="a host name that resolves inside the VPC, for example db.corp.example.com")
    reader_host: Host | None = Field(None, description="a host name; leave it out where reads use the host")
    port: int = Field(5432, ge=1, le=65535, description="a port from 1 to 65535")
    database: str = Field(min_length=1, max_length=63, description="the name of the database, in 1 to 63 characters")
    replication_secret_arn: SecretArn = Field(
        description="the ARN of the secret with host, port, username and password of DMS's user"
    )
    operator_secret_arn: SecretArn = Field(
        description="the ARN of the secret with username and password of the role that may fence"
    )
    application_roles: tuple[Role, ...] = Field(
        (), description="a list of login roles; leave it out to fence every login role but DMS's and the operator's"
    )


class Aurora(Section):
    """What only an Aurora cluster has."""

    instance_class: str = Field(
        SERVERLESS, pattern=AURORA_CLASS, description="db.serverless, or a class, for example db.r6g.large"
    )
    minimum_capacity: float = Field(0.5, ge=0.5, le=256, description="Aurora capacity units from 0.5 to 256")
    maximum_capacity: float = Field(2, ge=1, le=256, description="Aurora capacity units from 1 to 256")
    readers: int = Field(2, ge=0, le=15, description="a number of readers from 0 to 15")


class Instance(Section):
    """What only an RDS instance has."""

    instance_class: str = Field("db.t3.medium", pattern=DB_CLASS, description="a class, for example db.m6g.large")
    storage_gb: int = Field(100, ge=20, le=65536, description="GB from 20 to 65536")
    multi_az: bool = Field(True, description="true or false")
    read_replicas: int = Field(0, ge=0, le=15, description="a number of read replicas from 0 to 15")


def _default(key: str) -> Any:
    """Return what fills in a key of the target by its engine, which stands before it."""
    return lambda known: ENGINE_DEFAULTS[known.get("engine", "postgres")][key]


class Target(Verified):
    """The database that is migrated to."""

    engine: Literal["aurora-postgresql", "aurora-mysql", "postgres", "mysql"] = Field(
        "aurora-postgresql", description="aurora-postgresql, aurora-mysql, postgres or mysql"
    )
    aurora: Aurora = Field(default_factory=Aurora)
    instance: Instance = Field(default_factory=Instance)
    parameters: dict[Parameter, Text] = Field(
        default_factory=dict, description="a map of the engine's settings to text, for example {max_connections: '200'}"
    )

    engine_version: str = Field(
        default_factory=_default("version"),
        pattern=r"^\d+(\.\d+){0,2}(\.mysql_aurora(\.\d+){1,3})?$",
        description='a version, for example "17.5", "8.4" for MySQL, "8.4.mysql_aurora.8.4.7" for Aurora MySQL',
    )
    extended_support: bool = Field(
        False, description="true to pay for a major version past its standard support when it is made, or false"
    )
    database: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        description="a name in ASCII letters, digits and underscores, 63 at most; leave it out to use the source's",
    )
    port: int = Field(default_factory=_default("port"), ge=1150, le=65535, description="a port from 1150 to 65535")
    application_username: Role = "application"
    replication_username: Role = "dms_replication"
    backup_retention_days: int = Field(7, ge=1, le=35, description="days from 1 to 35")
    backup_window: str = Field("03:00-04:00", pattern=WINDOW, description="hh:mm-hh:mm in UTC, for example 03:00-04:00")
    maintenance_window: str = Field(
        "sun:06:00-sun:07:00", pattern=WEEKLY, description="ddd:hh:mm-ddd:hh:mm in UTC, for example sun:06:00-sun:07:00"
    )
    backup_vault: bool = Field(True, description="true or false")
    master_rotation_days: int = Field(30, ge=1, le=1000, description="days from 1 to 1000")
    deletion_protection: bool = Field(True, description="true or false")
    final_snapshot: bool = Field(True, description="true or false")
    secret_recovery_days: int = Field(7, ge=0, le=30, description="0, or days from 7 to 30")

    def kind(self, section: str) -> Any:
        """Return a kind's section, `aurora` or `instance`, as plain data if the engine is of that kind, else None."""
        return getattr(self, section).model_dump() if self.engine in KINDS[section] else None
