"""What is wrong in a section though every key of it alone is right. `where` is what the configuration calls it."""

import ipaddress
from collections.abc import Iterator, Mapping

from components.settings import sections, windows


def network(found: sections.Network, where: str = "network") -> Iterator[str]:
    """Yield a network's contradictions."""
    block = ipaddress.IPv4Network(found.cidr)
    if not 16 <= block.prefixlen <= 18:
        yield f"{where}.cidr is {found.cidr}: write a block from /16 to /18, room for three tiers"
    for other in found.on_premises_cidrs:
        if block.overlaps(ipaddress.IPv4Network(other)):
            yield f"{where}.onPremisesCidrs {other} overlaps {where}.cidr {block}: change one"


def reach(found: sections.Network, services: tuple[str, ...], where: str = "network") -> Iterator[str]:
    """Yield which of the AWS services that functions and DMS call can't be reached from a network without NAT."""
    missing = [service for service in services if service not in found.interface_endpoints]
    if found.nat == "none" and missing:
        yield (
            f"{where}.nat is none and {where}.interfaceEndpoints lacks {', '.join(missing)}, which functions or DMS "
            "call: add them, or choose another nat"
        )


def target(found: sections.Target, where: str = "target") -> Iterator[str]:
    """Yield a target's contradictions."""
    aurora = found.aurora
    if aurora.minimum_capacity > aurora.maximum_capacity:
        yield (
            f"{where}.aurora.minimumCapacity {aurora.minimum_capacity} is above {where}.aurora.maximumCapacity "
            f"{aurora.maximum_capacity}: lower it"
        )
    for section, engines in sections.KINDS.items():
        if section in found.model_fields_set and found.engine not in engines:
            known = " or ".join(engines)
            yield f"{where}.{section} is given, but {where}.engine is {found.engine}: leave it out, or write {known}"
    if found.instance.read_replicas and "master_rotation_days" in found.model_fields_set:
        yield (
            f"{where}.masterRotationDays is given, but RDS manages no master password of an instance with read "
            "replicas: leave it out, and change the password by hand"
        )
    if found.engine == "mysql" and found.engine_version.count(".") == 0:
        yield f"{where}.engineVersion {found.engine_version} names no MySQL: write its major version, for example 8.4"
    if 0 < found.secret_recovery_days < 7:
        yield f"{where}.secretRecoveryDays is {found.secret_recovery_days}: write 0, or days from 7 to 30"
    if windows.overlap(found.backup_window, found.maintenance_window):
        yield (
            f"{where}.backupWindow {found.backup_window} overlaps {where}.maintenanceWindow "
            f"{found.maintenance_window}: AWS refuses that; move one"
        )


def postgres_alone(found: sections.Target, where: str = "target") -> Iterator[str]:
    """Yield that a target runs MySQL where something is moved to it."""
    if found.engine == "mysql":
        yield (
            f"{where}.engine is mysql, but a migration's functions and DMS settings know PostgreSQL alone: write "
            "aurora-postgresql or postgres, or choose composition database"
        )


def without_authority(mode: sections.SslMode, where: str) -> Iterator[str]:
    """Yield that a certificate can't be verified: DMS's endpoints and the switchover's functions are given none."""
    if mode == "verify-full":
        yield (
            f"{where}.sslMode is verify-full, but neither DMS nor the functions are given an authority to verify by: "
            "write require"
        )


def dns(found: sections.Dns, where: str = "dns") -> Iterator[str]:
    """Yield the contradictions of a zone and its records."""
    if found.switchover_ttl_seconds > found.ttl_seconds:
        yield (
            f"{where}.switchoverTtlSeconds {found.switchover_ttl_seconds} is above {where}.ttlSeconds "
            f"{found.ttl_seconds}: the switchover lowers it, it never raises it"
        )
    if found.zone_id and found.private:
        yield f"{where}.private is true for the existing zone {where}.zoneId: leave it out, the zone has its kind"


def functions(found: sections.Functions, where: str = "switchover") -> Iterator[str]:
    """Yield the contradictions of what functions run on."""
    if found.architecture == "arm64" and found.runtime == "python3.11":
        yield (f"{where}.architecture arm64 needs {where}.runtime python3.12 or later: psycopg2's build is newer")


def switchover(found: sections.Switchover, writers: Mapping[str, str], where: str = "switchover") -> Iterator[str]:
    """Yield a switchover's contradictions. `writers` are roles that write, by the key that names them."""
    for key, mode in (("approval_seconds", "approved"), ("safe_seconds", "automatic")):
        if key in found.model_fields_set and found.mode != mode:
            alias = sections.Switchover.model_fields[key].alias
            yield f"{where}.{alias} is given, but {where}.mode is {found.mode}: leave it out, or write {mode}"
    if found.canary is None:
        return
    percents = found.canary.percents
    if list(percents) != sorted(set(percents)) or percents[-1] != 100:
        written = ", ".join(map(str, percents))
        yield f"{where}.canary.percents are {written}: write rising ones that end with 100"
    for key, role in writers.items():
        if role in found.canary.roles:
            yield f"{where}.canary.roles holds {key} {role}, which writes: name roles that only read"


def write_gap(found: sections.Switchover, names: sections.Dns) -> Iterator[str]:
    """Yield that no switchover could keep within its budget: clients follow the names only after so long."""
    least = names.switchover_ttl_seconds + names.propagation_seconds
    if least >= found.write_gap_seconds:
        yield (
            f"switchover.writeGapSeconds is {found.write_gap_seconds}, but clients may follow only after "
            f"dns.switchoverTtlSeconds {names.switchover_ttl_seconds} and dns.propagationSeconds "
            f"{names.propagation_seconds}: raise it above {least}"
        )


def apart(found: sections.Network, other: sections.Network, where: str, other_where: str) -> Iterator[str]:
    """Yield which blocks of two networks overlap: peering carries nothing between those."""
    if ipaddress.IPv4Network(found.cidr).overlaps(ipaddress.IPv4Network(other.cidr)):
        yield f"{where}.cidr {found.cidr} overlaps {other_where}.cidr {other.cidr}: peered networks need blocks apart"
