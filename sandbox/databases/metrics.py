"""What RDS and DMS report of their machines, measured on real processes.

`python -m sandbox.databases.metrics FILE REGION...`: the file is a JSON list of `Watched`. In each region it asks RDS
which cluster or instance each server stands for, and DMS for its replication instances, and sends CPU use, connections,
memory and storage to CloudWatch until it is ended. AWS reports once a minute.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.processes import end_with_parent

EVERY_SECONDS = 5.0
REPLICATION = "dms"
"""Address of the process that is every replication instance."""
ESTABLISHED = "01"
ENCODED = re.compile(r"\.(?:cluster-)?(127-\d+-\d+-\d+)\.")
"""A server's address in the host name RDS gives it in the sandbox."""
Dimensions = tuple[str, str]


@dataclass(frozen=True)
class Watched:
    """A process: where it listens if it is a database server, its number, and the folder of its data."""

    address: str
    port: int
    pid: int
    folder: str


def stands_for(
    clusters: Iterable[Mapping[str, Any]],
    instances: Iterable[Mapping[str, Any]],
    replication: Iterable[Mapping[str, Any]],
) -> dict[Dimensions, str]:
    """Return what is behind every cluster and instance, by the dimension of its metrics and its identifier.

    The arguments are what RDS's and DMS's describe calls answer.
    """
    hosts = {("DBClusterIdentifier", c["DBClusterIdentifier"]): c.get("Endpoint") or "" for c in clusters}
    hosts |= {
        ("DBInstanceIdentifier", i["DBInstanceIdentifier"]): (i.get("Endpoint") or {}).get("Address") or ""
        for i in instances
    }
    found = {dimensions: ENCODED.search(host) for dimensions, host in hosts.items()}
    servers = {dimensions: match[1].replace("-", ".") for dimensions, match in found.items() if match}
    moved = (i["ReplicationInstanceIdentifier"] for i in replication)
    return servers | {("ReplicationInstanceIdentifier", identifier): REPLICATION for identifier in moved}


def cpu_seconds(stats: Iterable[str], root: int) -> float:
    """Return the CPU seconds of a process with all it started, from the texts of /proc/*/stat."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for text in stats:
        pid, rest = int(text.split(" ", 1)[0]), text.rsplit(")", 1)[1].split()
        parents[pid] = int(rest[1])
        own, of_the_dead = rest[11:13], rest[13:15]
        ticks[pid] = sum(map(int, own + of_the_dead))

    def descends(pid: int) -> bool:
        while pid in parents:
            if pid == root:
                return True
            pid = parents[pid]
        return False

    return sum(count for pid, count in ticks.items() if descends(pid)) / os.sysconf("SC_CLK_TCK")


def connections(table: str, address: str, port: int) -> int:
    """Return how many connections a listener has, from the text of /proc/net/tcp."""
    local = f"{int.from_bytes(bytes(map(int, address.split('.'))), 'little'):08X}:{port:04X}"
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(1 for row in rows if row[1] == local and row[3] == ESTABLISHED)


def data(dimensions: Dimensions, today: datetime, values: Mapping[str, tuple[float, str]]) -> list[dict[str, Any]]:
    """Return CloudWatch's metric data; `values` are (value, unit) by metric name."""
    name, value = dimensions
    return [
        {
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value}],
            "Timestamp": today,
            "Value": number,
            "Unit": unit,
        }
        for metric, (number, unit) in values.items()
    ]


class Meter:
    """Measures one server; CPU use is that since the last look."""

    def __init__(self, server: Watched) -> None:
        self._server = server
        self._last = (time.monotonic(), self._cpu())

    def look(self) -> dict[str, tuple[float, str]]:
        """Return what RDS would report now: value and unit by metric."""
        server, (before, used_before) = self._server, self._last
        now, used = self._last = (time.monotonic(), self._cpu())
        busy = 100 * max(0.0, used - used_before) / ((now - before) or 1.0) / (os.cpu_count() or 1)
        memory = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        table = Path("/proc/net/tcp").read_text()
        clients = (
            {}
            if server.address == REPLICATION
            else {"DatabaseConnections": (float(connections(table, server.address, server.port)), "Count")}
        )
        return {
            **clients,
            "CPUUtilization": (min(100.0, busy), "Percent"),
            "FreeableMemory": (1024.0 * int(memory[1]) if memory else 0.0, "Bytes"),
            "FreeStorageSpace": (float(shutil.disk_usage(server.folder).free), "Bytes"),
        }

    def _cpu(self) -> float:
        return cpu_seconds(_stats(), self._server.pid)


def _stats() -> Iterable[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield path.read_text()
        except OSError:
            continue  # it has just ended


class Reporter:
    """Sends what the meters of a region's servers show to CloudWatch of that region."""

    def __init__(self, region: str, meters: Mapping[str, Meter]) -> None:
        once = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
        self._rds, self._dms, self._cloudwatch = (
            boto3.client(service, region_name=region, config=once) for service in ("rds", "dms", "cloudwatch")
        )
        self._meters = meters

    def report(self) -> None:
        """Look once. Raises BotoCoreError or ClientError where a service does not answer."""
        known = stands_for(
            self._rds.describe_db_clusters()["DBClusters"],
            self._rds.describe_db_instances()["DBInstances"],
            self._dms.describe_replication_instances()["ReplicationInstances"],
        )
        seen = {address: self._meters[address].look() for address in set(known.values()) & set(self._meters)}
        today = datetime.now(UTC)
        wanted: dict[str, list[dict[str, Any]]] = {}
        for dimensions, address in known.items():
            namespace = "AWS/DMS" if address == REPLICATION else "AWS/RDS"
            wanted.setdefault(namespace, []).extend(data(dimensions, today, seen.get(address, {})))
        for namespace, found in wanted.items():
            if found:
                self._cloudwatch.put_metric_data(Namespace=namespace, MetricData=found)


def main(file: str, *regions: str) -> None:
    """Measure until ended."""
    end_with_parent()
    servers = [Watched(**one) for one in json.loads(Path(file).read_text())]
    meters = {server.address: Meter(server) for server in servers}
    reporters = [Reporter(region, meters) for region in regions]
    while True:
        time.sleep(EVERY_SECONDS)
        for reporter in reporters:
            with contextlib.suppress(BotoCoreError, ClientError, OSError):
                reporter.report()  # a reading less: the alarms treat what is missing as they do on AWS


if __name__ == "__main__":
    main(*sys.argv[1:])
