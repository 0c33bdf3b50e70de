"""What Application Migration Service is to be told: the settings the stack wrote, against what the account has."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = {"replication": "replicationConfigurationTemplateID", "launch": "launchConfigurationTemplateID"}
"""The two templates, and the member that identifies each."""
Settings = Mapping[str, Mapping[str, Any]]


class Refused(Exception):
    """The settings can't be applied, and nothing was changed. The message says why and what to do."""


@dataclass(frozen=True)
class Change:
    """What to do about one template: `create`, `update` the one with this id, or `keep` it."""

    act: str
    template_id: str
    fields: Mapping[str, Any]


def settings(text: str) -> Settings:
    """Return the settings in the parameter, JSON. Raises Refused where it is not what the stack writes."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(f"the settings are not JSON ({error}): deploy the stack again") from None
    if not isinstance(found, dict) or set(found) != set(KINDS) or not all(isinstance(s, dict) for s in found.values()):
        raise Refused(f"the settings have not the sections {' and '.join(KINDS)}: deploy the stack again")
    return found


def plan(kind: str, wanted: Mapping[str, Any], existing: Sequence[Mapping[str, Any]]) -> Change:
    """Return the change that makes the account's template say what is wanted. Raises Refused where it has several."""
    if not existing:
        return Change("create", "", dict(wanted))
    if len(existing) > 1:
        raise Refused(f"the account has {len(existing)} {kind} templates: delete all but the one to keep")
    [found] = existing
    different = {name: value for name, value in wanted.items() if found.get(name) != value}
    return Change("update" if different else "keep", str(found[KINDS[kind]]), different)
