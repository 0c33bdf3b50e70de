"""Every rule there is, and the table of them in the docs."""

from pathlib import Path

from policy import running
from policy.rule import Rule, StackRule
from policy.rules import database, functions, mission, network, replication, storage

RULES: tuple[Rule | StackRule, ...] = (
    *mission.RULES,
    mission.running_task(running.task),
    *database.RULES,
    *replication.RULES,
    *functions.RULES,
    *storage.RULES,
    *network.RULES,
)
LEFT_OUT = {
    "RDS.23 (a port of one's own)": "clients follow a DNS name, which carries no port: both sides have to share it",
    "Route53.2 (query logging)": "AWS takes the log of a public zone in us-east-1 alone, and the answers are public",
    "DMS.10 to 12 (IAM, MongoDB, Redis)": "no endpoint of these engines is declared",
}
"""Controls that apply to our types and have no rule, and why."""
DOCUMENT = Path(__file__).parent.parent / "docs" / "policies.md"
TEXT = """\
# Policies

`pulumi preview --policy-pack policy` judges a stack before anything is changed, `make policy` shows it. A rule is
named after the control it stands for (AWS Foundational Security Best Practices), or `mission`. Its message says what to
write instead. What is not known before a first deployment is judged while that goes on, and at every preview after it.

`policy.environment` in the stack's configuration is `production` where it is left out. There and in `staging` every
rule is mandatory. In `development` those of level medium only advise, and others can be excepted from:

```yaml
database-migration:policy:
  environment: development
  exceptions:
    - rule: dms-9-tls
      resource: migration-dev-dms-source # a name; * stands for any text
      reason: the old server has no TLS, and lies in the same room
```

An exception that names no rule, or has no reason, is a violation itself. From one rule resources can be excepted in
every environment, `secretsmanager-1-rotated`: where both sides log in with one password it can't change
(`examples/payments.yaml`).

| rule | level | says | of |
|---|---|---|---|
{rules}

`mission-running-task` asks DMS how the task is, in the region of its instance and with the environment's credentials
(`dms:DescribeReplicationTasks`). Where DMS does not answer, the preview fails. Serverless replications need no such
rule: DMS itself refuses to change one that was started. Writer weights can't change at all: `mission-automation-s`
wants them ignored, so that a deployment leaves them where the automation has put them.

## Without a rule

| control | why |
|---|---|
{left_out}

`make checkov` writes every scenario's state as a plan, without a secret, and has checkov judge it. What does not pass
is in `policy/excused.yaml`, each with its reason; an excuse that nothing needs any more fails as well.
"""


def table() -> str:
    """Return the document."""
    rules = (f"| `{r.full_name}` | {r.level} | {r.title} | {', '.join(map(_short, r.types))} |" for r in RULES)
    left_out = (f"| {control} | {why} |" for control, why in LEFT_OUT.items())
    return TEXT.format(rules="\n".join(rules), left_out="\n".join(left_out))


def _short(kind: str) -> str:
    return kind.rsplit(":", maxsplit=1)[-1].replace("*", "everything")


if __name__ == "__main__":
    DOCUMENT.write_text(table())
