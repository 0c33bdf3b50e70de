"""The writer's name, looked up as a sane client does: through one nameserver, kept no longer than its TTL."""

import threading
import time
from collections.abc import Callable

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

LOOKUP_SECONDS = 2.0
CHAIN_LENGTH = 8
"""CNAMEs followed in separate questions before a chain is taken for a loop."""


class NameFailure(Exception):
    """The name has no address now. The message says why."""


class Resolver:
    """Resolves one name to an IPv4 address and caches it for as long as its TTL allows. Safe for threads."""

    def __init__(self, name: str, server: str, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock, self._lock = name, clock, threading.Lock()
        self._stub = dns.resolver.Resolver(configure=False)
        self._stub.nameservers, self._stub.port = [server], port
        self._address, self._fresh_until = "", float("-inf")

    def address(self) -> str:
        """Return the address, from the cache or from the nameserver. Raises NameFailure."""
        with self._lock:
            if self._clock() >= self._fresh_until:
                self._address, ttl = self._lookup()
                self._fresh_until = self._clock() + ttl
            return self._address

    def _lookup(self) -> tuple[str, float]:
        """Return the address and the shortest TTL on the way to it."""
        name, ttl = dns.name.from_text(self._name), float("inf")
        for _ in range(CHAIN_LENGTH):
            try:
                answer = self._stub.resolve(
                    name, dns.rdatatype.A, lifetime=LOOKUP_SECONDS, raise_on_no_answer=False, search=False
                )
            except dns.exception.DNSException as error:
                raise NameFailure(f"{self._name}: {type(error).__name__}") from error
            ttl = min([ttl, *(alias.ttl for alias in answer.chaining_result.cnames)])
            if answer.rrset is not None:
                return str(answer.rrset[0].address), min(ttl, answer.rrset.ttl)
            if answer.canonical_name == name:
                raise NameFailure(f"{self._name}: no address")
            name = answer.canonical_name
        raise NameFailure(f"{self._name}: more than {CHAIN_LENGTH} aliases")
