"""What a comparison costs behind a fence: the last round of a watch beside a digest of all that has changed."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.validation.stage import Stage, Writer
from handlers.core.comparison import Table
from handlers.validation.changes import Watch
from handlers.validation.equality import digest_query
from handlers.validation.subjects import find
from migrate.validate import EVERYTHING

TABLES = ("watched_1", "watched_2", "watched_3")
ROUNDS = 5
PAUSE_SECONDS = 1.0


def measure(stage: Stage, rows: int, rate: float) -> dict[str, Any]:
    """Follow three tables under writes, then stop, drain, and compare both ways."""
    for table in TABLES:
        stage.numbered(table, rows)
    try:
        names = [f"public.{table}" for table in TABLES]
        with stage.replicated(TABLES), stage.database(stage.old) as old, stage.database(stage.new) as new:
            subjects, _ = find(old, new, EVERYTHING, names, strict=False)
            watch = Watch(old, new, [(one.pair, one.old) for one in subjects])
            left = []
            with Writer(stage.old, TABLES, rows, rate) as writer:
                began = time.perf_counter()
                left.append(watch.round())
                first = time.perf_counter() - began
                for _ in range(ROUNDS):
                    time.sleep(PAUSE_SECONDS)
                    left.append(watch.round())
            stage.drain()
            began = time.perf_counter()
            verdict = watch.verdict()
            last = time.perf_counter() - began
            began = time.perf_counter()
            with ThreadPoolExecutor(2) as both:
                list(both.map(lambda database: [_digest(database, Table("public", one)) for one in TABLES], (old, new)))
            digest = time.perf_counter() - began
        return {
            "rows": rows,
            "tables": len(TABLES),
            "rate_wanted": rate,
            "rows_written": writer.written,
            "first_round_seconds": round(first, 3),
            "suspects_by_round": left,
            "last_round_seconds": round(last, 3),
            "digest_seconds": round(digest, 3),
            "equal": all(one.equal for one in verdict.values()),
        }
    finally:
        stage.run(f"DROP TABLE {', '.join(TABLES)}")


def _digest(database: Any, table: Table) -> Any:
    return database.rows(digest_query(table, database.tables()[table], by_value=True))
