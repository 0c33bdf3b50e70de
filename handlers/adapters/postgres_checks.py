"""A PostgreSQL database as the validation sees it."""

from collections.abc import Mapping
from pathlib import Path

import psycopg2

from handlers.adapters.postgres import Database
from handlers.config import Side, Validation
from handlers.core.checks import Observation, Reason, Replication, Unreachable

STATEMENT_SECONDS = 30


def observe(config: Validation, credentials: Mapping[str, str], authority: Path) -> Observation:
    """Connect and look. `authority` holds the certificates that verify-full trusts. Raises Unreachable."""
    side = Side(config.host, config.port, config.database, config.ssl_mode, config.secret_arn, "")
    try:
        database = Database.connect(side, credentials, STATEMENT_SECONDS, authority)
    except (psycopg2.OperationalError, OSError) as error:
        message = " ".join(str(error).split())
        raise Unreachable(reason(message), message) from error
    try:
        return _look(database)
    finally:
        database.close()


def reason(message: str) -> Reason:
    """Return why a connection failed: libpq tells by words alone."""
    for words, found in (
        (("password authentication", "no pg_hba.conf entry", "permission denied for database"), Reason.CREDENTIALS),
        (("does not exist",), Reason.DATABASE),
        (("SSL", "certificate"), Reason.TLS),
    ):
        if any(word in message for word in words):
            return found
    return Reason.NETWORK


def _look(database: Database) -> Observation:
    [(version, server, own, tls)] = database.rows(
        """SELECT split_part(current_setting('server_version'), ' ', 1), pg_encoding_to_char(t.encoding),
        pg_encoding_to_char(d.encoding), coalesce(s.version, '') FROM pg_database d, pg_database t, pg_stat_ssl s
        WHERE d.datname = current_database() AND t.datname = 'template1' AND s.pid = pg_backend_pid()"""
    )
    subscriptions = database.rows(
        """SELECT s.subname, s.subenabled AND w.pid IS NOT NULL, s.subenabled AND w.pid IS NOT NULL,
        extract(epoch FROM now() - w.latest_end_time)::float FROM pg_subscription s
        LEFT JOIN pg_stat_subscription w ON w.subid = s.oid AND w.relid IS NULL AND w.pid IS NOT NULL
        WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1"""
    )
    return Observation("PostgreSQL", version, server, own, tls, tuple(Replication(*row) for row in subscriptions))
