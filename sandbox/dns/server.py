"""Answers DNS on loopback: `python -m sandbox.dns.server PORT`, over UDP and TCP.

Names in a hosted zone are answered from what Route 53's name servers have, asked anew each time, by weight and with
the record's time to live.
Host names that encode a loopback address, such as a cluster's endpoint, are answered with that address.
"""

import http.client
import json
import os
import random
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.dns.names import loopback_address

HOST_TTL = 5
"""Seconds that an address may be kept: what Aurora's own endpoints have."""
MAX_CHAIN = 8
SERVED = "/2013-04-01/sandbox/served"
"""Where the sandbox's Route 53 says what its name servers have: `cloud/route53_repairs.py`."""
ASK_SECONDS = 5.0

RecordSet = Mapping[str, Any]
Zone = Mapping[str, Any]


class CannotAsk(Exception):
    """Route 53 does not answer. The message says why."""


def choose(records: Sequence[RecordSet], draw: float) -> RecordSet:
    """Return one of the records of a name by weight, `draw` being in [0, 1). All zero: each is as likely, as on AWS."""
    weights = [float(record.get("Weight", 1)) for record in records]
    if not any(weights):
        weights = [1.0] * len(records)
    point = draw * sum(weights)
    for record, weight in zip(records, weights, strict=True):
        point -= weight
        if point < 0:
            return record
    return records[-1]


class Zones:
    """The zones of Route 53's name servers. `ask` returns every zone with its `Name` and its `Records`."""

    def __init__(self, ask: Callable[[], Sequence[Zone]]) -> None:
        self._ask = ask

    def records(self, name: str) -> list[RecordSet]:
        """Return the record sets of a name that lead somewhere, from the zone that fits it best."""
        zones = [zone for zone in self._ask() if f".{name}".endswith(f".{zone['Name']}")]
        if not zones:
            return []
        zone = max(zones, key=lambda z: len(z["Name"]))
        return [r for r in zone["Records"] if r["Name"].lower() == name and r["Type"] in ("A", "CNAME")]


def ask(host: str, port: int) -> Sequence[Zone]:
    """Return the zones that the sandbox's Route 53 says its name servers have. Raises CannotAsk."""
    connection = http.client.HTTPConnection(host, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", SERVED)
        answered = connection.getresponse()
        said = answered.read()
        if answered.status != http.client.OK:
            raise CannotAsk(f"{host}:{port}{SERVED}: {answered.status} {answered.reason}")
        zones: list[Zone] = json.loads(said)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CannotAsk(f"{host}:{port}{SERVED}: {error}") from error
    finally:
        connection.close()
    return zones


def answer(query: dns.message.Message, zones: Zones) -> dns.message.Message:
    """Return the response to a query: a chain of CNAMEs and the address at its end."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA | dns.flags.RA
    question = query.question[0]
    shown = name = question.name.to_text().lower()
    for _ in range(MAX_CHAIN):
        address = loopback_address(name)
        if address is not None:
            if question.rdtype == dns.rdatatype.A:
                response.answer.append(dns.rrset.from_text(shown, HOST_TTL, "IN", "A", address))
            return response
        records = zones.records(name)
        if not records:
            break
        record = choose(records, random.random())
        if "AliasTarget" in record:  # whoever asks sees what it leads to under the name they asked for
            name = record["AliasTarget"]["DNSName"].lower().rstrip(".") + "."
            continue
        values = record["ResourceRecords"]
        response.answer.append(dns.rrset.from_text(shown, int(record["TTL"]), "IN", record["Type"], *values[:1]))
        if record["Type"] == "A":
            return response
        shown = name = values[0].rstrip(".").lower() + "."
        response.answer[-1] = dns.rrset.from_text(response.answer[-1].name, int(record["TTL"]), "IN", "CNAME", name)
    if not response.answer:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response


def respond(wire: bytes, zones: Zones) -> bytes | None:
    """Return the answer to a message, SERVFAIL where Route 53 can't be asked, None for what is no query."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    try:
        return answer(query, zones).to_wire()
    except CannotAsk:
        failed = dns.message.make_response(query)
        failed.set_rcode(dns.rcode.SERVFAIL)
        return failed.to_wire()


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    allow_reuse_address = True
    zones: Zones


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    zones: Zones


class _UdpHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, socket = self.request
        reply = respond(wire, self.server.zones)  # type: ignore[attr-defined]
        if reply:
            socket.sendto(reply, self.client_address)


class _TcpHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while header := self.rfile.read(2):
            [size] = struct.unpack("!H", header)
            reply = respond(self.rfile.read(size), self.server.zones)  # type: ignore[attr-defined]
            if not reply:
                return
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


def serve(port: int) -> None:
    """Serve until the process is ended."""
    cloud = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    zones = Zones(partial(ask, cloud.hostname or "", cloud.port or 80))
    udp, tcp = _Udp(("127.0.0.1", port), _UdpHandler), _Tcp(("127.0.0.1", port), _TcpHandler)
    udp.zones = tcp.zones = zones
    threading.Thread(target=udp.serve_forever, daemon=True).start()
    print(f"DNS ready on {port}", flush=True)
    tcp.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
