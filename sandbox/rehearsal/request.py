"""What a person asks of a rehearsal."""

from dataclasses import dataclass
from pathlib import Path

from sandbox import stack
from sandbox.lifecycle import Options
from sandbox.paths import BUILD


@dataclass(frozen=True)
class Request:
    """What a person asked for.

    `seconds` is how long the load runs around the attempts, at `rate` writes a second. `dns_propagation` is how many
    seconds Route 53's name servers take to follow a change. `plants` are what is wrong with the source on purpose.
    """

    name: str = "sandbox-rehearsal"
    stack_config: str = stack.DEFAULT_CONFIG
    dump: Path | None = None
    rows: int = 300_000
    seed: int = 7
    rate: float = 500.0
    seconds: float = 25.0
    fail_back: bool = True
    dns_propagation: float = 0.0
    keep: bool = False
    database_port: int | None = None
    source_version: str = Options.source_version
    target_version: str = Options.target_version
    plants: tuple[str, ...] = ()
    output: Path = BUILD / "rehearsal"
