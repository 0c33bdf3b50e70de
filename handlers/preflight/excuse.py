"""What somebody answers for, so that a rule stays silent. By itself: configuration is read without the rules."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Excuse:
    """A rule that somebody answers for: about these objects (patterns with `*`, all where empty), and why."""

    rule: str
    reason: str
    objects: tuple[str, ...] = ()

    def covers(self, rule: str, found: str) -> bool:
        """Say whether it speaks of what a rule found of an object."""
        return rule == self.rule and (not self.objects or any(fnmatchcase(found, one) for one in self.objects))
