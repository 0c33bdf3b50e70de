"""Every resource type the sandbox knows, one module per group of services."""

from sandbox.provider.entry import Entry
from sandbox.provider.table import (
    balancing,
    compute,
    containers,
    data,
    ec2,
    identity,
    observe,
    peering,
    replication,
    storage,
    vpn,
)

GROUPS = (balancing, compute, containers, data, ec2, identity, observe, peering, replication, storage, vpn)
ENTRIES: dict[str, Entry] = {entry.type: entry for group in GROUPS for entry in group.ENTRIES}
