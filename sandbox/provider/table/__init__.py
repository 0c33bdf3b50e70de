"""Every resource type the sandbox knows, one module per group of services."""

from sandbox.provider.entry import Entry
from sandbox.provider.table import compute, data, ec2, identity, observe, replication, vpn

ENTRIES: dict[str, Entry] = {
    entry.type: entry for group in (compute, data, ec2, identity, observe, replication, vpn) for entry in group.ENTRIES
}
