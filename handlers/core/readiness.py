"""Whether a switchover may begin, judged from what was observed. Every reason against it says what to do."""

from dataclasses import dataclass, field

from handlers.config import Limits

RUNNING, STOPPED = "running", "stopped"
NEVER_STARTED = frozenset({"ready", "created"})
"""States of a replication that was made and has not run."""


@dataclass(frozen=True)
class TaskState:
    """What DMS says of its task. `latency` holds the newest CDC latencies in seconds, None where none was reported."""

    status: str
    full_load_percent: int
    tables_errored: int
    suspended: tuple[str, ...] = ()
    latency: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """What the gate saw. `probe_seconds` is how long a row took from source to target, None where none arrived."""

    task: TaskState
    probe_seconds: float | None
    exceptions: int = 0
    prepared: tuple[str, ...] = ()
    long_transactions: tuple[str, ...] = ()
    superuser_sessions: tuple[str, ...] = ()
    new_open_to: tuple[str, ...] = ()
    unselected_tables: tuple[str, ...] = ()
    missing_tables: tuple[str, ...] = ()
    merged_names: tuple[str, ...] = ()
    missing_sequences: tuple[str, ...] = ()
    missing_roles: tuple[str, ...] = ()
    unset_sequences: tuple[str, ...] = ()
    no_way_back: tuple[str, ...] = ()
    canary: tuple[str, ...] = ()
    half_rotated: tuple[str, ...] = ()


def replicating(task: TaskState) -> list[str]:
    """Return what speaks against the task being past its full load and healthy."""
    reasons = []
    if task.status != RUNNING:
        go_on = (
            "resume it, after `migrate carry after-load` where it stopped for that,"
            if task.status == STOPPED
            else "start it"
        )
        reasons.append(f"the replication task is {task.status}: {go_on} and wait for its full load")
    elif task.full_load_percent < 100:
        reasons.append(f"the full load is at {task.full_load_percent} %: wait for it")
    if task.tables_errored or task.suspended:
        named = ", ".join(task.suspended) or str(task.tables_errored)
        reasons.append(f"tables in error or suspended: {named}; mend the cause and reload them")
    return reasons


def lagging(task: TaskState, limit: float) -> list[str]:
    """Return which latencies exceed `limit` seconds. One that DMS does not report does not count here."""
    return [
        f"{name} is {value:.0f} s, above {limit:.0f} s: wait, or find what holds it up"
        for name, value in sorted(task.latency.items())
        if value is not None and value > limit
    ]


def reasons_against(seen: Observation, limits: Limits) -> list[str]:
    """Return everything that speaks against starting a switchover now; empty where nothing does."""
    ill = replicating(seen.task)
    reasons = ill + lagging(seen.task, limits.maximum_lag_seconds)
    if seen.probe_seconds is None and not ill:  # a task that is ill gets no probe
        reasons.append(f"a probe row did not get through in {limits.maximum_lag_seconds} s: replication does not flow")
    if seen.exceptions:
        reasons.append(f"DMS logged {seen.exceptions} apply exceptions: look into awsdms_apply_exceptions")
    for found, what in (
        (seen.prepared, "prepared transactions on the open side: commit or roll back"),
        (seen.long_transactions, f"transactions over {limits.longest_transaction_seconds} s on the open side: end"),
        (seen.superuser_sessions, "superuser sessions on the open side, whom no fence stops: end"),
        (seen.new_open_to, "roles that can connect to the closed side already: run the prepare function; it shuts out"),
        (seen.unselected_tables, "tables that no rule selects: include or exclude in replication.tables"),
        (seen.missing_tables, "tables or columns missing on the closed side: carry the schema for"),
        (seen.merged_names, "names that replication.transformations gives twice: change a rule about"),
        (seen.missing_sequences, "sequences missing on the closed side: carry the schema for"),
        (seen.missing_roles, "roles of the open side missing on the closed one: create"),
        (seen.unset_sequences, "the closed side's sequences could not be set:"),
        (seen.canary, "there could be no canary (or leave switchover.canary out):"),
        (seen.half_rotated, "secrets whose rotation is half done: let it end, or take the AWSPENDING label away from"),
        (seen.no_way_back, "there would be no way back (or set switchover.failBack to false):"),
    ):
        if found:
            reasons.append(f"{what} {', '.join(found)}")
    return reasons
