"""Look at both databases before anything is moved: what blocks, what warns, each with its remedy. Keep the result."""

from typing import Any

from handlers import census, pair
from handlers.clock import moment
from handlers.core.readiness import NEVER_STARTED
from handlers.edge import handler as edge
from handlers.migration import Migration
from handlers.preflight import plan as plans
from handlers.preflight import report
from handlers.preflight.kept import kept
from handlers.preflight.registry import again, judge

RUNNING = " (the replication was started: without the rules that look once)"
MOST = 200
"""So many findings of a rule are in the answer: Lambda's has a limit."""


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Judge the pair and keep the verdict.

    `lob_seconds` in the event may be spent on measuring large objects. Once the replication was started, what follows
    from that is not judged, and a good verdict accepts the schema as it is: so a change that was carried to the target
    by hand is let through the gate.

    Returns `good` or `blocked`, the report as text, what was found as data, and the plan. Raises NotRead where not
    even the servers and their schemas can be read.
    """
    wanted = float(event.get("lob_seconds", migration.config.preflight.lob_seconds))
    case = pair.look(migration, lob_seconds=min(wanted, seconds / 2))
    runs = migration.task.status() not in NEVER_STARTED
    verdict = again(case) if runs else judge(case)
    now = migration.clock.now()
    migration.tracking.keep_preflight(kept(verdict, pair.basis(migration, case), now, whole=not runs))
    made = plans.plan(case)
    title = f"{migration.config.migration_id}, {moment(now)}{RUNNING if runs else ''}"
    return {
        "outcome": "good" if verdict.good else "blocked",
        "report": report.text(verdict, title, [*plans.text(made), *census.lines(migration)]),
        "plan": made.to_dict(),
        **verdict.to_dict(MOST),
    }


handler = edge(step)
