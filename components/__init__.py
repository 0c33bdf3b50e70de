"""Reusable Pulumi components that declare a database migration to AWS.

Each component takes `(name, args, opts)`, makes its children under itself and exposes a few outputs. None of them reads
stack configuration, calls AWS or starts anything: what moves data is started by the handlers they deploy.
"""

from components.access_log_bucket import AccessLogBucket, AccessLogBucketArgs
from components.application_dns import ApplicationDns, ApplicationDnsArgs
from components.application_service import ApplicationService, ApplicationServiceArgs
from components.blue_green_dns import BlueGreenDns, BlueGreenDnsArgs
from components.database_monitoring import DatabaseMonitoring, DatabaseMonitoringArgs
from components.database_validation import DatabaseValidation, DatabaseValidationArgs
from components.dms_pipeline import DmsPipeline, DmsPipelineArgs
from components.encryption_key import EncryptionKey, EncryptionKeyArgs
from components.fleet_control import FleetControl, FleetControlArgs
from components.fleet_monitoring import FleetMonitoring, FleetMonitoringArgs
from components.migration_network import MigrationNetwork, MigrationNetworkArgs
from components.monitoring_suite import MonitoringSuite, MonitoringSuiteArgs
from components.network_peering import NetworkPeering, NetworkPeeringArgs
from components.private_zone import PrivateZone, PrivateZoneArgs
from components.replication_instance import ReplicationInstance, ReplicationInstanceArgs
from components.row_validation import RowValidation, RowValidationArgs
from components.secret_rotation import SecretRotation, SecretRotationArgs
from components.server_migration import ServerMigration, ServerMigrationArgs
from components.switchover import Switchover, SwitchoverArgs
from components.target_database import TargetDatabase, TargetDatabaseArgs
from components.transaction_logs import TransactionLogs, TransactionLogsArgs

__all__ = [
    "AccessLogBucket",
    "AccessLogBucketArgs",
    "ApplicationDns",
    "ApplicationDnsArgs",
    "ApplicationService",
    "ApplicationServiceArgs",
    "BlueGreenDns",
    "BlueGreenDnsArgs",
    "DatabaseMonitoring",
    "DatabaseMonitoringArgs",
    "DatabaseValidation",
    "DatabaseValidationArgs",
    "DmsPipeline",
    "DmsPipelineArgs",
    "EncryptionKey",
    "EncryptionKeyArgs",
    "FleetControl",
    "FleetControlArgs",
    "FleetMonitoring",
    "FleetMonitoringArgs",
    "MigrationNetwork",
    "MigrationNetworkArgs",
    "MonitoringSuite",
    "MonitoringSuiteArgs",
    "NetworkPeering",
    "NetworkPeeringArgs",
    "PrivateZone",
    "PrivateZoneArgs",
    "ReplicationInstance",
    "ReplicationInstanceArgs",
    "RowValidation",
    "RowValidationArgs",
    "SecretRotation",
    "SecretRotationArgs",
    "ServerMigration",
    "ServerMigrationArgs",
    "Switchover",
    "SwitchoverArgs",
    "TargetDatabase",
    "TargetDatabaseArgs",
    "TransactionLogs",
    "TransactionLogsArgs",
]
