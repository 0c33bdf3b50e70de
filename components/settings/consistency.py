"""What is wrong in a section though every key of it alone is right. `where` is what the configuration calls it."""

import difflib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from components.dms_mirror import meets, obstacles
from components.dms_settings import CONTROL_SCHEMA, TableRule
from components.dms_transformations import REMOVE, RENAME, SCHEMA, TransformationRule, changed, level, locator
from components.name_patterns import covers, overlap
from components.settings import automation, ends, replication, sections, windows
from components.settings.preflight import IDS, Preflight

AURORA_MYSQL = ".mysql_aurora."
"""What parts MySQL's version from Aurora's release of it."""
LONGEST_ALTERNATING = 61
"""Characters of a role's name that can have two more: PostgreSQL knows 63."""
BEFORE_SERVERLESS = ("3.00", "3.01")
"""Releases of Aurora MySQL 3 without Serverless v2."""


def policy(found: sections.Policy, where: str = "policy") -> Iterator[str]:
    """Yield that exceptions are made where there may be none."""
    refused = [one.rule for one in found.exceptions if one.rule not in sections.EXCEPTED_ANYWHERE]
    if refused and found.environment != "development":
        yield (
            f"{where}.exceptions are given from {', '.join(refused)}, but {where}.environment is {found.environment}: "
            f"mend what they except from, or write {where}.environment development"
        )


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


def target(found: ends.Target, where: str = "target") -> Iterator[str]:
    """Yield a target's contradictions."""
    for section, engines in ends.KINDS.items():
        if section in found.model_fields_set and found.engine not in engines:
            known = " or ".join(engines)
            yield f"{where}.{section} is given, but {where}.engine is {found.engine}: leave it out, or write {known}"
    yield from _version(found, where)
    yield from _aurora(found, where)
    if 0 < found.secret_recovery_days < 7:
        yield f"{where}.secretRecoveryDays is {found.secret_recovery_days}: write 0, or days from 7 to 30"
    if windows.overlap(found.backup_window, found.maintenance_window):
        yield (
            f"{where}.backupWindow {found.backup_window} overlaps {where}.maintenanceWindow "
            f"{found.maintenance_window}: AWS refuses that; move one"
        )


def _version(found: ends.Target, where: str) -> Iterator[str]:
    """Yield that a version is none of its engine's."""
    engine, version = found.engine, found.engine_version
    if engine == "mysql" and version.count(".") == 0:
        yield f"{where}.engineVersion {version} names no MySQL: write its major version, for example 8.4"
    if engine == "aurora-mysql" and version.partition(AURORA_MYSQL)[0].count(".") != 1:
        example = ends.ENGINE_DEFAULTS[engine]["version"]
        yield f"{where}.engineVersion {version} names no Aurora MySQL: write it as RDS does, for example {example}"
    if engine != "aurora-mysql" and AURORA_MYSQL in version:
        yield f"{where}.engineVersion {version} is an Aurora MySQL's, but {where}.engine is {engine}: change one"


def _aurora(found: ends.Target, where: str) -> Iterator[str]:
    """Yield what contradicts the class of a cluster's instances."""
    aurora, version = found.aurora, found.engine_version
    if aurora.instance_class == ends.SERVERLESS:
        major, _, release = version.partition(AURORA_MYSQL)
        if found.engine == "aurora-mysql" and (major == "5.7" or release.startswith(BEFORE_SERVERLESS)):
            yield (
                f"{where}.engineVersion {version} is older than Serverless v2: write 8.0.mysql_aurora.3.02.0 or later, "
                f"or a class in {where}.aurora.instanceClass"
            )
        if aurora.minimum_capacity > aurora.maximum_capacity:
            yield (
                f"{where}.aurora.minimumCapacity {aurora.minimum_capacity} is above {where}.aurora.maximumCapacity "
                f"{aurora.maximum_capacity}: lower it"
            )
        return
    for key, alias in (("minimum_capacity", "minimumCapacity"), ("maximum_capacity", "maximumCapacity")):
        if key in aurora.model_fields_set:
            yield (
                f"{where}.aurora.{alias} is given, but {where}.aurora.instanceClass is {aurora.instance_class}, which "
                "does not scale: leave one out"
            )


