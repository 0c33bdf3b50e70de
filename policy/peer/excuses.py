"""Which failed checks are excused, each by name with its reason, and which excuses nothing needs any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent.parent / "excused.yaml"


@dataclass(frozen=True)
class Excuse:
    """A check that resources of these addresses may fail, and why; `*` stands for any text."""

    check: str
    resource: str
    reason: str

    def covers(self, check: str, resource: str) -> bool:
        """Say whether it is about this failure."""
        return check == self.check and fnmatchcase(resource, self.resource)


@dataclass
class Verdict:
    """What checkov said of a scenario: counts, and the failures that nothing excuses."""

    passed: int = 0
    excused: int = 0
    failed: list[str] = field(default_factory=list)


def load(path: Path = FILE) -> list[Excuse]:
    """Return the excuses in a file. Raises ValueError for one without a reason."""
    found = [Excuse(**one) for one in yaml.safe_load(path.read_text())]
    for one in found:
        if len(one.reason) < 10:
            raise ValueError(f"{one.check} of {one.resource} has no reason: say why it may fail")
    return found


def judge(said: Mapping[str, Any], excuses: Sequence[Excuse]) -> tuple[Verdict, set[Excuse]]:
    """Return the verdict on what checkov said, and the excuses that were needed."""
    verdict, needed = Verdict(passed=said["summary"]["passed"]), set()
    for failure in said["results"]["failed_checks"]:
        check, resource = failure["check_id"], failure["resource"]
        covering = [one for one in excuses if one.covers(check, resource)]
        if covering:
            verdict.excused += 1
            needed.update(covering[:1])
        else:
            verdict.failed.append(f"{check} {resource}: {failure['check_name']}")
    return verdict, needed
