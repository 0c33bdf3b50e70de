"""The census of the source's clients: a look each minute, kept in the tracking table."""

import psycopg2

from handlers.clients import say
from handlers.clock import moment
from handlers.core import census
from handlers.core.names import BLUE
from handlers.migration import Migration

STATEMENT_SECONDS = 10.0
SHOWN = 20


def take(migration: Migration) -> None:
    """Note who is connected to the source. A source that is out of reach is noted another time."""
    try:
        with migration.database(BLUE, STATEMENT_SECONDS) as source:
            clients = source.database.sessions(source.ours)
    except (psycopg2.Error, OSError) as error:
        say("no census", __name__, reason=" ".join(str(error).split()))
        return
    now = migration.clock.now()
    days = migration.config.preflight.census.days
    migration.tracking.keep_clients(census.noted(migration.tracking.clients(), clients, now, days), now)


def reasons_against(migration: Migration) -> list[str]:
    """Return why not everybody comes by the managed name, where that is asked for."""
    asked = migration.config.preflight.census
    if not asked.required:
        return []
    seen = migration.tracking.clients()
    if not seen:
        return ["no census of clients was taken yet: wait for the observe function, which looks each minute"]
    found = census.astray(seen, migration.clock.now(), asked)
    if not found:
        return []
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return [
        f"clients seen in the last {asked.days} days that do not come by the managed name: {', '.join(found[:SHOWN])}"
        f"{more}; lead them to {migration.config.dns.writer_name}, or excuse them in preflight.census.excused"
    ]


def lines(migration: Migration) -> list[str]:
    """Return the census for people: who was seen, when, and who of them does not come by the managed name."""
    asked, seen, now = migration.config.preflight.census, migration.tracking.clients(), migration.clock.now()
    strays = set(census.astray(seen, now, asked))
    found = [
        f"  {client}: {moment(first)} to {moment(last)}{'' if client in strays else ', known'}"
        for client, (first, last) in sorted(seen.items())
    ]
    if not found:
        return []
    more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ["", f"CLIENTS of the last {asked.days} days", *found[:SHOWN], *more]
