"""A stack's state, as the engine exports it, written as the plan that Terraform would show."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from policy.peer import names

AWS = "aws:"
MARK = "4dabf18193072939515e22adb298388d"
"""Member by which the engine tells secrets, assets and archives from other maps."""
SECRET = "(secret)"  # noqa: S105 - what stands in its place
KEPT_AS_WRITTEN = frozenset({"tags", "variables", "dimensions", "parameters"})
"""Maps whose keys are the user's, not the provider's."""
Json = Mapping[str, Any]


def of_state(export: Json) -> dict[str, Any]:
    """Return the plan of what an export holds of AWS. No secret is in it: what the engine keeps encrypted is masked."""
    found = [r for r in export["deployment"].get("resources", []) if r.get("custom") and r["type"].startswith(AWS)]
    addresses = {r["urn"]: f"{names.type_of(r['type'])}.{_label(r['urn'])}" for r in found}
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": [_planned(r, addresses) for r in found]}},
        "resource_changes": [_change(r, addresses) for r in found],
        "configuration": {"root_module": {"resources": [_configured(r, addresses) for r in found]}},
    }


def _label(urn: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", urn.rsplit("::", maxsplit=1)[-1])


def _planned(resource: Json, addresses: Json) -> dict[str, Any]:
    kind, name = addresses[resource["urn"]].split(".", 1)
    return {
        "address": addresses[resource["urn"]],
        "mode": "managed",
        "type": kind,
        "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "values": _values(resource),
    }


def _change(resource: Json, addresses: Json) -> dict[str, Any]:
    planned = _planned(resource, addresses)
    change = {"actions": ["create"], "before": None, "after": planned["values"], "after_unknown": {}}
    return {**{key: planned[key] for key in ("address", "mode", "type", "name", "provider_name")}, "change": change}


def _configured(resource: Json, addresses: Json) -> dict[str, Any]:
    """Return which property refers to which resource: a peer's rules about what belongs together go by that."""
    kind, name = addresses[resource["urn"]].split(".", 1)
    expressions: dict[str, Any] = {}
    for key, urns in (resource.get("propertyDependencies") or {}).items():
        known = [addresses[urn] for urn in urns or [] if urn in addresses]
        if known:
            references = [text for address in known for text in (f"{address}.id", address)]
            expressions[names.property_of(key)] = {"references": references}
    return {"address": addresses[resource["urn"]], "mode": "managed", "type": kind, "name": name} | {
        "expressions": expressions
    }


def _values(resource: Json) -> dict[str, Any]:
    inputs = {key: value for key, value in resource.get("inputs", {}).items() if not key.startswith("__")}
    outputs = resource.get("outputs", {})
    known = {key: outputs[key] for key in ("arn",) if key in outputs}
    return _translated({**known, **inputs}) | {"id": resource.get("id", "")}


def _translated(props: Json) -> dict[str, Any]:
    return {
        names.property_of(key, blocks=isinstance(value, list) and any(map(_is_block, value))): _value(key, value)
        for key, value in props.items()
        if not _is_archive(value)
    }


def _value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if MARK in value:
            return SECRET
        if key in KEPT_AS_WRITTEN:
            return {name: _value("", inner) for name, inner in value.items()}
        return [_translated(value)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_translated(each) if _is_block(each) else _value("", each) for each in value]
    return value


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping) and MARK not in value


def _is_archive(value: Any) -> bool:
    """Say whether a value is an asset or an archive: code is no property."""
    return isinstance(value, Mapping) and value.get(MARK) in (ASSET, ARCHIVE)


ASSET, ARCHIVE = "c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"
