"""Names of a stack's outputs: what the program exports and what checks, commands and other teams read."""

from collections.abc import Collection, Mapping

MIGRATION = {
    "kms_key_arn": "Key that encrypts everything",
    "kms_key_alias": "Alias of the key",
    "vpc_id": "VPC of the migration",
    "public_subnet_ids": "Subnets with a route to the internet",
    "application_subnet_ids": "Subnets of functions, DMS and applications",
    "database_subnet_ids": "Subnets of the target",
    "database_security_group_id": "Security group of the target",
    "application_security_group_id": "Security group applications attach to reach the target",
    "database_identifier": "Aurora cluster, or RDS instance, that is the target",
    "database_endpoint": "Host of the target's writer",
    "database_reader_endpoint": "Host of the target's readers",
    "database_port": "Port of the target",
    "database_name": "Database on the target",
    "master_secret_arn": "Secret of the target's administrator, managed by RDS",
    "application_secret_arn": "Secret of the application's user on the target",
    "replication_secret_arn": "Secret of DMS's user on the target",
    "backup_vault_name": "Vault of the daily backups",
    "replication_instance_arn": "DMS replication instance",
    "source_endpoint_arn": "DMS endpoint of the source",
    "target_endpoint_arn": "DMS endpoint of the target",
    "replication_task_arn": "DMS task from source to target",
    "failback_task_arn": "DMS task from target to source",
    "hosted_zone_id": "Zone of the names",
    "name_servers": "Name servers the parent zone delegates to",
    "writer_name": "Name applications write to",
    "reader_name": "Name applications read from",
    "topic_arn": "Topic of every message",
    "dashboard_name": "Dashboard",
    "state_machine_arn": "Machine that switches over",
    "tracking_table_name": "Table with state, lock and history",
    "config_parameter_name": "Parameter the functions read",
    "state_parameter_name": "Parameter that shows where the migration stands",
    "prepare_function_name": "Function that makes both databases ready, called once before the replication starts",
    "rotation_function_names": "Functions that change the passwords of the target's users, by what those are for",
    "certificate_bundles": "Files with the certificates that verify-full trusts, by side: source, target",
    "preflight_function_name": "Function that looks at both databases and says what would go wrong",
    "start_function_name": "Function that starts the replication if the last preflight allows it",
}

FLEET = {
    "kms_key_arn": "Key that encrypts everything",
    "vpc_id": "VPC of the fleet",
    "public_subnet_ids": "Subnets with a route to the internet",
    "application_subnet_ids": "Subnets of functions, DMS and replication servers",
    "database_subnet_ids": "Subnets for targets",
    "database_security_group_id": "Security group for targets: reached by DMS, functions, applications, on premises",
    "application_security_group_id": "Security group applications attach to reach the targets",
    "vpn_connection_id": "Site-to-Site VPN to the network on premises",
    "replication_instance_arn": "DMS replication instance of all databases",
    "hosted_zone_id": "Private zone of the names",
    "databases": "By database: its names, and the ARNs of its tasks and endpoints",
    "tracking_table_name": "Table with every database's state and history",
    "topic_arn": "Topic of every message",
    "dashboard_name": "Dashboard",
    "config_parameter_name": "Parameter the functions of the fleet read",
    "advance_function_name": "Function that moves a database on to its next phase",
    "rollback_function_name": "Function that takes a database back",
    "validation_document_name": "Document that validates a database after its load",
    "server_replication_role_arn": "Role of Application Migration Service's replication servers",
    "server_security_group_id": "Security group of the replication servers",
    "server_settings_parameter_name": "Parameter with the settings of Application Migration Service",
    "servers_function_name": "Function that applies them to the account",
}

DATABASE = {
    "kms_key_arn": "Key that encrypts everything",
    "vpc_id": "VPC of the database",
    "private_subnet_ids": "Subnets of the database",
    "application_subnet_ids": "Subnets of the validation function and of applications",
    "database_security_group_id": "Security group of the database",
    "application_security_group_id": "Security group applications attach to reach the database",
    "database_identifier": "RDS instance, or Aurora cluster",
    "rds_instance_id": "The instance, or the cluster's first writer",
    "rds_endpoint": "Host of the instance, or of the cluster's writer",
    "rds_reader_endpoint": "Host to read from: a cluster's readers', or the first read replica's, else the instance's",
    "rds_port": "Port of the database",
    "rds_database_name": "Database that was made",
    "db_secret_arn": "Secret of the administrator",
    "validation_lambda_arn": "Function that checks the database",
    "validation_rule_name": "Rule that calls it after events of the database",
    "topic_arn": "Topic of alarms and failed checks",
    "alarm_names": "Alarms on the database",
    "rotation_function_names": "Functions that change passwords: the administrator's, where RDS does not manage it",
}

