"""Called by Secrets Manager, four times for each rotation of one secret of a database's user.

It knows from its environment which secret that is, whose, and of which database: nothing of it is taken from the call.
"""

import functools
import importlib
import logging
import os
from typing import Any

from handlers import config
from handlers.adapters.cloud import Secrets
from handlers.adapters.credentials import Replications
from handlers.adapters.tracking import Tracking
from handlers.adapters.versions import Versions
from handlers.clients import AUTHORITY, carried_out, client, log
from handlers.clock import Clock
from handlers.core import rotation as rules
from handlers.core.record import Refused
from handlers.core.users import Strategy
from handlers.rotation import Rotation

MARGIN_SECONDS = 10.0
"""Time kept back from the function's own limit, so that it can say what it waited for."""

ROTATION = "ROTATION"
"""Environment variable with the config, JSON."""
ADAPTERS = {"mysql": "handlers.adapters.mysql_users", "postgres": "handlers.adapters.postgres_users"}
"""Imported by name: each brings a driver along, and the function has one of them as its layer."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Carry out one step of the rotation. What is refused is an error: Secrets Manager tries again."""
    log.setLevel(logging.INFO)
    found = config.parse_rotation(os.environ[ROTATION])
    secret, token, step = (str(event[key]) for key in ("SecretId", "ClientRequestToken", "Step"))

    def act() -> dict[str, Any]:
        if secret != found.secret_arn:
            raise Refused(f"this function rotates {found.secret_arn}, not {secret}")
        return open_rotation(found, _seconds_left(context)).act(step, token)

    return carried_out(__name__, act, call=step, version=token)


def open_rotation(found: config.Rotation, seconds: float) -> Rotation:
    """Return the rotation with its doors to Secrets Manager, the database, the migration's record and DMS.

    DMS has `seconds` to connect anew.
    """
    secrets = Secrets(functools.partial(client, "secretsmanager"))
    side = config.Side(found.host, found.port, found.database, found.ssl_mode, found.administrator_secret_arn, "")
    administrator = functools.partial(secrets.read, found.administrator_secret_arn)
    place = {"engine": found.engine, "host": found.host, "port": found.port, "dbname": found.database}
    return Rotation(
        subject=rules.Subject(found.username, Strategy(found.users), place),
        versions=Versions(client("secretsmanager"), found.secret_arn),
        accounts=importlib.import_module(ADAPTERS[found.engine]).Accounts(side, administrator, AUTHORITY),
        paused=functools.partial(_paused, found),
        see_to_it=functools.partial(_reconnect, found, seconds),
    )


def _paused(found: config.Rotation) -> str | None:
    """Return why nothing may be rotated now. Where nothing is moved there is nothing to wait for."""
    if not found.tracking_table:
        return None
    return rules.paused(Tracking(client("dynamodb"), found.tracking_table, found.migration_id).read())


def _reconnect(found: config.Rotation, seconds: float, since: float) -> dict[str, Any]:
    """Have DMS connect anew, where it is DMS's user."""
    if not found.replication_arns:
        return {}
    dms = client("dms")
    known = Replications(dms, Clock(), found.instance_arn, found.endpoint_arns, found.replication_arns)
    return known.reconnect(since, seconds)


def _seconds_left(context: Any) -> float:
    return max(1.0, float(context.get_remaining_time_in_millis()) / 1000 - MARGIN_SECONDS)
