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
class Attempt:
    """An execution of the state machine: its status, the migration's record after it, and the write gap around it."""

    status: str
    cause: str
    record: Mapping[str, Any]
    gap: Gap | None = None

    @property
    def opened(self) -> bool:
        """Whether the side it leads to is open now."""
        return "open" in self.record.get("done", []) and self.status != "FAILED"

    @property
    def reason(self) -> str:
        """Why it failed, as far as is known."""
        return self.record.get("reason") or self.cause or "no reason given"

    @property
    def fence_to_open_seconds(self) -> float | None:
        """How long nobody could write, by the automation's own clock."""
        times = self.record.get("times", {})
        fence, opened = times.get("fence"), times.get("open")
        return round(opened[1] - fence[0], 3) if fence and opened and len(opened) > 1 else None

    def report(self) -> dict[str, Any]:
        """Return what a report says of it."""
        compared = (self.record.get("evidence") or {}).get("compare") or {}
        return {
            "status": "SUCCEEDED" if self.opened else self.status,
            "reason": "" if self.opened else self.reason,
            "steps": self.record.get("times", {}),
            "write_gap_seconds": round(self.gap.seconds, 3) if self.gap else None,
            "fence_to_open_seconds": self.fence_to_open_seconds,
            "tables_in_fence": compared.get("tables_in_fence"),
        }


@dataclass(frozen=True)
class Facts:
    """Everything that was found out: of the switchover, of the fail-back if there was one, and of the data after it.

    `writable_sides` is a `writability.Verdict` as plain data.
    """

    engine: Mapping[str, Any]
    source_version: str
    target_version: str
    stack_config: str
    rate: float
    resources: Mapping[str, int]
    rows: int
    switchover: Attempt
    fail_back: Attempt | None
    summary: Mapping[str, Any]
    writable_sides: Mapping[str, Any]
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
    attempts = {"switchover": facts.switchover, "fail-back": facts.fail_back}
    differences = [f"{t['table']} differs though nobody wrote to it" for t in facts.by_table if not t["equal"]]
    for name, attempt in attempts.items():
        if attempt is None:
            continue
        if _compared(attempt).get("mismatches") != 0:
            differences.append(f"{name}: {NOT_COMPARED}")
        if not attempt.opened:
            differences.append(f"the {name} ended as {attempt.status}: {attempt.reason}")
    compared = _compared(facts.switchover)
    errors = facts.summary.get("errors", {})
    switchover = facts.switchover.report()
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
        "write_gap_seconds": switchover["write_gap_seconds"],
        "dns_propagation_seconds": facts.dns_propagation,
        "fence_to_open_seconds": switchover["fence_to_open_seconds"],
        "writable_sides": dict(facts.writable_sides),
        "switchover": switchover,
        "fail_back": facts.fail_back.report() if facts.fail_back else None,
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


def _compared(attempt: Attempt) -> Mapping[str, Any]:
    return (attempt.record.get("evidence") or {}).get("compare") or {}


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
    attempts = {"switchover": found["switchover"], "fail-back": found["fail_back"]}
    times = [
        f"{name}: write gap {attempt['write_gap_seconds']} s, fence to open {attempt['fence_to_open_seconds']} s"
        for name, attempt in attempts.items()
        if attempt
    ]
    return "\n".join(
        [
            f"acknowledged {found['acknowledged_writes']:,} writes, lost {found['lost_writes']}, doubled "
            f"{found['duplicated_writes']}; compared {validation['tables']} tables with {validation['rows']:,} rows, "
            f"{validation['mismatches']} mismatches",
            *times,
            f"both sides open in {sides['both_instants']} of {sides['tries']:,} tries, neither for "
            f"{sides['neither_seconds']} s; DNS propagation {found['dns_propagation_seconds']:g} s",
        ]
    )
