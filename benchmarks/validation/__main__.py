"""How fast two databases are compared, and whether every row that differs is found.

`python -m benchmarks.validation [--rows 2000000] [--runs 5] [--large 20000000] [--rates 500 2000]` starts two servers
and runs all contenders by turns on the same tables: identical, and with 15 rows that differ (10 changed, 3 missing, 2
extra). Seconds are from a program's start to its end. Beside them the limit: one hash aggregate a side, at once.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.validation import contenders, continuous, peers
from benchmarks.validation.contenders import Measured
from benchmarks.validation.peers import Peers
from benchmarks.validation.stage import PLANTED, Stage, Writer, started
from sandbox.databases.binaries import versions
from sandbox.errors import SandboxError

WRITES = 1_000.0
SETTLE_SECONDS = 3.0
WATCHED_ROWS = 300_000
NAMES = ["n", "name", "price", "at", "body", "note", "ok"]
Contender = Callable[[], Measured]
Others = Callable[[str, str, list[str]], Mapping[str, Contender]]
"""Returns those who compare a table, besides, by its name, key and columns."""


def by_turns(runs: int, rows: int, all_of: Mapping[str, Contender]) -> dict[str, Any]:
    """Run each contender once, then each once again, and return what they come to."""
    seen: dict[str, list[Measured]] = {name: [] for name in all_of}
    for number in range(runs):
        for name, run in all_of.items():
            seen[name].append(run())
            print(json.dumps({"run": number + 1, name: seen[name][-1]}), file=sys.stderr)
    return {name: _summary(rows, runs_of) for name, runs_of in seen.items()}


def _summary(rows: int, runs: list[Measured]) -> dict[str, Any]:
    seconds = statistics.median(run["seconds"] for run in runs)
    found: dict[str, Any] = {"seconds": round(seconds, 2), "rows_per_second": round(rows / seconds)}
    if "memory_mb" in runs[0]:
        found["memory_mb"] = round(max(run["memory_mb"] for run in runs), 1)
    for what in ("found", "verdict", "unsettled", "method"):
        if what in runs[0]:
            found[what] = sorted({run[what] for run in runs})
    return found


def pair(stage: Stage, others: Others, table: str, key: str, rows: int, runs: int) -> dict[str, Any]:
    """Compare a table, first identical, then with rows that differ."""
    columns = [*(["u"] if key == "id" else []), *NAMES]
    everybody: dict[str, Contender] = {
        "limit": lambda: contenders.limit(stage, table),
        "ours": lambda: contenders.ours(stage, table),
        "reladiff": lambda: contenders.reladiff(stage, table, key, columns, 1),
        "reladiff, 4 threads": lambda: contenders.reladiff(stage, table, key, columns, 4),
        **others(table, key, columns),
    }
    identical = by_turns(runs, rows, everybody)
    stage.spoil(table, rows)
    return {"identical": identical, "different": by_turns(runs, rows, everybody)}


def peers_on(stage: Stage, found: Peers | None) -> Others:
    """Return the peers that can be had, once the servers have what they need."""
    with_functions = found is not None and found.put_functions(stage)

    def of(table: str, key: str, columns: list[str]) -> dict[str, Contender]:
        ready: dict[str, Contender] = {}
        if found:
            ready["pgcopydb"] = lambda: contenders.pgcopydb(stage, found)
        if found and with_functions:
            ready["pg_comparator"] = lambda: contenders.pg_comparator(stage, found, table, key, columns)
        return ready

    return of


def under_writes(stage: Stage, table: str, rows: int) -> dict[str, Any]:
    """Compare a table that differs while an application writes and replication follows."""
    with stage.replicated([table]):
        with Writer(stage.old, [table], rows, WRITES) as writer:
            found = contenders.ours(stage, table, "--settle-seconds", str(SETTLE_SECONDS))
        stage.drain()
    return {"rows_written": writer.written, "planted": PLANTED, **found}


def outlier(stage: Stage, table: str, rows: int, runs: int) -> dict[str, Any]:
    """Compare a table with one key far beyond all others."""
    stage.run(f"UPDATE {table} SET id = 9000000000000000000 WHERE id = {rows}")  # noqa: S608
    stage.run(f"VACUUM (ANALYZE) {table}")
    return by_turns(
        runs, rows, {"limit": lambda: contenders.limit(stage, table), "ours": lambda: contenders.ours(stage, table)}
    )


def _from_disk(stage: Stage, run: Contender) -> Measured:
    stage.forget()
    return run()


def measure(asked: argparse.Namespace, stage: Stage, others: Others) -> dict[str, Any]:
    """Return all figures."""
    found: dict[str, Any] = {"continuous": [continuous.measure(stage, WATCHED_ROWS, rate) for rate in asked.rates]}
    stage.numbered("numbered", asked.rows)
    found["bigint_key"] = pair(stage, others, "numbered", "id", asked.rows, asked.runs)
    found["under_writes"] = under_writes(stage, "numbered", asked.rows)
    found["outlier_key"] = outlier(stage, "numbered", asked.rows, asked.runs)
    stage.run("DROP TABLE numbered")
    stage.random("random", asked.rows)
    found["uuid_key"] = pair(stage, others, "random", "u", asked.rows, asked.runs)
    stage.run("DROP TABLE random")
    if asked.large:
        stage.numbered("large", asked.large)
        large: dict[str, Contender] = {
            "limit": lambda: contenders.limit(stage, "large"),
            "ours": lambda: contenders.ours(stage, "large"),
        }
        found["large"] = {"rows": asked.large, **by_turns(min(asked.runs, 3), asked.large, large)}
        on_disk = {name: partial(_from_disk, stage, run) for name, run in large.items()}
        found["large_from_disk"] = {"rows": asked.large, **by_turns(min(asked.runs, 3), asked.large, on_disk)}
    return found


def main() -> None:
    """Measure what was asked for, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of a table (2000000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, of which the median counts (5)")
    parser.add_argument("--large", type=int, default=20_000_000, help="rows of the large table; 0 for none (20000000)")
    parser.add_argument(
        "--rates", type=float, nargs="*", default=[500.0, 2000.0], help="writes of the watch (500 2000)"
    )
    usual = ["17", "17"] if "17" in versions() else ["16", "18"]
    parser.add_argument(
        "--versions", nargs=2, default=usual, help=f"PostgreSQL of both sides; 17 for pg_comparator ({' '.join(usual)})"
    )
    asked = parser.parse_args()
    contenders.reladiff_python()
    missing, found = {}, None
    try:
        found = peers.fetch()
    except SandboxError as error:
        missing = dict.fromkeys(("pgcopydb", "pg_comparator"), str(error))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with started(folder, asked.versions) as stage:
            figures = measure(asked, stage, peers_on(stage, found))
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "servers": asked.versions, "fsync": "off"}
    report = {"benchmark": "validation", "machine": machine, "rows": asked.rows, "runs": asked.runs, **figures}
    print(json.dumps({**report, "missing": missing}, indent=1))


if __name__ == "__main__":
    main()
