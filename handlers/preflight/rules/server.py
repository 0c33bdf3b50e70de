"""Settings of the servers that the replication, the fence or the way back depend on."""

from collections.abc import Iterator

from handlers.core.sql import literal
from handlers.preflight.facts import Counters, Rights, Roles, Server, Slot, Stream
from handlers.preflight.findings import Found, Severity, Side
from handlers.preflight.remedies import config, excuse, quoted, restart, sql
from handlers.preflight.rule import Case, rule

SENDER_LEAST_MS, SENDER_MOST_MS = 10_000, 300_000
NEARLY = 0.9
"""A sequence that has given out so much of its range is told."""
LARGEST = 2**63 - 1
ABANDONED_BYTES = 1 << 30
"""An inactive slot that keeps more of the log than this."""
LOGICAL_ON_RDS = "set rds.logical_replication to 1 in the parameter group and reboot"


def _decodes(case: Case, side: Side, why: str) -> Iterator[Found]:
    level = case.side(side).read(Server).settings["wal_level"]
    if level != "logical":
        yield Found("wal_level", f"it is {level}; {why}", restart(side, "wal_level", "logical", LOGICAL_ON_RDS))


@rule(
    "wal-level",
    6,
    8,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="The source's wal_level is not logical",
    why="Without it the log does not hold what changes are decoded from.",
)
def wal_level(case: Case) -> Iterator[Found]:
    """Whether changes can be read."""
    yield from _decodes(case, Side.SOURCE, "changes can't be read")


@rule(
    "way-back-wal-level",
    6,
    8,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="The target's wal_level is not logical",
    why="The way back reads the target's log. The setting needs a reboot: do it days ahead, not in the window.",
)
def way_back_wal_level(case: Case) -> Iterator[Found]:
    """Whether changes could be read on the way back."""
    if case.terms.way_back:
        yield from _decodes(case, Side.TARGET, "there would be no way back")


def _room(case: Case, side: Side) -> Iterator[Found]:
    settings, stream = case.side(side).read(Server).settings, case.side(side).read(Stream)
    for setting, used, of in (
        ("max_replication_slots", len(stream.slots), "replication slots"),
        ("max_wal_senders", stream.senders, "WAL senders"),
    ):
        most = int(settings[setting])
        if used >= most:
            yield Found(setting, f"all {most} {of} are taken", restart(side, setting, str(most + 4)))


@rule(
    "no-free-slot",
    19,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="No replication slot or WAL sender is left on the source",
    why="DMS takes one of each to read the log.",
    again=False,
)
def no_free_slot(case: Case) -> Iterator[Found]:
    """Whether there is room for the forward task."""
    yield from _room(case, Side.SOURCE)


@rule(
    "way-back-no-free-slot",
    8,
    19,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="No replication slot or WAL sender is left on the target",
    why="The way back needs one of each, at the moment in which nobody can write.",
)
def way_back_no_free_slot(case: Case) -> Iterator[Found]:
    """Whether there is room for the fail-back task."""
    if case.terms.way_back:
        yield from _room(case, Side.TARGET)


@rule(
    "wal-sender-timeout",
    21,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="wal_sender_timeout is neither 0 nor between 10 s and 5 min",
    why="Below 10 s DMS refuses to read the log; above 5 min a failover of its instance waits for that long.",
)
def wal_sender_timeout(case: Case) -> Iterator[Found]:
    """The source's, and the target's for the way back."""
    for side in case.read_from:
        milliseconds = int(case.side(side).read(Server).settings["wal_sender_timeout"])
        if 0 < milliseconds < SENDER_LEAST_MS or milliseconds > SENDER_MOST_MS:
            yield Found(
                "wal_sender_timeout",
                f"it is {milliseconds} ms",
                sql(side, "ALTER SYSTEM SET wal_sender_timeout = '60s';", "SELECT pg_reload_conf();"),
                side,
            )


@rule(
    "slot-limit",
    19,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="max_slot_wal_keep_size is smaller than the database",
    why="A slot that falls behind by more than that is lost, and the load begins anew. Without a limit the disk can "
    "fill instead: the stack's alarm on lag is there for that.",
)
def slot_limit(case: Case) -> Iterator[Found]:
    """Whether a slow load could lose its slot."""
    server = case.source.read(Server)
    megabytes = int(server.settings.get("max_slot_wal_keep_size", "-1"))
    if 0 <= megabytes < server.bytes >> 20:
        wanted = 2 * (server.bytes >> 20)
        yield Found(
            "max_slot_wal_keep_size",
            f"it is {megabytes} MB, the database has {server.bytes >> 20} MB",
            sql(Side.SOURCE, f"ALTER SYSTEM SET max_slot_wal_keep_size = '{wanted}MB';", "SELECT pg_reload_conf();"),
        )


@rule(
    "abandoned-slot",
    19,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A slot that nobody reads keeps the log",
    why="The server keeps everything since its place, until the disk is full.",
)
def abandoned_slot(case: Case) -> Iterator[Found]:
    """Slots without a reader."""
    for side in (Side.SOURCE, Side.TARGET):
        for slot in case.side(side).read(Stream).slots:
            if not slot.active and slot.kept >= ABANDONED_BYTES and not _of_the_way_back(case, side, slot):
                drop = f"SELECT pg_drop_replication_slot('{slot.name}');"
                yield Found(slot.name, f"it is inactive and keeps {slot.kept >> 20} MB", sql(side, drop), side)


