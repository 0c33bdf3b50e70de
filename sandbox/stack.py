"""The stack inside a sandbox: its configuration, derived from one of the repository's, and the engine's commands."""

import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from sandbox import adaptation
from sandbox.adaptation import World
from sandbox.cloud import routes
from sandbox.databases import MariaDbInfo, ServerInfo
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.paths import REPOSITORY

PROJECT = "database-migration"
DEFAULT_CONFIG = "dev"
DEFAULT_COMPOSITION = "migration"
MYSQL = ("mysql", "aurora-mysql")
MISTAKE = "python inline source runtime error: "
"""How an error begins that a program raised by mistake; a refusal is its own sentence."""
SAID_OF_ALL = (
    *("update failed", "preview failed"),
    "an unhandled error occurred: program exited with non-zero exit code: 1",  # by the official language host
)
"""What is said after an error, whatever it was."""
AT_ONCE = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true", "GOGC": "400"}
"""Lets the engine write its state once, at the end, not whole after every resource: at hundreds of resources that took
most of a deployment. An engine that is killed in between forgets what it made, and so do the emulators with their
sandbox. Commands a person runs by `exec` keep the engine's own ways. It also collects its garbage less often.
"""


def derived(config: Mapping[str, Any], world: World) -> dict[str, Any]:
    """Return a stack's configuration with what must differ in a sandbox replaced, key by key, nothing else touched."""
    changed = dict(config)
    renamed = [str(change["schema"]) for change in transformations(config) if "schema" in change]
    world = replace(world, excluded=excluded(config), excused=excused(config), renamed=renamed)
    for section, keys in adaptation.values(composition(config), world).items():
        full = f"{PROJECT}:{section}"
        before = config.get(full) or {}
        changed[full] = _merged(before, keys) if isinstance(before, Mapping) else before
    return changed


