"""One task's stream: publications and slot on the source, a subscription on the target, made, steered and dropped."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import make_dsn

from sandbox.dms.catalog import Table
from sandbox.dms.control_tables import make_schema
from sandbox.dms.limits import Names as LimitNames
from sandbox.dms.limits import Script
from sandbox.dms.sides import Login, Session, Side, SideError

ORIGIN_SINCE, STREAMING_SINCE = 160000, 140000
NOWHERE = "host=127.0.0.1 port=1 connect_timeout=1"
"""What a subscription connects to while its source is to be unreachable."""
END_SECONDS = 5.0
PAUSE_SECONDS = 0.02
_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


@dataclass(frozen=True)
class Names:
    """What the parts of one task's stream are called."""

    base: str

    @classmethod
    def of(cls, resource_id: str) -> "Names":
        """Return the names of the task with a resource id."""
        return cls(f"awsdms_{resource_id.lower().replace('-', '_')}")

    @property
    def publications(self) -> tuple[str, str]:
        """The publication of tables with identity, and that of tables whose inserts alone can be replicated."""
        return (self.base, f"{self.base}_insert")


def lsn(position: str) -> str | None:
    """Return the log position in a CdcStartPosition, an LSN or a checkpoint that has one; None where there is none."""
    found = _LSN.fullmatch(position) or (_LSN.search(position) if position.startswith("checkpoint:") else None)
    return f"{found[1]}/{found[2]}" if found else None


def publish(superuser: Session, names: Names, tables: Sequence[Table]) -> int | None:
    """Make the publications, or bring them up to date, and return where in the log they began if anything changed.

    A table without identity is in for its inserts alone, or its writers would fail.
    """
    whole, inserts = names.publications
    changed = False
    for name, identified, what in ((whole, True, "insert, update, delete"), (inserts, False, "insert")):
        chosen = [table for table in tables if table.identified is identified]
        found = superuser.rows("SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s", (name,))
        exists = bool(superuser.rows("SELECT 1 FROM pg_publication WHERE pubname = %s", (name,)))
        if exists and set(found) == {table.id for table in chosen}:
            continue
        changed = True
        which = sql.SQL(", ").join([table.sql() for table in chosen])
        if exists and chosen:
            superuser.rows(sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(sql.Identifier(name), which))
            continue
        superuser.rows(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))
        superuser.rows(
            sql.SQL("CREATE PUBLICATION {} {} WITH (publish = {})").format(
                sql.Identifier(name), sql.SQL("FOR TABLE {}").format(which) if chosen else which, sql.Literal(what)
            )
        )
    return int(superuser.rows("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")[0][0]) if changed else None


def unpublish(superuser: Session, names: Names) -> None:
    """Drop the publications."""
    for name in names.publications:
        superuser.rows(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def make_slot(user: Session, names: Names, endpoint_slot: str, position: str | None, published: int) -> str | None:
    """Make the slot as the endpoint's user and return the position to begin at, None for the slot's own.

    Without a position the stream begins now. With one, DMS needs a slot that was there before: the endpoint's SlotName.
    It is copied, so that whatever plugin it was made with the stream begins where it stands. Raises SideError where the
    slot is missing, has passed the position, or stands before `published`: what was written until then can't be read
    here, though on AWS it could. Waits for the transactions that are open on the source.
    """
    if not endpoint_slot:
        if position:
            raise SideError(
                f"the log can be read from {position} only through a slot made before: "
                "name it in the source endpoint's SlotName"
            )
        user.rows("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (names.base,))
        return None
    found = user.rows(
        """SELECT confirmed_flush_lsn > begin, greatest(confirmed_flush_lsn, begin) - '0/0' < %s, begin::text
           FROM pg_replication_slots, coalesce(%s::pg_lsn, confirmed_flush_lsn) begin
           WHERE slot_name = %s AND slot_type = 'logical' AND database = current_database()""",
        (published, position, endpoint_slot),
    )
    if not found:
        raise SideError(f"the source endpoint's slot {endpoint_slot} does not exist in its database")
    [(passed, too_early, begin)] = found
    if passed:
        raise SideError(f"the slot {endpoint_slot} has already passed {begin}: changes would be lost")
    if too_early:
        raise SideError(f"{begin} lies before the task's tables were known here: make the task before the slot")
    user.rows("SELECT pg_copy_logical_replication_slot(%s, %s, false, 'pgoutput')", (endpoint_slot, names.base))
    return position


def subscribe(superuser: Session, names: Names, source: Side, *, copy: bool, filtered: bool, start: str | None) -> None:
    """Make the subscription, not yet enabled. `filtered` leaves out what came to the source by replication itself."""
    options = {
        "slot_name": names.base,
        "create_slot": "false",
        "enabled": "false",
        "copy_data": "true" if copy else "false",
    }
    if superuser.version >= ORIGIN_SINCE:  # before, neither is known: it runs as its owner, and takes from any
        options |= {"run_as_owner": "true", "origin": "none" if filtered else "any"}
    if superuser.version >= STREAMING_SINCE:
        options["streaming"] = "off"
    superuser.rows(
        sql.SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH ({})").format(
            sql.Identifier(names.base),
            sql.Literal(_dsn(source.login)),
            sql.SQL(", ").join(map(sql.Identifier, names.publications)),
            sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.SQL(k), sql.Literal(v)) for k, v in options.items()),
        ),
        hide=source.login.password,
    )
    if start:
        superuser.rows(
            "SELECT pg_replication_origin_advance('pg_' || oid, %s) FROM pg_subscription WHERE subname = %s",
            (start, names.base),
        )


