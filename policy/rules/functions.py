"""Rules about functions, the machine that orders them, and rights."""

from collections.abc import Iterator

from components.policies import NO_RESOURCE
from policy.rule import Level, Resource, Rule, given, listed, own_key, read, statements, wants

FUNCTION, PERMISSION = "aws:lambda/function:Function", "aws:lambda/permission:Permission"
MACHINE, RIGHTS = "aws:sfn/stateMachine:StateMachine", ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy")
ROLE = "aws:iam/role:Role"
RUNTIMES = ("python3.11", "python3.12", "python3.13", "python3.14")
DECRYPTS = ("kms:Decrypt", "kms:ReEncryptFrom")


def _caller(resource: Resource) -> Iterator[str]:
    principal = read(resource.props, "principal")
    if principal == "*" or not (read(resource.props, "sourceArn") or read(resource.props, "sourceAccount")):
        yield f"principal {principal} may call for anybody: name sourceArn, or sourceAccount"


def _zones(resource: Resource) -> Iterator[str]:
    subnets = read(resource.props, "vpcConfig.subnetIds")
    if subnets is None or len(subnets) < 2:
        yield "vpcConfig names fewer than two subnets: give it one in each of two zones"


def _machine_logs(resource: Resource) -> Iterator[str]:
    if read(resource.props, "loggingConfiguration.level") in (None, "OFF"):
        yield "loggingConfiguration.level is OFF: write ALL, with a log group"
    if not read(resource.props, "tracingConfiguration.enabled"):
        yield "tracingConfiguration is off: enable it"


def _rights(resource: Resource) -> Iterator[str]:
    for one in statements(read(resource.props, "policy")):
        if one["Effect"] != "Allow":
            continue
        actions = listed(one.get("Action", []))
        for action in actions:
            if action == "*" or action.endswith(":*"):
                yield f"action {action} is allowed: name what is called"
        everywhere = [a for a in actions if a not in NO_RESOURCE] if "*" in listed(one.get("Resource", [])) else []
        if everywhere:
            yield f"{', '.join(everywhere)} on every resource: name the ARNs"


def _decrypts(resource: Resource) -> Iterator[str]:
    for one in statements(read(resource.props, "policy")):
        wide = any(action in DECRYPTS or action == "kms:*" for action in listed(one.get("Action", [])))
        if one["Effect"] == "Allow" and wide and any(arn.endswith(("*", "key/*")) for arn in listed(one["Resource"])):
            yield "every key may be used to decrypt: name the key's ARN"


def _trust(resource: Resource) -> Iterator[str]:
    for one in statements(read(resource.props, "assumeRolePolicy")):
        principal = one.get("Principal", {})
        if principal == "*" or "*" in listed(principal.get("AWS", [])):
            yield "anybody may take the role on: name who does"


RULES = (
    Rule(
        *("Lambda.1", "not-public", "Functions are called by those who are named", Level.CRITICAL),
        (PERMISSION,),
        _caller,
    ),
    Rule(
        *("Lambda.2", "runtime", "Runtimes are supported", Level.HIGH, (FUNCTION,)),
        wants("runtime", lambda name: name in RUNTIMES, f"write one of {', '.join(RUNTIMES)}"),
    ),
    Rule(
        *("Lambda.3", "in-network", "Functions run in the network", Level.MEDIUM, (FUNCTION,)),
        wants("vpcConfig", given, "give it subnets and a security group"),
    ),
    Rule(*("Lambda.5", "two-zones", "Functions outlive a zone", Level.MEDIUM, (FUNCTION,)), _zones),
    Rule(
        *("Lambda.7", "traced", "Functions pass traces on", Level.MEDIUM, (FUNCTION,)),
        wants("tracingConfig.mode", lambda mode: mode in ("Active", "PassThrough"), "write PassThrough, or Active"),
    ),
    Rule(
        *("Lambda.8", "dead-letters", "What no function could take is kept", Level.MEDIUM, (FUNCTION,)),
        wants("deadLetterConfig.targetArn", given, "name a queue or a topic"),
    ),
    own_key("Lambda.9", "Environments are", (FUNCTION,), "kmsKeyArn"),
    Rule(
        *("StepFunctions.1", "logged", "Machines log and trace", Level.MEDIUM, (MACHINE,)),
        _machine_logs,
    ),
    Rule(*("IAM.1", "least-rights", "Roles may do what is called, where it is called", Level.HIGH, RIGHTS), _rights),
    Rule(*("KMS.2", "no-wildcard-decrypt", "Nobody may decrypt by every key", Level.CRITICAL, RIGHTS), _decrypts),
    Rule(*("IAM.2", "named-trust", "Roles are taken on by those who are named", Level.CRITICAL, (ROLE,)), _trust),
)
