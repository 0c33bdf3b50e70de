"""The tracking table: one item per migration that is state and lock at once, and a line of history per change."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from handlers.adapters import versioned
from handlers.core.census import Seen
from handlers.core.direction import Direction
from handlers.core.record import Phase, Record, Step, Superseded
from handlers.preflight.kept import Basis, Kept, packed, unpacked, unpacked_basis

STATE, APPROVAL, PREFLIGHT, START, CLIENTS = "state", "approval", "preflight", "start", "clients"
VALIDATION, SCHEMA = "validation", "schema"


class Tracking:
    """Reads and writes a migration's record. A write succeeds only if nobody else has written since."""

    def __init__(self, client: Any, table: str, migration_id: str) -> None:
        self._client = client
        self._table = table
        self._migration_id = migration_id

    def read(self) -> Record:
        """Return the record, a fresh one where none is stored."""
        found = self._item(STATE)
        if not found:
            return Record(self._migration_id)
        raw = json.loads(found["record"]["S"])
        steps = {name: tuple(Step(step) for step in raw[name]) for name in ("begun", "done")}
        return Record(**{**raw, **steps, "phase": Phase(raw["phase"]), "direction": Direction(raw["direction"])})

    def write(self, record: Record, event: str, now: float) -> Record:
        """Store `record`, read before, as its next version, and note `event` in the history.

        Raises Superseded where another execution has stored a version since.
        """
        stored = replace(record, version=record.version + 1)
        common = {
            "phase": {"S": stored.phase.value},
            "owner": {"S": stored.owner},
            "token": {"N": str(stored.token)},
        }
        state = {
            **self._key(STATE),
            **common,
            "version": {"N": str(stored.version)},
            "record": {"S": json.dumps(asdict(stored))},
        }
        line = {**self._key(f"history#{now:017.6f}#{stored.version:06d}"), **common, "event": {"S": event}}
        if not versioned.put(self._client, self._table, state, line, read_version=record.version):
            raise Superseded(f"{self._migration_id} was changed by another execution: this one stops")
        return stored

    def keep_question(self, execution: str, task_token: str, until: float) -> None:
        """Keep the token that an approval or a refusal must be sent with; it counts until then."""
        item = {"owner": {"S": execution}, "token": {"S": task_token}, "until": {"N": str(until)}}
        self._client.put_item(TableName=self._table, Item={**self._key(APPROVAL), **item})

    def keep_preflight(self, found: Kept) -> None:
        """Keep what a preflight said, instead of the one before."""
        self._keep(PREFLIGHT, packed(found), found.at)

    def preflight(self) -> Kept | None:
        """Return what the last preflight said, None where there was none."""
        data = self._kept(PREFLIGHT)
        return None if data is None else unpacked(data)

    def keep_start(self, speaks_of: Basis, now: float) -> None:
        """Keep what the replication was started with."""
        self._keep(START, packed(speaks_of), now)

    def start(self) -> Basis | None:
        """Return what the replication was started with, None where the start function did not start it."""
        data = self._kept(START)
        return None if data is None else unpacked_basis(data)

    def keep_validation(self, run: str, said: Mapping[str, Any], now: float) -> None:
        """Keep what the last validation of every row said, and where its report is."""
        item = {"at": {"N": str(now)}, "owner": {"S": run}, "said": {"S": json.dumps(said)}}
        self._client.put_item(TableName=self._table, Item={**self._key(VALIDATION), **item})

    def keep_schema_watch(self, changed: str, now: float) -> None:
        """Keep what the last look at the source's schema found changed, empty where nothing was."""
        self._keep(SCHEMA, changed.encode(), now)

    def schema_watch(self) -> tuple[float, str]:
        """Return when the source's schema was looked at last, 0 for never, and what was found changed then."""
        found = self._item(SCHEMA)
        return (float(found["at"]["N"]), bytes(found["kept"]["B"]).decode()) if found else (0.0, "")

    def keep_clients(self, seen: Seen, now: float) -> None:
        """Keep who was seen at the source."""
        self._keep(CLIENTS, zlib.compress(json.dumps(seen).encode(), 9), now)

    def clients(self) -> dict[str, tuple[float, float]]:
        """Return who was seen at the source, and when first and last."""
        data = self._kept(CLIENTS)
        raw = json.loads(zlib.decompress(data)) if data else {}
        return {client: (first, last) for client, (first, last) in raw.items()}

    def _keep(self, entry: str, data: bytes, now: float) -> None:
        item = {**self._key(entry), "at": {"N": str(now)}, "kept": {"B": data}}
        self._client.put_item(TableName=self._table, Item=item)

    def _kept(self, entry: str) -> bytes | None:
        found = self._item(entry)
        return bytes(found["kept"]["B"]) if found else None

    def _item(self, entry: str) -> Any:
        return self._client.get_item(TableName=self._table, Key=self._key(entry), ConsistentRead=True).get("Item")

    def _key(self, sort: str) -> dict[str, Any]:
        return {"migration_id": {"S": self._migration_id}, "entry": {"S": sort}}
