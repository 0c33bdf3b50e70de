"""The names that lead to the databases."""

from collections.abc import Iterator

from handlers.core.names import BLUE
from handlers.preflight.findings import Found, Severity, Side
from handlers.preflight.remedies import advice, config
from handlers.preflight.rule import Case, rule

LONG_TTL = 300


@rule(
    "writer-weights",
    3,
    severity=Severity.BLOCK,
    side=Side.PAIR,
    what="A name does not lead to the source whole",
    why="Weights between 0 and 100 on a writer's name are two writers.",
)
def writer_weights(case: Case) -> Iterator[Found]:
    """Names that were moved by hand."""
    for name, weights in sorted(case.terms.weights.items()):
        if any((weight == 0) is (side == BLUE) for side, weight in weights.items()):
            yield Found(
                name,
                f"its weights are {', '.join(f'{side} {weight}' for side, weight in sorted(weights.items()))}",
                advice("set blue to 100 and green to 0 in Route 53, in one change batch"),
                Side.SOURCE,
            )


@rule(
    "long-ttl",
    5,
    severity=Severity.WARN,
    side=Side.PAIR,
    what="The names' time to live is long",
    why="A switchover lowers it first and waits until the old one has run out.",
)
def long_ttl(case: Case) -> Iterator[Found]:
    """Times to live above five minutes."""
    if case.terms.ttl_seconds > LONG_TTL:
        found = f"{case.terms.ttl_seconds} s: so long every switchover waits before it begins"
        yield Found("dns.ttlSeconds", found, config("dns:\n  ttlSeconds: 60"), Side.SOURCE)


RULES = (
    writer_weights,
    long_ttl,
)
