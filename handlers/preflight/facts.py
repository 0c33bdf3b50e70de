"""What is known of one database, in sections that are read apart: what can't be read is told, never guessed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from handlers.core.comparison import Table

T = TypeVar("T")


@dataclass(frozen=True)
class Unread:
    """A section that could not be read: why, and what would make it readable, SQL if it is known."""

    why: str
    remedy: str = ""


class NotRead(LookupError):
    """A rule asked for a section that could not be read."""

    def __init__(self, section: str, unread: Unread) -> None:
        super().__init__(unread.why)
        self.section = section
        self.unread = unread


@dataclass(frozen=True)
class Facts:
    """The sections of one database, each under its type; one that could not be read is an Unread."""

    sections: Mapping[type, object] = field(default_factory=dict)

    def read(self, kind: type[T]) -> T:
        """Return a section. Raises NotRead where there is none."""
        found = self.sections.get(kind, Unread("it was not looked at"))
        if isinstance(found, kind):
            return found
        assert isinstance(found, Unread)  # noqa: S101 - for the type checker
        raise NotRead(kind.__name__.lower(), found)


@dataclass(frozen=True)
class Server:
    """The server and this database on it. `version` is server_version_num, `settings` are of pg_settings, in its units.

    `identity` is the cluster's system identifier, empty where nobody may read it. `collation_version` is what indexes
    were made with, `collation_now` what the system has; empty where the provider keeps none.
    """

    version: int
    database: str
    identity: str
    owner: str
    encoding: str
    collation: str
    character_type: str
    provider: str
    collation_version: str
    collation_now: str
    bytes: int
    rds: bool
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Relation:
    """A table: ordinary (r), partitioned (p) or foreign (f).

    `key` are the primary key's columns; `candidate` says, as SQL, what could be one without a new column. `identity` is
    the replica identity as PostgreSQL writes it: d, n, f or i. `changes` counts updated and deleted rows ever seen.
    """

    table: Table
    kind: str = "r"
    unlogged: bool = False
    identity: str = "d"
    key: tuple[str, ...] = ()
    key_deferrable: bool = False
    candidate: str = ""
    row_security: bool = False
    forced: bool = False
    partition: bool = False
    inherits: bool = False
    rows: int = 0
    bytes: int = 0
    changes: int = 0
    owner: str = ""
    bounds: tuple[str, ...] = ()
    """Values of a whole number that is its key, which part it evenly, by the planner's sample."""


@dataclass(frozen=True)
class Relations:
    """Every table of the application."""

    all: tuple[Relation, ...]


@dataclass(frozen=True)
class Field:
    """A column. `base` is the internal name of its type below domains, `type` what a person would write.

    `bounded` says that the type has a length or precision; `generated` is s, v or empty, `identity` a, d or empty.
    `infinite` says that the planner's sample holds an infinite date.
    """

    table: Table
    name: str
    type: str
    base: str
    array: bool = False
    composite: bool = False
    bounded: bool = True
    generated: str = ""
    identity: str = ""
    collation: str = ""
    width: int = 0
    infinite: bool = False


@dataclass(frozen=True)
class Fields:
    """Every column of every table."""

    all: tuple[Field, ...]


