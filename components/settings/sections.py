"""Sections of a stack's configuration: frozen, typed, each with what is wrong in it alone."""

import ipaddress
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from components.dms_transformations import TransformationRule
from components.name_patterns import is_exact

HOST = r"^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)+\.?$"
ROLE = r"^[a-z_][a-z0-9_]{0,62}$"
SECRET_ARN = r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+$"  # noqa: S105
WINDOW = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
WEEKLY = r"^(mon|tue|wed|thu|fri|sat|sun):\d\d:\d\d-(mon|tue|wed|thu|fri|sat|sun):\d\d:\d\d$"
CLASS = r"^dms\.[a-z0-9]+\.[a-z0-9]+$"
DB_CLASS = r"^db\.[a-z0-9-]+\.[a-z0-9]+$"
SERVERLESS = "db.serverless"
AURORA_CLASS = r"^db\.(serverless|[a-z0-9-]+\.[a-z0-9]+)$"
PARAMETER = r"^[a-z][a-z0-9_.]*$"
TARGET_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
NAME_PART = r"^[A-Za-z0-9_]{1,62}$"
CHANGES = {
    "rename": "rename",
    "prefix": "add-prefix",
    "suffix": "add-suffix",
    "case": "convert-{}case",
    "remove": "remove-column",
}
"""What a transformation can do, and DMS's word for it; `{}` stands for the value."""
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
LOG_RETENTION = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


CAPACITY_UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384)
"""Capacities DMS Serverless knows; a unit is 2 GB of memory."""


def _block(value: str) -> str:
    ipaddress.IPv4Network(value)
    return value


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value
    raise ValueError("an address, which no DNS name can be sent to")


def _retention(value: int) -> int:
    if value not in LOG_RETENTION:
        raise ValueError("not a retention CloudWatch Logs knows")
    return value


def _capacity(value: int) -> int:
    if value not in CAPACITY_UNITS:
        raise ValueError("not a capacity DMS Serverless knows")
    return value


Block = Annotated[str, AfterValidator(_block)]
Host = Annotated[str, Field(max_length=253, pattern=HOST), AfterValidator(_host)]
Retention = Annotated[int, AfterValidator(_retention)]
Capacity = Annotated[int, AfterValidator(_capacity)]
Runtime = Literal["python3.11", "python3.12", "python3.13", "python3.14"]
SslMode = Literal["require", "verify-full", "none"]