def rotated_by_nobody(found: ends.Target, where: str) -> Iterator[str]:
    """Yield that a password is to change which neither RDS nor a function of the stack changes."""
    if found.instance.read_replicas and "master_rotation_days" in found.model_fields_set:
        yield (
            f"{where}.masterRotationDays is given, but RDS manages no master password of an instance with read "
            "replicas: leave it out, and change the password by hand"
        )


def rotation(found: automation.Rotation, users: ends.Target, where: str = "rotation") -> Iterator[str]:
    """Yield what keeps users from taking turns."""
    name = users.application_username
    if found.application.users == "alternating" and len(name) > LONGEST_ALTERNATING:
        yield (
            f"target.applicationUsername {name} is longer than {LONGEST_ALTERNATING} characters, which leaves no room "
            f"for the names of the users that take turns: shorten it, or write {where}.application.users single"
        )
    if users.replication_username in (name, f"{name}_a", f"{name}_b"):
        yield (
            f"target.replicationUsername {users.replication_username} is one that logs in for "
            f"target.applicationUsername {name}: choose another"
        )


def postgres_alone(found: ends.Target, where: str = "target") -> Iterator[str]:
    """Yield that a target runs MySQL where something is moved to it."""
    if found.engine in ends.MYSQL:
        yield (
            f"{where}.engine is {found.engine}, but a migration's functions and DMS settings know PostgreSQL alone: "
            "write aurora-postgresql or postgres, or choose composition database"
        )


