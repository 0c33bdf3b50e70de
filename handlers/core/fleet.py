"""A database of a fleet on its way: its phases, what may follow what, and where its names point in each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from handlers.core.names import BLUE, GREEN

WRITER, READER = "writer", "reader"
WHOLE = 100

Weights = Mapping[str, Mapping[str, int]]
"""Weights of a database's names, by role and side."""


class Phase(StrEnum):
    """Where a database stands. `finished` is the point of no return: nobody keeps the old side up to date any more."""

    PLANNED = "planned"
    REPLICATING = "replicating"
    VALIDATED = "validated"
    SHIFTING = "shifting"
    SWITCHED = "switched"
    FINISHED = "finished"
    ROLLED_BACK = "rolled_back"


FOLLOWS: Mapping[Phase, frozenset[Phase]] = {
    Phase.PLANNED: frozenset({Phase.REPLICATING}),
    Phase.REPLICATING: frozenset({Phase.VALIDATED}),
    Phase.VALIDATED: frozenset({Phase.REPLICATING, Phase.SHIFTING}),
    Phase.SHIFTING: frozenset({Phase.SHIFTING, Phase.SWITCHED}),
    Phase.SWITCHED: frozenset({Phase.FINISHED}),
    Phase.FINISHED: frozenset(),
    Phase.ROLLED_BACK: frozenset({Phase.REPLICATING}),
}
"""What a database may be moved on to. To `rolled_back` leads the rollback function, from anywhere before the end."""


class Refused(Exception):
    """The step may not be taken, and nothing was changed. The message says why and what to do."""


@dataclass(frozen=True)
class Record:
    """One database's state, as stored.

    `version` grows with every change. `settled` is false from before a side effect until after it, so that whoever
    comes next knows to do it again. `reader_percent` is the share of reads that `shifting` sends to green.
    """

    database: str
    phase: Phase = Phase.PLANNED
    version: int = 0
    settled: bool = True
    reader_percent: int = 0
    reason: str = ""


def advanced(
    record: Record, phase: Phase, found: Weights, *, reader_percent: int = 0, writers_stopped: bool = False
) -> Record:
    """Return the record moved on to `phase`; the same phase again is a repetition. Raises Refused.

    `found` is where the names point now. `writers_stopped` is the caller's word that nothing writes to the side the
    writer's name leaves and everything written there has arrived.
    """
    name = record.database
    if phase is Phase.ROLLED_BACK:
        raise Refused(f"{name} can't be moved on to {phase}: call the rollback function")
    if phase is not record.phase and phase not in FOLLOWS[record.phase]:
        following = ", ".join(sorted(FOLLOWS[record.phase])) or "nothing: it is at its end"
        raise Refused(f"{name} is {record.phase}: what may follow is {following}, not {phase}")
    if not record.settled and phase is not record.phase:
        raise Refused(f"{name} became {record.phase} but its names were not confirmed: repeat that step first")
    if reader_percent and phase is not Phase.SHIFTING:
        raise Refused(f"{name}: reader_percent belongs to {Phase.SHIFTING}, not to {phase}: leave it out")
    if not 0 <= reader_percent <= WHOLE:
        raise Refused(f"{name}: reader_percent is {reader_percent}: write a number from 0 to {WHOLE}")
    after = replace(record, phase=phase, reader_percent=reader_percent, reason="")
    if phase is Phase.FINISHED and record.phase is not phase and found != weights(after):
        raise Refused(
            f"{name}: its names read {_shown(found)}, and {phase} is for names that are green whole: repeat "
            f"{Phase.SWITCHED} first"
        )
    if found[WRITER] != weights(after)[WRITER] and not writers_stopped:
        raise Refused(
            f"{name}: the writer's name would move from {dict(found[WRITER])} to {weights(after)[WRITER]}, and what is "
            "still written to the side it leaves would be lost: stop its writers, wait until the lag is 0, and say "
            "writers_stopped"
        )
    return after


