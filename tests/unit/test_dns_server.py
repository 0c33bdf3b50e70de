from typing import Any

import dns.message
import dns.rcode

from sandbox.cloud.propagation import Propagation
from sandbox.dns.server import CannotAsk, Zones, answer, respond


def zone(name: str, *records: dict[str, Any]) -> dict[str, Any]:
    return {"Name": name, "Records": list(records)}


def alias(name: str, host: str) -> dict[str, Any]:
    target = {"DNSName": host, "HostedZoneId": "ZELB", "EvaluateTargetHealth": True}
    return {"Name": name, "Type": "A", "SetIdentifier": "blue", "Weight": 1, "AliasTarget": target}


ALIASES = zone(
    "example.com.",
    alias("here.example.com.", "db.127-0-0-3.eu-west-1.rds.amazonaws.com."),
    alias("gone.example.com.", "lb.elb.test."),
)


def ask(name: str) -> dns.message.Message:
    """Ask for a name of a zone with an alias to a database's host, as if that were a load balancer's."""
    return answer(dns.message.make_query(name, "A"), Zones(lambda: [ALIASES]))


def test_an_alias_is_answered_by_what_it_leads_to() -> None:
    [found] = ask("here.example.com").answer
    assert [str(one) for one in found] == ["127.0.0.3"]
    assert str(found.name) == "here.example.com."


def test_an_alias_of_nothing_has_no_answer() -> None:
    assert ask("gone.example.com").rcode() == dns.rcode.NXDOMAIN


def test_a_route_53_that_does_not_answer_is_a_failure_not_a_missing_name() -> None:
    def silent() -> list[dict[str, Any]]:
        raise CannotAsk("refused")

    reply = respond(dns.message.make_query("here.example.com", "A").to_wire(), Zones(silent))
    assert reply and dns.message.from_wire(reply).rcode() == dns.rcode.SERVFAIL


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def weighted(blue: int) -> list[dict[str, Any]]:
    """Return a zone whose writer leads to 127.0.0.2 with this weight, else to 127.0.0.3."""
    sides = {"blue": (blue, "127-0-0-2.example.net."), "green": (100 - blue, "127-0-0-3.example.net.")}
    shared = {"Name": "writer.example.com.", "Type": "CNAME", "TTL": "5"}
    records = [
        {**shared, "SetIdentifier": side, "Weight": weight, "ResourceRecords": [host]}
        for side, (weight, host) in sides.items()
    ]
    return [zone("example.com.", *records)]


def test_a_change_is_answered_when_it_has_arrived_and_not_before() -> None:
    clock = Clock()
    propagation = Propagation(10.0, clock)

    def writer() -> list[str]:
        found = answer(dns.message.make_query("writer.example.com", "A"), Zones(propagation.served)).answer
        return [str(one) for one in found[-1]] if found else []

    propagation.changed("C1", weighted(100))
    assert writer() == [] and propagation.pending("C1")
    clock.now = 106.0
    propagation.changed("C2", weighted(0))
    clock.now = 110.0
    assert writer() == ["127.0.0.2"]
    assert not propagation.pending("C1") and propagation.pending("C2")
    clock.now = 112.0
    propagation.changed("C3", weighted(100))
    clock.now = 116.0
    assert writer() == ["127.0.0.3"] and not propagation.pending("C2") and propagation.pending("C3")
    clock.now = 300.0
    assert writer() == ["127.0.0.2"] and not propagation.pending("C3")


def test_a_change_without_a_delay_is_answered_at_once() -> None:
    propagation = Propagation(0.0, Clock())
    propagation.changed("C1", weighted(100))
    assert propagation.served() == weighted(100) and not propagation.pending("C1")


def test_changes_made_at_the_same_moment_arrive_as_the_last_one_left_them() -> None:
    clock = Clock()
    propagation = Propagation(10.0, clock)
    for number, blue in enumerate((100, 50, 0)):
        propagation.changed(f"C{number}", weighted(blue))
    clock.now = 110.0
    assert propagation.served() == weighted(0)