_ENVIRONMENT = {
    "region": "Region of the {side}",
    "kms_key_arn": "Key that encrypts everything of the {side}",
    "vpc_id": "VPC of the {side}",
    "public_subnet_ids": "Subnets of the {side}'s load balancer",
    "application_subnet_ids": "Subnets of the {side}'s containers",
    "database_subnet_ids": "Subnets of the {side}'s database",
    "database_security_group_id": "Security group of the {side}'s database",
    "application_security_group_id": "Security group that leads to the {side}'s database",
    "database_identifier": "RDS instance, or Aurora cluster, of the {side}",
    "database_endpoint": "Host of the {side}'s database",
    "database_port": "Port of the {side}'s database",
    "database_name": "Database of the {side}",
    "master_secret_arn": "Secret of the administrator of the {side}'s database, managed by RDS",
    "application_secret_arn": "Secret of the application's user on the {side}'s database",
    "replication_secret_arn": "Secret of DMS's user on the {side}'s database",
    "backup_vault_name": "Vault of the {side}'s daily backups",
    "cluster_name": "ECS cluster of the {side}",
    "service_name": "ECS service of the {side}",
    "load_balancer_arn": "Load balancer of the {side}",
    "load_balancer_dns_name": "DNS name of the {side}'s load balancer",
    "load_balancer_zone_id": "Zone of that name, for alias records",
    "target_group_arn": "Target group of the {side}'s containers",
    "access_log_bucket": "Bucket of the {side}'s access logs",
}

APPLICATION = {
    **{
        f"{side}_{name}": text.format(side=side) for side in ("source", "target") for name, text in _ENVIRONMENT.items()
    },
    "source_transaction_log_bucket": "Bucket of transaction logs, replicated to the target's",
    "target_transaction_log_bucket": "Bucket that transaction logs are replicated to",
    "peering_connection_id": "Peering connection between the two networks",
    "replication_instance_arn": "DMS replication instance",
    "source_endpoint_arn": "DMS endpoint of the source",
    "target_endpoint_arn": "DMS endpoint of the target",
    "replication_task_arn": "DMS task from source to target",
    "failback_task_arn": "DMS task from target to source",
    "hosted_zone_id": "Zone of the names",
    "name_servers": "Name servers the parent zone delegates to",
    "application_name": "Name people use, weighted between the load balancers",
    "source_health_check_id": "Health check of the source's load balancer",
    "target_health_check_id": "Health check of the target's load balancer",
    "writer_name": "Name the application writes to",
    "reader_name": "Name to read from",
    "topic_arn": "Topic of every message",
    "dashboard_name": "Dashboard",
    "state_machine_arn": "Machine that switches the database over",
    "tracking_table_name": "Table with state, lock and history",
    "config_parameter_name": "Parameter the functions read",
    "state_parameter_name": "Parameter that shows where the migration stands",
    "prepare_function_name": "Function that makes both databases ready, called once before the replication starts",
    "rotation_function_names": "Functions that change the passwords of DMS's users, by side: source, target",
    "certificate_bundles": "Files with the certificates that verify-full trusts, by side: source, target",
    "preflight_function_name": "Function that looks at both databases and says what would go wrong",
    "start_function_name": "Function that starts the replication if the last preflight allows it",
}

VALIDATED = {
    "validation_machine_arn": "Machine that compares every row",
    "validation_bucket_name": "Bucket with its reports, at runs/<execution>/report.json",
}
"""What a migration has besides where every row can be validated."""
ON_AN_INSTANCE = ("replication_instance_arn", "replication_task_arn", "failback_task_arn")
"""What a migration by DMS Serverless does not have: an instance, a task, a way back."""


def serverless(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return a composition's outputs where its replication is serverless."""
    left = {name: text for name, text in outputs.items() if name not in ON_AN_INSTANCE}
    return {**left, "replication_config_arn": "DMS Serverless replication from source to target"}


OUTPUTS = {"application": APPLICATION, "database": DATABASE, "fleet": FLEET, "migration": MIGRATION}
"""Every output and what it is, by composition. A name never changes: others depend on it."""
SERVERLESS = {"application": serverless(APPLICATION), "migration": serverless(MIGRATION)}
"""The same where replication is serverless."""


def composition_of(names: Collection[str]) -> str:
    """Return the composition whose outputs have these names. Raises LookupError where none has."""
    always = set(names) - VALIDATED.keys()
    for composition, outputs in (*OUTPUTS.items(), *SERVERLESS.items()):
        if always == set(outputs):
            return composition
    raise LookupError(f"no composition has these {len(names)} outputs: deploy the stack with this version's program")
