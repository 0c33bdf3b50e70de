"""Both databases of a migration as preflight sees them."""

from handlers.adapters.catalogue import Asked
from handlers.config import Side
from handlers.core.readiness import NEVER_STARTED
from handlers.migration import Migration
from handlers.preflight import kept, registry
from handlers.preflight.facts import Facts, NotRead
from handlers.preflight.kept import Basis
from handlers.preflight.rule import Case, Terms

NAMED = 5
"""So many findings of the short form are named."""


def look(migration: Migration, *, lob_seconds: float = 0.0) -> Case:
    """Read both sides. Large objects of the source are measured for so long, not at all by default."""
    config, task = migration.config, migration.task
    settings = task.settings()
    return Case(
        source=facts_of(migration, config.source, lob_seconds=lob_seconds),
        target=facts_of(migration, config.target),
        terms=Terms(
            rules=tuple(task.mappings()),
            lob_kilobytes=lob_kilobytes(settings),
            slot=config.replication.failback_slot,
            longest_transaction_seconds=config.limits.longest_transaction_seconds,
            ttl_seconds=config.dns.ttl_seconds,
            weights=migration.router.weights(),
            application_roles=config.application_roles,
            excuses=config.preflight.excuses,
            carries_later=stops_after_load(settings) and task.status() in NEVER_STARTED,
        ),
    )


def facts_of(migration: Migration, side: Side, *, lob_seconds: float = 0.0, only: tuple[type, ...] = ()) -> Facts:
    """Read a side as its operator: what `Asked` says of `lob_seconds` and `only`."""
    replication = migration.secrets.read(side.replication_secret_arn)["username"]
    credentials = migration.secrets.read(side.operator_secret_arn)
    return migration.inspect(side, credentials, Asked(replication, lob_seconds, only))


def basis(migration: Migration, case: Case) -> Basis:
    """Return what a preflight of this pair speaks of."""
    hosts = (migration.config.source.host, migration.config.target.host)
    return kept.basis(case, hosts, migration.task.settings())


def stops_after_load(settings: dict[str, object]) -> bool:
    """Say whether a task with these settings stops once its rows are loaded, for indexes to be built."""
    load = settings.get("FullLoadSettings")
    return isinstance(load, dict) and bool(load.get("StopTaskCachedChangesNotApplied"))


def lob_kilobytes(settings: dict[str, object]) -> int | None:
    """Return the largest large object that a task with these settings carries, None where it carries any."""
    target = settings.get("TargetMetadata")
    if not isinstance(target, dict):
        return None
    if not target.get("SupportLobs", True):
        return 0
    return None if target.get("FullLobMode") else int(target.get("LobMaxSize", 32))


def short_form(migration: Migration) -> list[str]:
    """Return what speaks against a switchover: the quick rules once more, and a schema that is another by now."""
    case = look(migration)
    verdict = registry.again(case)
    reasons = [f"preflight {one.rule}: {one.object}: {one.found}; {one.remedy.text}" for one in verdict.blockers]
    if len(reasons) > NAMED:
        reasons = [*reasons[:NAMED], f"and {len(reasons) - NAMED} findings more: call the preflight function"]
    reasons += [f"preflight {one.rule} could not look: {one.why}" for one in verdict.unknown]
    changed = _changed(migration, case)
    if changed:
        reasons.append(kept.another_schema(changed))
    return reasons


def _changed(migration: Migration, case: Case) -> str:
    """Return what has changed in the source's schema since it was last found good, empty where nothing has."""
    started = migration.tracking.start()
    if started is None:
        return ""
    try:
        now = kept.schema_of(case.source)
    except NotRead as gap:
        return f"nobody can tell, {gap}"
    return kept.changed_since(started, migration.tracking.preflight(), now)