class Section(BaseModel):
    """What all sections share: camelCase keys, nothing unknown, nothing changed later."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, validate_default=True)


class Network(Section):
    """The VPC."""

    cidr: Block = Field("10.20.0.0/16", description="an IPv4 block from /16 to /18, for example 10.20.0.0/16")
    zones: int = Field(3, ge=2, le=6, description="a number of availability zones from 2 to 6")
    nat: Literal["none", "one", "per_zone"] = Field("one", description="none, one or per_zone")
    on_premises_cidrs: tuple[Block, ...] = Field(
        (), description='a list of IPv4 blocks, for example ["192.168.0.0/16"]'
    )
    interface_endpoints: tuple[str, ...] = Field((), description='a list of services, for example ["secretsmanager"]')
    endpoint_zones: int | None = Field(
        None, ge=1, le=6, description="a number of zones with interface endpoints; leave it out for all"
    )
    flow_logs: bool = Field(True, description="true or false")


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
    database: str = Field(min_length=1, max_length=63, description="the name of the database")
    replication_secret_arn: str = Field(
        pattern=SECRET_ARN, description="the ARN of the secret with host, port, username and password of DMS's user"
    )
    operator_secret_arn: str = Field(
        pattern=SECRET_ARN, description="the ARN of the secret with username and password of the role that may fence"
    )
    application_roles: tuple[Annotated[str, Field(pattern=ROLE)], ...] = Field(
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
    parameters: dict[Annotated[str, Field(pattern=PARAMETER)], str] = Field(
        default_factory=dict, description="a map of the engine's settings to text, for example {max_connections: '200'}"
    )

    engine_version: str = Field(
        default_factory=_default("version"),
        pattern=r"^\d+(\.\d+){0,2}(\.mysql_aurora(\.\d+){1,3})?$",
        description='a version, for example "17.5", "8.4" for MySQL, "8.4.mysql_aurora.8.4.7" for Aurora MySQL',
    )
    extended_support: bool = Field(
        False, description="true to pay for a major version past its standard support when the database is made"
    )
    database: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", description="a name; leave it out to use the source's"
    )
    port: int = Field(default_factory=_default("port"), ge=1150, le=65535, description="a port from 1150 to 65535")
    application_username: str = Field("application", pattern=ROLE, description="a role name in lower case")
    replication_username: str = Field("dms_replication", pattern=ROLE, description="a role name in lower case")
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


class Table(Section):
    """Tables to replicate or leave out; `%` stands for any characters."""

    schema_name: str = Field(alias="schema", min_length=1, description="a schema name, for example public")
    table: str = Field("%", min_length=1, description="a table name, or % for all")
    action: Literal["include", "exclude"] = Field("include", description="include or exclude")


class Transformation(Section):
    """One name that differs on the target, or a column left behind.

    What is named is what changes: a schema, a table with `table`, a column with `column`.
    """

    schema_name: str = Field(alias="schema", min_length=1, description="a schema name of the source, for example app")
    table: str | None = Field(None, min_length=1, description="a table name of the source, or % for all")
    column: str | None = Field(
        None, min_length=1, pattern=r"^[^#\\/-]+$", description="a column name, without # \\ / - as DMS wants it"
    )
    rename: str | None = Field(None, pattern=TARGET_NAME, description="the name on the target, in ASCII letters")
    prefix: str | None = Field(None, pattern=TARGET_NAME, description="what tables' names begin with on the target")
    suffix: str | None = Field(None, pattern=NAME_PART, description="what tables' names end with on the target")
    case: Literal["lower", "upper"] | None = Field(None, description="lower or upper")
    remove: Literal[True] | None = Field(None, description="true, for a column that stays behind")

    @model_validator(mode="after")
    def _one_purpose(self) -> Self:
        given = [key for key in CHANGES if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"one change each, here are {', '.join(given) or 'none'} of {', '.join(CHANGES)}")
        if self.column and not self.table:
            raise ValueError(f"column {self.column} has no table")
        [change] = given
        if change == "remove" and not self.column:
            raise ValueError("remove is for a column: name one, and leave tables out in replication.tables")
        if change in ("prefix", "suffix") and (self.column or not self.table):
            raise ValueError(f"{change} is for tables' names: give table, which may be %, and no column")
        names = (self.schema_name, self.table, self.column)
        if change == "rename" and not all(is_exact(name) for name in names if name):
            raise ValueError("rename is for one name: give it without % and [")
        return self

    @property
    def rule(self) -> TransformationRule:
        """The same as DMS has it."""
        [(change, value)] = [(key, value) for key in CHANGES if (value := getattr(self, key)) is not None]
        return {
            "schema": self.schema_name,
            "table": self.table,
            "column": self.column,
            "action": CHANGES[change].format(value),
            "value": value if change in ("rename", "prefix", "suffix") else None,
        }


class ParallelLoad(Section):
    """A large table whose full load is split into ranges of one column, as preflight proposes it."""

    schema_name: str = Field(alias="schema", min_length=1, description="a schema name, for example public")
    table: str = Field(min_length=1, description="a table name")
    column: str = Field(min_length=1, description="a column, best the primary key")
    boundaries: tuple[str, ...] = Field(
        min_length=1, max_length=49, description='rising values of the column as text, for example ["1000", "2000"]'
    )


class ReplicationInstance(Section):
    """The DMS instance, and what holds for every task on it."""

    instance_class: str = Field("dms.r5.large", pattern=CLASS, description="a class, for example dms.r5.large")
    storage_gb: int = Field(100, ge=5, le=6144, description="GB from 5 to 6144")
    multi_az: bool = Field(False, description="true or false")
    engine_version: str | None = Field(None, pattern=r"^\d+\.\d+\.\d+$", description='a version, for example "3.5.4"')
    lob_maximum_kb: int = Field(1024, ge=1, le=102400, description="KB from 1 to 102400")
    create_account_roles: bool = Field(True, description="false where the account has dms-vpc-role already")


class Serverless(Section):
    """DMS Serverless: capacity that AWS provides as the load asks for it, instead of an instance."""

    minimum_capacity_units: Capacity = Field(1, description=f"one of {', '.join(map(str, CAPACITY_UNITS))}")
    maximum_capacity_units: Capacity = Field(description=f"one of {', '.join(map(str, CAPACITY_UNITS))}")


class Replication(ReplicationInstance):
    """DMS."""

    serverless: Serverless | None = Field(
        None, description="the capacity of DMS Serverless; leave it out for an instance"
    )
    tables: tuple[Table, ...] = Field(
        (Table(schema="public"),), min_length=1, description='a list of rules, for example [{"schema": "public"}]'
    )
    secondary_indexes: Literal["beforeLoad", "afterLoad"] = Field("beforeLoad", description="beforeLoad or afterLoad")
    transformations: tuple[Transformation, ...] = Field(
        (), description='a list of changes, for example [{"schema": "app", "rename": "app_v2"}]'
    )
    parallel_load: tuple[ParallelLoad, ...] = Field(
        (), description="a list of tables with column and boundaries; preflight's plan has it"
    )


class Dns(Section):
    """The names applications use."""

    zone: Host = Field(description="a DNS zone, for example db.example.com")
    zone_id: str | None = Field(None, pattern=r"^Z[A-Z0-9]+$", description="the id of an existing zone")
    private: bool = Field(False, description="true for a zone seen by the VPC only")
    ttl_seconds: int = Field(60, ge=1, le=86400, description="seconds from 1 to 86400")
    switchover_ttl_seconds: int = Field(1, ge=1, le=60, description="seconds from 1 to 60, at most ttlSeconds")
    propagation_seconds: int = Field(60, ge=0, le=300, description="seconds from 0 to 300; Route 53 may need 60")


class Monitoring(Section):
    """Alarms, messages and logs."""

    lag_seconds: int = Field(60, ge=1, le=86400, description="seconds from 1 to 86400")
    cpu_percent: int = Field(80, ge=1, le=100, description="percent from 1 to 100")
    connections: int = Field(800, ge=1, description="a number of connections")
    free_storage_gb: int = Field(10, ge=1, le=65536, description="GB from 1 to 65536")
    emails: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field((), description="mail addresses")
    log_retention_days: Retention = Field(365, description=f"one of {', '.join(map(str, LOG_RETENTION))}")


EXCEPTED_ANYWHERE = ("secretsmanager-1-rotated",)
"""Rules that a stack of any environment may except resources from: two secrets can't change in one moment."""


