"""The two ends of a task: which of the sandbox's servers an endpoint means, and sessions there that can't hang."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import psycopg2

from sandbox.databases.server import SUPERUSER, ServerInfo
from sandbox.dms.cloud import Cloud, Unreachable
from sandbox.dms.protocol import Json
from sandbox.dns.names import loopback_address

ENGINES = {"postgres": "PostgreSQL", "aurora-postgresql": "Amazon Aurora PostgreSQL"}
CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10.0
LOCK_SECONDS = 5.0
DEFAULT_EXECUTE_SECONDS = 60
DEFAULT_HEARTBEAT_MINUTES = 5
SSL_MODES = {"none": "disable", "require": "require", "verify-ca": "verify-ca", "verify-full": "verify-full"}
# A statement that fails would land in the server's log with the password in it.
_SILENT = {"log_min_error_statement": "panic", "log_statement": "none", "log_min_duration_statement": "-1"}
OURS_ALONE = "the sandbox's DMS replicates between its own servers only"


class SideError(Exception):
    """An end of a task can't be used. The message says which and why, with no password in it."""


@dataclass(frozen=True)
class Login:
    """How a user reaches a database."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    ssl_mode: str = "disable"

    def dsn(self) -> dict[str, Any]:
        """Return it as psycopg2 and libpq name it."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "sslmode": self.ssl_mode,
            "connect_timeout": CONNECT_SECONDS,
        }


@dataclass(frozen=True)
class Side:
    """One end of a task: a server, the endpoint's own login, and the endpoint settings that matter here."""

    role: str
    server: ServerInfo
    login: Login
    after_connect: str = ""
    fails_on_truncation: bool = False
    exact_numeric: bool = False
    heartbeat_schema: str = ""
    heartbeat_minutes: int = DEFAULT_HEARTBEAT_MINUTES
    slot: str = ""
    execute_seconds: int = DEFAULT_EXECUTE_SECONDS

    @property
    def place(self) -> tuple[str, int, str]:
        """Address, port and database: where it really is."""
        return (self.server.address, self.server.port, self.login.database)


class Session:
    """An open connection that commits every statement. Usable by one thread; `cancel` by any."""

    def __init__(self, login: Login, name: str, settings: Mapping[str, str], what: str) -> None:
        options = " ".join(f"-c {key}={value}" for key, value in settings.items())
        try:
            self._connection = psycopg2.connect(**login.dsn(), application_name=name, options=options)
        except psycopg2.Error as error:
            raise SideError(f"Failed to connect to {what}: {masked(error, login.password)}") from None
        self._connection.autocommit = True
        self._what = what
        self._secret = login.password

    @property
    def version(self) -> int:
        """The server's version as a number, such as 180003."""
        found: int = self._connection.server_version
        return found

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(
        self, query: Any, args: Mapping[str, Any] | Sequence[Any] | None = None, *, hide: str = ""
    ) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows. Raises SideError; `hide` is a password in the statement."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, args)
                return list(cursor.fetchall()) if cursor.description else []
        except psycopg2.Error as error:
            raise SideError(f"{self._what}: {masked(error, hide or self._secret)}") from None

    def copy(self, statement: Any, rows: IO[bytes]) -> None:
        """Run a COPY to or from a file. Raises SideError."""
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(statement, rows)
        except psycopg2.Error as error:
            raise SideError(f"{self._what}: {masked(error, self._secret)}") from None

    def within(self, seconds: float) -> None:
        """Limit every statement from now on."""
        self.rows("SELECT set_config('statement_timeout', %s, false)", (str(int(seconds * 1000)),))

    def cancel(self) -> None:
        """Cancel what runs; to be called from another thread."""
        with contextlib.suppress(psycopg2.Error):
            self._connection.cancel()

    def close(self) -> None:
        """End the session."""
        self._connection.close()