def authority(side: ends.Verified, where: str) -> Iterator[str]:
    """Yield that a certificate is to be verified without an authority, or that there is one for nothing."""
    if side.ssl_mode == "verify-full" and side.certificate_bundle is None:
        yield (
            f"{where}.sslMode is verify-full, but {where}.certificateBundle is missing: name a PEM file with the "
            "authority of its certificate (for RDS download AWS's bundle of the region)"
        )
    if side.ssl_mode != "verify-full" and side.certificate_bundle is not None:
        yield (
            f"{where}.certificateBundle is given, but {where}.sslMode {side.ssl_mode} verifies nobody: write "
            "verify-full, or leave the bundle out"
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


def functions(found: automation.Functions, where: str = "switchover") -> Iterator[str]:
    """Yield the contradictions of what functions run on."""
    if found.architecture == "arm64" and found.runtime == "python3.11":
        yield (f"{where}.architecture arm64 needs {where}.runtime python3.12 or later: psycopg2's build is newer")


def switchover(found: automation.Switchover, writers: Mapping[str, str], where: str = "switchover") -> Iterator[str]:
    """Yield a switchover's contradictions. `writers` are roles that write, by the key that names them."""
    for key, mode in (("approval_seconds", "approved"), ("safe_seconds", "automatic")):
        if key in found.model_fields_set and found.mode != mode:
            alias = automation.Switchover.model_fields[key].alias
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


def preflight(found: Preflight) -> Iterator[str]:
    """Yield excuses for rules that there are not, which would excuse nothing, and a census that nobody could pass."""
    if found.census.required and not (found.census.managed or found.census.excused):
        yield (
            "preflight.census.required is true, but no client could be known: name in preflight.census.managed the "
            "application names that connection strings with the managed name set"
        )
    for number, one in enumerate(found.excused_rules):
        if one.rule not in IDS:
            near = difflib.get_close_matches(one.rule, IDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/preflight.md has them all"
            yield f"preflight.excusedRules[{number}].rule is {one.rule}: there is no such rule; {hint}"


def write_gap(found: automation.Switchover, names: sections.Dns) -> Iterator[str]:
    """Yield that no switchover could keep within its budget: clients follow the names only after so long."""
    least = names.switchover_ttl_seconds + names.propagation_seconds
    if least >= found.write_gap_seconds:
        yield (
            f"switchover.writeGapSeconds is {found.write_gap_seconds}, but clients may follow only after "
            f"dns.switchoverTtlSeconds {names.switchover_ttl_seconds} and dns.propagationSeconds "
            f"{names.propagation_seconds}: raise it above {least}"
        )


def serverless(
    found: replication.Replication,
    switchover: automation.Switchover,
    network: sections.Network,
    network_where: str = "network",
) -> Iterator[str]:
    """Yield what DMS Serverless can't do, or can't do there."""
    if found.serverless is None:
        return
    least, most = found.serverless.minimum_capacity_units, found.serverless.maximum_capacity_units
    if least > most:
        yield (
            f"replication.serverless.minimumCapacityUnits {least} is above "
            f"replication.serverless.maximumCapacityUnits {most}: lower it"
        )
    if switchover.fail_back:
        yield (
            "replication.serverless is given, but switchover.failBack is true: DMS Serverless starts at no position of "
            "the log, so nothing can be carried back; write switchover.failBack false, or leave serverless out"
        )
    if found.secondary_indexes == "afterLoad":
        yield (
            "replication.secondaryIndexes is afterLoad, but replication.serverless gives its capacity back when it is "
            "stopped: write beforeLoad"
        )
    for name in ("instance_class", "storage_gb", "engine_version"):
        if name in found.model_fields_set:
            yield (
                f"replication.{type(found).model_fields[name].alias} is given, but replication.serverless has no "
                "instance: leave one of them out"
            )
    if "secretsmanager" not in network.interface_endpoints:
        yield (
            f"replication.serverless is given, but {network_where}.interfaceEndpoints lacks secretsmanager, which DMS "
            "Serverless reaches through an endpoint of the VPC alone: add it"
        )


def apart(found: sections.Network, other: sections.Network, where: str, other_where: str) -> Iterator[str]:
    """Yield which blocks of two networks overlap: peering carries nothing between those."""
    if ipaddress.IPv4Network(found.cidr).overlaps(ipaddress.IPv4Network(other.cidr)):
        yield f"{where}.cidr {found.cidr} overlaps {other_where}.cidr {other.cidr}: peered networks need blocks apart"


def transformations(
    found: replication.Replication, moved: automation.Switchover, where: str = "replication"
) -> Iterator[str]:
    """Yield what keeps a replication's changes of names from being carried out, or from being taken back."""
    tables: list[TableRule] = [
        {"schema": table.schema_name, "table": table.table, "action": table.action} for table in found.tables
    ]
    rules = [transformation.rule for transformation in found.transformations]
    if rules and found.secondary_indexes == "afterLoad":
        yield (
            f"{where}.secondaryIndexes is afterLoad, but {where}.transformations change names that indexes are carried "
            "by: write beforeLoad"
        )
    for number, rule in enumerate(rules):
        key = f"{where}.transformations[{number}]"
        names = locator(rule)
        if overlap(rule["schema"], CONTROL_SCHEMA):
            yield f"{key}.schema {rule['schema']} takes in {CONTROL_SCHEMA}, which keeps its name: name the schemas"
        included = any(meets(table, names) for table in tables if table["action"] == "include")
        if not included or (level(rule) != SCHEMA and _excluded(names, tables)):
            yield f"{key} changes {'.'.join(names)}, which {where}.tables does not select: select it, or take this out"
        for other, before in enumerate(rules[:number]):
            yield from _clash(rule, before, key, f"{where}.transformations[{other}]")
    if moved.fail_back:
        for number, why in obstacles(tables, rules):
            yield (
                f"{where}.transformations[{number}] has no way back ({why}), and switchover.failBack is true: change "
                "it, or write switchover.failBack false"
            )


def _excluded(names: Sequence[str], tables: Sequence[TableRule]) -> bool:
    """Say whether all that `names` matches is excluded."""
    return any(
        covers(table["schema"], names[0]) and covers(table.get("table", "%"), names[1])
        for table in tables
        if table.get("action") == "exclude"
    )


def _clash(rule: TransformationRule, other: TransformationRule, key: str, other_key: str) -> Iterator[str]:
    """Yield that two transformations change the same thing, or make one name of two."""
    if level(rule) != level(other):
        return
    names, before = locator(rule), locator(other)
    if all(map(overlap, names, before)):
        yield f"{key} and {other_key} both change {'.'.join(names)}: DMS takes one each; leave one out"
    elif (
        all(map(overlap, names[:-1], before[:-1]))
        and RENAME in (rule["action"], other["action"])
        and REMOVE not in (rule["action"], other["action"])
        and overlap(changed(names[-1], rule), changed(before[-1], other))
    ):
        yield f"{key} and {other_key} may give two things one name, {changed(names[-1], rule)}: choose another"
