"""What changes the passwords of DMS's users on both databases of an application: beside DMS, in the target's region.

The application's is left as it is: both environments log in on either side with one password.
"""

from collections.abc import Mapping

import pulumi

from components import DmsPipeline, EncryptionKey, MigrationNetwork, MonitoringSuite, Switchover, TargetDatabase
from components.settings import Application
from compositions import moving, parts
from compositions.place import Place


def declare(
    config: Application,
    place: Place,
    key: EncryptionKey,
    network: MigrationNetwork,
    databases: Mapping[str, TargetDatabase],
    pipeline: DmsPipeline,
    monitoring: MonitoringSuite,
    switchover: Switchover,
) -> dict[str, pulumi.Output[str]]:
    """Declare a function for each of the `databases`, by side, and return the functions' names."""
    endpoints = {
        "source": (pipeline.source_endpoint_arn, pipeline.failback_target_endpoint_arn),
        "target": (pipeline.target_endpoint_arn, pipeline.failback_source_endpoint_arn),
    }
    found = {}
    for name, made in databases.items():
        side = config.side(name)
        wanted = side.environment.database
        rotation = parts.rotation(
            side,
            place,
            key,
            network,
            made,
            wanted,
            config.switchover,
            users={"replication": moving.dms_user(config, made, wanted, pipeline, endpoints[name])},
            topic_arn=monitoring.topic_arn,
            paused_by=moving.paused_by(config, switchover),
            administrator=False,  # its secret is of the database's own region
        )
        found[name] = rotation.function_names["replication"]
    return found
