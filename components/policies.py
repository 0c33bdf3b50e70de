"""IAM policy documents as plain data."""

import json
from collections.abc import Sequence
from typing import Any

import pulumi

Statement = dict[str, Any]


def allow(*actions: str, on: Any, when: Any = None) -> Statement:
    """Return a statement that allows `actions` on the resource or resources `on`, under the condition `when`."""
    statement: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": on}
    return {**statement, "Condition": when} if when else statement


def document(statements: Sequence[Any]) -> pulumi.Output[str]:
    """Return a policy document as JSON; parts may be outputs."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def trust(*services: str, when: Any = None) -> str:
    """Return the trust policy of a role that AWS services take on."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": sorted(services)}, "Action": "sts:AssumeRole"}
    if when:
        statement["Condition"] = when
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