def excluded(config: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Return the rules of a configuration that leave tables out of the replication."""
    return [rule for rule in _replication(config, "tables") if rule.get("action") == "exclude"]


def transformations(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the changes of names that a configuration asks for."""
    return _replication(config, "transformations")


def excused(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a configuration excuses of preflight's findings."""
    return _list(config, "preflight", "excusedRules")


def _replication(config: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return _list(config, "replication", key)


def _list(config: Mapping[str, Any], name: str, key: str) -> list[Mapping[str, Any]]:
    section = config.get(f"{PROJECT}:{name}")
    rules = section.get(key) if isinstance(section, Mapping) else None
    return [rule for rule in rules if isinstance(rule, Mapping)] if isinstance(rules, list) else []


def _merged(before: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with keys replaced, those of a section in it one by one."""
    nested = {key: _merged(before[key], value) for key, value in keys.items() if _both_maps(before.get(key), value)}
    return {**before, **keys, **nested}


def _both_maps(one: Any, other: Any) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)


def fails_back(config: Mapping[str, Any]) -> bool:
    """Say whether a configuration keeps a way back."""
    section = config.get(f"{PROJECT}:switchover")
    return bool(section.get("failBack", True)) if isinstance(section, Mapping) else True


def switches_by_hand(config: Mapping[str, Any]) -> bool:
    """Say whether a person starts a switchover that asks nobody and leads no readers ahead."""
    section = config.get(f"{PROJECT}:switchover")
    return not isinstance(section, Mapping) or (section.get("mode", "manual") == "manual" and not section.get("canary"))


def composition(config: Mapping[str, Any]) -> str:
    """Return what a stack is composed of."""
    return str(config.get(f"{PROJECT}:composition", DEFAULT_COMPOSITION))


def wants_mysql(config: Mapping[str, Any]) -> bool:
    """Say whether a stack's target is MySQL: then the sandbox needs a server for it."""
    target = config.get(f"{PROJECT}:target")
    return isinstance(target, Mapping) and target.get("engine") in MYSQL


def region(config: Mapping[str, Any]) -> str:
    """Return the region a stack is deployed to."""
    return str(config.get("aws:region") or routes.REGION)


def regions(config: Mapping[str, Any]) -> list[str]:
    """Return the regions a stack deploys to: its own, and those of its environments where it has several."""
    sections = (config.get(f"{PROJECT}:{side}") for side in ("source", "target"))
    named = [section.get("region") for section in sections if isinstance(section, Mapping)]
    return sorted({str(region) for region in (config.get("aws:region"), *named) if region}) or [routes.REGION]


def check(name_or_path: str) -> None:
    """Raise SandboxError, in one line with every bad key, where the program would refuse this configuration."""
    written = load(name_or_path)
    # It brings every type of AWS resource along, which takes seconds: whoever starts no stack goes without.
    from components import settings  # noqa: PLC0415
    from components.settings import arns  # noqa: PLC0415

    source, target = (ServerInfo("", version, "127.0.0.1", 5432, "", "") for version in ("16", "18"))
    place = region(written)
    secret = f"arn:{arns.partition(place)}:secretsmanager:{place}:123456789012:secret:any-AbCdEf"
    secrets = {"replication": secret, "operator": secret}
    mysql = MariaDbInfo("", "10.11", "127.0.0.1", 3306, "", "", "", "any") if wants_mysql(written) else None
    known = composition(written) in settings.COMPOSITIONS
    config = derived(written, World(source, target, "any", ["any"], secrets, "any", mysql)) if known else written
    prefix = f"{PROJECT}:"
    try:
        given = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
        settings.load(given, place)
    except settings.SettingsError as error:
        head = str(error).splitlines()[0]
        raise SandboxError(f"{name_or_path}: {head} {'; '.join(error.problems)}") from None


def load(name_or_path: str) -> dict[str, Any]:
    """Return the configuration of a stack: `dev` for Pulumi.dev.yaml, or a file's path."""
    path = (
        Path(name_or_path) if name_or_path.endswith((".yaml", ".yml")) else REPOSITORY / f"Pulumi.{name_or_path}.yaml"
    )
    try:
        loaded = yaml.safe_load(path.read_text())
    except OSError as error:
        stacks = sorted(p.stem.removeprefix("Pulumi.") for p in REPOSITORY.glob("Pulumi.*.yaml"))
        known = ", ".join(stack for stack in stacks if not stack.startswith("sandbox"))
        raise SandboxError(
            f"no stack config {path} ({error.strerror}): write one of {known}, or a file's path"
        ) from None
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = f"line {mark.line + 1}: {error.problem}" if mark else " ".join(str(error).split())  # type: ignore[attr-defined]
        raise SandboxError(f"{path} is not YAML: {where}; mend it, or name a stack's configuration") from None
    except UnicodeDecodeError:
        raise SandboxError(f"{path} is not YAML: it is no text; name a stack's configuration") from None
    if not isinstance(loaded, dict) or not isinstance(loaded.get("config"), dict):
        raise SandboxError(f"{path} holds no `config:` map: write one as in Pulumi.dev.yaml")
    found: dict[str, Any] = loaded["config"]
    return found


def write_config(instance: Instance, config: Mapping[str, Any]) -> None:
    """Write the stack's configuration where the engine looks for it."""
    header = f"# Written by the sandbox `{instance.name}`; it goes when the sandbox ends.\n"
    instance.stack_config.write_text(header + yaml.safe_dump({"config": dict(config)}, sort_keys=False))


def pulumi(instance: Instance, *args: str) -> str:
    """Run an engine command on the sandbox's stack and return what it printed.

    Raises SandboxError with the engine's own errors if the command fails.
    """
    command = [str(instance.engine["executable"]), *args, "--non-interactive"]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**instance.environment(), **AT_ONCE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        printed, complaints = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        raise SandboxError(f"pulumi {args[0]} failed: {errors(printed + complaints)}")
    return printed


def initialise(instance: Instance) -> None:
    """Make the stack, and tell the engine that the providers are there: it looks before it asks who is attached.

    Without that it would download them, some hundred megabytes, and never use them. It would also write all it does
    to a log, a third of its work: where that folder can't be made, it goes on without.
    """
    home = instance.folder / "pulumi"
    home.mkdir(parents=True, exist_ok=True)
    (home / "logs").touch()
    for package in ("aws", "random"):
        marker = home / "plugins" / f"resource-{package}-v{version(f'pulumi-{package}')}"
        marker.mkdir(parents=True, exist_ok=True)
        program = marker / f"pulumi-resource-{package}"
        program.write_text("#!/bin/sh\necho 'the sandbox attaches its own provider' >&2\nexit 1\n")
        program.chmod(0o755)
    pulumi(instance, "stack", "init", instance.name)


def outputs(instance: Instance) -> dict[str, Any]:
    """Return the stack's outputs."""
    found: dict[str, Any] = json.loads(pulumi(instance, "stack", "output", "--json"))
    return found


def resources(instance: Instance) -> dict[str, int]:
    """Return how many resources of each type are deployed, without components, providers and the stack itself."""
    export = json.loads(pulumi(instance, "stack", "export"))
    custom = [r["type"] for r in export["deployment"].get("resources", []) if r.get("custom")]
    return dict(sorted(Counter(kind for kind in custom if not kind.startswith("pulumi:")).items()))


def make_anew(instance: Instance, kind: str, name: str) -> None:
    """Deploy the stack anew with one resource replaced, named by its type and the end of its name."""
    export = json.loads(pulumi(instance, "stack", "export"))
    urns = [r["urn"] for r in export["deployment"]["resources"] if r["type"] == kind and r["urn"].endswith(name)]
    if len(urns) != 1:
        raise SandboxError(f"{len(urns)} resources of type {kind} have a name that ends with {name}, not one")
    pulumi(instance, "up", "--replace", urns[0], "--yes", "--skip-preview", "--suppress-outputs")


def errors(printed: str) -> str:
    """Return the engine's errors, once each, on one line.

    What it says of one is indented further below it. The first line of each it also prints beforehand, as it happens.
    """
    lines = printed.splitlines()
    found = []
    for number, line in enumerate(lines):
        if "error:" in line:
            below = takewhile(lambda more: _indent(more) > _indent(line), lines[number + 1 :])  # noqa: B023
            said = line.partition("error:")[2].strip().removeprefix(MISTAKE)
            found.append(" ".join([said, "; ".join(more.strip() for more in below)]).strip())
    kept = [
        one
        for one in dict.fromkeys(found)
        if one not in SAID_OF_ALL and not any(other.startswith(one) and other != one for other in found)
    ]
    return "; ".join(kept)[:2000] or printed.strip()[-500:]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
