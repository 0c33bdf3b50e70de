from typing import Any

import dns.message

from sandbox.dns.server import Zones, answer


class Route53:
    """A zone with an alias to a database's host, as if that were a load balancer's, and one that leads nowhere."""

    def list_hosted_zones(self) -> dict[str, Any]:
        return {"HostedZones": [{"Id": "Z1", "Name": "example.com."}]}

    def list_resource_record_sets(self, HostedZoneId: str, StartRecordName: str) -> dict[str, Any]:
        hosts = {"here.example.com.": "db.127-0-0-3.eu-west-1.rds.amazonaws.com.", "gone.example.com.": "lb.elb.test."}
        host = hosts.get(StartRecordName)
        if host is None:
            return {"ResourceRecordSets": []}
        alias = {"DNSName": host, "HostedZoneId": "ZELB", "EvaluateTargetHealth": True}
        record = {"Name": StartRecordName, "Type": "A", "SetIdentifier": "blue", "Weight": 1, "AliasTarget": alias}
        return {"ResourceRecordSets": [record]}


def ask(name: str) -> dns.message.Message:
    return answer(dns.message.make_query(name, "A"), Zones(Route53()))


def test_an_alias_is_answered_by_what_it_leads_to() -> None:
    [found] = ask("here.example.com").answer
    assert [str(one) for one in found] == ["127.0.0.3"]
    assert str(found.name) == "here.example.com."


def test_an_alias_of_nothing_has_no_answer() -> None:
    assert ask("gone.example.com").rcode() == dns.rcode.NXDOMAIN