def _of_the_way_back(case: Case, side: Side, slot: Slot) -> bool:
    return side is Side.TARGET and slot.name == case.terms.slot


@rule(
    "leftover-slot",
    9,
    severity=Severity.BLOCK,
    side=Side.TARGET,
    what="The slot of the way back is there already",
    why="It keeps changes from an earlier attempt; the switchover has to make it anew, after the drain.",
)
def leftover_slot(case: Case) -> Iterator[Found]:
    """What an earlier migration has left."""
    for slot in case.target.read(Stream).slots:
        if _of_the_way_back(case, Side.TARGET, slot):
            remedy = sql(Side.TARGET, f"SELECT pg_drop_replication_slot('{slot.name}');")
            yield Found(slot.name, "it is left from an earlier attempt", remedy)


@rule(
    "other-slot",
    18,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="Something else reads the source's log",
    why="A change data capture or a replica of another system ends with the source: it has to be moved to the target.",
    again=False,
)
def other_slot(case: Case) -> Iterator[Found]:
    """Consumers that will have to move as well."""
    for slot in case.source.read(Stream).slots:
        if slot.logical and slot.here:
            yield Found(
                slot.name,
                f"a logical slot, {'read from' if slot.active else 'read by nobody'} now",
                sql(Side.SOURCE, f"SELECT pg_drop_replication_slot('{slot.name}');"),
            )


@rule(
    "subscription",
    1,
    18,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="A subscription writes to the database",
    why="A subscription's worker writes whoever may connect: no fence stops it. On the target it writes beside DMS.",
)
def subscription(case: Case) -> Iterator[Found]:
    """Writers that are no sessions."""
    for side in (Side.SOURCE, Side.TARGET):
        for one in case.side(side).read(Stream).subscriptions:
            remedy = sql(side, f"ALTER SUBSCRIPTION {quoted(one)} DISABLE;")
            yield Found(one, "it is enabled", remedy, side)


@rule(
    "prepared-transaction",
    20,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="A transaction is prepared",
    why="It can commit after every session has ended, and DMS waits for it before it begins.",
)
def prepared_transaction(case: Case) -> Iterator[Found]:
    """Transactions that outlive their session."""
    for identity, owner in case.source.read(Stream).prepared:
        yield Found(identity, f"prepared by {owner}", sql(Side.SOURCE, f"ROLLBACK PREPARED {literal(identity)};"))


@rule(
    "long-transaction",
    20,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="A transaction is open for longer than the switchover allows",
    why="DMS waits for it before it begins, the log grows meanwhile, and the drain waits for it as well.",
)
def long_transaction(case: Case) -> Iterator[Found]:
    """Transactions that hold everything up."""
    limit = case.terms.longest_transaction_seconds
    for pid, user, seconds in case.source.read(Stream).long:
        if seconds > limit and user != case.source.read(Rights).replication:
            remedy = sql(Side.SOURCE, f"SELECT pg_terminate_backend({pid});")
            yield Found(f"{user} (pid {pid})", f"open for {seconds} s, allowed are {limit} s", remedy)


@rule(
    "timeouts-of-our-roles",
    20,
    21,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="A timeout would end DMS's sessions",
    why="DMS leaves transactions idle for long and runs statements for as long as a table takes.",
)
def timeouts_of_our_roles(case: Case) -> Iterator[Found]:
    """Timeouts set for DMS's role, for the database, or for all."""
    for side in (Side.SOURCE, Side.TARGET):
        facts = case.side(side)
        role, server = facts.read(Rights).replication, facts.read(Server)
        set_for = {(who, name): value for who, name, value in facts.read(Roles).settings}
        for setting in ("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout"):
            found = next(
                (set_for[who, setting] for who in (role, "") if (who, setting) in set_for),
                server.settings.get(setting, "0"),
            )
            if not found.startswith("0") and found != "off":
                remedy = sql(side, f"ALTER ROLE {quoted(role)} SET {setting} = 0;")
                yield Found(f"{role}: {setting}", f"it is {found} for {role}", remedy, side)


@rule(
    "sequence-exhausted",
    7,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A sequence has nearly given out its numbers",
    why="The switchover sets the target's ahead by 32 steps, as does a way back, and an application that gets no "
    "number fails.",
)
def sequence_exhausted(case: Case) -> Iterator[Found]:
    """Sequences near their end."""
    for one in case.source.read(Counters).all:
        if one.last is None:
            continue
        end = one.maximum if one.increment > 0 else one.minimum
        start = one.minimum if one.increment > 0 else one.maximum
        if end != start and (one.last - start) / (end - start) >= NEARLY:
            table, _, column = one.column.rpartition(".")
            remedy = (
                sql(
                    Side.SOURCE,
                    f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint;",
                    f"ALTER SEQUENCE {quoted(one.schema)}.{quoted(one.name)} AS bigint;",
                )
                if column and end < LARGEST
                else config(excuse("sequence-exhausted", f"{one.schema}.{one.name}"))
            )
            yield Found(f"{one.schema}.{one.name}", f"it stands at {one.last} of {end}", remedy)


RULES = (
    wal_level,
    way_back_wal_level,
    no_free_slot,
    way_back_no_free_slot,
    wal_sender_timeout,
    slot_limit,
    abandoned_slot,
    leftover_slot,
    other_slot,
    subscription,
    prepared_transaction,
    long_transaction,
    timeouts_of_our_roles,
    sequence_exhausted,
)
