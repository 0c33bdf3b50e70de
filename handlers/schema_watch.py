"""The watch over the source's schema while changes flow: DMS carries no DDL, and the gate refuses what has changed."""

import psycopg2

from handlers import pair
from handlers.clients import say
from handlers.migration import Migration
from handlers.preflight import kept
from handlers.preflight.facts import NotRead, Objects

PAUSE_SECONDS = 600.0
"""Between two looks: each reads the source's whole catalogue."""


def look(migration: Migration) -> list[str]:
    """Return what speaks against a switchover: a schema that is not the one the replication was started with.

    People are told once of each change. A source that is out of reach is looked at another time.
    """
    at, before = migration.tracking.schema_watch()
    now = migration.clock.now()
    changed = before if at and now - at < PAUSE_SECONDS else _changed(migration, before, now)
    return [kept.another_schema(changed)] if changed else []


def _changed(migration: Migration, before: str, now: float) -> str:
    started = migration.tracking.start()
    if started is None:
        return ""
    try:
        schema = kept.schema_of(pair.facts_of(migration, migration.config.source, only=(Objects,)))
    except (psycopg2.Error, OSError, NotRead) as error:
        say("no look at the schema", __name__, reason=" ".join(str(error).split()))
        return before
    changed = kept.changed_since(started, migration.tracking.preflight(), schema)
    if changed and changed != before:
        migration.notices.tell(
            f"Migration {migration.config.migration_id}: the source's schema has changed",
            {"changed": changed, "remedy": "DMS carries no DDL: do the same on the target, then call preflight"},
        )
    migration.tracking.keep_schema_watch(changed, now)
    return changed
