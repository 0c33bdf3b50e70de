"""What the functions know of the migration: the config parameter that the stack writes, as a typed tree."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from handlers.core.census import Census
from handlers.preflight.excuse import Excuse


class ConfigError(ValueError):
    """The config parameter is not what the stack writes. The message names the field."""


@dataclass(frozen=True)
class Side:
    """One database. `operator_secret_arn` belongs to the role that may fence it, `replication_secret_arn` to DMS's."""

    host: str
    port: int
    database: str
    ssl_mode: str
    operator_secret_arn: str
    replication_secret_arn: str


@dataclass(frozen=True)
class Replication:
    """DMS: the tasks, the instance by both its names, and the endpoints of both directions.

    `failback_slot` is the slot on the target that the fail-back task reads from, empty where there is no way back.
    With DMS Serverless `task_arn` is the replication's, `failback_task_arn` and the instance's names are empty, and the
    endpoints are those of the way there.
    """

    task_arn: str
    failback_task_arn: str
    failback_slot: str
    instance_id: str
    instance_arn: str
    endpoint_arns: tuple[str, ...]


@dataclass(frozen=True)
class Dns:
    """The names, their times to live, and how long a change may take to be in force everywhere, in seconds.

    `token_name` is the record that keeps the token of who moved the names last.
    """

    zone_id: str
    writer_name: str
    reader_name: str
    token_name: str
    ttl_seconds: int
    switchover_ttl_seconds: int
    propagation_seconds: int


@dataclass(frozen=True)
class Limits:
    """Thresholds and deadlines, in seconds.

    `safe_seconds` is how long all must be well before an automatic start.
    """

    maximum_lag_seconds: int
    longest_transaction_seconds: int
    drain_seconds: int
    compare_seconds: int
    write_gap_seconds: int
    bake_seconds: int
    approval_seconds: int
    safe_seconds: int


@dataclass(frozen=True)
class Canary:
    """Who reads from the target ahead of the switchover, nobody where empty, and how long each share is watched."""

    roles: tuple[str, ...]
    seconds: int


@dataclass(frozen=True)
class Alarms:
    """Names of the stack's alarms. `safe_to_switch` is the composite one, which is in ALARM while all is well."""

    safe_to_switch: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Preflight:
    """What preflight is told.

    How old it may be when the replication starts, how long large objects are measured, what is excused, and what is
    asked of clients.
    """

    maximum_age_hours: int
    lob_seconds: int
    excuses: tuple[Excuse, ...]
    census: Census


@dataclass(frozen=True)
class Config:
    """The whole config parameter.

    `application_roles` empty means every login role that is not ours. `source_application_secret_arn` is empty where
    the source was there before: else its roles are made as the target's are.
    """

    migration_id: str
    mode: str
    source: Side
    target: Side
    application_secret_arn: str
    source_application_secret_arn: str
    application_roles: tuple[str, ...]
    replication: Replication
    dns: Dns
    limits: Limits
    canary: Canary
    alarms: Alarms
    preflight: Preflight
    state_parameter: str
    tracking_table: str
    topic_arn: str
    state_machine_arn: str

    @property
    def secret_arns(self) -> tuple[str, ...]:
        """Every secret that the migration reads."""
        sides = (self.source, self.target)
        ours = [arn for side in sides for arn in (side.operator_secret_arn, side.replication_secret_arn)]
        given = [*ours, self.application_secret_arn, self.source_application_secret_arn]
        return tuple(dict.fromkeys(arn for arn in given if arn))


@dataclass(frozen=True)
class Validation:
    """What the validation function knows of the database and of what is promised of it.

    `engine` is postgres or mysql, `server` a product and the head of its version, such as MySQL 8.0.
    """

    engine: str
    host: str
    port: int
    database: str
    ssl_mode: str
    secret_arn: str
    topic_arn: str
    server: str
    character_set: str
    lag_seconds: int


@dataclass(frozen=True)
class Chunks:
    """What the functions of a validation in chunks know beside the migration.

    `bucket` is where chunks and results lie. A chunk is planned for `chunk_seconds` of a server that hashes
    `rows_per_second`; a row that differs gets `settle_seconds` to agree.
    """

    bucket: str
    chunk_seconds: int
    rows_per_second: int
    settle_seconds: int


@dataclass(frozen=True)
class Rotation:
    """What the function that rotates one secret knows of it and of its database.

    `username` is whose secret it is, `users` alternating or single, `administrator_secret_arn` of who may change other
    users, empty where none is needed. `tracking_table` is empty where nothing is moved. DMS's user has besides what
    connects as it: `replication_arns`, and the endpoints and the instance to test them from, empty where there is none.
    """

    secret_arn: str
    username: str
    users: str
    administrator_secret_arn: str
    engine: str
    host: str
    port: int
    database: str
    ssl_mode: str
    migration_id: str
    tracking_table: str
    instance_arn: str
    endpoint_arns: tuple[str, ...]
    replication_arns: tuple[str, ...]


def parse(text: str) -> Config:
    """Return the config in `text`, JSON. Raises ConfigError naming a missing, unknown or mistyped field."""
    config = _build(Config, _loaded(text, "the config parameter"), "config")
    assert isinstance(config, Config)  # noqa: S101 - for the type checker
    return config


def parse_validation(text: str) -> Validation:
    """Return what the validation function knows, JSON in `text`. Raises ConfigError as `parse` does."""
    config = _build(Validation, _loaded(text, "the function's VALIDATION"), "validation")
    assert isinstance(config, Validation)  # noqa: S101 - for the type checker
    return config


def parse_chunks(text: str) -> Chunks:
    """Return what the functions of a validation in chunks know, JSON. Raises ConfigError as `parse` does."""
    config = _build(Chunks, _loaded(text, "the function's CHUNKS"), "chunks")
    assert isinstance(config, Chunks)  # noqa: S101 - for the type checker
    return config


def parse_rotation(text: str) -> Rotation:
    """Return what the rotating function knows, JSON in `text`. Raises ConfigError as `parse` does."""
    config = _build(Rotation, _loaded(text, "the function's ROTATION"), "rotation")
    assert isinstance(config, Rotation)  # noqa: S101 - for the type checker
    return config


def _loaded(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{what} is not JSON: {error}") from None


def _build(kind: type, raw: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(raw, dict):
            raise ConfigError(f"{where} is {raw!r}: an object is needed; deploy the stack again")
        hints = get_type_hints(kind)
        missing, unknown = sorted(hints.keys() - raw.keys()), sorted(raw.keys() - hints.keys())
        if missing or unknown:
            raise ConfigError(
                f"{where} lacks {missing} and has unknown {unknown}: deploy the stack and its functions again"
            )
        return kind(**{name: _build(hint, raw[name], f"{where}.{name}") for name, hint in hints.items()})
    if kind is tuple or getattr(kind, "__origin__", None) is tuple:
        [of, _] = get_args(kind) or (str, ...)
        return tuple(_build(of, item, f"{where}[{number}]") for number, item in enumerate(raw))
    if kind is bool and isinstance(raw, bool):
        return raw
    if kind is int and isinstance(raw, float | int) and not isinstance(raw, bool):
        return int(raw)
    if not isinstance(raw, kind) or isinstance(raw, bool):
        raise ConfigError(f"{where} is {raw!r}: {kind.__name__} is needed; deploy the stack again")
    return raw
