"""What rules say: findings, each with its remedy, and the verdict over all of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

FEW = 20
"""So many findings of a rule are kept in the record; the answer has them all."""


class Severity(StrEnum):
    """How much a finding weighs: only BLOCK keeps a replication from starting and a switchover from fencing."""

    BLOCK = "block"
    WARN = "warn"
    INFO = "info"


class Side(StrEnum):
    """Where something was found."""

    SOURCE = "source"
    TARGET = "target"
    PAIR = "pair"


class Kind(StrEnum):
    """What a remedy is: SQL to run on a side, SQL with a restart, a change of the stack's configuration, or advice."""

    SQL = "sql"
    RESTART = "sql, then restart"
    CONFIG = "config"
    ADVICE = "advice"


@dataclass(frozen=True)
class Remedy:
    """What to do, verbatim: `text` is run, or written into the stack's configuration, as it stands."""

    kind: Kind
    text: str
    side: Side | None = None
    on_rds: str = ""
    """What takes its place where RDS runs the server and has no superuser."""


@dataclass(frozen=True)
class Found:
    """What one rule found of one object, and what to do."""

    object: str
    found: str
    remedy: Remedy
    side: Side | None = None
    """Where, if the rule looks at both."""


@dataclass(frozen=True)
class Finding:
    """What was found, with what its rule says of it. `excused` is the reason somebody gave, empty if nobody did."""

    rule: str
    severity: Severity
    side: Side
    object: str
    found: str
    why: str
    remedy: Remedy
    excused: str = ""

    @property
    def blocks(self) -> bool:
        """Say whether it keeps the migration from going on."""
        return self.severity is Severity.BLOCK and not self.excused


@dataclass(frozen=True)
class NotRun:
    """A rule that could not look, or not at everything: that is no pass."""

    rule: str
    severity: Severity
    side: Side
    section: str
    why: str
    remedy: str

    @property
    def blocks(self) -> bool:
        """Say whether what it would have looked for could keep the migration from going on."""
        return self.severity is Severity.BLOCK


@dataclass(frozen=True)
class Verdict:
    """Everything the rules said. `passed` are rules that looked at all they need and found nothing."""

    findings: tuple[Finding, ...]
    not_run: tuple[NotRun, ...]
    passed: tuple[str, ...]

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """What has to be mended or excused first."""
        return tuple(finding for finding in self.findings if finding.blocks)

    @property
    def unknown(self) -> tuple[NotRun, ...]:
        """Rules that could block and could not look."""
        return tuple(one for one in self.not_run if one.blocks)

    @property
    def good(self) -> bool:
        """Say whether nothing keeps the migration from going on."""
        return not self.blockers and not self.unknown

    def counts(self) -> dict[str, int]:
        """Return how many there are of each."""
        live = [finding for finding in self.findings if not finding.excused]
        return {
            **{severity.value: sum(f.severity is severity for f in live) for severity in Severity},
            "excused": len(self.findings) - len(live),
            "not_run": len(self.not_run),
            "passed": len(self.passed),
        }

    def to_dict(self, few: int | None = None) -> dict[str, Any]:
        """Return plain data; of each rule no more findings than `few`, if given, and how many were left out."""
        kept, left_out = [], Counter[str]()
        by_rule = Counter[str]()
        for finding in self.findings:
            by_rule[finding.rule] += 1
            if few is not None and by_rule[finding.rule] > few:
                left_out[finding.rule] += 1
            else:
                kept.append(asdict(finding))
        return {
            "counts": self.counts(),
            "findings": kept,
            "and_more": dict(left_out),
            "not_run": [asdict(one) for one in self.not_run],
            "passed": list(self.passed),
        }


def order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings as they are read: what blocks first, what is excused last."""
    weight: Mapping[Severity, int] = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.INFO: 2}
    return tuple(sorted(findings, key=lambda f: (bool(f.excused), weight[f.severity])))
