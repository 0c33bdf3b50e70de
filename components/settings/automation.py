"""Sections that say what the functions do: switch over, compare, change passwords."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings.sections import Role, Section

Runtime = Literal["python3.11", "python3.12", "python3.13", "python3.14"]


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


Percent = Annotated[int, Field(ge=1, le=100, description="percent from 1 to 100")]


class Canary(Section):
    """Readers that read from the target ahead of the switchover."""

    roles: tuple[Role, ...] = Field(min_length=1, description="a list of the source's login roles that only read")
    percents: tuple[Percent, ...] = Field(
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
