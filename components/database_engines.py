"""What differs between the engines a target may run: names, ports, logs, and settings with the reason for each."""

from collections.abc import Mapping
from dataclasses import dataclass

Parameters = Mapping[str, tuple[str, str]]
"""Value and method by name; the method is `immediate`, or `pending-reboot` where RDS takes a value at a start only."""


@dataclass(frozen=True)
class Engine:
    """One engine as RDS calls it.

    `kind` is what drivers and secrets call it: postgres or mysql. `product` is what it calls itself, `character_set`
    its word for all of Unicode. `version_parts` is how many parts of a version name its parameter group family:
    postgres17, but mysql8.4. `logs` are exported. `without_insights` is how the classes begin that RDS refuses to make
    with Performance Insights, as too small.
    """

    name: str
    kind: str
    product: str
    character_set: str
    port: int
    version_parts: int
    logs: tuple[str, ...]
    parameters: Parameters
    tls: Parameters
    without_insights: tuple[str, ...] = ()

    def family(self, version: str) -> str:
        """Return the parameter group family of a version."""
        return self.name + ".".join(version.split(".")[: self.version_parts])

    def server(self, version: str) -> str:
        """Return product and major version of a version, as a person says it: MySQL 8.4."""
        return f"{self.product} {self.family(version).removeprefix(self.name)}"

    def has_insights(self, instance_class: str) -> bool:
        """Say whether RDS offers Performance Insights for this engine on a class."""
        return not instance_class.startswith(self.without_insights)


_POSTGRES: Parameters = {
    # Fail-back reads the target's changes. Static, so it must be there before the first start, not on the day of need.
    "rds.logical_replication": ("1", "pending-reboot"),
    # Statements slower than a second are worth a line: a cold target shows here first.
    "log_min_duration_statement": ("1000", "immediate"),
    # DDL on the target during replication breaks it; the log says who did it.
    "log_statement": ("ddl", "immediate"),
}
_POSTGRES_TLS: Parameters = {"rds.force_ssl": ("1", "pending-reboot")}
_MYSQL: Parameters = {
    # Whoever replicates from here, DMS or a way back, reads rows: a statement may do something else over there.
    "binlog_format": ("ROW", "immediate"),
    # All of Unicode, whatever default a version or a client comes with; the validation function checks it.
    "character_set_server": ("utf8mb4", "immediate"),
    # RDS exports files; the default, a table, is exported by nobody.
    "log_output": ("FILE", "immediate"),
    # Statements slower than a second are worth a line: a cold target shows here first.
    "slow_query_log": ("1", "immediate"),
    "long_query_time": ("1", "immediate"),
}
_MYSQL_TLS: Parameters = {"require_secure_transport": ("1", "immediate")}
_AURORA_MYSQL: Parameters = {
    **_MYSQL,
    # Aurora writes no binary log unless it is given a format, and takes one at a start only.
    "binlog_format": ("ROW", "pending-reboot"),
}
# A cluster's group takes the word where an instance's takes the number.
_AURORA_MYSQL_TLS: Parameters = {"require_secure_transport": ("ON", "immediate")}
_SMALL = tuple(f"db.{family}.{size}" for family in ("t2", "t3", "t4g") for size in ("micro", "small"))

AURORA_POSTGRESQL = Engine(
    "aurora-postgresql", "postgres", "PostgreSQL", "UTF8", 5432, 1, ("postgresql",), _POSTGRES, _POSTGRES_TLS
)
POSTGRES = Engine(
    "postgres", "postgres", "PostgreSQL", "UTF8", 5432, 1, ("postgresql", "upgrade"), _POSTGRES, _POSTGRES_TLS
)
MYSQL = Engine("mysql", "mysql", "MySQL", "utf8mb4", 3306, 2, ("error", "slowquery"), _MYSQL, _MYSQL_TLS, _SMALL)
AURORA_MYSQL = Engine(
    "aurora-mysql",
    "mysql",
    "MySQL",
    "utf8mb4",
    3306,
    2,
    ("error", "slowquery"),
    _AURORA_MYSQL,
    _AURORA_MYSQL_TLS,
    ("db.t2.", "db.t3.", "db.t4g.micro", "db.t4g.small"),
)

CLUSTERS = {engine.name: engine for engine in (AURORA_POSTGRESQL, AURORA_MYSQL)}
"""Engines of an Aurora cluster."""
INSTANCES = {engine.name: engine for engine in (POSTGRES, MYSQL)}
"""Engines of an RDS instance."""
ENGINES = {**CLUSTERS, **INSTANCES}
