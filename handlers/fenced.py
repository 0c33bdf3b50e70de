"""The fenced section: from the moment nobody can write on the source to the moment everybody can on the target.

It runs in one invocation. Every step is recorded before and after its side effect and can be repeated, so that an
invocation that takes over after a crash simply runs them all again. What fails before the target opens is taken back.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from handlers.clock import DeadlineExceeded, wait_for
from handlers.core import access, mapping, names, sequences
from handlers.core.comparison import Digest, Table, differences
from handlers.core.mapping import Relation
from handlers.core.record import Record, Step
from handlers.migration import Door, Migration

FENCE_SECONDS = 15.0
POLL_SECONDS = 0.01
QUIET_POLLS = 2
"""A session that was connecting during the revoke appears late: so many polls in a row must find nobody."""
SWITCHED = {names.BLUE: 0, names.GREEN: 100}


class FenceBroken(Exception):
    """Somebody can still write on the source. The message says who."""


class DrainFailed(Exception):
    """Not everything arrived on the target. The message says what is missing."""


class Mismatch(Exception):
    """The two sides hold different data. The message lists the tables."""


@dataclass
class FencedSection:
    """The steps between fence and open over two open databases, each a method that acts and returns evidence."""

    migration: Migration
    source: Door
    target: Door
    rules: Sequence[Mapping[str, Any]]
    record: Record
    spared: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        roles = self.source.database.login_roles()
        self.spared = access.keepers(roles, self.source.ours, self.migration.config.application_roles)

    def run(self) -> Record:
        """Take every step in order and return the record with the target open."""
        before = {"source_access": self.source.database.access().to_dict()}
        steps: list[tuple[Step, Callable[[], Any], dict[str, Any]]] = [
            (Step.FENCE, self.fence, before),
            (Step.DRAIN, self.drain, {}),
            (Step.SEQUENCES, self.sequences, {}),
            (Step.COMPARE, self.compare, {}),
            (Step.FLIP, self.flip, {}),
            (Step.OPEN, self.open, {}),
        ]
        for step, act, saved in steps:
            self.record = self.migration.begin(self.record, step, saved)
            self.record = self.migration.end(self.record, step, act())
        return self.record

    def fence(self) -> dict[str, Any]:
        """Take the right to connect from the application, end its sessions, and see that nobody is left."""
        source, clock = self.source.database, self.migration.clock
        source.run(access.close(source.access(), self.spared))
        ended, quiet = 0, 0

        def nobody_left() -> bool:
            nonlocal ended, quiet
            ended += source.end_sessions(self.spared)
            quiet = 0 if source.sessions(self.spared) else quiet + 1
            return quiet >= QUIET_POLLS

        until = clock.now() + FENCE_SECONDS
        try:
            wait_for(nobody_left, clock=clock, until=until, pause=POLL_SECONDS, what="the end of all sessions")
        except DeadlineExceeded:
            raise FenceBroken(f"sessions that do not end: {', '.join(source.sessions(self.spared))}") from None
        self.assert_fenced()
        return {"sessions_ended": ended, "spared": list(self.spared)}

    def assert_fenced(self) -> None:
        """Raise FenceBroken if anybody but us is connected, could connect, or has a transaction left to commit."""
        source = self.source.database
        for found, what in (
            (source.sessions(self.spared), "sessions on the source"),
            (access.intruders(source.login_roles(), self.spared), "roles that can still connect to the source"),
            (source.prepared_transactions(), "prepared transactions on the source"),
        ):
            if found:
                raise FenceBroken(f"{what}: {', '.join(found)}")

    def drain(self) -> dict[str, Any]:
        """Write a token after the last write and wait until it comes out on the target."""
        source, target, clock = self.source.database, self.target.database, self.migration.clock
        token, began = str(uuid.uuid4()), clock.now()
        source.write_token(token)
        limit = self.migration.config.limits.drain_seconds
        try:
            wait_for(
                lambda: target.has_token(token), clock=clock, until=began + limit, pause=POLL_SECONDS, what="the token"
            )
        except DeadlineExceeded:
            raise DrainFailed(f"the token written after the fence did not reach the target in {limit} s") from None
        suspended, exceptions = target.suspended_tables(), target.apply_exceptions()
        if suspended or exceptions:
            raise DrainFailed(f"DMS suspended {suspended or 'no table'} and could not apply {exceptions} changes")
        return {"token": token, "seconds": clock.now() - began}

    def sequences(self) -> dict[str, Any]:
        """Set every sequence of the target ahead of the source's, in one statement, and read back."""
        wanted = mapping.sequences(self.source.database.sequences(), self.rules)
        self.target.database.set_sequences(wanted)
        late = sequences.behind(wanted, self.target.database.sequences())
        if late:
            raise Mismatch(f"sequences behind the source: {', '.join(late)}")
        return {"sequences": len(wanted)}

    def compare(self) -> dict[str, Any]:
        """Count and hash every table on both sides at once. A batch still being applied gets until the deadline."""
        clock = self.migration.clock
        until = clock.now() + self.migration.config.limits.drain_seconds
        here, there = mapping.sides(self.source.database.tables(), self.target.database.tables(), self.rules)
        first, second = self.source.database.self_test(), self.target.database.self_test()
        record_hash = first is not None and first == second
        found: tuple[dict[Table, Digest | None], dict[Table, Digest | None]] = ({}, {})
        again = sorted({*here, *there})
        while True:
            with ThreadPoolExecutor(max_workers=2) as both:
                halves = [
                    both.submit(_digests, door, tables, again, record_hash=record_hash)
                    for door, tables in ((self.source, here), (self.target, there))
                ]
                for half, digests in zip(found, halves, strict=True):
                    half.update(digests.result())
            again = [table for table in again if found[0][table] != found[1][table]]
            if not again:
                break
            if clock.now() >= until:
                raise Mismatch("; ".join(differences(*found)))
            clock.sleep(POLL_SECONDS)
        rows = sum(digest.rows for digest in found[0].values() if digest)
        return {"tables": len(found[0]), "rows": rows, "mismatches": 0, "hash": "record" if record_hash else "text"}

    def flip(self) -> dict[str, Any]:
        """Send the writer's name to the target: both weights in one change, read back.

        Not awaited everywhere here: who still comes to the source is refused there, so waiting would only cost time.
        That it is refused is looked at once more, for after this step there is no way back.
        """
        ttl = self.migration.config.dns.switchover_ttl_seconds
        change = self.migration.writer.shift(SWITCHED, ttl, f"switchover {self.record.owner}")
        self.assert_fenced()
        return {"change": change, "weights": SWITCHED}

    def open(self) -> dict[str, Any]:
        """Let the application into the target as it was let into the source."""
        target = self.target.database
        before = access.Access.from_dict(self.record.saved["source_access"])
        there = {role.name for role in target.login_roles()} | {access.PUBLIC}
        wanted = access.Access(
            target.name, tuple(sorted((set(before.grantees) & there) | set(self.target.ours))), before.read_only
        )
        target.run(access.open_again(wanted, target.access()))
        allowed = sorted(role.name for role in target.login_roles() if role.can_connect and not role.superuser)
        return {"open_to": [name for name in allowed if name not in self.target.ours]}


def _digests(
    door: Door,
    tables: Mapping[Table, Relation],
    wanted: Sequence[Table],
    *,
    record_hash: bool,
) -> dict[Table, Digest | None]:
    """Return one side's digests, by the source's names."""
    return {
        table: door.database.digest(tables[table].table, tables[table].columns, record_hash=record_hash)
        if table in tables
        else None
        for table in wanted
    }