@dataclass(frozen=True)
class Lob:
    """The largest value of a column that DMS takes for a large object: the bytes it needs of LobMaxSize.

    `how` is exact, average (only the planner's average width is known) or unread.
    """

    table: Table
    column: str
    bytes: int
    how: str = "exact"

    @property
    def kilobytes(self) -> int:
        """The LobMaxSize that it needs."""
        return -(-self.bytes // 1024)


@dataclass(frozen=True)
class Lobs:
    """Columns that DMS takes for large objects."""

    all: tuple[Lob, ...]

    @property
    def needed(self) -> dict[Table, int]:
        """The LobMaxSize that each table's largest value needs, as far as values were measured."""
        found: dict[Table, int] = {}
        for lob in self.all:
            if lob.how == "exact":
                found[lob.table] = max(found.get(lob.table, 0), lob.kilobytes)
        return found


@dataclass(frozen=True)
class Trigger:
    """A trigger of the application. `enabled` is O, D, R or A, as PostgreSQL writes it."""

    table: Table
    name: str
    enabled: str


@dataclass(frozen=True)
class Structure:
    """What hangs on tables and is no row."""

    triggers: tuple[Trigger, ...] = ()
    event_triggers: tuple[str, ...] = ()
    unvalidated: tuple[tuple[Table, str], ...] = ()
    broken_indexes: tuple[str, ...] = ()
    coalesce_indexes: tuple[str, ...] = ()
    not_ours_to_refresh: tuple[tuple[str, str], ...] = ()
    """Materialized views that the operator may not refresh, with their owners."""
    large_objects: int = 0
    rules_always: tuple[tuple[Table, str], ...] = ()


@dataclass(frozen=True)
class Objects:
    """What a schema holds beside rows, as `kind schema.name`, each with a hash of its definition."""

    all: Mapping[str, str]


@dataclass(frozen=True)
class Role:
    """A role that is not PostgreSQL's or RDS's own."""

    name: str
    login: bool = True
    superuser: bool = False
    replication: bool = False
    bypass_rls: bool = False


@dataclass(frozen=True)
class Roles:
    """Roles, who is a member of whom, what is set for them, and what they may do here.

    `settings` are (role, setting, value), the role empty where it is the database's. `grants` are (grantee, right,
    object) on tables, sequences, functions and schemas, `defaults` the default privileges in the same form.
    """

    all: tuple[Role, ...]
    members: frozenset[tuple[str, str]] = frozenset()
    settings: frozenset[tuple[str, str, str]] = frozenset()
    grants: frozenset[tuple[str, str, str]] = frozenset()
    defaults: frozenset[tuple[str, str, str]] = frozenset()


@dataclass(frozen=True)
class Rights:
    """What the migration's own two roles lack here, each as (what is missing, the SQL that gives it)."""

    operator: str
    replication: str
    to_fence: tuple[tuple[str, str], ...] = ()
    to_read_log: tuple[tuple[str, str], ...] = ()
    to_read_rows: tuple[tuple[str, str], ...] = ()
    to_write_rows: tuple[tuple[str, str], ...] = ()
    to_set_sequences: tuple[tuple[str, str], ...] = ()
    to_see_all_rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Slot:
    """A replication slot; `kept` are the bytes of log that the server keeps for it."""

    name: str
    logical: bool
    active: bool
    kept: int
    here: bool = True


@dataclass(frozen=True)
class Stream:
    """What reads the log, and what holds it up. Prepared transactions are (id, owner); long ones (pid, user, seconds).

    `subscriptions` are enabled ones, which write here whatever a fence shuts.
    """

    slots: tuple[Slot, ...] = ()
    senders: int = 0
    prepared: tuple[tuple[str, str], ...] = ()
    long: tuple[tuple[int, str, int], ...] = ()
    subscriptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Client:
    """Who is connected: one line for all sessions that are alike."""

    user: str
    address: str
    application: str
    superuser: bool = False
    sessions: int = 1


@dataclass(frozen=True)
class Clients:
    """Everybody who is connected to this database, but ourselves."""

    all: tuple[Client, ...]


@dataclass(frozen=True)
class Extensions:
    """Versions of extensions: those that are installed here, and those that the server could install.

    `places` are the schemas of the former, `schemas` all that this database has.
    """

    installed: Mapping[str, str]
    available: Mapping[str, str]
    places: Mapping[str, str] = field(default_factory=dict)
    schemas: frozenset[str] = frozenset({"public"})


@dataclass(frozen=True)
class Counter:
    """A sequence. `last` is None while it has given out nothing, `maximum` also that of the column it fills."""

    schema: str
    name: str
    last: int | None
    increment: int
    minimum: int
    maximum: int
    column: str = ""
    """Table and column that it fills, if it belongs to one, quoted."""


@dataclass(frozen=True)
class Counters:
    """Every sequence of the application."""

    all: tuple[Counter, ...]
