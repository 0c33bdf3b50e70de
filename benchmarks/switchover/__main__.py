"""How long nobody can write: many switchovers and fail-backs under load.

`python -m benchmarks.switchover [--cycles 20] [--rates 500 2000] [--rows 300000]` deploys the dev stack into a sandbox
per rate and goes there and back again, each round from the same rows. Two figures, never mixed: *fence to open* is
ours, from the migration's record; the *write gap* is the application's, its longest time without an acknowledged write.
It holds its sessions; where DNS is slow, somebody who connects anew for each write is measured beside it.

Beside it: the databases alone (the same SQL by a script, no call of AWS's), the plain way (weights flipped at a lag
below 60 s, no fence: what it loses), and one round for each time that DNS may take to follow.
"""

import argparse
import json
import os
import platform
from typing import Any

from benchmarks.switchover import cycle, plain
from benchmarks.switchover.figures import spread, steps
from benchmarks.switchover.newcomer import Newcomer
from benchmarks.switchover.stage import deployed, tell
from sandbox.rehearsal.writes import MODES, SHOP

MARGIN_SECONDS = 5.0


def at_rate(rate: float, rows: int, mode: str, cycles: int) -> dict[str, Any]:
    """Return what many rounds at a rate come to."""
    runs = []
    with deployed(_name("cycles"), rows, mode) as stage:
        for number in range(1, cycles + 1):
            if number > 1:
                stage.renew()
            runs.append(cycle.run(stage, rate, number))
            tell({"rate": rate, "round": number, **runs[-1]})
    return summary(rate, runs)


def summary(rate: float, runs: list[cycle.Raw]) -> dict[str, Any]:
    """Return the figures of all rounds."""
    found: dict[str, Any] = {
        "rate_wanted": rate,
        "rate_reached": spread(run["rate_reached"] for run in runs)["p50"],
        "rounds": len(runs),
        "acknowledged_writes": sum(run["acknowledged_writes"] for run in runs),
        "lost_writes": sum(run["lost_writes"] for run in runs),
        "duplicated_writes": sum(run["duplicated_writes"] for run in runs),
        "machine_load": spread(run["machine_load"] for run in runs),
    }
    for direction in ("forward", "back"):
        attempts = [run[direction] for run in runs]
        beside = [run["alone"][direction] for run in runs]
        found[direction] = {
            "fence_to_open_seconds": spread(one["fence_to_open"] for one in attempts),
            "write_gap_seconds": spread(one["write_gap"] for one in attempts),
            "steps_seconds": steps(attempts),
            "rows_compared": spread(one["rows"] for one in attempts)["p50"],
            "databases_alone": {
                "fence_to_open_seconds": spread(one["fence_to_open"] for one in beside),
                "steps_seconds": steps(beside),
            },
            "overhead_seconds": spread(
                one["fence_to_open"] - other["fence_to_open"] for one, other in zip(attempts, beside, strict=True)
            ),
        }
    return found


def with_slow_dns(rate: float, rows: int, propagation: float) -> dict[str, Any]:
    """Return what one round comes to where Route 53's servers take so many seconds to follow a change."""
    with deployed(_name("dns"), rows, dns_propagation=propagation) as stage, Newcomer(stage) as newcomer:
        run = cycle.run(stage, rate, 1, settle=propagation + MARGIN_SECONDS, beside=False)
    tell({"dns_propagation": propagation, **run})
    moments = run["moments"]
    windows = {"forward": (moments["forward"], moments["back"]), "back": (moments["back"], moments["end"])}
    return {
        "propagation_seconds": propagation,
        **{
            direction: {
                "fence_to_open_seconds": round(run[direction]["fence_to_open"], 3),
                "write_gap_seconds": round(run[direction]["write_gap"], 3),
                "gap_of_who_connects_anew_seconds": round(newcomer.longest_gap(*window), 3),
            }
            for direction, window in windows.items()
        },
        **{what: run[what] for what in ("acknowledged_writes", "lost_writes", "duplicated_writes")},
    }


def plain_way(rate: float, rows: int, lag: float) -> dict[str, Any]:
    """Return what one plain switchover loses."""
    with deployed(_name("plain"), rows) as stage:
        found = {"rate": rate, "lag_wanted_seconds": lag, **plain.switch(stage, rate, lag)}
    tell({"plain": found})
    return found


def _name(what: str) -> str:
    return f"sandbox-switchover-benchmark-{what}-{os.getpid()}"


def main() -> None:
    """Measure what was asked for, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.switchover", description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=20, help="rounds per rate; 0 for none (20)")
    parser.add_argument("--rates", type=float, nargs="*", default=[500.0, 2000.0], help="writes per second (500 2000)")
    parser.add_argument("--rows", type=int, default=300_000, help="rows of the source (300000)")
    parser.add_argument(
        "--mode",
        choices=sorted(MODES),
        default=SHOP,
        help="what is written: orders, each some seven rows in five tables, or single rows (shop)",
    )
    parser.add_argument("--lags", type=float, nargs="*", default=[0.0, 10.0], help="lags of the plain way (0 10)")
    parser.add_argument("--dns", type=float, nargs="*", default=[0.0, 10.0, 60.0], help="DNS's delays (0 10 60)")
    asked = parser.parse_args()
    found = {
        "benchmark": "switchover",
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "fsync": "off"},
        "rows": asked.rows,
        "mode": asked.mode,
        "rates": [at_rate(rate, asked.rows, asked.mode, asked.cycles) for rate in asked.rates if asked.cycles],
        "plain_way": [plain_way(500.0, asked.rows, lag) for lag in asked.lags],
        "dns": [with_slow_dns(500.0, asked.rows, seconds) for seconds in asked.dns],
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
