"""An application team's own program: it learns from the migration's stack where the database is, and from nowhere else.

The names stay the same through the switchover, and so does everything made here: nothing has to be deployed again.
"""

import json

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
application = config.get("application") or "shop"
migration = pulumi.StackReference(config.require("migration"))
secret_arn = migration.require_output("application_secret_arn")

role = aws.iam.Role(
    f"{application}-task",
    assume_role_policy=json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    ),
)
aws.iam.RolePolicy(
    f"{application}-database",
    role=role.name,
    policy=pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret_arn},
                {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": migration.require_output("kms_key_arn")},
            ],
        }
    ),
)
database = aws.ssm.Parameter(
    f"{application}-database",
    name=f"/{application}/database",
    type="String",
    value=pulumi.Output.json_dumps(
        {
            "writer": migration.require_output("writer_name"),
            "reader": migration.require_output("reader_name"),
            "port": migration.require_output("database_port").apply(int),  # numbers come as floats
            "database": migration.require_output("database_name"),
            "secret_arn": secret_arn,
            "security_group_id": migration.require_output("application_security_group_id"),
        }
    ),
)

pulumi.export("database_parameter", database.name)
pulumi.export("task_role_arn", role.arn)
