"""A connection to PostgreSQL: statements and transactions, acts that nobody late can do, waits that end."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg2

from handlers.adapters.waiting import CONNECT_SECONDS, GRACE_SECONDS, Limited
from handlers.config import Side
from handlers.core import sql
from handlers.core.names import CONTROL_SCHEMA
from handlers.core.record import Superseded

FENCE = sql.name(CONTROL_SCHEMA, "fence")
"""The table with the token of who acted here last."""
TURN = 0x6D6967
"""Key of the advisory lock under which one acts at a time."""
KNOWS_IDLE_SESSIONS = 140_000
"""From this server version on there is a limit for sessions that do nothing."""
SSL_MODES = {"none": "disable", "require": "require", "verify-full": "verify-full"}

# Text must come out the same on both servers, and the operator must be able to write to a fenced database.
SESSION = {
    "default_transaction_read_only": "off",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "jit": "off",
    "row_security": "off",  # an error rather than rows that are hidden from us
}


class Session:
    """An open connection. It commits each statement, except where a method says otherwise."""

    def __init__(self, connection: Any, name: str, role: str) -> None:
        self._connection = connection
        self.name = name
        self.role = role

    @classmethod
    def connect(
        cls,
        side: Side,
        credentials: Mapping[str, str],
        statement_seconds: float,
        authority: Path | None = None,
        session: Mapping[str, str] = SESSION,
    ) -> Self:
        """Connect to `side`. `credentials` holds username and password; no statement may take longer than given.

        `authority` is the file with the certificates that verify-full trusts, libpq's own where it is not given.
        `session` are its settings, those that make text the same everywhere where none are given.
        """
        settings = {**session, "statement_timeout": str(int(statement_seconds * 1000))}
        connection = psycopg2.connect(
            host=side.host,
            port=side.port,
            dbname=side.database,
            user=credentials["username"],
            password=credentials["password"],
            sslmode=SSL_MODES[side.ssl_mode],
            sslrootcert=str(authority) if authority and side.ssl_mode == "verify-full" else None,
            connect_timeout=CONNECT_SECONDS,
            application_name="migration",
            connection_factory=Limited,
            options=" ".join(f"-c {key}={_escape(value)}" for key, value in settings.items()),
        )
        connection.autocommit = True
        connection.seconds = statement_seconds + GRACE_SECONDS
        if session and connection.server_version >= KNOWS_IDLE_SESSIONS:
            with connection.cursor() as cursor:
                cursor.execute("SET idle_session_timeout = 0")  # we wait for others, DNS for one, between statements
        return cls(connection, side.database, credentials["username"])

    @property
    def version(self) -> int:
        """The server's version as a number, such as 180003."""
        found: int = self._connection.server_version
        return found

    @property
    def address(self) -> str | None:
        """The address that the connection was given beside the name of the host, if it was given one."""
        found: str | None = self._connection.info.dsn_parameters.get("hostaddr")
        return found

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def limit(self, seconds: float) -> None:
        """Let no statement take longer from here on, whether the server answers or not."""
        self.rows("SELECT set_config('statement_timeout', %(limit)s, false)", {"limit": f"{int(seconds * 1000)}ms"})
        self._connection.seconds = seconds + GRACE_SECONDS

    def rows(self, query: str, args: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, args)
            return list(cursor.fetchall()) if cursor.description else []

    def run(self, statements: Iterable[str]) -> None:
        """Run statements in one transaction: all of them or none."""
        with self._transaction():
            for statement in statements:
                self.rows(statement)

    def act(self, token: int, statements: Iterable[str]) -> None:
        """Run statements as `run` does, unless somebody with a later token has acted here: then raise Superseded.

        The token is kept by the same transaction: who was overtaken can't act late, however long it slept.
        """
        with self._transaction(f"SELECT pg_advisory_xact_lock({TURN})"):
            kept = self.rows(
                f"UPDATE {FENCE} SET token = %(token)s WHERE token <= %(token)s RETURNING token",  # noqa: S608
                {"token": token},
            )
            if not kept:
                raise Superseded(f"database {self.name} was acted on with a later token than {token}")
            for statement in statements:
                self.rows(statement)

    @contextmanager
    def _turn(self, token: int) -> Iterator[None]:
        """Keep everybody else from acting, for what no transaction can hold. Raises Superseded as `act` does."""
        self.rows(f"SELECT pg_advisory_lock({TURN})")
        try:
            self.act(token, [])
            yield
        finally:
            if not self._connection.closed:  # else the server has let go of it
                self.rows(f"SELECT pg_advisory_unlock({TURN})")

    @contextmanager
    def reading(self, seconds: float | None = None) -> Iterator[None]:
        """Read in one transaction that can write nothing, and in which no statement takes longer than `seconds`."""
        limit = "" if seconds is None else f"; SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}"
        waits = self._connection.seconds
        if seconds is not None:
            self._connection.seconds = seconds + GRACE_SECONDS
        try:
            with self._transaction(f"SET TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog{limit}"):
                yield
        finally:
            self._connection.seconds = waits

    @contextmanager
    def _transaction(self, first: str = "") -> Iterator[None]:
        self.rows(f"BEGIN; {first}")  # one round trip
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            if not self._connection.closed:
                self.rows("ROLLBACK")
            raise


def _escape(value: str) -> str:
    """Escape a setting for libpq's options, where blanks separate."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
