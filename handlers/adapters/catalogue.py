"""The facts of a database, read from its catalogues: read rights only, a short read-only transaction per section.

A section that fails, or that would silently show less than there is, comes back as Unread; the others are read all the
same.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2

from handlers.adapters import catalogue_objects, catalogue_rights, catalogue_server, catalogue_tables
from handlers.adapters.postgres import Database
from handlers.config import Side
from handlers.preflight import facts
from handlers.preflight.facts import Facts, Unread

STATEMENT_SECONDS = 20.0
KNOWS_READERS = 140_000
"""From this server version on there is a role that reads every table."""
PLAIN: Mapping[str, str] = {}
"""No settings of our own: what is read is what an application's session would have."""


@dataclass(frozen=True)
class Asked:
    """What to read. `replication` is DMS's role there; `lob_seconds` may be spent on measuring, none by default.

    `only` names the sections to read, all where it is empty.
    """

    replication: str
    lob_seconds: float = 0.0
    only: tuple[type, ...] = ()


Reader = Callable[[Database, str], Any]
SECTIONS: Mapping[type, Reader] = {
    facts.Server: lambda database, _: catalogue_server.server(database),
    facts.Relations: lambda database, _: catalogue_tables.relations(database),
    facts.Fields: lambda database, _: catalogue_tables.fields(database),
    facts.Counters: lambda database, _: catalogue_tables.counters(database),
    facts.Structure: lambda database, _: catalogue_objects.structure(database),
    facts.Objects: lambda database, _: catalogue_objects.objects(database),
    facts.Extensions: lambda database, _: catalogue_server.extensions(database),
    facts.Stream: lambda database, _: catalogue_server.stream(database),
    facts.Clients: lambda database, _: catalogue_server.clients(database),
    facts.Roles: lambda database, _: catalogue_rights.roles(database),
    facts.Rights: catalogue_rights.rights,
}


def look(side: Side, credentials: Mapping[str, str], asked: Asked, authority: Path | None = None) -> Facts:
    """Connect to a database and read all sections. `authority` holds the certificates that verify-full trusts.

    Raises psycopg2's error where there is no connection.
    """
    database = Database.connect(side, credentials, STATEMENT_SECONDS, authority, session=PLAIN)
    with closing(database):
        return read(database, asked)


def read(database: Database, asked: Asked) -> Facts:
    """Return the facts of an open database, whose session has none of our settings."""
    found: dict[type, object] = {
        kind: section(database, partial(reader, database, asked.replication))
        for kind, reader in SECTIONS.items()
        if kind in (asked.only or SECTIONS)
    }
    if asked.lob_seconds > 0:
        fields = found[facts.Fields]
        found[facts.Lobs] = (
            catalogue_tables.lobs(database, fields, asked.lob_seconds) if isinstance(fields, facts.Fields) else fields
        )
    else:
        found[facts.Lobs] = Unread("large objects are not measured in the short form")
    return Facts(found)


def section(database: Database, act: Callable[[], Any]) -> Any:
    """Return what `act` reads in a transaction of its own, or why it could not."""
    try:
        with database.reading():
            return act()
    except catalogue_server.Hidden as hidden:
        return Unread(str(hidden), hidden.remedy)
    except psycopg2.errors.InsufficientPrivilege as error:
        return Unread(_line(error), _grant(database))
    except psycopg2.Error as error:
        return Unread(_line(error))


def _grant(database: Database) -> str:
    """Return what lets the role read everything: as an owner's, before there was a role for that."""
    if database.version < KNOWS_READERS:
        return f"GRANT pg_read_all_stats TO {database.role}; and to it the roles that own what it may not read"
    return f"GRANT pg_read_all_data, pg_read_all_stats TO {database.role};"


def _line(error: psycopg2.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
