"""What a stack's configuration says to the pack: its environment, and which rules it excepts from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from components.settings.sections import EXCEPTED_ANYWHERE
from policy.rule import Level

SECTION = "policy"
DEVELOPMENT = "development"
STRICTEST = "production"
ADVISED = (Level.MEDIUM,)
"""Levels that are only advised in development."""


@dataclass(frozen=True)
class Exception_:
    """A rule that a resource need not keep to, and why. `resource` is a name, in which `*` stands for any text."""

    rule: str
    resource: str
    reason: str

    def covers(self, rule: str, resource: str) -> bool:
        """Say whether it excepts this resource from this rule."""
        return rule == self.rule and fnmatchcase(resource, self.resource)


@dataclass(frozen=True)
class Settings:
    """The environment, and the exceptions: but for EXCEPTED_ANYWHERE only a development stack has any."""

    environment: str = STRICTEST
    exceptions: Sequence[Exception_] = ()

    def mandatory(self, level: Level) -> bool:
        """Say whether a violation of this level fails a preview here."""
        return self.environment != DEVELOPMENT or level not in ADVISED

    def excepted(self, rule: str, resource: str) -> bool:
        """Say whether a resource need not keep to a rule."""
        return any(one.covers(rule, resource) for one in self.exceptions)

    def wrong(self, rules: Sequence[str]) -> Iterator[str]:
        """Yield what is wrong with the exceptions themselves."""
        for number, one in enumerate(self.exceptions):
            where = f"{SECTION}.exceptions.{number}"
            if self.environment != DEVELOPMENT and one.rule not in EXCEPTED_ANYWHERE:
                yield f"{where} excepts from {one.rule}, but the environment is {self.environment}: mend it instead"
            if one.rule not in rules:
                yield f"{where}.rule {one.rule} is no rule: docs/policies.md has their names"
            if not one.reason.strip():
                yield f"{where}.reason is empty: say why"


def read(config: Mapping[str, str], project: str) -> Settings:
    """Return the settings in a stack's configuration as the engine hands it on: text by full key, maps as JSON."""
    found = json.loads(config.get(f"{project}:{SECTION}") or "{}")
    exceptions = [Exception_(one["rule"], one["resource"], one["reason"]) for one in found.get("exceptions", [])]
    return Settings(found.get("environment", STRICTEST), tuple(exceptions))
