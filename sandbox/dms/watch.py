"""Looking at a running task on both servers: log positions, the subscription's state, what the servers count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.dms.catalog import Table
from sandbox.dms.limits import Names as LimitNames
from sandbox.dms.progress import TableId
from sandbox.dms.run import Changes
from sandbox.dms.sides import Session
from sandbox.dms.stream import Names

_COUNTS = """SELECT relid, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relid = ANY(%s::oid[])"""
_LOG = """SELECT (pg_current_wal_lsn() - '0/0')::bigint, pg_current_wal_lsn()::text, s.confirmed_flush_lsn::text,
(s.confirmed_flush_lsn - '0/0')::bigint, (r.write_lsn - '0/0')::bigint, (r.replay_lsn - '0/0')::bigint,
s.slot_name IS NOT NULL, coalesce(to_jsonb(s) ->> 'wal_status', '') = 'lost'
FROM (SELECT) one LEFT JOIN pg_replication_slots s ON s.slot_name = %s
LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid"""
_SUBSCRIPTION = """SELECT s.oid, w.pid IS NOT NULL, {errors}
FROM pg_subscription s
LEFT JOIN pg_stat_subscription w ON w.subid = s.oid AND w.relid IS NULL
WHERE s.subname = %s AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""

KEEPS_COUNTS_SINCE = 150000
"""From this server version on subscriptions count their errors, and a session can report what it did at once."""
_ERRORS = """coalesce((SELECT e.apply_error_count + e.sync_error_count FROM pg_stat_subscription_stats e
WHERE e.subid = s.oid), 0)"""


@dataclass(frozen=True)
class Log:
    """The source's log: where it ends, and how far the slot's reader has received and applied it."""

    end: int
    end_text: str
    confirmed_text: str
    received: int
    applied: int
    has_slot: bool
    slot_lost: bool


@dataclass(frozen=True)
class Subscription:
    """The target's subscription: whether it is at work, its errors so far, its tables' load states, a limit broken."""

    exists: bool = False
    working: bool = False
    errors: int = 0
    states: Mapping[TableId, str] = field(default_factory=dict)
    breach: int = 0


def log(superuser: Session, names: Names) -> Log:
    """Read the source's log positions. Not in the migrated database: a fence would count that session."""
    [row] = superuser.rows(_LOG, (names.base,))
    end, end_text, confirmed_text, confirmed, received, applied, has_slot, lost = row
    confirmed = confirmed or 0
    return Log(
        end=end,
        end_text=end_text,
        confirmed_text=confirmed_text or "0/0",
        received=max(received or 0, confirmed),
        applied=max(applied or 0, confirmed),
        has_slot=has_slot,
        slot_lost=lost,
    )


def subscription(user: Session, names: Names, limits: LimitNames, tables: Sequence[Table]) -> Subscription:
    """Read the subscription's state on the target."""
    errors = _ERRORS if user.version >= KEEPS_COUNTS_SINCE else "0"
    found = user.rows(_SUBSCRIPTION.format(errors=errors), (names.base,))
    if not found:
        return Subscription()
    [(oid, working, failures)] = found[:1]
    by_oid = {table.oid: table.id for table in tables}
    states = user.rows("SELECT srrelid, srsubstate FROM pg_subscription_rel WHERE srsubid = %s", (oid,))
    return Subscription(
        exists=True,
        working=working,
        errors=int(failures),
        states={by_oid[relation]: state for relation, state in states if relation in by_oid},
        breach=breach(user, limits),
    )


def breach(user: Session, limits: LimitNames) -> int:
    """Read which limit was broken on the target, 0 for none."""
    found = user.rows(
        """SELECT coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = %s AND sequencename = %s""",
        (limits.schema, limits.base),
    )
    return int(found[0][0]) if found else 0


def counts(user: Session, tables: Sequence[Table]) -> dict[TableId, Changes]:
    """Read what a server counts for tables, given as they are on that server."""
    by_oid = {table.oid: table.id for table in tables}
    return {
        by_oid[relation]: Changes(inserts, updates, deletes)
        for relation, inserts, updates, deletes in user.rows(_COUNTS, (list(by_oid),))
    }
