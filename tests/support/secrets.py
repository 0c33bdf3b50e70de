"""Where a secret of a deployed stack can be read in the clear: nowhere but in Secrets Manager."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from handlers.redaction import PUBLIC
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which the engine marks what is not plain data in a state, for example a secret."""
SHORTEST = 8
NAMED = re.compile(r"(?i)password|presharedKey|secretString|privateKey")
REGIONS = re.compile(r"arn:aws:secretsmanager:([a-z0-9-]+):")


def secrets_of(instance: Instance) -> set[str]:
    """Return every secret value of a running sandbox: the servers', those in Secrets Manager, those in the state."""
    found = {instance.source.password, instance.target.password, instance.passphrase}
    if instance.mysql:
        found.add(instance.mysql.password)
    state = _run(instance, "pulumi", "stack", "export", "--show-secrets")
    for client in (instance.client("secretsmanager", region) for region in set(REGIONS.findall(state))):
        for page in client.get_paginator("list_secrets").paginate():
            for secret in page["SecretList"]:
                with suppress(client.exceptions.ResourceNotFoundException):  # declared, and without a value so far
                    text = client.get_secret_value(SecretId=secret["ARN"])["SecretString"]
                    found |= {str(v) for k, v in json.loads(text).items() if k not in PUBLIC}
    found |= set(_encrypted(json.loads(state)))
    return {value for value in found if len(value) >= SHORTEST}


def where_read(instance: Instance, secrets: set[str]) -> set[str]:
    """Return every place in which one of the secrets can be read."""
    return {place for place, text in _places(instance) for secret in secrets if secret in text}


def _encrypted(node: Any, name: str = "") -> Iterator[str]:
    """Yield the values under telling names that the state keeps encrypted."""
    if isinstance(node, dict):
        if SIGNATURE in node and "plaintext" in node:
            yield from _strings(json.loads(node["plaintext"]), name)
            return
        for key, value in node.items():
            yield from _encrypted(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _encrypted(value, name)


def _strings(node: Any, name: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(value, key)
    elif isinstance(node, str) and NAMED.search(name):
        yield node


def _places(instance: Instance) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of everything that others than its owner may come to see."""
    for folder in (instance.folder / "state", instance.logs):
        for path in folder.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(instance.folder)), path.read_text(errors="replace")
    yield "stack outputs", _run(instance, "pulumi", "stack", "output", "--json")
    yield "an export of the stack", _run(instance, "pulumi", "stack", "export")
    yield from _processes()
    yield from _cloud(instance)


def _processes() -> Iterator[tuple[str, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            for what in ("cmdline", "environ"):
                with suppress(OSError):
                    yield f"{what} of process {entry.name}", (entry / what).read_bytes().decode(errors="replace")


def _cloud(instance: Instance) -> Iterator[tuple[str, str]]:
    functions = instance.client("lambda").get_paginator("list_functions").paginate()
    for function in (one for page in functions for one in page["Functions"]):
        yield f"the environment of {function['FunctionName']}", json.dumps(function.get("Environment", {}))
    ssm, logs = instance.client("ssm"), instance.client("logs")
    for page in ssm.get_paginator("describe_parameters").paginate():
        for parameter in page["Parameters"]:
            yield f"the parameter {parameter['Name']}", ssm.get_parameter(Name=parameter["Name"])["Parameter"]["Value"]
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            yield f"the log {group['logGroupName']}", "\n".join(event["message"] for event in events)


def _run(instance: Instance, *command: str) -> str:
    return subprocess.run(
        command, cwd=REPOSITORY, env=instance.environment(), capture_output=True, text=True, check=True
    ).stdout
