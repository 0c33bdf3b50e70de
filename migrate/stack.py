"""What a stack's outputs lead to: the migration's config, and the logins of both databases. No secret is printed."""

import functools
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from handlers import config as configs
from handlers.adapters.cloud import Secrets
from handlers.clients import client
from handlers.config import Side
from handlers.core.mapping import Rules
from handlers.edge import replication
from migrate.errors import MigrateError


@dataclass(frozen=True)
class Login:
    """A database, and who goes to it. `ours` are the migration's own roles there, who stay out of what is compared.

    `authority` is the file with the certificates that verify-full trusts, libpq's own where the stack names none.
    """

    side: Side
    username: str
    password: str
    ours: tuple[str, ...]
    authority: Path | None = None


@dataclass(frozen=True)
class Stack:
    """A migration as the operator needs it."""

    migration_id: str
    source: Login
    target: Login
    mappings: Callable[[], Rules] = list
    """Reads the rules of the replication."""


def outputs(file: Path | None) -> dict[str, Any]:
    """Return a stack's outputs: those in `file`, else of the stack that is selected here."""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise MigrateError(f"{file} can't be read: {error.strerror}") from None
        where = str(file)
    else:
        where = "`pulumi stack output --json`"
        try:
            done = subprocess.run(
                ["pulumi", "stack", "output", "--json"], capture_output=True, text=True, check=False, timeout=120
            )
        except FileNotFoundError:
            raise MigrateError("pulumi is not on PATH: install it, or name a file with --outputs") from None
        if done.returncode:
            raise MigrateError(f"{where} failed: {' '.join(done.stderr.split())[-300:]}; select a stack, or --outputs")
        text = done.stdout
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise MigrateError(f"{where} is no JSON: {error}") from None
    return found


def read(found: Mapping[str, Any], instead: Mapping[str, str]) -> Stack:
    """Return the migration that outputs tell of.

    `instead` may name another role of the source and its password, under `username` and `password`: a superuser, who
    alone can read the passwords of roles.
    """
    missing = [name for name in ("config_parameter_name", "state_machine_arn") if name not in found]
    if missing:
        raise MigrateError(f"the outputs lack {', '.join(missing)}: name a stack that moves a database")
    region = str(found["state_machine_arn"]).split(":")[3]
    secrets = Secrets(functools.partial(client, "secretsmanager"))
    try:
        parameter = client("ssm", region).get_parameter(Name=found["config_parameter_name"])
        config = configs.parse(parameter["Parameter"]["Value"])
        source, target = (
            _login(side, secrets, other, _authority(found, name))
            for name, side, other in (("source", config.source, instead), ("target", config.target, {}))
        )
    except (BotoCoreError, ClientError) as error:
        raise MigrateError(f"AWS did not answer with what was asked for: {error}; check the credentials") from None
    forward, _, _ = replication(config.replication)
    return Stack(config.migration_id, source, target, forward.mappings)


def _authority(found: Mapping[str, Any], name: str) -> Path | None:
    """Return the bundle that a stack verifies a side with, as its config names it: beside the config."""
    path = found.get("certificate_bundles", {}).get(name)
    if path is None:
        return None
    if not Path(path).is_file():
        raise MigrateError(f"{name}.certificateBundle {path} is no file here: run this in the program's folder")
    return Path(path)


def _login(side: Side, secrets: Secrets, instead: Mapping[str, str], authority: Path | None) -> Login:
    operator = secrets.read(side.operator_secret_arn)
    replication = secrets.read(side.replication_secret_arn)["username"]
    who = {**operator, **instead}
    ours = tuple(sorted({operator["username"], replication, who["username"]}))
    return Login(side, who["username"], who["password"], ours, authority)
