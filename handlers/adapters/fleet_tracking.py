"""The fleet's tracking table: a line per event, and one item per database that is its state.

Key `serverId` and `timestamp`; the state has `current` for a timestamp, which sorts after every date. So the index
MigrationPhaseIndex (`migrationPhase`, `timestamp`) answers both who is in a phase now and what reached it when.
"""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from handlers.adapters import versioned
from handlers.core.fleet import Phase, Record

CURRENT = "current"


class Superseded(Exception):
    """Somebody else has changed the database's state since it was read: look again, then try again."""


class FleetTracking:
    """Reads and writes the state of databases. A write succeeds only if nobody else has written since."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, database: str) -> Record:
        """Return a database's record, a fresh one where none is stored."""
        key = {"serverId": {"S": database}, "timestamp": {"S": CURRENT}}
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if not found:
            return Record(database)
        raw = json.loads(found["record"]["S"])
        return Record(**{**raw, "phase": Phase(raw["phase"])})

    def write(self, record: Record, event: str, now: float) -> Record:
        """Store `record` as its next version and note `event`, both or neither.

        `now` is in seconds since the epoch. Raises Superseded where somebody else has stored a version since.
        """
        stored = replace(record, version=record.version + 1)
        common = {"serverId": {"S": stored.database}, "migrationPhase": {"S": stored.phase.value}}
        state = {
            **common,
            "timestamp": {"S": CURRENT},
            "version": {"N": str(stored.version)},
            "record": {"S": json.dumps(asdict(stored), sort_keys=True)},
        }
        line = {**common, "timestamp": {"S": moment(now)}, "event": {"S": event}, "reason": {"S": stored.reason}}
        if not versioned.put(self._client, self._table, state, line, read_version=record.version):
            raise Superseded(f"{record.database} was changed by somebody else: look again, then try again")
        return stored


def moment(now: float) -> str:
    """Return a point in time as the table writes it: ISO 8601 in UTC with microseconds, which sorts as text."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