class Sessions:
    """Opens the sessions of one task."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._patient: Session | None = None

    def user(self, side: Side) -> Session:
        """Log in as the endpoint's own user and run the endpoint's AfterConnectScript, as DMS does."""
        session = Session(side.login, self._name, _timeouts(), f"the {side.role} as {side.login.user}")
        if side.after_connect:
            session.rows(side.after_connect)
        return session

    def superuser(self, side: Side, database: str | None = None) -> Session:
        """Log in as the server's superuser: what on AWS is DMS's own machinery is here done by the servers."""
        server = side.server
        login = Login(server.address, server.port, SUPERUSER, server.password, database or side.login.database)
        settings = {**_timeouts(), **_SILENT, "default_transaction_read_only": "off"}
        return Session(login, self._name, settings, f"the {side.role} server")

    @contextlib.contextmanager
    def patience(self, session: Session, seconds: float) -> Iterator[None]:
        """Let a session wait for `seconds`. `hurry`, from another thread, ends the wait."""
        session.within(seconds)
        self._patient = session
        try:
            yield
        finally:
            self._patient = None

    def hurry(self) -> None:
        """Cancel what is waited for with patience; everything else ends soon by itself."""
        patient = self._patient
        if patient is not None:
            patient.cancel()


def resolve(endpoint: Json, cloud: Cloud, servers: Sequence[ServerInfo]) -> Side:
    """Return the end that an endpoint means, its secret read. Raises SideError where it can't be one of ours."""
    settings = endpoint.get("PostgreSQLSettings") or {}
    role = f"{endpoint['EndpointType']} endpoint {endpoint['EndpointIdentifier']}"
    if endpoint["EngineName"] not in ENGINES:
        raise SideError(f"the {role} is {endpoint['EngineName']}: {OURS_ALONE}, and those are PostgreSQL")
    fields = _fields(endpoint, settings, cloud, role)
    database = settings.get("DatabaseName") or endpoint.get("DatabaseName")
    missing = [key for key in ("host", "port", "username", "password") if not fields.get(key)]
    if missing or not database:
        raise SideError(f"the {role} lacks {', '.join([*missing, *([] if database else ['a database name'])])}")
    address, port = loopback_address(fields["host"]), fields["port"]
    server = next((one for one in servers if (one.address, str(one.port)) == (address, port)), None)
    if server is None:
        raise SideError(f"the {role} is {fields['host']}:{port}: {OURS_ALONE}")
    mode = SSL_MODES[endpoint.get("SslMode", "none")]
    attributes = _attributes(endpoint.get("ExtraConnectionAttributes", ""))
    heartbeat = settings.get("HeartbeatEnable") and (settings.get("HeartbeatSchema") or "public")
    return Side(
        role=endpoint["EndpointType"],
        server=server,
        login=Login(server.address, server.port, fields["username"], fields["password"], str(database), mode),
        after_connect=settings.get("AfterConnectScript", ""),
        fails_on_truncation=bool(settings.get("FailTasksOnLobTruncation")),
        exact_numeric=attributes.get("mapunboundednumericasstring", "").lower() in ("true", "y", "yes", "1"),
        heartbeat_schema=heartbeat or "",
        heartbeat_minutes=int(settings.get("HeartbeatFrequency") or DEFAULT_HEARTBEAT_MINUTES),
        slot=settings.get("SlotName") or attributes.get("slotname", ""),
        execute_seconds=int(settings.get("ExecuteTimeout") or DEFAULT_EXECUTE_SECONDS),
    )


def masked(error: Exception, secret: str) -> str:
    """Return an error's text on one line, without the secret."""
    text = " ".join(str(error).split())
    return text.replace(secret, "***") if secret else text


def _fields(endpoint: Json, settings: Json, cloud: Cloud, role: str) -> dict[str, str]:
    secret_id = settings.get("SecretsManagerSecretId")
    if secret_id:
        if not settings.get("SecretsManagerAccessRoleArn"):
            raise SideError(f"the {role} has a secret but no SecretsManagerAccessRoleArn to read it with")
        try:
            return cloud.secret(secret_id)
        except Unreachable as error:
            raise SideError(f"the {role}: {error}") from None
    given = {**endpoint, **settings}
    members = {"host": "ServerName", "port": "Port", "username": "Username", "password": "Password"}
    return {key: str(given[member]) for key, member in members.items() if given.get(member)}


def _attributes(text: str) -> dict[str, str]:
    """Return extra connection attributes, their names in lower case: DMS does not mind the case."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _timeouts() -> dict[str, str]:
    return {"statement_timeout": str(int(STATEMENT_SECONDS * 1000)), "lock_timeout": str(int(LOCK_SECONDS * 1000))}