class PolicyException(Section):
    """A rule of the policy pack that a resource need not keep to, and why."""

    rule: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$", description="a rule, as docs/policies.md names it")
    resource: str = Field(min_length=1, description="a resource's name, in which * stands for any text")
    reason: str = Field(min_length=10, description="why, in a sentence")


class Policy(Section):
    """How strictly the policy pack judges the stack."""

    environment: Literal["development", "staging", "production"] = Field(
        "production", description="development, staging or production"
    )
    exceptions: tuple[PolicyException, ...] = Field((), description="a list of maps with rule, resource and reason")


class Functions(Section):
    """What functions run on."""

    runtime: Runtime = Field("python3.13", description="python3.11 to python3.14")
    architecture: Literal["x86_64", "arm64"] = Field("x86_64", description="x86_64 or arm64")


class Validation(Functions):
    """How a database is checked."""

    server: str | None = Field(
        None,
        pattern=r"^(MySQL|MariaDB|PostgreSQL) \d+(\.\d+)*$",
        description="a product and its version, for example MySQL 8.0; leave it out to expect target.engineVersion",
    )
    character_set: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_]+$", description="a character set; leave it out to expect all of Unicode"
    )


class RowValidation(Section):
    """Whether every row of source and target can be compared by many workers, and how."""

    enabled: bool = Field(False, description="true or false")
    maximum_concurrency: int = Field(4, ge=1, le=1000, description="chunks at the same time, from 1 to 1000")
    chunk_seconds: int = Field(100, ge=1, le=100, description="seconds from 1 to 100")
    rows_per_second: int = Field(50_000, ge=1, le=10_000_000, description="rows a second from 1 to 10000000")
    settle_seconds: int = Field(10, ge=0, le=60, description="seconds from 0 to 60")
    retention_days: int = Field(90, ge=1, le=3650, description="days from 1 to 3650")
    force_destroy: bool = Field(False, description="true or false")


class UserRotation(Section):
    """When the password of a user that changes its own does so."""

    days: int = Field(30, ge=1, le=1000, description="days from 1 to 1000")


class TurnsRotation(UserRotation):
    """When a password changes that applications use, and how."""

    users: Literal["alternating", "single"] = Field(
        "alternating", description="alternating (the password before still works) or single"
    )


class ReplicationRotation(Section):
    """The passwords of DMS's users, which a function changes. The administrator's is RDS's: see masterRotationDays."""

    replication: UserRotation = Field(default_factory=UserRotation)


class Rotation(ReplicationRotation):
    """The same, and the password of the application's user."""

    application: TurnsRotation = Field(default_factory=TurnsRotation)


class Canary(Section):
    """Readers that read from the target ahead of the switchover."""

    roles: tuple[Annotated[str, Field(pattern=ROLE)], ...] = Field(
        min_length=1, description="a list of the source's login roles that only read"
    )
    percents: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (5, 25, 50, 100), min_length=1, description="rising percents that end with 100, for example [5, 25, 50, 100]"
    )
    seconds: int = Field(300, ge=1, le=86400, description="seconds from 1 to 86400 that each share is watched")


class Switchover(Functions):
    """How the switchover behaves."""

    mode: Literal["manual", "approved", "automatic"] = Field("manual", description="manual, approved or automatic")
    approval_seconds: int = Field(86400, ge=60, le=1209600, description="seconds from 60 to 1209600 (14 days)")
    safe_seconds: int = Field(300, ge=0, le=86400, description="seconds from 0 to 86400")
    canary: Canary | None = Field(None, description="a map with roles; leave it out to switch readers with the writers")
    maximum_lag_seconds: int = Field(30, ge=1, le=3600, description="seconds from 1 to 3600")
    longest_transaction_seconds: int = Field(60, ge=1, le=86400, description="seconds from 1 to 86400")
    drain_seconds: int = Field(60, ge=1, le=600, description="seconds from 1 to 600")
    compare_seconds: int = Field(240, ge=1, le=600, description="seconds from 1 to 600")
    bake_seconds: int = Field(300, ge=0, le=1209600, description="seconds from 0 to 1209600 (14 days)")
    fail_back: bool = Field(True, description="true or false")
    write_gap_seconds: int = Field(120, ge=1, le=3600, description="seconds from 1 to 3600")
