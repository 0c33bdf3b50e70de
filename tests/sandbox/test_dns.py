"""Route 53's delay in a sandbox: its API shows a change at once, its DNS answers as before until it is INSYNC."""

import os
from collections.abc import Iterator
from typing import Any

import dns.resolver
import pytest

from sandbox import instance as instances
from sandbox import lifecycle
from sandbox.instance import Instance
from sandbox.lifecycle import Options

BLUE, GREEN = "127.0.0.2", "127.0.0.3"
WRITER = "writer.slow.example."


@pytest.fixture(scope="module")
def slow() -> Iterator[Instance]:
    """A sandbox whose changes take three seconds, with nothing deployed."""
    name = f"sandbox-slow-{os.getpid()}"
    instance = lifecycle.start(Options(name, end_with_parent=True, dns_propagation=3.0), print)
    try:
        yield instance
    finally:
        instances.stop(name)


class Writer:
    """A name that leads to one of two addresses."""

    def __init__(self, instance: Instance) -> None:
        self._route53 = instance.client("route53")
        created = self._route53.create_hosted_zone(Name="slow.example.", CallerReference="unit")
        self._zone = created["HostedZone"]["Id"]
        self._stub = dns.resolver.Resolver(configure=False)
        self._stub.nameservers, self._stub.port = ["127.0.0.1"], instance.ports.dns

    def lead_to(self, address: str) -> str:
        """Change the record and return the change's id."""
        record = {"Name": WRITER, "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": address}]}
        batch: Any = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        answer = self._route53.change_resource_record_sets(HostedZoneId=self._zone, ChangeBatch=batch)
        return str(answer["ChangeInfo"]["Id"])

    def listed(self) -> str:
        """Return where the name leads by Route 53's API."""
        page = self._route53.list_resource_record_sets(HostedZoneId=self._zone, StartRecordName=WRITER)
        return str(page["ResourceRecordSets"][0]["ResourceRecords"][0]["Value"])

    def answered(self) -> str:
        """Return where the name leads by DNS, "" where it is not known."""
        try:
            return str(self._stub.resolve(WRITER, "A", lifetime=5)[0])
        except dns.resolver.NXDOMAIN:
            return ""

    def status(self, change: str) -> str:
        """Return whether a change is PENDING or INSYNC."""
        return str(self._route53.get_change(Id=change)["ChangeInfo"]["Status"])

    def follow(self, change: str) -> tuple[set[str], str]:
        """Return what DNS answered while a change was pending, and what it answered when it was no longer."""
        while_pending = set()
        while True:
            before, address, after = self.status(change), self.answered(), self.status(change)
            if before == "INSYNC":
                return while_pending, address
            if after == "PENDING":
                while_pending.add(address)


def test_dns_follows_each_change_in_its_turn(slow: Instance) -> None:
    writer = Writer(slow)
    first = writer.lead_to(BLUE)
    assert (writer.listed(), writer.status(first)) == (BLUE, "PENDING")
    assert writer.follow(first) == ({""}, BLUE)
    second, third = writer.lead_to(GREEN), writer.lead_to(BLUE)
    fourth = writer.lead_to(GREEN)
    assert (writer.listed(), writer.status(fourth)) == (GREEN, "PENDING")
    assert writer.follow(second)[0] == {BLUE}
    assert writer.follow(fourth)[1] == GREEN
    assert [writer.status(change) for change in (first, second, third)] == ["INSYNC"] * 3