def rolled_back(
    record: Record, found: Weights, reason: str, *, writers_stopped: bool = False, accept_loss: bool = False
) -> Record:
    """Return the record taken back. Raises Refused past the point of no return, or where green's writes may be lost.

    `writers_stopped` is the caller's word that green's writers have stopped and the fail-back has drained;
    `accept_loss` that what green alone has may be lost.
    """
    if record.phase is Phase.FINISHED:
        raise Refused(
            f"{record.database} is {Phase.FINISHED}, past the point of no return: its old side lacks what was written "
            "since. Migrate it back as a migration of its own"
        )
    after = replace(record, phase=Phase.ROLLED_BACK, reader_percent=0, reason=reason)
    written = record.phase is Phase.SWITCHED or found[WRITER] != weights(after)[WRITER]
    if written and not (writers_stopped or accept_loss):
        raise Refused(
            f"{record.database} is {record.phase} and its writer's name reads {dict(found[WRITER])}: what green took "
            "and blue has not would be lost. Stop green's writers, wait until the fail-back has drained, and say "
            "writers_stopped; or say accept_loss"
        )
    return after


def same(before: Record, after: Record) -> bool:
    """Say whether a step would repeat what is done already; the reason given makes no difference."""
    return before.settled and replace(before, reason="") == replace(after, reason="")


def weights(record: Record) -> dict[str, dict[str, int]]:
    """Return the weights of both names, by role and side, that the record's phase asks for."""
    match record.phase:
        case Phase.SHIFTING:
            return {WRITER: _split(0), READER: _split(record.reader_percent)}
        case Phase.SWITCHED | Phase.FINISHED:
            return {WRITER: _split(WHOLE), READER: _split(WHOLE)}
        case _:
            return {WRITER: _split(0), READER: _split(0)}


def _split(green: int) -> dict[str, int]:
    return {BLUE: WHOLE - green, GREEN: green}


def _shown(found: Weights) -> str:
    return ", ".join(f"{role} {dict(sides)}" for role, sides in found.items())


@dataclass(frozen=True)
class Config:
    """What the functions know of the fleet. The names are patterns with `{database}` in them."""

    databases: tuple[str, ...]
    zone_id: str
    writer_name: str
    reader_name: str
    tracking_table: str
    topic_arn: str

    def names(self, database: str) -> dict[str, str]:
        """Return a database's names by role. Raises Refused for a database the fleet has not."""
        if database not in self.databases:
            raise Refused(f"{database!r} is no database of this fleet: it has {', '.join(self.databases)}")
        return {
            WRITER: self.writer_name.format(database=database),
            READER: self.reader_name.format(database=database),
        }


@dataclass(frozen=True)
class Request:
    """What the operator asks of a database."""

    database: str
    phase: Phase
    reader_percent: int = 0
    writers_stopped: bool = False
    accept_loss: bool = False
    reason: str = ""


def request(event: Mapping[str, Any], phase: Phase | None = None) -> Request:
    """Return the request in an event; `phase` is given where the function knows it. Raises Refused for a bad one."""
    known = {"database", "writers_stopped", "reason"} | ({"accept_loss"} if phase else {"phase", "reader_percent"})
    unknown = sorted(event.keys() - known)
    if unknown:
        raise Refused(f"{', '.join(unknown)}: no such key; known are {', '.join(sorted(known))}")
    database, percent = event.get("database"), event.get("reader_percent", 0)
    if not isinstance(database, str) or not database:
        raise Refused(f"database is {database!r}: write the name of a database of the fleet")
    if not isinstance(percent, int) or isinstance(percent, bool):
        raise Refused(f"reader_percent is {percent!r}: write a whole number from 0 to {WHOLE}")
    wanted = event.get("phase") if phase is None else phase
    if wanted not in list(Phase):
        raise Refused(f"phase is {wanted!r}: write one of {', '.join(Phase)}")
    for word in ("writers_stopped", "accept_loss"):
        if not isinstance(event.get(word, False), bool):
            raise Refused(f"{word} is {event[word]!r}: write true or false")
    return Request(
        database,
        Phase(wanted),
        reader_percent=percent,
        writers_stopped=event.get("writers_stopped", False),
        accept_loss=event.get("accept_loss", False),
        reason=str(event.get("reason") or ""),
    )
