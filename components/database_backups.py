"""Daily backups of a database in a vault of their own, beside RDS's."""

import pulumi
import pulumi_aws as aws

from components import policies
from components.database_server import BACKUP_TAG
from components.owner import Owner

BACKUP_SCHEDULE = "cron(0 5 * * ? *)"
BACKUP_POLICY = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"


def declare(
    owner: Owner,
    *,
    database_arn: pulumi.Input[str],
    kms_key_arn: pulumi.Input[str],
    retention_days: int,
    deletion_protection: bool,
) -> pulumi.Output[str]:
    """Make the vault, the plan and what is backed up, and return the vault's name.

    The tag alone would choose the databases of every stack in the account: both it and the ARN have to fit.
    """
    name = owner.name
    vault = aws.backup.Vault(
        f"{name}-vault",
        name=f"{name}-vault",
        kms_key_arn=kms_key_arn,
        force_destroy=not deletion_protection,
        tags=owner.tagged(f"{name}-vault"),
        opts=owner.child,
    )
    plan = aws.backup.Plan(
        f"{name}-plan",
        name=f"{name}-plan",
        rules=[
            {
                "rule_name": "daily",
                "target_vault_name": vault.name,
                "schedule": BACKUP_SCHEDULE,
                "lifecycle": {"delete_after": retention_days},
            }
        ],
        tags=owner.tagged(f"{name}-plan"),
        opts=owner.child,
    )
    role = aws.iam.Role(
        f"{name}-backup-role",
        name=f"{name}-backup",
        assume_role_policy=policies.trust("backup.amazonaws.com"),
        tags=owner.tagged(f"{name}-backup"),
        opts=owner.child,
    )
    attached = aws.iam.RolePolicyAttachment(
        f"{name}-backup-policy", role=role.name, policy_arn=BACKUP_POLICY, opts=owner.child
    )
    [(key, value)] = BACKUP_TAG.items()
    aws.backup.Selection(
        f"{name}-selection",
        name=f"{name}-tagged",
        plan_id=plan.id,
        iam_role_arn=role.arn,
        resources=[database_arn],
        conditions=[{"string_equals": [{"key": f"aws:ResourceTag/{key}", "value": value}]}],
        opts=pulumi.ResourceOptions(parent=owner.parent, depends_on=[attached]),
    )
    return vault.name