def enable(superuser: Session, names: Names, *, on: bool) -> None:
    """Let the subscription apply, or not."""
    superuser.rows(
        sql.SQL("ALTER SUBSCRIPTION {} {}").format(sql.Identifier(names.base), sql.SQL("ENABLE" if on else "DISABLE"))
    )


def connect(superuser: Session, names: Names, login: Login | None) -> None:
    """Point the subscription to the source, or to nowhere."""
    dsn = _dsn(login) if login else NOWHERE
    superuser.rows(sql.SQL("ALTER SUBSCRIPTION {} CONNECTION {}").format(sql.Identifier(names.base), sql.Literal(dsn)))


def exists(superuser: Session, names: Names) -> bool:
    """Say whether the subscription is there."""
    return _oid(superuser, names) is not None


def await_end(superuser: Session, names: Names) -> None:
    """Wait until a disabled subscription has no worker left: from then on nothing is applied."""
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until and superuser.rows(
        "SELECT 1 FROM pg_stat_subscription WHERE subname = %s AND pid IS NOT NULL", (names.base,)
    ):
        time.sleep(PAUSE_SECONDS)


def unsubscribe(superuser: Session, names: Names) -> int | None:
    """Drop the subscription without touching the source. Returns its oid: leftovers there carry it in their name."""
    oid = _oid(superuser, names)
    if oid is not None:
        name = sql.Identifier(names.base)
        enable(superuser, names, on=False)
        # Unfinished tables make DROP call at the source: nowhere answers at once.
        connect(superuser, names, None)
        superuser.rows(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(name))
        superuser.rows(sql.SQL("DROP SUBSCRIPTION {}").format(name))
    return oid


def drop_slots(superuser: Session, names: Names, subscription: int | None) -> None:
    """Drop the slot and those of tables that were being loaded. Who still reads from one is ended first."""
    pattern = f"pg_{subscription}_sync_%" if subscription is not None else names.base
    until = time.monotonic() + END_SECONDS
    while True:
        slots = superuser.rows(
            """SELECT slot_name, active_pid, pg_terminate_backend(active_pid) FROM pg_replication_slots
               WHERE slot_name = %s OR slot_name LIKE %s""",
            (names.base, pattern.replace("_", r"\_")),
        )
        for slot, pid, _ in slots:
            if pid is None:
                superuser.rows("SELECT pg_drop_replication_slot(%s)", (slot,))
        if all(pid is None for _, pid, _ in slots):
            return
        if time.monotonic() > until:
            raise SideError(f"the source still reads from {', '.join(slot for slot, pid, _ in slots if pid)}")
        time.sleep(PAUSE_SECONDS)


def impose(superuser: Session, names: LimitNames, script: Script, reader: str) -> None:
    """Put DMS's limits on the target's tables. `reader` may look whether one was broken."""
    lift(superuser, names)
    make_schema(superuser, names.schema)  # a task that only loads has no control tables, and no schema for them
    for statement in script.statements:
        superuser.rows(statement)
    user = sql.Identifier(reader)
    superuser.rows(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(names.schema), user))
    superuser.rows(sql.SQL("GRANT SELECT ON SEQUENCE {} TO {}").format(names.sequence, user))
    # A target closed by a read-only default would keep a trigger from remembering what was broken.
    superuser.rows(
        sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET default_transaction_read_only = off").format(
            sql.Identifier(superuser.rows("SELECT current_database()")[0][0])
        )
    )


def lift(superuser: Session, names: LimitNames) -> None:
    """Take the limits away."""
    triggers = superuser.rows(
        """SELECT t.tgname, n.nspname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname = ANY(%s)""",
        (list(names.triggers),),
    )
    for trigger, schema, table in triggers:
        superuser.rows(sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(trigger), sql.Identifier(schema, table)))
    functions = superuser.rows(
        """SELECT n.nspname, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
           WHERE p.proname LIKE %s""",
        (names.base.replace("_", r"\_") + r"\_%",),
    )
    for schema, function in functions:
        superuser.rows(sql.SQL("DROP FUNCTION {}()").format(sql.Identifier(schema, function)))
    superuser.rows(sql.SQL("DROP SEQUENCE IF EXISTS {}").format(names.sequence))
    ours = superuser.rows(
        """SELECT 1 FROM pg_namespace n
           WHERE nspname = %s AND nspname <> 'public' AND pg_get_userbyid(nspowner) = current_user AND NOT EXISTS
           (SELECT 1 FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = n.oid)""",
        (names.schema,),
    )
    if ours:
        superuser.rows(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(names.schema)))


def _dsn(login: Login) -> str:
    return str(make_dsn(**login.dsn()))


def _oid(superuser: Session, names: Names) -> int | None:
    found = superuser.rows(
        """SELECT oid FROM pg_subscription WHERE subname = %s
           AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        (names.base,),
    )
    return int(found[0][0]) if found else None
