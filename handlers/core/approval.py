"""The commands that answer whether to switch over. They hold no double quote, so JSON leaves them as they are."""


def commands(migration_id: str, table: str, region: str) -> dict[str, str]:
    """Return the AWS CLI commands that approve and refuse. They read the token of the question from the table."""
    token = (
        f"$(aws dynamodb get-item --region {region} --table-name {table} --consistent-read "
        f"--key 'migration_id={{S={migration_id}}},entry={{S=approval}}' --query Item.token.S --output text)"
    )
    return {
        "approve": f"aws stepfunctions send-task-success --region {region} --task-output '{{}}' --task-token {token}",
        "refuse": f"aws stepfunctions send-task-failure --region {region} --error Refused --cause 'say why' "
        f"--task-token {token}",
    }
