"""A MySQL or MariaDB database as the validation sees it."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import DictCursor

from handlers.config import Side, Validation
from handlers.core.checks import Observation, Reason, Replication, Unreachable

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
SECURE_TRANSPORT_REQUIRED = 3159  # MySQL's, which PyMySQL does not name
_REFUSED = {ER.ACCESS_DENIED_ERROR: Reason.CREDENTIALS, ER.DBACCESS_DENIED_ERROR: Reason.DATABASE}
_REFUSED |= {ER.BAD_DB_ERROR: Reason.DATABASE, SECURE_TRANSPORT_REQUIRED: Reason.TLS}


def observe(config: Validation, credentials: Mapping[str, str], authority: Path) -> Observation:
    """Connect and look. `authority` holds the certificates that verify-full trusts. Raises Unreachable."""
    connection = connect(config, credentials, authority)
    try:
        with connection.cursor() as cursor:
            return _look(cursor, config.database)
    except pymysql.err.OperationalError as error:  # it went away meanwhile
        raise Unreachable(_reason(error), _text(error)) from error
    finally:
        connection.close()


def connect(where: Validation | Side, credentials: Mapping[str, str], authority: Path) -> Any:
    """Return a connection that commits each statement. `authority` as in `observe`. Raises Unreachable."""
    try:
        return pymysql.connect(
            host=where.host,
            port=where.port,
            user=credentials["username"],
            password=credentials["password"],
            database=where.database,
            charset="utf8mb4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=STATEMENT_SECONDS,
            write_timeout=STATEMENT_SECONDS,
            cursorclass=DictCursor,
            autocommit=True,
            **_tls(where.ssl_mode, authority),
        )
    except pymysql.err.MySQLError as error:
        raise Unreachable(_reason(error), _text(error)) from error
    except (ssl.SSLError, OSError) as error:
        raise Unreachable(Reason.TLS if isinstance(error, ssl.SSLError) else Reason.NETWORK, str(error)) from error


def _tls(mode: str, authority: Path) -> dict[str, Any]:
    """Return what PyMySQL is told: no TLS, TLS whoever answers, or TLS with this name's verified certificate."""
    if mode == "none":
        return {"ssl_disabled": True}
    if mode == "verify-full":
        try:
            context = ssl.create_default_context(cafile=str(authority))
        except OSError as error:
            raise Unreachable(Reason.TLS, f"{authority.name} can't be read: {error}") from None
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _reason(error: pymysql.err.MySQLError) -> Reason:
    cause = getattr(error, "original_exception", None)
    code = error.args[0] if error.args else 0
    if isinstance(cause, ssl.SSLError) or code == CR.CR_SSL_CONNECTION_ERROR:
        return Reason.TLS
    return _REFUSED.get(code, Reason.NETWORK)


def _text(error: pymysql.err.MySQLError) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error)


def _look(cursor: Any, database: str) -> Observation:
    cursor.execute("SELECT @@version AS version, @@version_comment AS comment, @@character_set_server AS charset")
    server = cursor.fetchone()
    cursor.execute(
        "SELECT default_character_set_name AS charset FROM information_schema.schemata WHERE schema_name = %s",
        (database,),
    )
    found = cursor.fetchone()
    cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
    tls = cursor.fetchone()
    version = str(server["version"])
    return Observation(
        product="MariaDB" if "mariadb" in f"{version} {server['comment']}".lower() else "MySQL",
        version=version.split("-", maxsplit=1)[0],
        server_character_set=str(server["charset"]),
        database_character_set=str(found["charset"]) if found else "unknown",
        encryption=str(tls["Value"]) if tls else "",
        replications=tuple(replication(row) for row in _replicas(cursor)),
    )


def _replicas(cursor: Any) -> list[dict[str, Any]]:
    try:
        cursor.execute("SHOW REPLICA STATUS")
    except pymysql.err.ProgrammingError:  # MySQL before 8.0.22
        cursor.execute("SHOW SLAVE STATUS")
    return list(cursor.fetchall())


def replication(row: Mapping[str, Any]) -> Replication:
    """Return a row of SHOW REPLICA STATUS, whose columns MySQL has renamed and MariaDB has not."""

    def value(new: str, old: str) -> Any:
        return row.get(new, row.get(old))

    lag = value("Seconds_Behind_Source", "Seconds_Behind_Master")
    errors = [str(row[name]) for name in ("Last_IO_Error", "Last_SQL_Error") if row.get(name)]
    return Replication(
        source=str(value("Source_Host", "Master_Host")),
        receiving=value("Replica_IO_Running", "Slave_IO_Running") == "Yes",
        applying=value("Replica_SQL_Running", "Slave_SQL_Running") == "Yes",
        lag_seconds=None if lag is None else float(lag),
        error="; ".join(errors),
    )
