"""What is kept of a preflight, and whether a replication may start on the strength of it."""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from handlers.clock import moment
from handlers.preflight.facts import Facts, Objects, Server
from handlers.preflight.findings import FEW, Verdict
from handlers.preflight.rule import Case

MOST_BYTES = 300_000
"""An item may have 400 kB."""
NAMED = 10
"""So many changes of the schema are named."""


@dataclass(frozen=True)
class Basis:
    """What a preflight speaks of: this pair, these settings, this schema.

    `objects` are the hashes of the source's objects by name, empty where there are too many to keep; `schema` is the
    hash of them all.
    """

    pair: str
    settings: str
    schema: str
    objects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A preflight as it is kept: when it was, of what, what blocks, and its report with long lists cut."""

    at: float
    basis: Basis
    blockers: tuple[str, ...]
    report: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = True
    """Whether all rules were asked: while a replication runs some are not."""


def basis(case: Case, hosts: Sequence[str], task_settings: Mapping[str, Any]) -> Basis:
    """Return what a preflight of this pair speaks of. `hosts` stand in for identities that nobody may read.

    Raises NotRead where the servers or the source's schema could not be read.
    """
    servers = [facts.read(Server) for facts in (case.source, case.target)]
    pair = [[one.identity or host, one.database] for one, host in zip(servers, hosts, strict=True)]
    terms = case.terms
    settings = [
        list(terms.rules),
        task_settings,
        terms.slot,
        terms.application_roles,
        [asdict(e) for e in terms.excuses],
    ]
    schema = schema_of(case.source)
    return replace(schema, pair=_hash(pair), settings=_hash(settings))


def schema_of(source: Facts) -> Basis:
    """Return the source's schema alone, to be compared with another by `changes`. Raises NotRead."""
    objects = dict(source.read(Objects).all)
    return Basis("", "", _hash(objects), objects)


def kept(verdict: Verdict, speaks_of: Basis, at: float, *, whole: bool) -> Kept:
    """Return what to keep of a verdict."""
    blockers = [f"{one.rule}: {one.object}" for one in verdict.blockers]
    unknown = [f"{one.rule}: not run, {one.why}" for one in verdict.unknown]
    return Kept(at, speaks_of, (*blockers, *unknown), verdict.to_dict(FEW), whole)


def packed(one: Kept | Basis) -> bytes:
    """Return it as bytes that fit into an item: if need be without the report, then without the objects."""
    raw = asdict(one)
    speaks_of = raw.get("basis", raw)
    data = _zipped(raw)
    if len(data) > MOST_BYTES and "report" in raw:
        raw["report"] = {}
        data = _zipped(raw)
    if len(data) > MOST_BYTES:
        speaks_of["objects"] = {}
        data = _zipped(raw)
    return data


def _zipped(raw: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(raw, sort_keys=True, default=str).encode(), 9)


def unpacked(data: bytes) -> Kept:
    """Return the preflight that `packed` wrote."""
    raw = json.loads(zlib.decompress(data))
    return Kept(raw["at"], Basis(**raw["basis"]), tuple(raw["blockers"]), raw["report"], raw["whole"])


def unpacked_basis(data: bytes) -> Basis:
    """Return the basis that `packed` wrote."""
    return Basis(**json.loads(zlib.decompress(data)))


def reasons_against(found: Kept | None, now_of: Basis, now: float, maximum_age_hours: int) -> list[str]:
    """Return why a replication must not start on the strength of what was kept; empty where it may."""
    if found is None:
        return ["no preflight was made: call the preflight function"]
    reasons = []
    if not found.whole:
        reasons.append("the last preflight was made while an earlier replication ran: call it again")
    if found.basis.pair != now_of.pair:
        reasons.append("the last preflight was of another pair of databases: call it again")
    if found.basis.settings != now_of.settings:
        reasons.append("table mappings, task settings or excuses have changed since the preflight: call it again")
    changed = changes(found.basis, now_of)
    if changed:
        reasons.append(f"the source's schema has changed since the preflight: {changed}; call it again")
    age = (now - found.at) / 3600
    if age > maximum_age_hours:
        reasons.append(f"the preflight of {moment(found.at)} is {age:.0f} h old, allowed are {maximum_age_hours} h")
    if found.blockers:
        more = f" and {len(found.blockers) - NAMED} more" if len(found.blockers) > NAMED else ""
        reasons.append(
            f"the preflight found what blocks: {'; '.join(found.blockers[:NAMED])}{more}: mend it, call again"
        )
    return reasons


def changed_since(started: Basis, last: Kept | None, now: Basis) -> str:
    """Return what has changed in the schema since the start and since the last good preflight, whichever is less."""
    if last is not None and not last.blockers and not changes(last.basis, now):
        return ""
    return changes(started, now)


def another_schema(changed: str) -> str:
    """Return what speaks against a switchover where so much has changed since the start."""
    return (
        f"the source's schema is not the one that the replication was started with: {changed}; carry it to the target, "
        "then call the preflight function, which accepts it if it finds nothing that blocks"
    )


def changes(before: Basis, now: Basis) -> str:
    """Return what has changed in the schema, empty where nothing has."""
    if before.schema == now.schema:
        return ""
    if not before.objects or not now.objects:
        return "there are too many objects to say what"
    there, here = before.objects, now.objects
    lines = [
        f"{one} {'was added' if one not in there else 'was dropped' if one not in here else 'is another'}"
        for one in sorted({*there, *here})
        if there.get(one) != here.get(one)
    ]
    more = [f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
    return ", ".join([*lines[:NAMED], *more])


def _hash(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:32]
