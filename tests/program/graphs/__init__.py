"""Each stack's resources as a reviewed file: `python -m tests.program.graphs` writes them anew.

Types, names, parents and the inputs whose change hurts. A name or parent that changes needs an alias, or the engine
replaces the resource: a diff in these files is where a review sees it.
"""

import json
from pathlib import Path

from tests.support.pulumi_mocks import Recorder, Registered

FOLDER = Path(__file__).parent
KEY_INPUTS = (
    *("cidrBlock", "availabilityZone", "connectivityType", "serviceName", "fromPort", "toPort", "cidrIpv4"),
    *("engine", "engineMode", "engineVersion", "instanceClass", "allocatedStorage", "multiAz", "publiclyAccessible"),
    *("storageEncrypted", "deletionProtection", "skipFinalSnapshot", "backupRetentionPeriod"),
    *("replicationInstanceClass", "migrationType", "endpointType", "engineName", "sslMode"),
    *("hashKey", "rangeKey", "billingMode", "runtime", "handler", "timeout", "memorySize"),
    *("setIdentifier", "ttl", "metricName", "threshold", "treatMissingData", "retentionInDays", "enableKeyRotation"),
)


def graph(recorder: Recorder) -> str:
    """Return a program's resources as text, one to a line under its component."""
    lines = []
    for component in sorted((r for r in recorder.resources if not r.custom), key=lambda r: r.name):
        lines.append(f"{component.type} {component.name}")
        children = [r for r in recorder.resources if r.custom and r.parent == component.name]
        lines += [_line(child) for child in sorted(children, key=lambda r: (r.type, r.name))]
    return "\n".join(lines) + "\n"


def path(stack: str) -> Path:
    """Return the file of a stack."""
    return FOLDER / f"{stack}.txt"


def _line(resource: Registered) -> str:
    shown = [f"{key}={_text(resource.inputs[key])}" for key in KEY_INPUTS if key in resource.inputs]
    return " ".join([f"  {resource.type}", resource.name, *shown])


def _text(value: object) -> str:
    """Return an input as JSON; the mocks hand on every number as a float."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
