"""What came of a rehearsal: facts in, the report out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.rehearsal.ledger import Gap
from sandbox.rehearsal.verify import Verification

SAID = 10
"""How much of what is wrong is printed. The report has all of it."""
NOT_COMPARED = "the tables were not compared in the fence"


@dataclass(frozen=True)
class Facts:
    """Everything that was found out. `record` is the tracking table's, `said` the state machine's outcome.

    `writable_sides` is a `writability.Verdict` as plain data.
    """

    engine: Mapping[str, Any]
    source_version: str
    target_version: str
    stack_config: str
    rate: float
    resources: Mapping[str, int]
    rows: int
    said: Mapping[str, Any]
    record: Mapping[str, Any]
    summary: Mapping[str, Any]
    writable_sides: Mapping[str, Any]
    gap: Gap | None
    verification: Verification
    by_table: Sequence[Mapping[str, Any]]
    dns_propagation: float = 0.0
    """Seconds that Route 53's name servers took to follow a change."""
    left_out: Sequence[str] = ()
    """What the stack's configuration leaves out of the replication, as schema.table with DMS's wildcards."""


def report(facts: Facts) -> dict[str, Any]:
    """Return the report, without the phases. A table that nobody compared counts as a mismatch.

    `by_table` of the facts is the rehearsal's own comparison of what nobody wrote to.
    """
    compared = (facts.record.get("evidence") or {}).get("compare") or {}
    differences = [f"{t['table']} differs though nobody wrote to it" for t in facts.by_table if not t["equal"]]
    if compared.get("mismatches") != 0:
        differences.append(NOT_COMPARED)
    if facts.said["status"] != "SUCCEEDED":
        reason = facts.record.get("reason") or facts.said.get("cause") or "no reason given"
        differences.append(f"the switchover ended as {facts.said['status']}: {reason}")
    errors = facts.summary.get("errors", {})
    fence_to_open = facts.said.get("fence_to_open_seconds")
    return {
        "engine": f"pulumi {facts.engine['version']} ({facts.engine['origin']})",
        "host": facts.engine["host"],
        "provider": "stand-in (sandbox)",
        "source_version": facts.source_version,
        "target_version": facts.target_version,
        "stack_config": facts.stack_config,
        "rate": facts.rate,
        "resources_created": sum(facts.resources.values()),
        "resources": dict(facts.resources),
        "rows_loaded": facts.rows,
        "acknowledged_writes": facts.verification.acknowledged_writes,
        "ambiguous_writes": facts.verification.ambiguous_writes,
        "lost_writes": facts.verification.lost_writes,
        "duplicated_writes": facts.verification.duplicated_writes,
        "client_errors": facts.verification.client_errors or sum(errors.values()),
        "client_errors_by_class": errors,
        "write_gap_seconds": round(facts.gap.seconds, 3) if facts.gap else None,
        "dns_propagation_seconds": facts.dns_propagation,
        "fence_to_open_seconds": round(float(fence_to_open), 3) if fence_to_open is not None else None,
        "writable_sides": dict(facts.writable_sides),
        "switchover": {
            "status": facts.said["status"],
            "reason": facts.record.get("reason", ""),
            "steps": facts.record.get("times", {}),
        },
        "validation": {
            "tables": compared.get("tables", 0),
            "rows": compared.get("rows", 0),
            "mismatches": len(differences),
            "differences": differences,
            "by_table": list(facts.by_table),
            "left_out": list(facts.left_out),
        },
        "verification": facts.verification.to_dict(),
    }


def line(found: Mapping[str, Any]) -> str:
    """Say a report in three lines, and what is wrong in one each."""
    validation, verification = found["validation"], found["verification"]
    both = found["writable_sides"]["both_instants"]
    open_twice = [f"both sides took writes at the same time, in {both} tries"] if both else []
    wrong = [*open_twice, *verification["lost"], *verification["duplicated"], *validation["differences"]]
    more = [f"and {len(wrong) - SAID} more"] if len(wrong) > SAID else []
    left_out = validation["left_out"]
    said = [f"left out by the stack's configuration: {', '.join(left_out)}"] if left_out else []
    return "\n".join([_numbers(found), *said, *(f"wrong: {one}" for one in wrong[:SAID]), *more])


def _numbers(found: Mapping[str, Any]) -> str:
    validation, sides = found["validation"], found["writable_sides"]
    return (
        f"acknowledged {found['acknowledged_writes']:,} writes, lost {found['lost_writes']}, doubled "
        f"{found['duplicated_writes']}; compared {validation['tables']} tables with {validation['rows']:,} rows, "
        f"{validation['mismatches']} mismatches\nwrite gap {found['write_gap_seconds']} s, fence to open "
        f"{found['fence_to_open_seconds']} s, DNS propagation {found['dns_propagation_seconds']:g} s\n"
        f"both sides open in {sides['both_instants']} of {sides['tries']:,} tries, neither for "
        f"{sides['neither_seconds']} s"
    )
