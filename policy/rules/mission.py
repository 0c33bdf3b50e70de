"""Rules of the mission: no password in the clear, nothing left behind, nothing changed under a running migration."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from policy.rule import Level, Resource, Rule, StackRule, is_off, of, plain, read

TASK, RECORD = "aws:dms/replicationTask:ReplicationTask", "aws:route53/record:Record"
FUNCTION, PARAMETER = "aws:lambda/function:Function", "aws:ssm/parameter:Parameter"
GENERATED = "random:index/randomPassword:RandomPassword"
CONTAINERS = "aws:ecs/taskDefinition:TaskDefinition"
DATABASES = ("aws:rds/instance:Instance", "aws:rds/cluster:Cluster", "aws:dms/endpoint:Endpoint")
SECRETIVE = re.compile(r"passwor[dt]|passwd|secret(?!.*arn)|credential|api_?key|private_?key", re.I)
IN_A_URL = re.compile(r"://[^/\s:@]+:[^/\s:@]+@")
NO_SECRET = re.compile(r"^(arn:|$)|^/[\w/-]+$")
"""ARNs and names of parameters: they say where a secret lies, not what it is."""
SKIPS = ("skipDestroy", "retainOnDelete")
AUTOMATION_S = {
    TASK: ("startReplicationTask", "cdcStartPosition"),
    RECORD: ("weightedRoutingPolicies", "ttl"),
}
"""What the automation changes: a deployment that says otherwise would undo it."""
AT_WORK = ("running", "starting", "stopping", "modifying", "moving")
Running = Callable[[Resource], Mapping[str, Any] | None]
"""Return a task as DMS has it, None where it has none or nobody can ask."""


def _clear_variables(variables: Any) -> Iterator[str]:
    for name in variables or {}:
        value = read(variables, name)
        if SECRETIVE.search(name) and isinstance(value, str) and not NO_SECRET.search(value):
            yield f"variable {name} holds a secret in the clear: keep it in Secrets Manager, and name its ARN"
        if isinstance(value, str) and IN_A_URL.search(value):
            yield f"variable {name} is an address with a password in it: keep it in Secrets Manager"


def _clear(resource: Resource) -> Iterator[str]:
    if resource.type == FUNCTION:
        yield from _clear_variables(read(resource.props, "environment.variables"))
    elif resource.type == CONTAINERS:
        for container in json.loads(read(resource.props, "containerDefinitions") or "[]"):
            yield from _clear_variables({each["name"]: each["value"] for each in container.get("environment", [])})
    elif read(resource.props, "type") != "SecureString":
        value = str(read(resource.props, "value"))
        if re.search(r'"[^"]*passwor[dt]"\s*:', value, re.I) or IN_A_URL.search(value):
            yield "value has a password in it: keep it in Secrets Manager, and name its ARN"


def _managed(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    generated = {made.urn for made in of(resources, GENERATED)}
    for resource in of(resources, *DATABASES):
        for key in ("password", "masterPassword"):
            # RDS manages none where there are read replicas: then a generated one is a secret of the state.
            if read(resource.props, key) is not None and not generated & set(resource.depends_on):
                yield resource, f"{key} is written in the program: let RDS manage it, or name secretsManagerArn"


def _stays(resource: Resource) -> Iterator[str]:
    if resource.protected:
        yield "protect is set, so no destroy ends: use the deletion protection of the settings"
    for key in SKIPS:
        if not is_off(read(resource.props, key)):
            yield f"{key} is set: what a stack made goes with it, unless its settings keep it"


def _automation_s(resource: Resource) -> Iterator[str]:
    if resource.type == RECORD and read(resource.props, "weightedRoutingPolicies") is None:
        return
    wanted = [key for key in AUTOMATION_S[resource.type] if key != "ttl" or read(resource.props, key) is not None]
    missing = [key for key in wanted if key not in resource.ignored]
    if missing:
        yield f"{', '.join(missing)} belong to the automation once a migration is under way: put them in ignore_changes"


def running_task(running: Running) -> Rule:
    """Return the rule that a task at work stays as it is; `running` asks DMS for it."""

    def judge(resource: Resource) -> Iterator[str]:
        task = running(resource)
        if task is None or task["Status"] not in AT_WORK:
            return
        changed = [
            key
            for key, ours, theirs in (
                ("migrationType", read(resource.props, "migrationType"), task["MigrationType"]),
                ("tableMappings", _rules(read(resource.props, "tableMappings")), _rules(task["TableMappings"])),
            )
            if ours != theirs
        ]
        settings = json.loads(read(resource.props, "replicationTaskSettings") or "{}")
        if not _within(settings, json.loads(task.get("ReplicationTaskSettings") or "{}")):
            changed.append("replicationTaskSettings")
        if changed:
            yield (
                f"{', '.join(changed)} of a task that is {task['Status']} would change, and DMS may lose changes over "
                "that without a word: finish or abort the migration, stop the task, then deploy"
            )

    return Rule(
        *("mission", "running-task", "A task at work is not changed", Level.CRITICAL, (TASK,)),
        judge,
    )


def _rules(text: str) -> Any:
    return sorted((json.dumps(plain(rule), sort_keys=True) for rule in json.loads(text)["rules"]), key=str)


def _within(ours: Any, theirs: Any) -> bool:
    """Say whether all that we say is so there; DMS adds to it."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(key in theirs and _within(ours[key], theirs[key]) for key in ours)
    return bool(ours == theirs)


EVERY_TYPE = ("*",)
RULES: tuple[Rule | StackRule, ...] = (
    Rule(
        *("mission", "no-password", "No password is in a program in the clear", Level.CRITICAL),
        (FUNCTION, PARAMETER, CONTAINERS),
        _clear,
    ),
    StackRule(
        *("mission", "managed-passwords", "Databases' passwords are in no program", Level.CRITICAL, DATABASES),
        _managed,
    ),
    Rule(*("mission", "destroyable", "What a stack made goes with it", Level.HIGH, EVERY_TYPE), _stays),
    Rule(
        *("mission", "automation-s", "Weights, lives and positions are the automation's", Level.CRITICAL),
        tuple(AUTOMATION_S),
        _automation_s,
    ),
)
