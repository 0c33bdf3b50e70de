"""Reusable Pulumi components that declare a database migration to AWS.

Each component takes `(name, args, opts)`, makes its children under itself and exposes a few outputs. None of them reads
stack configuration, calls AWS or starts anything: what moves data is started by the handlers they deploy.
"""

from components.blue_green_dns import BlueGreenDns, BlueGreenDnsArgs
from components.database_monitoring import DatabaseMonitoring, DatabaseMonitoringArgs
from components.database_validation import DatabaseValidation, DatabaseValidationArgs
from components.dms_pipeline import DmsPipeline, DmsPipelineArgs
from components.encryption_key import EncryptionKey, EncryptionKeyArgs
from components.migration_network import MigrationNetwork, MigrationNetworkArgs
from components.monitoring_suite import MonitoringSuite, MonitoringSuiteArgs
from components.switchover import Switchover, SwitchoverArgs
from components.target_database import TargetDatabase, TargetDatabaseArgs

__all__ = [
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
    "MigrationNetwork",
    "MigrationNetworkArgs",
    "MonitoringSuite",
    "MonitoringSuiteArgs",
    "Switchover",
    "SwitchoverArgs",
    "TargetDatabase",
    "TargetDatabaseArgs",
]
