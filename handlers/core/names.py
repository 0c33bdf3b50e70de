"""Weighted DNS records of a name, and the change batches that move it."""

from collections.abc import Mapping, Sequence
from typing import Any

CONTROL_SCHEMA, DMS_CONTROL_SCHEMA = "migration_control", "awsdms_control"
FOREIGN_SCHEMAS = ("information_schema", CONTROL_SCHEMA, DMS_CONTROL_SCHEMA)
"""Schemas that hold no data of the application. The first of ours is the migration's, the other DMS's."""
BLUE, GREEN = "blue", "green"
RecordSet = Mapping[str, Any]


class NamesError(Exception):
    """The records are not what the stack made. The message says which and what to do."""


def weighted(record_sets: Sequence[RecordSet], name: str) -> dict[str, RecordSet]:
    """Return the records of `name` by set identifier. Raises NamesError unless there is one blue and one green."""
    wanted = name.rstrip(".").lower()
    found = {
        r["SetIdentifier"]: r for r in record_sets if r["Name"].rstrip(".").lower() == wanted and "SetIdentifier" in r
    }
    if set(found) != {BLUE, GREEN}:
        raise NamesError(f"{name} has the records {sorted(found)}, not blue and green: deploy the stack again")
    return found


def only(record_sets: Sequence[RecordSet], name: str, kind: str) -> RecordSet:
    """Return the one record of this name and type. Raises NamesError where there is none."""
    wanted = (name.rstrip(".").lower(), kind)
    found = [r for r in record_sets if (r["Name"].rstrip(".").lower(), r["Type"]) == wanted]
    if not found:
        raise NamesError(f"{name} has no {kind} record: deploy the stack again")
    return found[0]


def shift(records: Mapping[str, RecordSet], weights: Mapping[str, int], ttl: int) -> list[dict[str, Any]]:
    """Return the changes that give every record its weight and time to live: one batch, all or none."""
    return [
        {"Action": "UPSERT", "ResourceRecordSet": {**record, "Weight": weights[side], "TTL": ttl}}
        for side, record in sorted(records.items())
    ]


def token(record: RecordSet) -> int:
    """Return the token that a record of tokens holds. Raises NamesError where it holds none."""
    text = "".join(part["Value"] for part in record["ResourceRecords"]).strip('"')
    if not text.isdigit():
        raise NamesError(f"{record['Name']} holds {text!r}, not a token: set it to the number of the last one, or 0")
    return int(text)


def pass_token(record: RecordSet, to: int) -> list[dict[str, Any]]:
    """Return the changes that replace a record's token. Route 53 refuses them where the record is not as it was read.

    A batch is carried out whole or not at all, so whatever stands beside them in it is refused with them.
    """
    return [
        {"Action": "DELETE", "ResourceRecordSet": record},
        {"Action": "CREATE", "ResourceRecordSet": {**record, "ResourceRecords": [{"Value": f'"{to}"'}]}},
    ]


def weights(records: Mapping[str, RecordSet]) -> dict[str, int]:
    """Return the weight of each side."""
    return {side: int(record["Weight"]) for side, record in records.items()}


def ttl(records: Mapping[str, RecordSet]) -> int:
    """Return the longest time any resolver may keep one of the records, in seconds."""
    return max(int(record["TTL"]) for record in records.values())
